package httpapi

import (
	"math"
	"reflect"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// wireTypes gives the named Go types of answers their schemas.
func wireTypes() map[reflect.Type]schema {
	return map[reflect.Type]schema{
		reflect.TypeFor[timestamp]():                {"type": "string", "format": "date-time"},
		reflect.TypeFor[metering.ProjectID]():       projectIDSchema(),
		reflect.TypeFor[metering.RegionID]():        regionIDSchema(),
		reflect.TypeFor[access.KeyID]():             nameOfThing(),
		reflect.TypeFor[report.ClientID]():          nameOfThing(),
		reflect.TypeFor[access.ClientNumber]():      integerFromTo(1, math.MaxInt64),
		reflect.TypeFor[access.RequestsPerSecond](): integerFromTo(1, access.MaxRequestsPerSecond).describe("Requests a second."),
	}
}

// nameOfThing is the id of a key or client.
func nameOfThing() schema {
	return boundedText(access.MaxIDLength).with("pattern", "^[-0-9A-Za-z]*$")
}

// freeName is a name that people give.
func freeName() schema {
	return schema{"type": "string", "maxLength": access.MaxNameLength, "pattern": noControls}
}

// administrationSchemas follow from the types that the server answers with, but
// for the bodies that it reads.
func administrationSchemas() map[string]schema {
	known := wireTypes()
	schemas := map[string]schema{
		"Key":           withRoles(schemaOf(reflect.TypeFor[keyBody](), known)).describe("A key without its secret. projects, regions and types are null where it is not narrowed, client where it stands above all clients."),
		"NewKey":        withRoles(schemaOf(reflect.TypeFor[newKeyBody](), known)).describe("The only answer that has the token."),
		"Client":        schemaOf(reflect.TypeFor[clientBody](), known),
		"Project":       schemaOf(reflect.TypeFor[projectBody](), known),
		"Region":        schemaOf(reflect.TypeFor[regionBody](), known),
		"GcoreProject":  schemaOf(reflect.TypeFor[gcoreProject](), known).describe("A project in the shape of Gcore Cloud. client_id is the client's number."),
		"GcoreRegion":   schemaOf(reflect.TypeFor[gcoreRegion](), known).describe("A region in the shape of Gcore Cloud. What Meterbook does not know has the most neutral value that the contract allows."),
		"KeyCreation":   objectSchema(with(keyMembers(), "client", nameOfThing().orNull().describe("null: above all clients. Left out: as the key that asks.")), "roles"),
		"KeyChange":     objectSchema(keyMembers()).describe("What is left out stays as it is."),
		"ClientChange":  objectSchema(map[string]schema{"name": freeName()}),
		"ProjectChange": objectSchema(projectMembers()),
		"RegionChange":  objectSchema(regionMembers()),
	}
	schemas["ClientCreation"] = objectSchema(map[string]schema{"id": nameOfThing(), "name": freeName()}, "id")
	schemas["ProjectCreation"] = objectSchema(with(projectMembers(), "id", projectIDSchema()), "id")
	schemas["RegionCreation"] = objectSchema(with(regionMembers(), "id", regionIDSchema()), "id")
	for _, item := range []string{"Key", "Client", "Project", "Region", "GcoreProject", "GcoreRegion"} {
		schemas[item+"List"] = answerSchema(map[string]schema{
			"count":   integerFromTo(0, math.MaxInt64).describe("All that exist for the key, whatever the page."),
			"results": listSchema(schemaRef(item)).with("maxItems", MaxPageSize),
		})
	}
	for _, contract := range []string{"GcoreProject", "GcoreRegion"} {
		members := schemas[contract]["properties"].(map[string]schema)
		for _, name := range []string{"created_at", "created_on"} {
			if members[name] != nil {
				members[name] = printedTimeSchema()
			}
		}
	}
	return schemas
}

func with(members map[string]schema, name string, s schema) map[string]schema {
	members[name] = s
	return members
}

// withRoles says which texts the roles and types of a key are.
func withRoles(key schema) schema {
	members := key["properties"].(map[string]schema)
	members["roles"] = listSchema(enumOf(access.RoleNames()...)).with("minItems", 1)
	members["types"] = listSchema(enumOf(typeNames()...)).with("minItems", 1).orNull()
	return key
}

func keyMembers() map[string]schema {
	narrowing := func(items schema) schema {
		return listSchema(items).with("minItems", 1).orNull().describe("What the key is narrowed to; null: as wide as the key that asks.")
	}
	return map[string]schema{
		"name":       freeName(),
		"roles":      listSchema(enumOf(access.RoleNames()...)).with("minItems", 1).describe("reader: reports and lists; writer: sends events, nothing else; admin: both, and manages keys, clients, projects, regions."),
		"projects":   narrowing(projectIDSchema()).with("maxItems", access.MaxNarrowedIDs),
		"regions":    narrowing(regionIDSchema()).with("maxItems", access.MaxNarrowedIDs),
		"types":      narrowing(enumOf(typeNames()...)),
		"rate_limit": integerFromTo(1, access.MaxRequestsPerSecond).orNull().describe("Requests a second; null: the server's default."),
		"expires_at": instantSchema().orNull().describe("From then on the key is refused; null: never."),
	}
}

func projectMembers() map[string]schema {
	return map[string]schema{
		"client":      nameOfThing().describe("The client that owns it."),
		"name":        freeName(),
		"description": freeName(),
	}
}

func regionMembers() map[string]schema {
	return map[string]schema{
		"name":    freeName(),
		"country": schema{"type": "string", "pattern": "^([A-Z]{2})?$", "description": "ISO 3166-1 alpha-2; empty: unknown."},
	}
}

package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// What follows are projects and regions in the shape of Gcore Cloud, with every
// member that official clients require. What Meterbook does not know has the
// most neutral value that the contract allows: null, false or a zero.

// gcoreProject is the contract's project.
type gcoreProject struct {
	ID          metering.ProjectID `json:"id"`
	ClientID    int64              `json:"client_id"` // the client's number
	CreatedAt   string             `json:"created_at"`
	DeletedAt   *string            `json:"deleted_at"`
	Description *string            `json:"description"`
	IsDefault   bool               `json:"is_default"`
	Name        string             `json:"name"`
	State       string             `json:"state"`
	TaskID      *string            `json:"task_id"`
}

func (x *exchange) gcoreProject(p *report.Project) gcoreProject {
	return gcoreProject{
		ID: p.ID, ClientID: int64(x.backend.Access.ClientNumber(p.Client)), CreatedAt: wholeSecond(p.CreatedAt),
		Description: given(p.Description), Name: projectName(p), State: "ACTIVE",
	}
}

// projectName is the name that official clients see: they require one.
func projectName(p *report.Project) string {
	return cmp.Or(p.Name, fmt.Sprintf("project-%d", p.ID))
}

// listGcoreProjects lists for official clients: parameters that have no meaning
// here are ignored, since they send some.
func listGcoreProjects(x *exchange) error {
	q := x.query()
	order := q.choice("order_by", "name.asc", "name.desc", "created_at.asc", "created_at.desc")
	all := x.visibleProjects()
	if name := q.values.Get("name"); name != "" {
		all = slices.DeleteFunc(all, func(p report.Project) bool { return projectName(&p) != name })
	}
	sortAs(all, order, map[string]func(a, b *report.Project) int{
		"name":       func(a, b *report.Project) int { return cmp.Compare(projectName(a), projectName(b)) },
		"created_at": func(a, b *report.Project) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) },
	})
	return list(x, q, all, x.gcoreProject)
}

// sortAs sorts stably by "<field>.<asc or desc>", not at all for "". Ties stay
// in the order of the ids in either direction.
func sortAs[T any](all []T, order string, fields map[string]func(a, b *T) int) {
	field, direction, _ := strings.Cut(order, ".")
	compare := fields[field]
	if compare == nil {
		return
	}
	slices.SortStableFunc(all, func(a, b T) int {
		if direction == "desc" {
			return compare(&b, &a)
		}
		return compare(&a, &b)
	})
}

func getGcoreProject(x *exchange) error {
	p, err := x.project()
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, x.gcoreProject(&p))
}

// gcoreRegion is the contract's region.
type gcoreRegion struct {
	ID                   metering.RegionID `json:"id"`
	AccessLevel          string            `json:"access_level"`
	AvailableVolumeTypes *[]string         `json:"available_volume_types"`
	Coordinates          *struct{}         `json:"coordinates"`
	Country              string            `json:"country"`
	CreatedAt            string            `json:"created_at"`
	CreatedOn            string            `json:"created_on"`
	DDoSEndpointID       *int64            `json:"ddos_endpoint_id"`
	DisplayName          string            `json:"display_name"`
	EndpointType         string            `json:"endpoint_type"`
	ExternalNetworkID    *string           `json:"external_network_id"`
	FileShareTypes       *[]string         `json:"file_share_types"`
	HasAI                bool              `json:"has_ai"`
	HasAIGPU             bool              `json:"has_ai_gpu"`
	HasBaremetal         bool              `json:"has_baremetal"`
	HasBasicVM           bool              `json:"has_basic_vm"`
	HasDBaaS             bool              `json:"has_dbaas"`
	HasDDoS              bool              `json:"has_ddos"`
	HasK8s               bool              `json:"has_k8s"`
	HasKVM               bool              `json:"has_kvm"`
	HasSFS               bool              `json:"has_sfs"`
	KeystoneID           metering.RegionID `json:"keystone_id"`
	KeystoneName         string            `json:"keystone_name"`
	MetricsDatabaseID    *int64            `json:"metrics_database_id"`
	Slug                 string            `json:"slug"`
	State                string            `json:"state"`
	TaskID               *string           `json:"task_id"`
	VLANPhysicalNetwork  string            `json:"vlan_physical_network"`
	Zone                 *string           `json:"zone"`
}

// unknownCountry is the code that ISO 3166 leaves to users; CLDR gives it the
// meaning "unknown".
const unknownCountry = "ZZ"

func bodyOfGcoreRegion(r *report.Region) gcoreRegion {
	created, name := wholeSecond(r.CreatedAt), regionName(r)
	return gcoreRegion{
		ID: r.ID, AccessLevel: "core", Country: cmp.Or(r.Country, unknownCountry), CreatedAt: created, CreatedOn: created,
		DisplayName: name, EndpointType: "public", KeystoneID: r.ID, KeystoneName: name, Slug: slug(name), State: "ACTIVE",
	}
}

func regionName(r *report.Region) string { return cmp.Or(r.Name, fmt.Sprintf("region-%d", r.ID)) }

// slug keeps ASCII letters and digits, in lower case, with single hyphens for
// what is between them: "Luxembourg 2" is luxembourg-2.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	return strings.Join(words, "-")
}

func listGcoreRegions(x *exchange) error {
	q := x.query()
	order := q.choice("order_by", "display_name.asc", "display_name.desc", "created_at.asc", "created_at.desc")
	all := x.visibleRegions()
	if name := q.values.Get("display_name"); name != "" {
		all = slices.DeleteFunc(all, func(r report.Region) bool { return !strings.EqualFold(regionName(&r), name) })
	}
	sortAs(all, order, map[string]func(a, b *report.Region) int{
		"display_name": func(a, b *report.Region) int { return cmp.Compare(regionName(a), regionName(b)) },
		"created_at":   func(a, b *report.Region) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) },
	})
	return list(x, q, all, bodyOfGcoreRegion)
}

func getGcoreRegion(x *exchange) error {
	r, err := x.region()
	if err != nil {
		return err
	}
	return x.json(http.StatusOK, bodyOfGcoreRegion(&r))
}

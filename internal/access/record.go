package access

import (
	"encoding/hex"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// Names of records: the prefix and the id.
const (
	keyPrefix    = "key/"
	clientPrefix = "client/"
)

// formatVersion is in every record. A program reads its own version only.
const formatVersion = 1

// keyRecord is a key on disk. Instants are nanoseconds since 1970, UTC, 0 for
// none; absent lists are not narrowed.
type keyRecord struct {
	Version   int                   `json:"version"`
	Name      string                `json:"name"`
	Client    report.ClientID       `json:"client"`
	Roles     []string              `json:"roles"`
	Projects  *[]metering.ProjectID `json:"projects,omitzero"`
	Regions   *[]metering.RegionID  `json:"regions,omitzero"`
	Types     *[]string             `json:"types,omitzero"`
	RateLimit RequestsPerSecond     `json:"requests_per_second"`
	CreatedAt metering.Instant      `json:"created_at_ns"`
	CreatedBy KeyID                 `json:"created_by"`
	ExpiresAt metering.Instant      `json:"expires_at_ns"`
	RevokedAt metering.Instant      `json:"revoked_at_ns"`
	Secret    string                `json:"secret_sha256"` // hex
}

type clientRecord struct {
	Version   int              `json:"version"`
	Name      string           `json:"name"`
	Number    ClientNumber     `json:"number"`
	CreatedAt metering.Instant `json:"created_at_ns"`
}

func encodeKey(k *Key) ([]byte, error) {
	rec := keyRecord{
		Version: formatVersion, Name: k.Name, Client: k.Client, Roles: k.Roles.Names(), RateLimit: k.RateLimit,
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
		Secret: hex.EncodeToString(k.secret[:]),
	}
	if !k.Narrowing.Projects.All {
		rec.Projects = &k.Narrowing.Projects.Items
	}
	if !k.Narrowing.Regions.All {
		rec.Regions = &k.Narrowing.Regions.Items
	}
	if names, narrowed := TypeNames(k.Narrowing.Types); narrowed {
		rec.Types = &names
	}
	return json.Marshal(&rec)
}

// TypeNames lists the types of a narrowing by name; narrowed is false when it
// holds all types.
func TypeNames(types report.TypeSet) (names []string, narrowed bool) {
	for _, t := range metering.ResourceTypes() {
		if types.Contains(t) {
			names = append(names, t.String())
		}
	}
	return names, types != report.AllTypes
}

func decodeKey(id KeyID, value []byte) (Key, error) {
	var rec keyRecord
	if err := readRecord(value, &rec); err != nil {
		return Key{}, err
	}
	k := Key{
		ID: id, Name: rec.Name, Client: rec.Client, Narrowing: report.FullScope(), RateLimit: rec.RateLimit,
		CreatedAt: rec.CreatedAt, CreatedBy: rec.CreatedBy, ExpiresAt: rec.ExpiresAt, RevokedAt: rec.RevokedAt,
	}
	for _, name := range rec.Roles {
		role, known := RoleNamed(name)
		if !known {
			return k, fmt.Errorf("unknown role %q", name)
		}
		k.Roles |= Roles(role)
	}
	if rec.Projects != nil {
		k.Narrowing.Projects = report.Only(*rec.Projects...)
	}
	if rec.Regions != nil {
		k.Narrowing.Regions = report.Only(*rec.Regions...)
	}
	if rec.Types != nil {
		k.Narrowing.Types = 0
		for _, name := range *rec.Types {
			t, known := metering.ResourceTypeNamed(name)
			if !known {
				return k, fmt.Errorf("unknown resource type %q", name)
			}
			k.Narrowing.Types |= report.TypesOf(t)
		}
	}
	hash, err := hex.DecodeString(rec.Secret)
	if err != nil || len(hash) != len(k.secret) {
		return k, fmt.Errorf("the secret's hash is not %d bytes in hex", len(k.secret))
	}
	k.secret = secretHash(hash)
	return k, nil
}

func encodeClient(c *Client) ([]byte, error) {
	return json.Marshal(&clientRecord{Version: formatVersion, Name: c.Name, Number: c.Number, CreatedAt: c.CreatedAt})
}

func decodeClient(id report.ClientID, value []byte) (Client, error) {
	var rec clientRecord
	err := readRecord(value, &rec)
	return Client{ID: id, Name: rec.Name, Number: rec.Number, CreatedAt: rec.CreatedAt}, err
}

// readRecord looks at the version first: a newer record may have members, or
// forms of them, that are unknown here.
func readRecord(value []byte, rec any) error {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return fmt.Errorf("decode its version: %w", err)
	}
	if head.Version != formatVersion {
		return fmt.Errorf("its format version is %d, this program reads %d; use the program that wrote it", head.Version, formatVersion)
	}
	return json.Unmarshal(value, rec, json.RejectUnknownMembers(true))
}

package access

import "strings"

// Role is a set of rights that a key has (spec 1-usage-report, "Keys").
type Role uint8

const (
	Reader Role = 1 << iota // reports, lists of projects and regions
	Writer                  // sends observations, nothing else
	Admin                   // both, and manages keys, clients, projects, regions

	// AnyRole is required where every key may.
	AnyRole = Reader | Writer | Admin
)

// Roles is a set of roles.
type Roles uint8

// RolesOf returns the set of the given roles.
func RolesOf(roles ...Role) Roles {
	var s Roles
	for _, r := range roles {
		s |= Roles(r)
	}
	return s
}

// RoleNames lists the names of all roles.
func RoleNames() []string { return []string{Reader.String(), Writer.String(), Admin.String()} }

// RoleNamed finds a role by its name.
func RoleNamed(name string) (Role, bool) {
	for _, r := range []Role{Reader, Writer, Admin} {
		if r.String() == name {
			return r, true
		}
	}
	return 0, false
}

// String returns the role's name.
func (r Role) String() string {
	switch r {
	case Reader:
		return "reader"
	case Writer:
		return "writer"
	case Admin:
		return "admin"
	case AnyRole:
		return "any"
	}
	return "no role"
}

// Allow reports whether the roles include r; an admin may do all.
func (s Roles) Allow(r Role) bool { return s&Roles(r) != 0 || s&Roles(Admin) != 0 }

// Names lists the roles as they were given.
func (s Roles) Names() []string {
	names := []string{}
	for _, r := range []Role{Reader, Writer, Admin} {
		if s&Roles(r) != 0 {
			names = append(names, r.String())
		}
	}
	return names
}

// String lists the names.
func (s Roles) String() string { return strings.Join(s.Names(), ", ") }

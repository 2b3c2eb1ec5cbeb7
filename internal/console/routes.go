package console

import (
	"slices"

	"github.com/meterbook/meterbook/client"
)

// routes are the pages for those who have signed in, in the order of the bar.
func (c *Console) routes() []route {
	reader := []string{client.RoleReader}
	return append([]route{
		{"GET /usage", "Usage", reader, showUsage},
		{"GET " + downloadAddress, "", reader, downloadUsage},
	}, append(sourcesRoutes(), adminRoutes()...)...)
}

// allows reports whether a key with these roles may see the page. An admin may
// see all.
func (r *route) allows(roles []string) bool {
	return len(r.roles) == 0 || slices.Contains(roles, client.RoleAdmin) ||
		slices.ContainsFunc(r.roles, func(role string) bool { return slices.Contains(roles, role) })
}

package access

import (
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// RequireWhole gives KindForbidden unless the key is an admin's that belongs to
// no client and is not narrowed. what names what only such keys may do, because
// it shows or touches everything.
func (c *Caller) RequireWhole(what string) error {
	if err := c.RequireAboveClients(what); err != nil {
		return err
	}
	return c.RequireNotNarrowed(what)
}

// RequireNotNarrowed gives KindForbidden unless the key is an admin's that covers
// all of its client. what names what only such keys may do, because it is not told
// apart by what a key can be narrowed to.
func (c *Caller) RequireNotNarrowed(what string) error {
	if err := c.Require(Admin); err != nil {
		return err
	}
	if scopeWithin(report.FullScope(), c.key.Narrowing) {
		return nil
	}
	return metering.Errorf(metering.KindForbidden, "Only an admin key that is not narrowed may %s; key %s is", what, c.key.ID)
}

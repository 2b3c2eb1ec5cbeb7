package access

import "github.com/meterbook/meterbook/internal/metering"

// RequireWhole gives KindForbidden unless the key is an admin's that belongs to
// no client and is not narrowed. what names what only such keys may do, because
// it shows or touches everything.
func (c *Caller) RequireWhole(what string) error {
	if err := c.RequireAboveClients(what); err != nil {
		return err
	}
	if c.key.root() {
		return nil
	}
	return metering.Errorf(metering.KindForbidden, "Only an admin key that is not narrowed may %s; key %s is", what, c.key.ID)
}

package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzFlags: a flag takes a day that the program reads in a request just so, a
// type that exists, and a resource that is written the same again.
func FuzzFlags(f *testing.F) {
	for _, text := range []string{"2024-07-01", "2024-07-01T00:00:00+02:00", "2024-02-30", "now", "instance,volume", "", "10/76/instance/3c90c3cc-0d44-4b50-8888-8dd25736052a", "1/2/3", "10/76/instance/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var day dayFlag
		if err := day.Set(text); err == nil {
			at, _, ok := metering.ParseTimestamp(text)
			date, isDate := metering.ParseDate(text)
			if want := day.time.Unix(); day.String() != text || !ok && !isDate || ok && at.Unix != want || isDate && date != metering.Day(want/secondsPerDay) && want >= 0 {
				t.Errorf("%q is read as %s", text, day.time)
			}
		}
		var types typesFlag
		if err := types.Set(text); err == nil {
			for _, name := range strings.Split(types.String(), ",") {
				if _, known := metering.ResourceTypeNamed(name); !known {
					t.Errorf("%q is taken for types", text)
				}
			}
		} else if len(err.Error()) > 2000+len(text)*6 {
			t.Errorf("%q: a message of %d bytes", text, len(err.Error()))
		}
		if r, err := parseResource(text); err == nil {
			if again, err := parseResource(fmt.Sprintf("%d/%d/%s/%s", r.ProjectID, r.RegionID, r.Type, r.ID)); err != nil || again != r {
				t.Errorf("%q is read as %+v, and when written as %+v, %v", text, r, again, err)
			}
		}
	})
}

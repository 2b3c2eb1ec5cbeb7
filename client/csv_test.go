package client

import (
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestCSVHasAColumnForEachMemberOfAnyType(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for _, resourceType := range metering.ResourceTypes() {
		for _, member := range resourceType.LineFields() {
			want[member] = true
		}
	}
	for _, column := range csvColumns() {
		if !want[column.name] {
			t.Errorf("column %s is twice there or no member", column.name)
		}
		delete(want, column.name)
	}
	for member := range want {
		t.Errorf("no column for %s", member)
	}
}

func TestTextsThatSpreadsheetsComputeAreGuarded(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "web-1": "web-1", "=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "é": "é",
	} {
		if got := withoutFormula(given); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
}

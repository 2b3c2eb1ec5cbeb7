package cli

import "testing"

func TestTheProgramIsNamedAsAShellFindsIt(t *testing.T) {
	t.Parallel()
	const made, cached = "/tmp/go-build3213/b001/exe/meterbook", "/root/.cache/go-build/ab/abcd-d/meterbook"
	for _, c := range []struct {
		arg0, file string
		sources    bool
		want       string
	}{
		{"meterbook", "/usr/bin/meterbook", false, "meterbook"},
		{"mb", "/usr/bin/meterbook", true, "mb"},
		{"./meterbook", "/home/me/meterbook", true, "/home/me/meterbook"},
		{"./meterbook", "/home/me/it's here/meterbook", false, `'/home/me/it'\''s here/meterbook'`},
		{made, made, true, "go run ./cmd/meterbook"},
		{made, made, false, made},
		{cached, cached, true, "go run ./cmd/meterbook"},
		{cached, cached, false, cached},
	} {
		if got := invocation(c.arg0, c.file, c.sources); got != c.want {
			t.Errorf("%s as %s, sources %v: %s, want %s", c.file, c.arg0, c.sources, got, c.want)
		}
	}
}

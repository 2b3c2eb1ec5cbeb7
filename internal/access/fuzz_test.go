package access

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

// FuzzAuthenticate: just the token of a key is let in, in the forms that are
// allowed, and what is said to others names no secret.
func FuzzAuthenticate(f *testing.F) {
	const id, secret = "root-key", "0123456789abcdef0123456789abcdef"
	for _, header := range []string{
		"", " ", "apikey", "apikey " + id + "$" + secret, "Bearer " + id + "_" + secret, "APIKEY\t" + id + "$" + secret, "apikey  " + id + "$" + secret + " ",
		"apikey " + id + "$", "apikey $" + secret, "apikey " + id + "$" + secret + "$" + secret, "Basic cm9vdDpyb290", "apikey " + strings.Repeat("x", 65) + "$" + secret, "apikey \xff$\x00",
	} {
		f.Add(header)
	}
	right := regexp.MustCompile(`^[ \t]*(?i:apikey|bearer) [ \t]*` + id + `[$_]` + secret + `[ \t]*$`)
	registry, err := Open(f.Context(), &MemoryRecords{}, Options{Clock: func() metering.Instant { return start }})
	if err != nil {
		f.Fatal(err)
	}
	if _, _, err := registry.Bootstrap(f.Context(), id+"$"+secret); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		caller, err := registry.Authenticate(header)
		if (err == nil) != right.MatchString(header) || (caller == nil) != (err != nil) {
			t.Fatalf("%q is let in: %v, %v", header, caller, err)
		}
		kind := metering.KindOf(err)
		if missing := strings.Trim(header, " \t") == ""; err != nil && kind != metering.KindBadToken && (kind != metering.KindUnauthenticated || !missing) {
			t.Errorf("%q: %v", header, err)
		}
		if err == nil {
			return
		}
		before, hidden := header, ""
		if i := strings.IndexAny(header, separators); i >= 0 {
			before, hidden = header[:i], strings.Trim(header[i+1:], " \t")
		}
		if len(hidden) >= MinSecretLength && strings.Contains(err.Error(), hidden) && !strings.Contains(before, hidden) || len(err.Error()) > 200 {
			t.Errorf("%q is echoed: %v", header, err)
		}
	})
}

// FuzzAdminToken: a token that an operator brings is refused, or can stand in a
// header and is read there as the same one. Printing it shows no secret.
func FuzzAdminToken(f *testing.F) {
	for _, text := range []string{"", "a$0123456789abcdef", "a_0123456789abcdef", "a$b$0123456789abcdef", "a$0123456789abcde", "ä$0123456789abcdef", "a$0123456789 abcdef"} {
		f.Add(text)
	}
	valid := regexp.MustCompile(`^([A-Za-z0-9-]{1,64})[$_]([!-~]{16,256})$`)
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseAdminToken(text)
		parts := valid.FindStringSubmatch(text)
		if (err == nil) != (parts != nil) {
			t.Fatalf("%q: %v", text, err)
		}
		if err != nil {
			if metering.KindOf(err) != metering.KindInvalid {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if string(token.ID) != parts[1] || token.secret != parts[2] || token.String() != parts[1]+"$…" {
			t.Errorf("%q is read as %s with %q", text, token, token.secret)
		}
		if again, err := parseAdminToken(token.Reveal()); err != nil || again != token {
			t.Errorf("%q is revealed as %q, which is read as %+v, %v", text, token.Reveal(), again, err)
		}
	})
}

// FuzzRecord: the record of a key or a client is refused, or says the same when
// it is written and read again.
func FuzzRecord(f *testing.F) {
	for _, text := range []string{
		`{"version":1,"name":"Acme Limited","number":2,"created_at_ns":1795380765348687918}`,
		`{"version":1,"name":"billing","client":"","roles":["reader"],"projects":[10],"types":["instance","volume"],"requests_per_second":0,"created_at_ns":1,"created_by":"7s5s","expires_at_ns":2,"revoked_at_ns":3,"secret_sha256":"f5225aa545d5b838063419e7c7c973366902231f3acc06b6d5238cee1cd8f82c"}`,
		`{"version":1,"name":"one digit too many","secret_sha256":"f5225aa545d5b838063419e7c7c973366902231f3acc06b6d5238cee1cd8f82c0"}`,
		`{"version":1,"name":"a byte too many","secret_sha256":"f5225aa545d5b838063419e7c7c973366902231f3acc06b6d5238cee1cd8f82cff"}`,
		`{"version":2}`, `{}`, ``, `null`, `{"version":1,"version":1}`, `{"version":1,"roles":null,"regions":[]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if k, err := decodeKey("id", value); err == nil {
			written, err := encodeKey(&k)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			again, err := decodeKey("id", written)
			if err != nil || !reflect.DeepEqual(k, again) {
				t.Errorf("%q is read as %+v, and when written as %+v, %v", value, k, again, err)
			}
			if last, err := encodeKey(&again); err != nil || !bytes.Equal(last, written) {
				t.Errorf("%s is written as %s, %v", written, last, err)
			}
		}
		if c, err := decodeClient("id", value); err == nil {
			written, err := encodeClient(&c)
			if err != nil {
				t.Fatalf("%q: %v", value, err)
			}
			if again, err := decodeClient("id", written); err != nil || again != c {
				t.Errorf("%q is read as %+v, and when written as %+v, %v", value, c, again, err)
			}
		}
	})
}

package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
)

func TestBothTokenFormsAndSchemesAreAccepted(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.key(f.root, newKey("", Reader))
	id, secret, _ := strings.Cut(token.Reveal(), "$")
	for _, header := range []string{
		"apikey " + id + "$" + secret, "APIKey " + id + "$" + secret, "ApiKey " + id + "_" + secret,
		"Bearer " + id + "$" + secret, "bearer " + id + "_" + secret, "  apikey   " + id + "$" + secret + " ",
	} {
		c, err := f.Authenticate(header)
		if err != nil {
			t.Errorf("%q: %v", header[:8], err)
		} else if c.Key().ID != token.ID {
			t.Errorf("%q is key %s", header[:8], c.Key().ID)
		}
	}
}

func TestMissingHeaderIsUnauthenticated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, header := range []string{"", "  "} {
		_, err := f.Authenticate(header)
		wantKind(t, err, metering.KindUnauthenticated, "Authentication credentials were not provided.")
	}
}

func TestBadTokenNamesTheIDAndNeverTheSecret(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const secret = "s3cr3ts3cr3ts3cr3t"
	_, known := f.key(f.root, newKey("", Reader))
	for header, text := range map[string]string{
		"apikey nobody$" + secret:                          "Bad permanent token: nobody",
		"apikey nobody_" + secret:                          "Bad permanent token: nobody",
		"apikey " + string(known.ID) + "$" + secret:        "Bad permanent token: " + string(known.ID),
		"apikey " + string(known.ID) + "$":                 "Bad permanent token: " + string(known.ID),
		"apikey " + secret:                                 "Bad permanent token: expected",
		"apikey $" + secret:                                "Bad permanent token: expected",
		"apikey " + strings.Repeat("a", 65) + "$" + secret: "Bad permanent token: expected",
		"apikey a b$" + secret:                             "Bad permanent token: expected",
		"apikey nö$" + secret:                              "Bad permanent token: expected",
		"apikey":                                           "Bad permanent token: expected",
		"Basic " + known.Reveal():                          "Bad permanent token: expected",
		known.Reveal():                                     "Bad permanent token: expected",
	} {
		_, err := f.Authenticate(header)
		wantKind(t, err, metering.KindBadToken, text)
		if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), known.secret)) {
			t.Errorf("%q echoes the secret: %v", header, err)
		}
	}
}

func TestExpiredKeyIsRefusedFromItsExpiryOn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	n, end := newKey("", Reader), start+10
	n.ExpiresAt = &end
	_, token := f.key(f.root, n)
	f.now = end - 1
	f.as(token.Reveal())
	f.now = end
	_, err := f.Authenticate("apikey " + token.Reveal())
	wantKind(t, err, metering.KindBadToken, "Bad permanent token: "+string(token.ID))
}

func TestRevocationWorksAtOnceAndOutlivesARestart(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	_, token := f.key(f.root, newKey("", Reader))
	for range 2 { // to revoke again changes nothing
		k, err := f.RevokeKey(t.Context(), f.root, token.ID)
		if err != nil || k.RevokedAt != start {
			t.Fatalf("revoked at %v, %v", k.RevokedAt, err)
		}
		_, err = f.Authenticate("apikey " + token.Reveal())
		wantKind(t, err, metering.KindBadToken, string(token.ID))
		f.reopen()
		f.now++
	}
}

func TestTokenIsShownOnlyOnPurpose(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	k, token, err := f.CreateKey(t.Context(), f.root, newKey("", Reader))
	if err != nil {
		t.Fatal(err)
	}
	if len(token.secret)*5 < 128 {
		t.Errorf("secret of %d base 32 characters has fewer than 128 bits", len(token.secret))
	}
	for _, text := range []string{fmt.Sprint(token), fmt.Sprintf("%+v %#v %s", token, token, token), fmt.Sprintf("%+v", k)} {
		if strings.Contains(text, token.secret) {
			t.Errorf("%q shows the secret", text)
		}
	}
	stored, err := f.records.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range stored {
		if strings.Contains(string(value), token.secret) {
			t.Errorf("record %s holds the secret", name)
		}
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	r, err := Open(b.Context(), &MemoryRecords{}, Options{Clock: func() metering.Instant { return start }})
	if err != nil {
		b.Fatal(err)
	}
	token, _, err := r.Bootstrap(b.Context(), "")
	if err != nil {
		b.Fatal(err)
	}
	header := "apikey " + token
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Authenticate(header); err != nil {
			b.Fatal(err)
		}
	}
}

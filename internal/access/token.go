package access

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	"github.com/meterbook/meterbook/internal/metering"
)

// KeyID names a key: 1 to MaxIDLength of the characters A-Z, a-z, 0-9 and "-".
type KeyID string

// Limits of ids and secrets.
const (
	MaxIDLength     = 64
	MinSecretLength = 16  // characters, of a secret that an operator brings
	MaxSecretLength = 256 // characters

	idBytes     = 10 // 16 characters
	secretBytes = 20 // 160 random bits, 32 characters
)

// separators stand between id and secret; no id contains one.
const separators = "$_"

type secretHash [sha256.Size]byte

func hashSecret(secret string) secretHash { return sha256.Sum256([]byte(secret)) }

// Token is what a caller shows: the key's id and its secret. Printing or
// logging it gives the id only.
type Token struct {
	ID     KeyID
	secret string
}

// Reveal returns the token with its secret, "<id>$<secret>". It is meant for
// the one answer that hands the token out.
func (t Token) Reveal() string { return string(t.ID) + "$" + t.secret }

// String returns the id; the secret stays out of messages and logs.
func (t Token) String() string { return string(t.ID) + "$…" }

// GoString is String, for the %#v verb.
func (t Token) GoString() string { return t.String() }

// splitToken takes "<id>$<secret>" or "<id>_<secret>" apart.
func splitToken(text string) (t Token, ok bool) {
	i := strings.IndexAny(text, separators)
	if i < 0 || !validID(text[:i]) {
		return Token{}, false
	}
	return Token{ID: KeyID(text[:i]), secret: text[i+1:]}, true
}

// parseAdminToken reads the token that an operator brings.
func parseAdminToken(text string) (Token, error) {
	t, ok := splitToken(text)
	if !ok {
		return Token{}, metering.Errorf(metering.KindInvalid,
			"the admin token must be <id>$<secret>, its id 1 to %d characters of A-Z, a-z, 0-9 and -", MaxIDLength)
	}
	if n := len(t.secret); n < MinSecretLength || n > MaxSecretLength || strings.ContainsFunc(t.secret, outsideHeader) {
		return Token{}, metering.Errorf(metering.KindInvalid,
			"the secret of admin token %s must have %d to %d visible ASCII characters without spaces", t.ID, MinSecretLength, MaxSecretLength)
	}
	return t, nil
}

// outsideHeader finds what cannot stand in an Authorization header.
func outsideHeader(r rune) bool { return r <= ' ' || r > '~' }

func validID(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= MaxIDLength
}

// randomText returns n random bytes in lower-case base 32: letters and digits
// only, so that it needs no quoting in a shell, a header or a URL.
func randomText(random io.Reader, n int) (string, error) {
	raw := make([]byte, n)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("read %d random bytes: %w", n, err)
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)), nil
}

func newToken(random io.Reader) (Token, error) {
	id, err := randomText(random, idBytes)
	if err != nil {
		return Token{}, err
	}
	secret, err := randomText(random, secretBytes)
	return Token{ID: KeyID(id), secret: secret}, err
}

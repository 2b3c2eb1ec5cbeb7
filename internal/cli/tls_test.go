package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meterbook/meterbook/client"
)

// newCertificate writes a certificate for 127.0.0.1 and its key into a folder.
func newCertificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", secret), pool
}

func TestServeSpeaksTLS(t *testing.T) {
	t.Parallel()
	certFile, keyFile, pool := newCertificate(t)
	p := launch(t, openModel, map[string]string{adminTokenVariable: adminToken},
		"serve", "--listen", "127.0.0.1:0", "--tls-cert", certFile, "--tls-key", keyFile)
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	if !strings.HasPrefix(url, "https://") {
		t.Errorf("url %s", url)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	trusting, err := client.New(url, adminToken, client.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	defer trusting.Close()
	if _, err := trusting.Keys(t.Context()); err != nil {
		t.Error(err)
	}

	// A certificate that nobody trusts is told at once, with the remedy.
	doubting := launch(t, nil, map[string]string{"METERBOOK_URL": url, "METERBOOK_TOKEN": adminToken}, "keys", "list")
	if log := doubting.end(t, ExitUnavailable); !strings.Contains(log, "certificate") || !strings.Contains(log, "SSL_CERT_FILE") {
		t.Errorf("log %s", log)
	}

	// Neither scheme is taken for the other.
	_, port, _ := strings.Cut(url, "https://127.0.0.1:")
	careless := launch(t, nil, map[string]string{"METERBOOK_URL": "http://127.0.0.1:" + port}, "keys", "list")
	if log := careless.end(t, ExitUnavailable); !strings.Contains(log, "the server speaks HTTPS") || !strings.Contains(log, "Write https:// in METERBOOK_URL") {
		t.Errorf("log %s", log)
	}
	p.stop()
	p.end(t, ExitOK)
}

func TestAServerWithoutTLSIsToldFromOneThatIsDown(t *testing.T) {
	t.Parallel()
	p := launch(t, openModel, map[string]string{adminTokenVariable: adminToken}, "serve", "--listen", "127.0.0.1:0")
	url := p.await(t, "listening")["url"].(string)
	p.await(t, "ready")
	careful := launch(t, nil, map[string]string{"METERBOOK_URL": strings.Replace(url, "http:", "https:", 1)}, "keys", "list")
	if log := careful.end(t, ExitUnavailable); !strings.Contains(log, "the server speaks HTTP;") || !strings.Contains(log, "Write http:// in METERBOOK_URL") {
		t.Errorf("log %s", log)
	}
	p.stop()
	p.end(t, ExitOK)
}

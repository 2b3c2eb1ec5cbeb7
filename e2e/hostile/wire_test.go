package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience bounds how long a test waits for what the server does, such as to close
// a connection.
const patience = 60 * time.Second

func (p *process) dial() *net.TCPConn {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.Address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			p.t.Error(err)
		}
	})
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// answersTo writes raw bytes, ends the sending side after so many answers, and
// returns the statuses of all that comes back until the server closes. Who ends it
// before is gone for net/http, which calls off what he asked for.
func (p *process) answersTo(text string, staying int) (statuses []int) {
	p.t.Helper()
	conn := p.dial()
	// The server may have answered and closed before it was all sent.
	_, sending := io.WriteString(conn, text)
	if sending != nil && !isGone(sending) {
		p.t.Error(sending)
	}
	back := bufio.NewReader(conn)
	for {
		if sending == nil && len(statuses) == staying {
			if err := conn.CloseWrite(); err != nil && !isGone(err) {
				p.t.Error(err)
			}
		}
		response, err := http.ReadResponse(back, nil)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				p.t.Errorf("the connection was not closed after %.200q", text)
			}
			return statuses
		}
		_, err = io.Copy(io.Discard, response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil && !isGone(err) {
			p.t.Error(err)
		}
		statuses = append(statuses, response.StatusCode)
	}
}

func isGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.ErrUnexpectedEOF)
}

// greatestHeader is 64 KiB and the 4 KiB that net/http reads beyond its limit.
const greatestHeader = 64<<10 + 4<<10

// padded lengthens the last line of a header so that it has n bytes in all.
func padded(head string, n int) string {
	return strings.TrimSuffix(head, "\r\n\r\n") + strings.Repeat("x", n-len(head)) + "\r\n\r\n"
}

// TestGarbageOnTheWireIsRefused sends requests that are none, or are cut, or say
// another length than they have. want are the statuses that come back; after the
// last one the server closes.
func TestGarbageOnTheWireIsRefused(t *testing.T) {
	t.Parallel()
	p := start(t, "--slow-client-timeout", "5s")
	visit, token := welcome(t, p), p.tenant("attacker")
	head := func(method, path string, lines ...string) string {
		return method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: apikey " + token + "\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
	}
	post := func(length, body string) string {
		return head("POST", "/cloud/v1/usage_report", "Content-Type: application/json", "Content-Length: "+length) + body
	}
	good := post(fmt.Sprint(len(patronReport)), patronReport)
	event := instance(1, "2024-07-01T00:00:00Z", 50, 1, `"flavor":"g1"`)
	chunked := head("POST", "/v1/events", streamType, "Transfer-Encoding: chunked")
	for name, c := range map[string]struct {
		text string
		want []int
	}{
		"good":                        {good, []int{200}},
		"two good ones at once":       {good + good, []int{200, 200}},
		"garbage behind a good one":   {good + "\x00\xff garbage\r\n\r\n", []int{200, 400}},
		"garbage":                     {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", []int{400}},
		"no version":                  {"GET /healthz\r\n\r\n", []int{400}},
		"version 9":                   {"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n", []int{505}},
		"no host":                     {"GET /healthz HTTP/1.1\r\n\r\n", []int{400}},
		"half a header":               {good[:60], []int{400}},
		"the greatest header":         {padded(head("GET", "/v1/projects", "X: "), greatestHeader), []int{200}},
		"a header of one byte more":   {padded(head("GET", "/v1/projects", "X: "), greatestHeader+1), []int{431}},
		"many headers":                {head("GET", "/v1/projects", strings.Repeat("A: b\r\n", 20_000)+"A: b"), []int{431}},
		"a header with a NUL":         {head("GET", "/v1/projects", "X: a\x00b"), []int{400}},
		"a header without a name":     {head("GET", "/v1/projects", ": b"), []int{400}},
		"a folded header":             {head("GET", "/v1/projects", "X: a\r\n b"), []int{200}},
		"Authorization twice":         {head("GET", "/v1/projects", "Authorization: apikey "+token), []int{401}},
		"too short a body":            {post("1000", patronReport), []int{400}},
		"too long a body":             {post("10", patronReport), []int{400, 400}},
		"a length below zero":         {post("-1", patronReport), []int{400}},
		"a length beyond 64 bits":     {post("99999999999999999999", patronReport), []int{400}},
		"a length of 2^62":            {post("4611686018427387904", patronReport), []int{413}},
		"two lengths":                 {post("5\r\nContent-Length: 6", "{}"), []int{400}},
		"chunks":                      {chunked + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(event), event), []int{200}},
		"chunks that end early":       {chunked + fmt.Sprintf("%x\r\n%s\r\n", len(event), event), []int{422}},
		"a chunk that ends early":     {chunked + fmt.Sprintf("%x\r\n%s", len(event)+10, event), []int{422}},
		"a chunk without size":        {chunked + "zz\r\n" + event, []int{422}},
		"a chunk of 2^64":             {chunked + "10000000000000000\r\n" + event, []int{422}},
		"an unknown transfer":         {head("POST", "/v1/events", streamType, "Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", []int{501}},
		"CONNECT":                     {"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n", []int{404}},
		"another host's URL":          {head("GET", "http://example.org/v1/projects"), []int{200}},
		"a path with a NUL":           {head("GET", "/v1/projects/%00"), []int{404}},
		"a path out of the tree":      {head("GET", "/v1/projects/%2e%2e/keys"), []int{404}},
		"a path of 32 KiB":            {head("GET", "/v1/projects/"+strings.Repeat("1", 32<<10)), []int{404}},
		"a query of bad escapes":      {head("GET", "/v1/projects?limit=%zz"), []int{400}},
		"an expectation":              {head("GET", "/v1/projects", "Expect: miracles"), []int{417}},
		"a change of protocol":        {head("GET", "/v1/projects", "Connection: Upgrade", "Upgrade: websocket"), []int{200}},
		"HTTP/2 that was not offered": {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400}},
	} {
		served := len(c.want)
		if refused := slices.IndexFunc(c.want, func(status int) bool { return status != http.StatusOK }); refused >= 0 {
			served = refused
		}
		if got := p.answersTo(c.text, served); fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: answers %v, want %v", name, got, c.want)
		}
	}
	visit.leave()
}

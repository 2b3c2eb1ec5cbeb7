package hostile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowClientsAreLeftBehind holds as many requests of one tenant as it may
// have with readers that never read a full dump, besides bodies and headers that
// only drip. More of that tenant is refused, the patron is served, and each slow
// one loses its connection.
func TestSlowClientsAreLeftBehind(t *testing.T) {
	t.Parallel()
	const stalled, dripping, silent, resources = 16, 16, 100, 30_000
	p := start(t, "--log-level", "info", "--slow-client-timeout", "8s", "--max-concurrent", fmt.Sprint(stalled+dripping))
	visit, attacker := welcome(t, p), p.tenant("attacker")
	p.fill(attacker, resources)
	before, end := p.rssAnon(), p.peak()

	dump := strings.Replace(patronReport, `"limit":1000`, `"limit":1000000000`, 1)
	head := "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: apikey " + attacker + "\r\n" + "%s\r\nContent-Length: %d\r\n\r\n%s"
	var readers, writers, headers []*net.TCPConn
	for range stalled {
		conn := p.open(fmt.Sprintf(head, "/cloud/v1/usage_report", "Content-Type: application/json", len(dump), dump))
		if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		readers = append(readers, conn)
	}
	for range dripping {
		writers = append(writers, p.open(fmt.Sprintf(head, "/v1/events", batchType, 1000, "[")))
	}
	for range silent {
		headers = append(headers, p.open("POST /v1/events HTTP/1.1\r\nHost:"))
	}
	p.awaitFull(attacker)
	for _, conn := range writers {
		go drip(conn)
	}
	p.awaitLog(`"aborted":true`, stalled)
	for i, conn := range readers {
		if n, whole := drain(t, conn); whole || n < 1000 {
			t.Errorf("stalled reader %d got %d bytes, to the end: %t", i, n, whole)
		}
	}
	for i, conn := range append(writers, headers...) {
		text, err := io.ReadAll(conn)
		if errors.Is(err, os.ErrDeadlineExceeded) || i < dripping && !isRefusal(string(text), err) {
			t.Errorf("slow writer %d: %v, %.300s", i, err, text)
		}
	}
	if a := p.send("GET", "/v1/projects", attacker, ""); a.status != http.StatusOK {
		t.Errorf("when all had gone: %d %s", a.status, a.body)
	}
	grown := end() - before
	visit.leave()
	const bound = stalled*resources*16 + (dripping+silent)*64<<10 + 192<<20
	t.Logf("RssAnon grew from %d by at most %d MiB, bound %d MiB", before>>20, grown>>20, bound>>20)
	if grown > bound {
		t.Errorf("RssAnon grew by %d MiB, more than %d MiB", grown>>20, bound>>20)
	}
}

// fill stores instances with long names.
func (p *process) fill(token string, resources int) {
	p.t.Helper()
	var body strings.Builder
	name := strings.Repeat("n", 200)
	for i := range resources {
		body.WriteString(instance(i, "2024-07-01T00:00:00Z", 50, 1, fmt.Sprintf(`"flavor":"g1","name":"%s%d"`, name, i)))
	}
	if a := p.send("POST", "/v1/events", token, body.String(), streamType); a.status != http.StatusOK {
		p.t.Fatalf("fill: %d %.500s", a.status, a.body)
	}
}

// open connects and writes the beginning of a request.
func (p *process) open(text string) *net.TCPConn {
	p.t.Helper()
	conn := p.dial()
	if _, err := io.WriteString(conn, text); err != nil {
		p.t.Fatal(err)
	}
	return conn
}

// awaitFull asks until the tenant is told that it has too many requests.
func (p *process) awaitFull(token string) {
	p.t.Helper()
	patience := time.After(patience)
	for {
		a := p.send("GET", "/v1/projects", token, "")
		if a.status == http.StatusTooManyRequests && strings.Contains(a.body, "under way") && a.header.Get("Retry-After") != "" {
			return
		}
		select {
		case <-patience:
			p.t.Fatalf("the tenant may still ask: %d %s", a.status, a.body)
		default:
		}
	}
}

// drip sends a byte now and then until the connection is closed.
func drip(conn net.Conn) {
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		if _, err := conn.Write([]byte(" ")); err != nil {
			return
		}
	}
}

// drain reads what is left in a connection that the server gave up; whole says
// that the answer came to its end.
func drain(t *testing.T, conn *net.TCPConn) (n int64, whole bool) {
	t.Helper()
	var last [64]byte
	text := bufio.NewReader(conn)
	for {
		got, err := text.Read(last[:])
		n += int64(got)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("the server keeps a reader that does not read")
		}
		if err != nil {
			return n, whole
		}
		whole = strings.HasSuffix(string(last[:got]), "0\r\n\r\n")
	}
}

// isRefusal reports whether an answer says that the body came too slowly; it may
// be lost when the connection is reset.
func isRefusal(text string, err error) bool {
	return isGone(err) || strings.HasPrefix(text, "HTTP/1.1 400") && strings.Contains(text, `"exception_class"`)
}

// TestIdleConnectionsCostLittle opens a thousand, half of which asked something
// once.
func TestIdleConnectionsCostLittle(t *testing.T) {
	t.Parallel()
	const idle, bound = 1000, 1000*64<<10 + 64<<20
	p := start(t)
	visit := welcome(t, p)
	before, end := p.rssAnon(), p.peak()
	var conns []*net.TCPConn
	for i := range idle {
		conn := p.dial()
		conns = append(conns, conn)
		if i%2 == 0 {
			continue
		}
		if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("connection %d: %v, %v", i, err, response)
		}
	}
	visit.leave()
	grown := end() - before
	t.Logf("RssAnon grew from %d by at most %d MiB, bound %d MiB", before>>20, grown>>20, bound>>20)
	if grown > bound {
		t.Errorf("RssAnon grew by %d MiB, more than %d MiB", grown>>20, bound>>20)
	}
	if _, err := io.WriteString(conns[1], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Errorf("an idle connection is not usable: %v", err)
	}
}

// endless is a body without an end, until it is closed.
type endless struct {
	text string
	sent int
	most int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.sent >= e.most {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) {
		n += copy(p[n:], e.text)
	}
	e.sent += n
	return n, nil
}

// TestLinesWithoutEndAreCutOff streams lines without a line feed, as many at
// once as one tenant may have requests.
func TestLinesWithoutEndAreCutOff(t *testing.T) {
	t.Parallel()
	const atOnce, bound = 64, 64*4<<20 + 128<<20
	p := start(t)
	visit, attacker := welcome(t, p), p.tenant("attacker")
	before, end := p.rssAnon(), p.peak()
	var streams sync.WaitGroup
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range atOnce {
		streams.Go(func() {
			body := &endless{text: "x", most: 1 << 30}
			a, err := ask(client, "POST", p.URL("/v1/events"), attacker, body, streamType)
			if err == nil && (a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `"complete":false`)) {
				t.Errorf("%d %.300s", a.status, a.body)
			}
			if body.sent >= 512<<20 {
				t.Errorf("%d bytes of one line were taken", body.sent)
			}
		})
	}
	streams.Wait()
	grown := end() - before
	visit.leave()
	t.Logf("RssAnon grew from %d by at most %d MiB, bound %d MiB", before>>20, grown>>20, bound>>20)
	if grown > bound {
		t.Errorf("RssAnon grew by %d MiB, more than %d MiB", grown>>20, bound>>20)
	}
}

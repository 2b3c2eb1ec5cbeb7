package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const adminToken = "bench$0123456789abcdef0123456789abcdef"

// server is a running meterbook process.
type server struct {
	command *exec.Cmd
	url     string
	client  *http.Client
	ready   time.Duration // from the start of the process
	ended   chan error
}

func buildProgram(ctx context.Context, binary string) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/meterbook")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// newClient returns a server that another process has started, or will.
func newClient(url string) *server {
	return &server{
		url:    url,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true, WriteBufferSize: 1 << 16, ReadBufferSize: 1 << 16}},
	}
}

// startServer starts a process and waits until it is ready.
func (f *fleetRun) startServer(ctx context.Context) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := newClient("http://" + address)
	s.command = exec.CommandContext(ctx, f.program, "serve", "--data", f.store(), "--listen", address, "--log-level", "error")
	s.ended = make(chan error, 1)
	s.command.Env = append(os.Environ(), "METERBOOK_ADMIN_TOKEN="+adminToken)
	s.command.Stderr = os.Stderr
	start := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.command.Wait() }()
	for {
		response, err := s.client.Get(s.url + "/readyz")
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				s.ready = time.Since(start)
				return s, nil
			}
		}
		select {
		case err := <-s.ended:
			return nil, fmt.Errorf("server ended before it was ready: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// stop ends the process and returns how long that took.
func (s *server) stop(signal os.Signal) (time.Duration, error) {
	start := time.Now()
	if err := s.command.Process.Signal(signal); err != nil {
		return 0, err
	}
	err := <-s.ended
	if signal == syscall.SIGKILL {
		err = nil
	}
	return time.Since(start), err
}

// kill ends a process that may have ended already.
func (s *server) kill() { _ = s.command.Process.Kill() }

// ask asks for a report.
func (s *server) ask(ctx context.Context, body []byte) ([]byte, error) {
	return s.post(ctx, "/cloud/v1/usage_report", "application/json", bytes.NewReader(body))
}

func (s *server) post(ctx context.Context, path, contentType string, body io.Reader) ([]byte, error) {
	var answer bytes.Buffer
	err := s.postTo(ctx, path, contentType, body, &answer)
	return answer.Bytes(), err
}

// postTo writes the answer to w as it comes.
func (s *server) postTo(ctx context.Context, path, contentType string, body io.Reader, w io.Writer) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "apikey "+adminToken)
	request.Header.Set("Content-Type", contentType)
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
		return errors.Join(fmt.Errorf("POST %s: %s: %s", path, response.Status, text), response.Body.Close())
	}
	_, err = io.Copy(w, response.Body)
	return errors.Join(err, response.Body.Close())
}

// status reads a number of bytes from the process's status, such as RssAnon.
func (s *server) status(name string) int64 {
	kib, _ := strconv.ParseInt(strings.TrimSuffix(field(s.proc("status"), name), " kB"), 10, 64)
	return kib << 10
}

// written is how many bytes the process has caused to be written to disk.
func (s *server) written() int64 {
	n, _ := strconv.ParseInt(field(s.proc("io"), "write_bytes"), 10, 64)
	return n
}

// cpu returns the processor time that the process has used.
func (s *server) cpu() time.Duration {
	stat, err := os.ReadFile(s.proc("stat"))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100)
}

func (s *server) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", s.command.Process.Pid, name)
}

func diskUsage(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}

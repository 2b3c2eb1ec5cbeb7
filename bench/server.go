package main

import (
	"context"
	"fmt"
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

func buildProgram(ctx context.Context, given string) (binary string, cleanUp func(), err error) {
	if given != "" {
		return given, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "meterbook-build-")
	if err != nil {
		return "", nil, err
	}
	binary = filepath.Join(dir, "meterbook")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/meterbook")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build: %w\n%s", err, out)
	}
	return binary, func() { _ = os.RemoveAll(dir) }, nil
}

// startServer starts a process and waits until it is ready.
func startServer(ctx context.Context, binary, dir string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s := &server{
		command: exec.CommandContext(ctx, binary, "serve", "--data", filepath.Join(dir, "data"), "--listen", address, "--log-level", "error"),
		url:     "http://" + address,
		client:  &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
		ended:   make(chan error, 1),
	}
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

func (s *server) kill() { _ = s.command.Process.Kill() }

// memory returns the resident memory: anonymous, and mapped from files.
func (s *server) memory() (anonymous, mapped int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(fields[1], 10, 64)
		switch fields[0] {
		case "RssAnon:":
			anonymous = kib << 10
		case "RssFile:":
			mapped = kib << 10
		}
	}
	return anonymous, mapped
}

// cpu returns the processor time that the process has used.
func (s *server) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / 100)
}

func diskUsage(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

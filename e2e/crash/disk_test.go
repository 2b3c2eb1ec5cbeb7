package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/storetest"

	"github.com/meterbook/meterbook/e2e/server"
)

// smallDiskVariable tells the test binary that it was started in a mount
// namespace of its own: it mounts a small file system at the path that the
// variable names, and becomes the server on it.
const (
	smallDiskVariable = "METERBOOK_TEST_SMALL_DISK"
	smallDiskBytes    = 640 << 20 // three logs of 70 MiB that Pebble reserves, and what is kept free, go into it
	ballastPiece      = 1 << 20
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(smallDiskVariable); dir != "" {
		fmt.Fprintln(os.Stderr, becomeServer(dir)) // it returns with an error only
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func becomeServer(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to this process: %w", err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprint("size=", smallDiskBytes)); err != nil {
		return fmt.Errorf("mount a file system of %d MiB: %w", smallDiskBytes>>20, err)
	}
	return syscall.Exec(os.Args[1], os.Args[1:], os.Environ())
}

// startOnSmallDisk runs a server on a file system of its own, which only it sees.
// It takes root, or user namespaces.
func startOnSmallDisk(t *testing.T, binary, dir string) process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := server.Prepare(t, adminToken, self, binary, "serve", "--data", filepath.Join(dir, "data"))
	p.Cmd.Env = append(p.Cmd.Env, smallDiskVariable+"="+dir)
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		p.Cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		p.Cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		p.Cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	p.Run()
	return process{p}
}

// TestAServerOnAFullDiskGoesOnOnceThereIsRoom lets others fill a real file system
// to its last byte while events are sent.
func TestAServerOnAFullDiskGoesOnOnceThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := &ordeal{T: t, tally: &tally{}, rng: rand.New(rand.NewPCG(1, 1)), binary: build(t), seed: firstSeed(600)}
	o.server = startOnSmallDisk(t, o.binary, dir)
	o.server.AwaitReady()
	ballast := filepath.Join("/proc", fmt.Sprint(o.server.Cmd.Process.Pid), "root", dir, "ballast")
	batches := make([]*batch, 3*batchesPerRound)
	for i := range batches {
		batches[i] = o.nextBatch()
	}
	key := o.makeKey()
	for _, b := range batches[:batchesPerRound] {
		o.send(b)
	}
	o.fill(ballast, batches[batchesPerRound:2*batchesPerRound])
	taken := batchesPerRound
	for taken < len(batches) && batches[taken].fate == acknowledged {
		taken++
	}
	if taken == 2*batchesPerRound {
		t.Error("the disk is full, and everything was taken")
	}
	model := storetest.NewModel(func() metering.Instant { return metering.DayOf(2025, 1, 1).Start() })
	for _, b := range batches[:taken] {
		tell(t, model, b)
	}
	question := reportRequest(batches[:2*batchesPerRound])
	o.compare("the report on a full disk", expected(t, model, question), o.ask(question))
	var revoking sync.WaitGroup
	revoking.Go(func() { o.revoke(key) }) // which may wait for room
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	revoking.Wait()
	for _, b := range batches[taken:] { // without a restart
		if r, stops, err := o.deliver(b); err != nil || stops || r.Accepted != len(b.submissions) {
			t.Fatalf("there is room, and a batch is not taken: %+v, refused: %v, %v\n%s", r, stops, err, &o.server.Log)
		}
		tell(t, model, b)
	}
	question = reportRequest(batches)
	o.compare("the report once there was room", expected(t, model, question), o.ask(question))
	status, text, err := o.server.post("/v1/verify", "application/json", nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), `"differences_total":0`) {
		t.Errorf("verify: %v, %d %s", err, status, text)
	}
	o.server.Stop()
}

// fill sends batches, one after the other, while the disk fills up, until one is
// refused; then it fills the disk to its last byte.
func (o *ordeal) fill(ballast string, batches []*batch) {
	o.Helper()
	f, err := os.Create(ballast)
	if err != nil {
		o.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil && !errors.Is(err, syscall.ENOSPC) {
			o.Error(err)
		}
	}()
	piece := make([]byte, ballastPiece)
	for next := 0; next < len(batches) && o.send(batches[next]); next++ {
		for range 8 {
			if _, err := f.Write(piece); err != nil {
				o.Fatalf("the disk was full before a batch was refused: %v", err)
			}
		}
	}
	for _, size := range []int{ballastPiece, 4096, 1} {
		for err = nil; err == nil; _, err = f.Write(piece[:size]) {
		}
		if !errors.Is(err, syscall.ENOSPC) {
			o.Fatal(err)
		}
	}
}

// makeKey makes a key and returns its id.
func (o *ordeal) makeKey() string {
	o.Helper()
	status, text, err := o.server.post("/v1/keys", "application/json", []byte(`{"name":"leaked","roles":["reader"]}`))
	var key struct {
		ID string `json:"id"`
	}
	if err = errors.Join(err, json.Unmarshal(text, &key)); err != nil || key.ID == "" {
		o.Fatalf("make a key: %v, %d %s", err, status, text)
	}
	return key.ID
}

func (o *ordeal) revoke(key string) {
	r, err := http.NewRequest(http.MethodDelete, o.server.URL("/v1/keys/"+key), http.NoBody)
	if err != nil {
		o.Error(err)
		return
	}
	r.Header.Set("Authorization", "apikey "+adminToken)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		o.Error(err)
		return
	}
	if err := response.Body.Close(); err != nil || response.StatusCode >= http.StatusMultipleChoices {
		o.Errorf("revoke a key on a full disk: %v, %s", err, response.Status)
	}
}

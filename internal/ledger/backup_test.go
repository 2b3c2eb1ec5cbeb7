package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/ledger"
	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

func ignoreProgress(report.Progress) {}

func restoreInto(t *testing.T, fs vfs.FS, archive []byte) {
	t.Helper()
	if err := ledger.Restore(t.Context(), ledger.Options{Dir: "store", FS: fs}, bytes.NewReader(archive), ignoreProgress); err != nil {
		t.Fatalf("restore: %v", err)
	}
}

// answers are the bytes of the script's reports.
func (l *life) answers(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, q := range l.queries() {
		r, err := l.ledger.Report(t.Context(), q)
		if err == nil {
			err = report.WriteJSON(&b, r)
			r.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func (l *life) backup(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := l.ledger.Backup(t.Context(), &b); err != nil {
		t.Fatalf("backup: %v", err)
	}
	return b.Bytes()
}

func (l *life) close(t *testing.T) {
	t.Helper()
	if err := l.ledger.Close(); err != nil {
		t.Fatal(err)
	}
}

// reopened opens a copy of the store on another file system.
func (l *life) reopened(t *testing.T, fs vfs.FS) *life {
	t.Helper()
	copied := *l
	copied.options.FS = fs
	copied.ledger = open(t, copied.options)
	return &copied
}

func TestReportsOfARestoredBackupAreTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		l := playScript(t, seed+1, vfs.NewMem())
		want, archive := l.answers(t), l.backup(t)
		l.close(t)
		fs := vfs.NewMem()
		restoreInto(t, fs, archive)
		wantClean(t, verifyAtRest(t, fs))
		restored := l.reopened(t, fs)
		if got := restored.answers(t); got != want {
			t.Errorf("seed %d: want\n%s\ngot\n%s", seed, want, got)
		}
		restored.close(t)
	}
}

func TestABackupAtRestIsTheStore(t *testing.T) {
	t.Parallel()
	l := playScript(t, 5, vfs.NewMem())
	want := l.answers(t)
	l.close(t)
	before := contents(t, l.options.FS)
	var archive bytes.Buffer
	if err := ledger.Backup(t.Context(), l.options, &archive); err != nil {
		t.Fatal(err)
	}
	if after := contents(t, l.options.FS); after != before {
		t.Errorf("the store changed: before\n%s\nafter\n%s", before, after)
	}
	fs := vfs.NewMem()
	restoreInto(t, fs, archive.Bytes())
	if restored := contents(t, fs); restored != strings.ReplaceAll(before, lockLine(before), "") {
		t.Errorf("want\n%s\ngot\n%s", before, restored)
	}
	wantClean(t, verifyAtRest(t, fs))
	again := l.reopened(t, fs)
	if got := again.answers(t); got != want {
		t.Errorf("want\n%s\ngot\n%s", want, got)
	}
	again.close(t)
}

// lockLine is the line of the lock, which is not copied.
func lockLine(contents string) string {
	for line := range strings.Lines(contents) {
		if strings.HasPrefix(line, "store/observations/LOCK ") {
			return line
		}
	}
	return ""
}

func TestABackupLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	l := playScript(t, 2, vfs.NewMem())
	l.backup(t)
	if _, err := l.options.FS.Stat("store/backup.tmp"); err == nil {
		t.Error("the stage is still there")
	}
	l.close(t)
	if err := l.options.FS.MkdirAll("store/backup.tmp/observations", 0o700); err != nil { // a crash left it
		t.Fatal(err)
	}
	l.ledger = open(t, l.options)
	if _, err := l.options.FS.Stat("store/backup.tmp"); err == nil {
		t.Error("opening left the stage of a backup that broke off")
	}
	l.close(t)
}

// takenBackup is a backup with the batches that had their receipt before it.
type takenBackup struct {
	archive  []byte
	receipts [][]report.Submission
}

// TestABackupDuringIngestHoldsEveryReceiptGivenBefore takes backups while
// batches are stored and merged, of which each must hold what had its receipt.
func TestABackupDuringIngestHoldsEveryReceiptGivenBefore(t *testing.T) {
	t.Parallel()
	s := newScript(9, 16)
	l := &life{script: s, options: ledger.Options{
		Dir: "store", FS: vfs.NewMem(), Clock: func() metering.Instant { return s.now }, MergeUnits: 4,
	}}
	l.ledger = open(t, l.options)
	backups := l.playWithBackups(t)
	l.close(t)
	for _, b := range backups {
		fs := vfs.NewMem()
		restoreInto(t, fs, b.archive)
		wantClean(t, verifyAtRest(t, fs))
		restored := l.reopened(t, fs)
		for _, batch := range b.receipts {
			outcomes, err := submitTogether(t.Context(), restored.ledger, [][]report.Submission{batch})
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range outcomes[0] {
				if !o.Duplicate {
					t.Fatalf("%+v had its receipt and is not in the backup", batch[i].Observation)
				}
			}
		}
		restored.close(t)
	}
	if len(backups) < 2 {
		t.Errorf("only %d backups were taken", len(backups))
	}
}

// playWithBackups plays the steps but for reopenings and backups; meanwhile a backup is
// taken whenever none is.
func (l *life) playWithBackups(t *testing.T) (backups []takenBackup) {
	t.Helper()
	wanted, ended := make(chan [][]report.Submission), make(chan error, 1)
	go func() {
		var failed error
		for receipts := range wanted {
			var b bytes.Buffer
			failed = errors.Join(failed, l.ledger.Backup(context.Background(), &b))
			backups = append(backups, takenBackup{b.Bytes(), receipts})
		}
		ended <- failed
	}()
	var acknowledged [][]report.Submission
	for i := range l.steps {
		if l.steps[i].reopen || l.steps[i].backup {
			continue
		}
		if err := l.play(t.Context(), &l.steps[i]); err != nil {
			t.Fatal(err)
		}
		for _, batch := range l.steps[i].batches {
			if len(batch) > 0 {
				acknowledged = append(acknowledged, batch)
			}
		}
		if len(acknowledged) == 0 {
			continue
		}
		select {
		case wanted <- acknowledged[:len(acknowledged):len(acknowledged)]:
		default: // one is being taken
		}
	}
	close(wanted)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return backups
}

func TestADamagedBackupIsRefused(t *testing.T) {
	t.Parallel()
	l := playScript(t, 4, vfs.NewMem())
	archive := l.backup(t)
	l.close(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 12 {
		at := rng.IntN(len(archive))
		flipped := bytes.Clone(archive)
		flipped[at] ^= 1 << rng.IntN(8)
		if !bytes.Equal(decompressed(flipped), decompressed(archive)) { // else zstd has no use for the bit
			wantRefused(t, flipped, fmt.Sprintf("bit flipped in byte %d", at))
		}
		wantRefused(t, archive[:at], fmt.Sprintf("cut off at byte %d", at))
	}
	for n := range 5 {
		wantRefused(t, archive[:len(archive)-1-n], fmt.Sprintf("%d bytes are missing", n+1))
	}
	wantRefused(t, nil, "nothing")
	wantRefused(t, []byte("something else"), "something else")
	wantRefused(t, append(bytes.Clone(archive), "more"...), "more behind it")
}

// decompressed is what an archive holds as far as it can be read.
func decompressed(archive []byte) []byte {
	r, err := zstd.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	return data
}

// wantRefused wants an error, and a folder that is as it was.
func wantRefused(t *testing.T, archive []byte, what string) {
	t.Helper()
	for _, existed := range []bool{false, true} {
		fs := vfs.NewMem()
		if existed {
			if err := fs.MkdirAll("store", 0o700); err != nil {
				t.Fatal(err)
			}
		}
		err := ledger.Restore(t.Context(), ledger.Options{Dir: "store", FS: fs}, bytes.NewReader(archive), ignoreProgress)
		if metering.KindOf(err) != metering.KindInvalid || !strings.Contains(fmt.Sprint(err), "the backup cannot be used") {
			t.Errorf("%s: got %v", what, err)
		}
		names, err := fs.List("store")
		if existed && (err != nil || len(names) > 0) || !existed && err == nil {
			t.Errorf("%s: left %v, %v", what, names, err)
		}
	}
}

func TestRestoreRefusesAFolderThatHoldsSomething(t *testing.T) {
	t.Parallel()
	l := playScript(t, 4, vfs.NewMem())
	archive := l.backup(t)
	l.close(t)
	before := contents(t, l.options.FS)
	err := ledger.Restore(t.Context(), ledger.Options{Dir: "store", FS: l.options.FS}, bytes.NewReader(archive), ignoreProgress)
	if metering.KindOf(err) != metering.KindConflict {
		t.Errorf("got %v", err)
	}
	if after := contents(t, l.options.FS); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
}

func TestAnErrorOfTheSourceIsNoDamage(t *testing.T) {
	t.Parallel()
	l := playScript(t, 4, vfs.NewMem())
	archive := l.backup(t)
	l.close(t)
	gone := errors.New("the line is dead")
	for _, n := range []int{0, 10, len(archive) / 2} {
		err := ledger.CheckBackup(t.Context(), io.MultiReader(bytes.NewReader(archive[:n]), deadLine{gone}), ignoreProgress)
		if !errors.Is(err, gone) {
			t.Errorf("after %d bytes: got %v", n, err)
		}
	}
	if err := ledger.CheckBackup(t.Context(), bytes.NewReader(archive), ignoreProgress); err != nil {
		t.Error(err)
	}
}

type deadLine struct{ err error }

func (b deadLine) Read([]byte) (int, error) { return 0, b.err }

func TestABackupOfAStoreInUseIsTakenFromItsServer(t *testing.T) {
	t.Parallel()
	l := playScript(t, 1, vfs.NewMem())
	err := ledger.Backup(t.Context(), l.options, io.Discard)
	if metering.KindOf(err) != metering.KindUnavailable || !strings.Contains(fmt.Sprint(err), "--server") {
		t.Errorf("got %v", err)
	}
	l.close(t)
}

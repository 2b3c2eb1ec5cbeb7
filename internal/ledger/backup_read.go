package ledger

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// CheckBackup reads a backup to its end and checks that it is whole. An error of
// kind KindInvalid says that it is not a backup, cut off or damaged; an error of
// r is returned as it is.
func CheckBackup(ctx context.Context, r io.Reader, progress func(report.Progress)) error {
	return readBackup(ctx, r, progress, func(_ string, content io.Reader) error {
		_, err := io.Copy(io.Discard, content)
		return err
	})
}

const (
	backupWindowMax = 64 << 20 // of zstd, in bytes: what reading may take of memory
	backupTextMax   = 16 << 20 // of BACKUP and SHA256SUMS, in bytes
)

func badBackup(format string, args ...any) error {
	return metering.Errorf(metering.KindInvalid, "the backup cannot be used: "+format, args...)
}

// backupReader reads an archive; where it ends too early or breaks a checksum,
// reading gives KindInvalid.
type backupReader struct {
	tar      *tar.Reader
	source   *notedReader
	progress func(report.Progress)
	head     backupHead
	done     int64
	sums     map[string]string // SHA-256 in hex, by name
}

// notedReader keeps the error of the source, so that it is not taken for damage
// of what was read.
type notedReader struct {
	r   io.Reader
	err error
}

func (n *notedReader) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

// damaged turns an error of reading into one that says what it means.
func (b *backupReader) damaged(err error) error {
	var known *metering.Error
	switch {
	case b.source.err != nil:
		return b.source.err
	case errors.As(err, &known):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badBackup("it is cut off")
	}
	return badBackup("it is damaged: %v", err)
}

// readBackup hands each file of a backup to visit, which reads it to its end,
// and then compares the checksums: what was visited is right only when
// readBackup returns nil.
func readBackup(ctx context.Context, r io.Reader, progress func(report.Progress), visit func(name string, content io.Reader) error) error {
	source := &notedReader{r: &untilDone{ctx, r}}
	z, err := zstd.NewReader(source, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(backupWindowMax))
	if err != nil {
		return err
	}
	defer z.Close()
	b := &backupReader{tar: tar.NewReader(z), source: source, progress: progress, sums: map[string]string{}}
	if err := b.readHead(); err != nil {
		return err
	}
	for {
		h, err := b.tar.Next()
		if err != nil {
			return b.damaged(err)
		}
		if h.Name == backupSumsName {
			break
		}
		if err := b.readFile(h, visit); err != nil {
			return err
		}
	}
	if err := b.compareSums(); err != nil {
		return err
	}
	if _, err := b.tar.Next(); !errors.Is(err, io.EOF) {
		return badBackup("more follows its checksums")
	}
	if _, err := io.Copy(io.Discard, z); err != nil { // to the checksum of zstd itself
		return b.damaged(err)
	}
	return nil
}

func (b *backupReader) readHead() error {
	h, err := b.tar.Next()
	if b.source.err != nil {
		return b.source.err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return badBackup("it is cut off")
	}
	if err != nil || h.Name != backupHeadName {
		return badBackup("it is not a meterbook backup")
	}
	text, err := io.ReadAll(io.LimitReader(b.tar, backupTextMax))
	if err != nil {
		return b.damaged(err)
	}
	if err := json.Unmarshal(text, &b.head); err != nil {
		return badBackup("it is damaged: %s: %v", backupHeadName, err)
	}
	if b.head.Format != backupFormatVersion {
		return badBackup("its format is %d, this meterbook reads %d: use the program that made it", b.head.Format, backupFormatVersion)
	}
	return nil
}

// backupName is a name that a backup may hold: none leads out of its folder.
var backupName = regexp.MustCompile(`^(FORMAT|(base|ids)-[0-9]+|observations/[A-Za-z0-9_-][A-Za-z0-9._-]*)$`)

func (b *backupReader) readFile(h *tar.Header, visit func(name string, content io.Reader) error) error {
	_, twice := b.sums[h.Name]
	if h.Typeflag != tar.TypeReg || !backupName.MatchString(h.Name) || twice {
		return badBackup("it is damaged: it holds %q", h.Name)
	}
	hash := sha256.New()
	if err := visit(h.Name, &backupContent{b, io.TeeReader(b.tar, hash)}); err != nil {
		return err
	}
	b.sums[h.Name] = hex.EncodeToString(hash.Sum(nil))
	return nil
}

// backupContent is one file of a backup.
type backupContent struct {
	b *backupReader
	r io.Reader
}

func (c *backupContent) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.b.done += int64(n)
	c.b.progress(report.Progress{Stage: "files", Done: c.b.done, Total: max(c.b.head.Bytes, c.b.done)})
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.b.damaged(err)
	}
	return n, err
}

// compareSums compares what was read with the list at the end of the backup.
func (b *backupReader) compareSums() error {
	text, err := io.ReadAll(io.LimitReader(b.tar, backupTextMax))
	if err != nil {
		return b.damaged(err)
	}
	listed := 0
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		listed++
		switch got, there := b.sums[name]; {
		case !there:
			return badBackup("it is damaged: %s is missing", name)
		case got != sum:
			return badBackup("it is damaged: the checksum of %s differs", name)
		}
	}
	if listed != len(b.sums) || listed != b.head.Files || b.sums[formatFile] == "" {
		return badBackup("it is damaged: it holds %d files, %d were read and it says that there are %d", listed, len(b.sums), b.head.Files)
	}
	return nil
}

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// plainEvent is an event as a plain structure, which is what the bound of
// ingest decodes into: no validation, no canonical form, no id look-up, no fold.
type plainEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Time        string `json:"time"`
	Data        struct {
		ProjectID    int64             `json:"project_id"`
		RegionID     int64             `json:"region_id"`
		ResourceType string            `json:"resource_type"`
		ResourceID   string            `json:"resource_id"`
		Status       string            `json:"status"`
		From         string            `json:"from"`
		To           string            `json:"to"`
		Quantity     string            `json:"quantity"`
		SizeBytes    int64             `json:"size_bytes"`
		Count        int64             `json:"count"`
		Name         string            `json:"name"`
		Flavor       string            `json:"flavor"`
		VolumeType   string            `json:"volume_type"`
		InstanceType string            `json:"instance_type"`
		InstanceName string            `json:"instance_name"`
		VMID         string            `json:"vm_id"`
		AttachedToVM string            `json:"attached_to_vm"`
		IPAddress    string            `json:"ip_address"`
		Tags         map[string]string `json:"tags"`
	} `json:"data"`
}

// decodePlain decodes a body and returns the number of its events.
func decodePlain(body []byte, p phase) (n int, err error) {
	if p != streamed {
		var events []plainEvent
		err := json.Unmarshal(body, &events)
		return len(events), err
	}
	lines := jsontext.NewDecoder(bytes.NewReader(body))
	for {
		var e plainEvent
		if err := json.UnmarshalDecode(lines, &e); err != nil {
			if errors.Is(err, io.EOF) {
				return n, nil
			}
			return n, err
		}
		n++
	}
}

// bound measures what ingest cannot beat with these libraries: the history's
// bodies are decoded into plain structures, and the keys and values that the
// ledger commits for them are committed to Pebble, with the same options, the
// same grouping of what waits, and an fsync before a body counts as done. There
// is no HTTP. All that the program does beyond that is missing.
func (l *loading) bound(ctx context.Context, tapes []*tape) error {
	options, err := l.pebbleOptions()
	if err != nil {
		return err
	}
	dir := filepath.Join(l.dir, "bound")
	db, err := pebble.Open(dir, options)
	if err != nil {
		return err
	}
	var alone, product rate
	cpu := ownCPU()
	for _, t := range tapes {
		if t.phase != inBatches && t.phase != streamed {
			continue
		}
		took, err := l.boundOf(ctx, db, t)
		if err != nil {
			return errors.Join(err, db.Close())
		}
		alone.events, alone.took = alone.events+t.events, alone.took+took
	}
	for _, p := range []phase{inBatches, streamed} {
		r := l.rates[p]
		product.events, product.took, product.server = product.events+r.events, product.took+r.took, product.server+r.server+r.self
	}
	alone.server = ownCPU() - cpu
	l.goal(goalBound, atLeast("", 100*product.perSecond()/alone.perSecond(), 50, " %").with("by CPU %.0f %%", 100*alone.cpuPerEvent()/product.cpuPerEvent()))
	l.add("bound of ingest: JSON decoding into plain structures + Pebble commit, alone", "%s events/s (CPU per event %.1f µs; of ingest, client and server, %.1f µs)",
		number(alone.perSecond()), alone.cpuPerEvent(), product.cpuPerEvent())
	return errors.Join(db.Close(), os.RemoveAll(dir))
}

// pebbleOptions are those of the program's store, as Pebble wrote them down.
func (l *loading) pebbleOptions() (*pebble.Options, error) {
	files, err := filepath.Glob(filepath.Join(l.store(), "observations", "OPTIONS-*"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("the store has no file of Pebble's options: %w", err)
	}
	text, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		return nil, err
	}
	options := &pebble.Options{}
	if err := options.Parse(string(text), nil); err != nil {
		return nil, err
	}
	options.WALDir = ""
	options.Logger = quiet{}
	return options, nil
}

// quiet drops what Pebble tells.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// decoded is a body whose pairs wait to be committed.
type decoded struct {
	pairs []byte
	done  chan error
}

// boundOf plays one tape: decoders hand over to one committer, which takes what
// waits as one batch and does not wait for the disk; another goroutine does.
func (l *loading) boundOf(ctx context.Context, db *pebble.DB, t *tape) (time.Duration, error) {
	p, err := t.play(true)
	if err != nil {
		return 0, err
	}
	waiting := make(chan *decoded, 64)
	committed := make(chan *commit, 64)
	ended := make(chan struct{})
	go commitAll(db, waiting, committed)
	go func() {
		defer close(ended)
		for c := range committed {
			c.finish()
		}
	}()
	start := time.Now()
	err = together(l.connections, func() error { return l.decodeAll(ctx, p, t, waiting) })
	took := time.Since(start)
	close(waiting)
	<-ended
	return took, errors.Join(err, p.close())
}

func (l *loading) decodeAll(ctx context.Context, p *player, t *tape, waiting chan<- *decoded) error {
	var c chunk
	for ctx.Err() == nil {
		more, err := p.next(&c)
		if err != nil || !more {
			return err
		}
		n, err := decodePlain(c.body, t.phase)
		if err == nil && n != c.events {
			err = fmt.Errorf("decoded %d events of %d", n, c.events)
		}
		if err == nil {
			d := &decoded{pairs: c.pairs, done: make(chan error, 1)}
			waiting <- d
			err = <-d.done
		}
		if err != nil {
			p.fail(err)
			return err
		}
	}
	return ctx.Err()
}

// commit is a batch on its way to the disk.
type commit struct {
	batch *pebble.Batch
	of    []*decoded
	err   error
}

func commitAll(db *pebble.DB, waiting <-chan *decoded, committed chan<- *commit) {
	defer close(committed)
	for first := range waiting {
		c := &commit{batch: db.NewBatch(), of: []*decoded{first}}
		c.err = addPairs(c.batch, first.pairs)
	more:
		for len(c.of) < 16 {
			select {
			case d, open := <-waiting:
				if !open {
					break more
				}
				c.of = append(c.of, d)
				c.err = errors.Join(c.err, addPairs(c.batch, d.pairs))
			default:
				break more
			}
		}
		if c.err == nil {
			c.err = db.ApplyNoSyncWait(c.batch, pebble.Sync)
		}
		committed <- c
	}
}

func (c *commit) finish() {
	if c.err == nil {
		c.err = c.batch.SyncWait()
	}
	c.err = errors.Join(c.err, c.batch.Close())
	for _, d := range c.of {
		d.done <- c.err
	}
}

// addPairs adds pairs of keys and values, each behind its length.
func addPairs(b *pebble.Batch, pairs []byte) error {
	take := func() []byte {
		n, size := binary.Uvarint(pairs)
		part := pairs[size : size+int(n)]
		pairs = pairs[size+int(n):]
		return part
	}
	for len(pairs) > 0 {
		key := take()
		if err := b.Set(key, take(), nil); err != nil {
			return err
		}
	}
	return nil
}

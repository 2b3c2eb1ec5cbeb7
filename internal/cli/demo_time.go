package cli

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/metering"
)

// demoClock is the clock of the demo's server. While the fleet is loaded it shows
// the fleet's time, as if the events came when they happened; so reports can be
// asked as they stood then, and the sources have a past.
type demoClock struct {
	now func() metering.Instant
	at  atomic.Int64 // 0: the present
}

func (d *demoClock) read() metering.Instant {
	if at := d.at.Load(); at != 0 {
		return metering.Instant(at)
	}
	return d.now()
}

// show makes it an instant of the fleet's, which never lies ahead of the present.
func (d *demoClock) show(at metering.Instant) { d.at.Store(int64(min(at, d.now()))) }

// goOn makes it the present.
func (d *demoClock) goOn() { d.at.Store(0) }

const (
	demoHour = 3600 * metering.Second
	// Events come by the day, and by a few minutes in demoRecent before the end.
	demoRecent              = 72 * demoHour
	demoStep, demoEarlyStep = demoHour / 2, 24 * demoHour
	// The demo has an outage of one source, which sends what it had kept once it is
	// over.
	outageBegan, outageEnded = 20 * demoHour, 14 * demoHour
	demoLag                  = 4 * metering.Second
)

// demoStream sends the fleet's events in the order of their times.
type demoStream struct {
	api   *client.Client
	clock *demoClock
	end   metering.Instant
	send  func(chunk) error // of whole chunks, over several connections
	sent  func(chunk) error // is told of what was sent
	next  chunk
	last  metering.Instant // time of the last event in next
	kept  chunk            // what the source of the outage could not send
	wrong []byte           // events that will be refused
}

// run sends all events.
func (d *demoStream) run(ctx context.Context, f *fleet.Fleet) error {
	for o := range f.Events() {
		step, recent := demoEarlyStep, o.Time >= d.end-demoRecent
		if recent {
			step = demoStep
		}
		if d.next.lines == chunkLinesMax || d.next.lines > 0 && o.Time/step != d.last/step {
			if err := d.flush(ctx); err != nil {
				return err
			}
		}
		d.last = o.Time
		if d.fails(o) {
			d.kept.text, d.kept.lines = append(fleet.AppendEvent(d.kept.text, o), '\n'), d.kept.lines+1
			continue
		}
		d.next.text = append(fleet.AppendEvent(d.next.text, o), '\n')
		d.next.lines++
		if len(d.wrong) == 0 && recent && o.Kind == metering.StateObserved && !o.Deleted && o.Attributes.Texts[metering.Flavor] != "" {
			d.wrong = mistakesWith(o)
		}
	}
	return d.flush(ctx)
}

// fails reports whether an event cannot be sent when it happens.
func (d *demoStream) fails(o *metering.Observation) bool {
	return o.Kind == metering.QuantityObserved && strings.HasPrefix(o.Name.Source, "/sflow") && o.Time >= d.end-outageBegan && o.Time < d.end-outageEnded
}

// flush sends what was gathered, at its time. What is less than a whole chunk is
// sent alone, so that the clock does not run ahead of it by more than that.
func (d *demoStream) flush(ctx context.Context) error {
	next := d.next
	d.next = chunk{file: next.file, firstLine: next.firstLine + next.lines}
	d.clock.show(d.last + demoLag)
	if next.lines == chunkLinesMax {
		return d.send(next)
	}
	if err := d.sendNow(ctx, next); err != nil {
		return err
	}
	if d.last < d.end-outageEnded || d.kept.lines == 0 {
		return nil
	}
	kept := d.kept
	d.kept = chunk{}
	if err := d.sendNow(ctx, kept); err != nil {
		return err
	}
	// Who was cut off does not know what has arrived, and sends it again.
	for _, text := range [][]byte{kept.text, d.wrong} {
		if _, err := d.api.SendNDJSON(ctx, bytes.NewReader(text)); err != nil {
			return fmt.Errorf("send the demo's mistakes: %w", err)
		}
	}
	return nil
}

func (d *demoStream) sendNow(ctx context.Context, c chunk) error {
	if c.lines == 0 {
		return nil
	}
	receipt, err := d.api.SendNDJSON(ctx, bytes.NewReader(c.text))
	if err != nil {
		return fmt.Errorf("send %s from line %d on: %w", c.file, c.firstLine, err)
	}
	if receipt.RejectedTotal > 0 {
		return fmt.Errorf("%d events of the fleet were rejected, the first one: %s", receipt.RejectedTotal, receipt.Rejected[0].Message)
	}
	return d.sent(c)
}

// mistakesWith are what goes wrong with sources: an event without what its type
// requires, and an id that is used a second time for something else.
func mistakesWith(o *metering.Observation) (text []byte) {
	without, again := *o, *o
	without.Name.ID, without.Attributes.Texts[metering.Flavor] = o.Name.ID+"-draft", ""
	again.Attributes.Texts[metering.Name] = "renamed"
	for _, e := range []*metering.Observation{&without, &again} {
		text = append(fleet.AppendEvent(text, e), '\n')
	}
	return text
}

package cli

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far a long task is: a bar with rate and time left on a
// terminal, otherwise a line for each tenth of the way.
type progress struct {
	bar         *progressbar.ProgressBar // nil when not on a terminal
	out         io.Writer
	description string
	total       int64 // 0 when unknown

	mu struct {
		sync.Mutex
		done   int64 // never more than a known total
		tenths int64 // told so far
	}
}

// newProgress starts at 0. A total of 0 is unknown.
func newProgress(env *Env, description string, total int64, inBytes bool) *progress {
	p := &progress{out: env.Stderr, description: description, total: total}
	if !env.terminal {
		return p
	}
	length := total
	if length == 0 {
		length = -1
	}
	options := []progressbar.Option{
		progressbar.OptionSetWriter(env.Stderr),
		progressbar.OptionSetDescription(description),
		progressbar.OptionShowBytes(inBytes),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionOnCompletion(func() { fmt.Fprintln(env.Stderr) }),
	}
	if !inBytes {
		options = append(options, progressbar.OptionShowIts())
	}
	p.bar = progressbar.NewOptions64(length, options...)
	return p
}

// add counts what is done. A total that is exceeded was an estimate; the rest is
// not shown.
func (p *progress) add(n int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total > 0 {
		n = min(n, p.total-p.mu.done)
	}
	p.mu.done += n
	switch {
	case p.bar != nil:
		return p.bar.Add64(n)
	case p.total == 0:
		return nil
	}
	tenths := p.mu.done * 10 / p.total
	if tenths <= p.mu.tenths {
		return nil
	}
	p.mu.tenths = tenths
	_, err := fmt.Fprintf(p.out, "%s: %d %%\n", p.description, tenths*10)
	return err
}

// end says that the task is over, and whether all of it is done.
func (p *progress) end(complete bool) error {
	switch {
	case p.bar == nil && complete && p.total > 0:
		return p.add(p.total) // the total may have been an estimate
	case p.bar == nil:
		return nil
	case complete:
		return p.bar.Finish()
	}
	_, err := fmt.Fprintln(p.out)
	return errors.Join(p.bar.Exit(), err)
}

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// rejectedLine is one line of the file of rejected events.
type rejectedLine struct {
	File    string `json:"file"`
	Line    int64  `json:"line"` // from 1
	Code    string `json:"code"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
	// Event is the line as it was, a JSON value where it is one, otherwise a
	// text; absent when it was too long to be an event.
	Event any `json:"event,omitempty"`
}

// rejectedShownMax is how many rejections are shown when no file takes them.
const rejectedShownMax = 10

// importResults adds up the receipts of an import. It is safe for concurrent
// use.
type importResults struct {
	file *os.File // nil: rejections are shown, not kept

	mu struct {
		sync.Mutex
		accepted, duplicates int64
		codes                map[string]int64
		shown                []rejectedLine // the first ones, without a file
	}
}

func newImportResults(file *os.File) *importResults {
	r := &importResults{file: file}
	r.mu.codes = map[string]int64{}
	return r
}

// add counts the receipt of a chunk.
func (r *importResults) add(c *chunk, receipt *client.Receipt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.accepted += receipt.Accepted
	r.mu.duplicates += receipt.Duplicates
	for _, number := range c.tooLong {
		message := fmt.Sprintf("one event may have up to %d bytes", metering.MaxEventBytes)
		if err := r.rejectLocked(rejectedLine{c.file, number, metering.TooLarge.String(), "", message, nil}); err != nil {
			return err
		}
	}
	for _, why := range receipt.Rejected {
		number := c.firstLine + why.Index
		line := rejectedLine{c.file, number, why.Code, why.Field, why.Message, eventOf(c.line(number))}
		if err := r.rejectLocked(line); err != nil {
			return err
		}
	}
	if !receipt.Complete {
		return metering.Errorf(metering.KindUnavailable, "the server did not read %s from line %d on to its end: %s", c.file, c.firstLine, receipt.Message)
	}
	return nil
}

func eventOf(line []byte) any {
	if json.Valid(line) {
		return json.RawMessage(line)
	}
	return string(line)
}

func (r *importResults) rejectLocked(line rejectedLine) error {
	r.mu.codes[line.Code]++
	if r.file == nil {
		if len(r.mu.shown) < rejectedShownMax {
			r.mu.shown = append(r.mu.shown, line)
		}
		return nil
	}
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("encode the rejection of %s line %d: %w", line.File, line.Line, err)
	}
	if _, err := r.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("write rejected events: %w", err)
	}
	return nil
}

func (r *importResults) close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// rejected counts all rejections.
func (r *importResults) rejected() (n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, count := range r.mu.codes {
		n += count
	}
	return n
}

func (r *importResults) accepted() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.accepted
}

// summary prints what became of the events, and the first rejections when no
// file keeps them.
func (r *importResults) summary(out, messages io.Writer) error {
	rejected := r.rejected()
	r.mu.Lock()
	defer r.mu.Unlock()
	var problems []error
	for _, line := range r.mu.shown {
		place := ""
		if line.Field != "" {
			place = " " + line.Field
		}
		_, err := fmt.Fprintf(messages, "%s:%d: %s%s: %s\n", line.File, line.Line, line.Code, place, line.Message)
		problems = append(problems, err)
	}
	if more := rejected - int64(len(r.mu.shown)); r.file == nil && more > 0 {
		_, err := fmt.Fprintf(messages, "and %d more; --rejected FILE keeps them all\n", more)
		problems = append(problems, err)
	}
	_, err := fmt.Fprintf(out, "accepted %d, duplicates %d, rejected %d%s\n", r.mu.accepted, r.mu.duplicates, rejected, codesText(r.mu.codes))
	return errors.Join(append(problems, err)...)
}

func codesText(codes map[string]int64) string {
	if len(codes) == 0 {
		return ""
	}
	texts := []string{}
	for code, n := range codes {
		texts = append(texts, fmt.Sprintf("%s %d", code, n))
	}
	slices.Sort(texts)
	return " (" + strings.Join(texts, ", ") + ")"
}

package ledger_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/meterbook/meterbook/internal/fleet"
	"github.com/meterbook/meterbook/internal/ingest"
	"github.com/meterbook/meterbook/internal/report"
)

// jsonSender sends observations as events in JSON, through ingest: in all modes,
// compressed or not, their times with offsets.
type jsonSender struct {
	drawn   *rand.Rand
	service *ingest.Service
}

func newJSONSender(d *delivery, drawn *rand.Rand) *jsonSender {
	return &jsonSender{drawn, ingest.New(d.ledger, ingest.Options{Clock: d.clock.Now, Directory: d.ledger})}
}

func (s *jsonSender) send(ctx context.Context, batch []report.Submission) error {
	var events [][]byte
	for _, sub := range batch {
		events = append(events, s.moveTimes(fleet.AppendEvent(nil, sub.Observation)))
	}
	switch s.drawn.IntN(4) {
	case 0:
		return s.post(ctx, header("application/x-ndjson"), bytes.Join(events, []byte(draw(s.drawn, "\n", "\r\n", "\n\n "))))
	case 1:
		return s.post(ctx, header("application/cloudevents-batch+json; charset=UTF-8"), append(append([]byte("[ "), bytes.Join(events, []byte("\n,"))...), ']'))
	}
	for _, event := range events {
		h, body := header("application/cloudevents+json"), event
		if s.drawn.IntN(2) == 0 {
			var err error
			if h, body, err = binaryMode(event); err != nil {
				return err
			}
		}
		if err := s.post(ctx, h, body); err != nil {
			return err
		}
	}
	return nil
}

func header(contentType string) http.Header {
	return http.Header{"Content-Type": []string{contentType}}
}

// post sends one body, which must be stored as a whole.
func (s *jsonSender) post(ctx context.Context, h http.Header, body []byte) error {
	packed, err := s.pack(h, body)
	if err != nil {
		return err
	}
	r, err := s.service.Receive(ctx, ingest.Permission{AnyClient: true, Client: report.DefaultClient, Narrowing: report.FullScope()}, h, bytes.NewReader(packed))
	if err != nil {
		return err
	}
	if r.RejectedTotal > 0 || !r.Complete {
		return fmt.Errorf("receipt %+v of %s", r, body)
	}
	return nil
}

// pack compresses a body, or does not.
func (s *jsonSender) pack(h http.Header, body []byte) ([]byte, error) {
	var b bytes.Buffer
	var w io.WriteCloser
	switch s.drawn.IntN(3) {
	case 0:
		w = gzip.NewWriter(&b)
		h.Set("Content-Encoding", "gzip")
	case 1:
		z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return nil, err
		}
		w = z
		h.Set("Content-Encoding", "zstd")
	default:
		return body, nil
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	err := w.Close()
	return b.Bytes(), err
}

var timeMember = regexp.MustCompile(`"(time|from|to)":"[^"]*"`)

// moveTimes writes the instants of an event with offsets from UTC.
func (s *jsonSender) moveTimes(event []byte) []byte {
	return timeMember.ReplaceAllFunc(event, func(member []byte) []byte {
		name, text, _ := bytes.Cut(member, []byte(":"))
		at, err := time.Parse(`"`+time.RFC3339Nano+`"`, string(text))
		if err != nil {
			return member // it is in a text
		}
		zone := time.FixedZone("", (s.drawn.IntN(2*1439)-1439)*60)
		return fmt.Appendf(nil, `%s:"%s"`, name, at.In(zone).Format(draw(s.drawn, time.RFC3339Nano, "2006-01-02T15:04:05.000000000Z07:00")))
	})
}

// binaryMode puts the attributes of an event into headers.
func binaryMode(event []byte) (http.Header, []byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(event, &members); err != nil {
		return nil, nil, err
	}
	h := header("application/json")
	for name, raw := range members {
		if name == "data" {
			continue
		}
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, nil, err
		}
		value := ""
		for i := range len(text) {
			if c := text[i]; c <= ' ' || c > '~' || c == '%' || c == '"' {
				value += fmt.Sprintf("%%%02X", c)
			} else {
				value += string(rune(c))
			}
		}
		h.Set("Ce-"+name, value)
	}
	return h, members["data"], nil
}

package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const (
	verifyPath  = "/v1/verify"
	backupPath  = "/v1/backup"
	ndjsonMedia = "application/x-ndjson"
	backupMedia = "application/zstd"
)

// progressEvery is how often a verification tells how far it is.
const progressEvery = time.Second

// verificationLine is one line of the answer of a verification: progress, or
// the result, which is the last one.
type verificationLine struct {
	Progress *progressBody     `json:"progress,omitempty"`
	Result   *verificationBody `json:"result,omitempty"`
}

type progressBody struct {
	Stage string `json:"stage"`
	Done  int64  `json:"done"`
	Total int64  `json:"total"`
}

type verificationBody struct {
	Observations     int64            `json:"observations"`
	Retracted        int64            `json:"retracted"`
	IDs              int64            `json:"ids"`
	Timelines        int64            `json:"timelines"`
	Days             int64            `json:"days"`
	DifferencesTotal int64            `json:"differences_total"`
	Differences      []differenceBody `json:"differences"`
}

type differenceBody struct {
	Check  string `json:"check"`
	Of     string `json:"of"`
	Stored string `json:"stored"`
	Want   string `json:"want"`
}

func bodyOfVerification(v *report.Verification) *verificationBody {
	b := &verificationBody{
		Observations: v.Observations, Retracted: v.Retracted, IDs: v.IDs, Timelines: v.Timelines, Days: v.Days,
		DifferencesTotal: v.Total, Differences: make([]differenceBody, len(v.Differences)),
	}
	for i, d := range v.Differences {
		b.Differences[i] = differenceBody(d)
	}
	return b
}

// verifyStore streams how far the verification is, and its result in the end.
// It ends when the client goes away, also when that shows in a line that cannot
// be written.
func verifyStore(x *exchange) error {
	store, err := x.maintainer("verify the store")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	var told time.Time
	v, err := store.Verify(ctx, func(p report.Progress) {
		now := x.s.options.Wall()
		if x.started && now.Sub(told) < progressEvery {
			return
		}
		told = now
		if err := x.line(verificationLine{Progress: &progressBody{p.Stage, p.Done, p.Total}}); err != nil {
			cancel(err)
		}
	})
	if err != nil {
		return fmt.Errorf("verify the store: %w", err)
	}
	return x.line(verificationLine{Result: bodyOfVerification(v)})
}

// line writes a line of NDJSON and sends it at once.
func (x *exchange) line(value verificationLine) error {
	text, err := json.Marshal(value, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode a line of the answer: %w", err)
	}
	if !x.started {
		x.Header().Set("Content-Type", ndjsonMedia)
	}
	if _, err := x.Write(append(text, '\n')); err != nil {
		return err
	}
	return x.control.Flush()
}

// backUpStore streams a copy of the store.
func backUpStore(x *exchange) error {
	store, err := x.maintainer("back up the store")
	if err != nil {
		return err
	}
	x.Header().Set("Content-Type", backupMedia)
	if err := store.Backup(x.r.Context(), x); err != nil {
		return fmt.Errorf("back up the store: %w", err)
	}
	return nil
}

// maintainer returns the store as something that can be examined and copied, by
// those who may see all of it.
func (x *exchange) maintainer(purpose string) (report.Maintainer, error) {
	if err := x.caller.RequireWhole(purpose); err != nil {
		return nil, err
	}
	if x.backend.Maintenance == nil {
		return nil, metering.Errorf(metering.KindNotFound, "This store cannot do that by itself")
	}
	return x.backend.Maintenance, nil
}

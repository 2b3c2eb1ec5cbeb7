package httpapi

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

const (
	verifyPath  = "/v1/verify"
	backupPath  = "/v1/backup"
	retainPath  = "/v1/retain"
	ndjsonMedia = "application/x-ndjson"
	backupMedia = "application/zstd"
)

// progressEvery is how often a long task tells how far it is.
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
	ClosedBefore     *metering.Month  `json:"closed_before"`
	Dropped          int64            `json:"dropped"`
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
		ClosedBefore: given(v.Closed), Dropped: v.Dropped, DifferencesTotal: v.Total, Differences: make([]differenceBody, len(v.Differences)),
	}
	for i, d := range v.Differences {
		b.Differences[i] = differenceBody(d)
	}
	return b
}

// retentionLine is one line of the answer of a retention: progress, or the
// result, which is the last one.
type retentionLine struct {
	Progress *progressBody  `json:"progress,omitempty"`
	Result   *retentionBody `json:"result,omitempty"`
}

type retentionBody struct {
	Before        metering.Month `json:"before"`
	DryRun        bool           `json:"dry_run"`
	Observations  int64          `json:"observations"`
	Bytes         int64          `json:"bytes"`
	Resources     int64          `json:"resources"`
	Kept          int64          `json:"kept"`
	AlreadyClosed bool           `json:"already_closed"`
}

// verifyStore streams how far the verification is, and its result in the end.
func verifyStore(x *exchange) error {
	store, err := x.maintainer("verify the store")
	if err != nil {
		return err
	}
	ctx, tell, end := x.streamed(func(p *progressBody) any { return verificationLine{Progress: p} })
	defer end()
	v, err := store.Verify(ctx, tell)
	if err != nil {
		return fmt.Errorf("verify the store: %w", err)
	}
	return x.line(verificationLine{Result: bodyOfVerification(v)})
}

// retainStore drops observations of closed months, or tells which it would drop,
// and streams like verifyStore.
func retainStore(x *exchange) error {
	const purpose = "drop observations of closed months"
	store, err := x.maintainer(purpose)
	if err != nil {
		return err
	}
	q, err := x.retention()
	if err != nil {
		return err
	}
	ctx, tell, end := x.streamed(func(p *progressBody) any { return retentionLine{Progress: p} })
	defer end()
	r, err := store.Retain(ctx, *q, tell)
	if err != nil {
		return fmt.Errorf("%s: %w", purpose, err)
	}
	return x.line(retentionLine{Result: &retentionBody{
		Before: q.Before, DryRun: q.DryRun, Observations: r.Observations, Bytes: r.Bytes, Resources: r.Resources, Kept: r.Kept, AlreadyClosed: r.Closed,
	}})
}

// retention reads the body of a retention.
func (x *exchange) retention() (*report.Retention, error) {
	m, err := x.members("before", "dry_run")
	if err != nil {
		return nil, err
	}
	m.require("before")
	q := &report.Retention{}
	if text := m.text("before"); text != nil {
		var ok bool
		if q.Before, ok = metering.ParseMonth(*text); !ok {
			m.fields.Add("before", "Input should be a valid month such as '2024-07'")
		}
	}
	switch v := m.values["dry_run"]; v.Kind() {
	case jsontext.KindTrue:
		q.DryRun = true
	case jsontext.KindFalse, jsontext.KindInvalid: // not given
	default:
		m.fields.Add("dry_run", "Input should be a valid boolean")
	}
	return q, m.err()
}

// streamed is for a task that tells how far it is in lines of NDJSON. The task
// ends when the client goes away, also when that shows in a line that cannot be
// written. The caller calls end.
func (x *exchange) streamed(line func(*progressBody) any) (ctx context.Context, tell func(report.Progress), end func()) {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	var told time.Time
	tell = func(p report.Progress) {
		now := x.s.options.Wall()
		if x.started && now.Sub(told) < progressEvery {
			return
		}
		told = now
		if err := x.line(line(&progressBody{p.Stage, p.Done, p.Total})); err != nil {
			cancel(err)
		}
	}
	return ctx, tell, func() { cancel(nil) }
}

// line writes a line of NDJSON and sends it at once.
func (x *exchange) line(value any) error {
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

package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"os"

	"github.com/meterbook/meterbook/internal/metering"
	"github.com/meterbook/meterbook/internal/report"
)

// MaxRequestBytes bounds the body of reports and of administration; events have
// a bound of their own.
const MaxRequestBytes = 1 << 20

// completeUntilHeader tells up to which instant everything acknowledged is in
// the report, RFC 3339, UTC.
const completeUntilHeader = "Meterbook-Complete-Until"

func usageReport(x *exchange) error {
	body, err := x.jsonBody()
	if err != nil {
		return err
	}
	store := x.backend.Store
	q, err := report.Parse(body, x.s.options.Clock(), x.caller.Scope(store))
	if err != nil {
		return err
	}
	rep, err := store.Report(x.r.Context(), q)
	if err != nil {
		return fmt.Errorf("compute the report: %w", err)
	}
	defer rep.Close()
	x.Header().Set("Content-Type", "application/json")
	x.Header().Set(completeUntilHeader, rep.CompleteUntil.String())
	if err := report.WriteJSON(x, rep); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// jsonBody reads a body that must be JSON: KindUnsupportedMedia, KindTooLarge,
// or KindInvalid when it does not arrive.
func (x *exchange) jsonBody() ([]byte, error) {
	media, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if (err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter)) || media != "application/json" {
		return nil, metering.Errorf(metering.KindUnsupportedMedia, "Content-Type must be application/json")
	}
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, metering.Errorf(metering.KindUnsupportedMedia, "Content-Encoding is not supported here; send the body as it is")
	}
	tooLarge := metering.Errorf(metering.KindTooLarge, "Request body must not be larger than %d bytes", MaxRequestBytes)
	if x.r.ContentLength > MaxRequestBytes {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(x.r.Body, MaxRequestBytes+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, metering.Errorf(metering.KindInvalid, "Request body came too slowly; send it within %s", x.s.options.SlowClientTimeout)
	case err != nil:
		return nil, &metering.Error{Kind: metering.KindInvalid, Message: "Request body broke off; send it again", Cause: err}
	case len(body) > MaxRequestBytes:
		return nil, tooLarge
	}
	return body, nil
}

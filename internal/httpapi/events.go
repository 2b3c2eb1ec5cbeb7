package httpapi

import "github.com/meterbook/meterbook/internal/ingest"

// receiveEvents answers with a receipt (spec 3-ingest).
func receiveEvents(x *exchange) error {
	receipt, err := x.backend.Ingest.Receive(x.r.Context(), ingest.Permission(x.caller.Permission()), x.r.Header, x.r.Body)
	if err != nil {
		return err
	}
	return x.json(receipt.Status(), receipt)
}

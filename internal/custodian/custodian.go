// Package custodian is what people ask of a recording: each question is answered with a custody entry.
package custodian

import (
	"context"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/retention"
)

// Signer hands out short-lived links to renditions.
type Signer interface {
	// Sign returns a URL that reads one rendition and nothing else, and ends after ttl. Callers MUST NOT log it.
	Sign(ctx context.Context, id evidence.ID, name string, ttl time.Duration) (string, error)
}

// Custodian answers people. Every method takes the Cause that goes into the custody entry.
type Custodian struct {
	Ledger     evidence.Ledger
	Catalogue  evidence.Catalogue
	Renditions evidence.Renditions
	Signer     Signer
	Requests   evidence.Requests
	Breaker    evidence.Breaker
	Protocol   *retention.Protocol
	LinkTTL    time.Duration // how long a playback link lives
}

// consult notes that somebody looked and returns the record as it was looked at.
func (k *Custodian) consult(ctx context.Context, id evidence.ID, op evidence.Operation, c evidence.Cause) (evidence.Record, error) {
	return evidence.Update(ctx, k.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		return r.Consult(op, nil, c)
	})
}

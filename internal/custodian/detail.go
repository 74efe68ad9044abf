package custodian

import (
	"context"
	"fmt"

	"bwv/internal/evidence"
)

// Detail shows one record; the look is a custody entry.
func (k *Custodian) Detail(ctx context.Context, id evidence.ID, c evidence.Cause) (evidence.Record, error) {
	return k.consult(ctx, id, evidence.OpView, c)
}

// Poster returns a short-lived link to the record's poster frame, empty where there is none.
func (k *Custodian) Poster(ctx context.Context, r evidence.Record) (string, error) {
	if r.Proxy.State != evidence.ProxyReady {
		return "", nil
	}
	link, err := k.Signer.Sign(ctx, r.ID, evidence.Poster, k.LinkTTL)
	if err != nil {
		return "", fmt.Errorf("signing the poster of %s: %w", r.ID, err)
	}
	return link, nil
}

package custodian

import (
	"context"
	"fmt"

	"bwv/internal/evidence"
)

// Reprocess puts a request on the queue `reprocess`; the stage there writes the custody entry and asks the others.
func (k *Custodian) Reprocess(ctx context.Context, q evidence.Reprocess, c evidence.Cause) error {
	if _, err := q.Again(); err != nil {
		return err
	}
	if q.Reason != "" {
		if err := words("reason", q.Reason, 1000); err != nil {
			return err
		}
	}
	r, err := k.Ledger.Get(ctx, q.Evidence)
	if err != nil {
		return err
	}
	if r.Gone() {
		return fmt.Errorf("recording %s is %s: %w", q.Evidence, r.Retention.State, evidence.Refused)
	}
	q.By = c.By
	if err := k.Requests.Request(ctx, q); err != nil {
		return fmt.Errorf("asking for %s: %w", q.Evidence, err)
	}
	return nil
}

// Release closes the disposal breaker again after it tripped; it needs a reason.
func (k *Custodian) Release(ctx context.Context, reason string, c evidence.Cause) error {
	if err := words("reason", reason, 1000); err != nil {
		return err
	}
	c.Reason = reason
	return k.Breaker.Release(ctx, c)
}

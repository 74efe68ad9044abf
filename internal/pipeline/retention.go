package pipeline

import (
	"context"

	"bwv/internal/evidence"
	"bwv/internal/retention"
)

// Retention gives each new record its pending disposal.
type Retention struct {
	Protocol *retention.Protocol
}

// Run schedules one record's disposal; asked to do it again, it sends the message anew and voids the one before.
func (s *Retention) Run(ctx context.Context, w evidence.Work, c evidence.Cause) (evidence.Result, error) {
	r, err := s.Protocol.Ledger.Get(ctx, w.Evidence)
	switch {
	case err != nil:
		return result(w.Evidence, ""), err
	case r.Gone():
		return result(r.ID, outcomeGone), nil
	case r.Flagged():
		return result(r.ID, "flagged"), nil
	case r.Retention.State == evidence.Scheduled && !w.Again:
		return result(r.ID, outcomeAlready), nil
	case r.Retention.State == evidence.Scheduled:
		_, err = s.Protocol.Defer(ctx, r.ID, r.Retention.Epoch, r.Retention.Due, c)
	default:
		_, err = s.Protocol.Schedule(ctx, r.ID, c)
	}
	return result(w.Evidence, outcomeDone), err
}

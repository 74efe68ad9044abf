package pipeline

import (
	"context"

	"bwv/internal/evidence"
	"bwv/internal/retention"
)

// Expire erases what is due and not flagged: the only stage that may delete an original.
type Expire struct {
	Protocol *retention.Protocol
}

// Run acts on one disposal message.
func (s *Expire) Run(ctx context.Context, d evidence.Disposal, c evidence.Cause) (evidence.Result, error) {
	outcome, err := s.Protocol.Expire(ctx, d, c)
	return result(d.Evidence, outcome), err
}

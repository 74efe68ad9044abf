package servicebus

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
)

// Schedule implements evidence.Disposals, on queue `expire`.
func (b *Bus) Schedule(ctx context.Context, d evidence.Disposal, at time.Time) (int64, error) {
	m, err := message(d.Evidence, d)
	if err != nil {
		return 0, fmt.Errorf("scheduling the disposal of %s: %w", d.Evidence, err)
	}
	var sequences []int64
	err = b.do(ctx, expireQueue, func(ctx context.Context, s *azservicebus.Sender) (err error) {
		// A lost answer makes the client send it again: the first one stays, and comes at the same time with the same epoch.
		sequences, err = s.ScheduleMessages(ctx, []*azservicebus.Message{m}, whole(at), nil)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("scheduling the disposal of %s: %w", d.Evidence, err)
	}
	if len(sequences) != 1 || sequences[0] == 0 {
		return 0, fmt.Errorf("scheduling the disposal of %s: %d sequence numbers for one message: %w", d.Evidence, len(sequences), evidence.Unavailable)
	}
	return sequences[0], nil
}

// whole is at, or the first millisecond after it: the protocol counts in those, from 1970 on, and a message must not come early.
func whole(at time.Time) time.Time {
	if first := time.Unix(0, 0).UTC(); at.Before(first) {
		return first
	}
	if ms := at.Truncate(time.Millisecond); ms.Before(at) {
		return ms.Add(time.Millisecond)
	}
	return at
}

// Cancel implements evidence.Disposals. The client repeats what was not acknowledged; a repeated cancellation finds nothing.
func (b *Bus) Cancel(ctx context.Context, sequence int64) error {
	err := b.do(ctx, expireQueue, func(ctx context.Context, s *azservicebus.Sender) error {
		return s.CancelScheduledMessages(ctx, []int64{sequence}, nil)
	})
	if err != nil {
		return fmt.Errorf("cancelling scheduled message %d: %w", sequence, err)
	}
	return nil
}

package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bwv/internal/evidence"
)

// Protocol moves records through schedule, flag, unflag and expire. The pending Service Bus message is a hint {evidence, epoch};
// the record alone decides. The order of writes in each move is what makes a crash harmless, and is stated there.
type Protocol struct {
	Ledger     evidence.Ledger
	Disposals  evidence.Disposals
	Originals  evidence.Originals
	Renditions evidence.Renditions
	Breaker    evidence.Breaker
	Policy     Policy
	Now        func() time.Time
}

// Schedule makes sure that a record which nobody flagged has a pending disposal. Done twice it does nothing the second time.
func (p *Protocol) Schedule(ctx context.Context, id evidence.ID, c evidence.Cause) (evidence.Record, error) {
	return p.pend(ctx, id, c.At, func(r evidence.Record) (time.Time, pending, error) {
		if r.Retention.State != evidence.Received {
			return time.Time{}, nil, evidence.ErrUnchanged
		}
		due := Decide(r, p.Policy, p.Now()).Due
		return due, func(sequence int64) (evidence.Record, evidence.Entry, error) {
			return r.Schedule(due, due, sequence, p.ruled(c))
		}, nil
	})
}

// Defer sends a scheduled record's disposal again, to come at fires: because it is not due, because disposal is paused, or because
// reconcile found that the message was lost. The message that was pending before is void from the commit on.
func (p *Protocol) Defer(ctx context.Context, id evidence.ID, epoch int, fires time.Time, c evidence.Cause) (evidence.Record, error) {
	return p.pend(ctx, id, c.At, func(r evidence.Record) (time.Time, pending, error) {
		if r.Retention.State != evidence.Scheduled || r.Retention.Epoch != epoch {
			return time.Time{}, nil, evidence.ErrUnchanged
		}
		due := Decide(r, p.Policy, p.Now()).Due
		at := ceilSecond(later(due, fires))
		return at, func(sequence int64) (evidence.Record, evidence.Entry, error) {
			return r.Schedule(due, at, sequence, p.ruled(c))
		}, nil
	})
}

// Flag keeps a record for f's purpose. When it returns without an error the recording is safe, whatever becomes of the message.
//
// Order: commit first (the instant of safety), then cancel. A crash between them leaves a message of an old epoch, which does
// nothing when it comes, and a sequence number on the record, by which reconcile finds it.
func (p *Protocol) Flag(ctx context.Context, id evidence.ID, f evidence.Flag, c evidence.Cause) (evidence.Record, error) {
	r, err := evidence.Update(ctx, p.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if _, ok := r.FlagByID(f.ID); ok {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		return r.Flag(f, c)
	})
	if err != nil {
		return r, err
	}
	cancelled, err := p.Cancel(ctx, id, c)
	if err != nil { // the flag stands and the message is void: reconcile cancels what is left
		slog.WarnContext(ctx, "retention.cancel-failed", "evidence", id, "error", err)
		return r, nil
	}
	return cancelled, nil
}

// Cancel takes back the pending message of a flagged record and clears its sequence number once that is confirmed.
func (p *Protocol) Cancel(ctx context.Context, id evidence.ID, c evidence.Cause) (evidence.Record, error) {
	r, err := p.Ledger.Get(ctx, id)
	if err != nil || r.Retention.State != evidence.Flagged || r.Retention.Sequence == 0 {
		return r, err
	}
	sequence := r.Retention.Sequence
	if err := p.Disposals.Cancel(ctx, sequence); err != nil && !errors.Is(err, evidence.NotFound) {
		return r, fmt.Errorf("cancelling disposal %d of %s: %w", sequence, id, err)
	}
	return evidence.Update(ctx, p.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Retention.Sequence != sequence {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		return r.Cancelled(c)
	})
}

// Unflag ends one flag. The last one's end starts a new full window: message first, then commit, as in Schedule.
func (p *Protocol) Unflag(ctx context.Context, id evidence.ID, flag string, c evidence.Cause) (evidence.Record, error) {
	for try := 1; ; try++ {
		r, err := evidence.Update(ctx, p.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			if _, ok := r.FlagByID(flag); !ok || len(r.Flags) == 1 {
				return r, evidence.Entry{}, evidence.ErrUnchanged // ended already, or the last: below
			}
			return r.EndFlag(flag, c)
		})
		if err != nil || !stands(r, flag) {
			return r, err
		}
		// What is still pending from before the flag goes first: after the next commit its number would be forgotten.
		if r, err = p.Cancel(ctx, id, c); err != nil {
			return r, err
		}
		if r, err = p.endLast(ctx, id, flag, c); err != nil || !stands(r, flag) {
			return r, err
		}
		if try == pendTries { // a second flag came and went between the two questions, again and again
			return r, fmt.Errorf("ending flag %s of %s: it moved %d times: %w", flag, id, try, evidence.Conflict)
		}
	}
}

func stands(r evidence.Record, flag string) bool {
	_, ok := r.FlagByID(flag)
	return ok
}

func (p *Protocol) endLast(ctx context.Context, id evidence.ID, flag string, c evidence.Cause) (evidence.Record, error) {
	return p.pend(ctx, id, c.At, func(r evidence.Record) (time.Time, pending, error) {
		if !stands(r, flag) || len(r.Flags) != 1 {
			return time.Time{}, nil, evidence.ErrUnchanged // ended already, or no longer the last
		}
		released := r
		released.Flags, released.Retention.Released = nil, c.At
		due := Decide(released, p.Policy, p.Now()).Due
		return due, func(sequence int64) (evidence.Record, evidence.Entry, error) {
			return r.EndLastFlag(flag, due, sequence, p.ruled(c))
		}, nil
	})
}

// pending makes the move that records a message which was just sent.
type pending func(sequence int64) (evidence.Record, evidence.Entry, error)

const pendTries = 8

// pend sends the message of the record's next epoch and commits the move that records it, in this order. A crash between leaves a
// message whose epoch no record will have: void. The other order could leave a record that waits for a message which was never
// sent: kept for ever.
func (p *Protocol) pend(ctx context.Context, id evidence.ID, at time.Time, plan func(evidence.Record) (time.Time, pending, error)) (evidence.Record, error) {
	for try := 1; ; try++ {
		r, err := p.Ledger.Get(ctx, id)
		if err != nil {
			return r, err
		}
		fires, move, err := plan(r)
		if errors.Is(err, evidence.ErrUnchanged) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		sequence, err := p.Disposals.Schedule(ctx, evidence.Disposal{Evidence: id, Epoch: r.NextEpoch(at)}, fires)
		if err != nil {
			return r, fmt.Errorf("scheduling the disposal of %s: %w", id, err)
		}
		next, entry, err := move(sequence)
		if err != nil {
			return r, err
		}
		stored, err := p.Ledger.Commit(ctx, next, entry)
		if err == nil {
			return stored, nil
		}
		if !errors.Is(err, evidence.Conflict) {
			return r, err
		}
		current, named, err := p.withdraw(ctx, id, sequence)
		if named || err != nil {
			return current, err
		}
		if try == pendTries {
			return current, fmt.Errorf("scheduling the disposal of %s: it moved %d times: %w", id, try, evidence.Conflict)
		}
	}
}

// withdraw cancels a message whose commit met a conflict, unless the record names it: then the conflict was our own success, whose
// reply was lost and which the transport tried again.
func (p *Protocol) withdraw(ctx context.Context, id evidence.ID, sequence int64) (r evidence.Record, named bool, err error) {
	r, err = p.Ledger.Get(ctx, id)
	if err != nil || r.Retention.Sequence == sequence {
		return r, err == nil, err
	}
	if err := p.Disposals.Cancel(ctx, sequence); err != nil && !errors.Is(err, evidence.NotFound) {
		return r, false, fmt.Errorf("withdrawing disposal %d of %s: %w", sequence, id, err)
	}
	return r, false, nil
}

func (p *Protocol) ruled(c evidence.Cause) evidence.Cause {
	c.Rule = p.Policy.Rule()
	return c
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

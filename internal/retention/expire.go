package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bwv/internal/evidence"
)

// What became of a disposal message.
const (
	ResultStale    = "stale"    // the record is flagged, gone, or on another epoch: nothing was deleted
	ResultDeferred = "deferred" // not due, paused, or stopped by the breaker: it comes again
	ResultPaused   = "paused"
	ResultTripped  = "tripped"
	ResultExpired  = "expired" // the recording is gone, its tombstone stays
)

// Expire acts on a disposal message: it erases the recording if the record says so, and does nothing otherwise. It returns one of the
// Result words. A message may come twice, late, or after a crash in the middle: a record in `expiring` goes on where it stopped.
//
// Order: commit `expiring` (from here a flag is refused with words), erase the renditions, erase the original, look whether both are
// gone, commit `expired` with the tombstone. A crash anywhere after the first commit leaves the message to be delivered again.
func (p *Protocol) Expire(ctx context.Context, d evidence.Disposal, c evidence.Cause) (string, error) {
	r, err := p.Ledger.Get(ctx, d.Evidence)
	if err != nil {
		return "", err
	}
	if r.Retention.Epoch != d.Epoch {
		return ResultStale, nil
	}
	switch r.Retention.State {
	case evidence.Expiring:
	case evidence.Scheduled:
		result, err := p.hold(ctx, r, c)
		if result != "" || err != nil {
			return result, err
		}
		if r, result, err = p.begin(ctx, d, c); result != "" || err != nil {
			return result, err
		}
	default:
		return ResultStale, nil
	}
	if err := p.erase(ctx, r); err != nil {
		return "", err
	}
	return ResultExpired, p.bury(ctx, r.ID, c)
}

// hold puts a disposal off if it may not happen now, and says so by a result.
func (p *Protocol) hold(ctx context.Context, r evidence.Record, c evidence.Cause) (string, error) {
	now, result := p.Now(), ""
	fires := now.Add(p.Policy.Defer)
	switch decision := Decide(r, p.Policy, now); {
	case !decision.Dispose:
		result, fires, c.Reason = ResultDeferred, decision.Due, decision.Reason
	case p.Policy.Paused:
		result, c.Reason = ResultPaused, "disposal is paused by configuration"
	case p.Policy.PerHour > 0:
		ok, err := p.Breaker.Admit(ctx, now, p.Policy.PerHour)
		if err != nil {
			return "", fmt.Errorf("asking the breaker about %s: %w", r.ID, err)
		}
		if !ok {
			result = ResultTripped
			c.Reason = fmt.Sprintf("more than %d disposals an hour: stopped until an administrator releases it", p.Policy.PerHour)
		}
	}
	if result == "" {
		return "", nil
	}
	_, err := p.Defer(ctx, r.ID, r.Retention.Epoch, fires, c)
	return result, err
}

// begin commits `expiring`, if the record is still as the message says and may still be erased; a result says that it is not.
func (p *Protocol) begin(ctx context.Context, d evidence.Disposal, c evidence.Cause) (evidence.Record, string, error) {
	result := ""
	r, err := evidence.Update(ctx, p.Ledger, d.Evidence, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		result = ""
		same := r.Retention.Epoch == d.Epoch
		if same && r.Retention.State == evidence.Expiring {
			return r, evidence.Entry{}, evidence.ErrUnchanged // our own commit, or another delivery's
		}
		decision := Decide(r, p.Policy, p.Now())
		if !same || r.Retention.State != evidence.Scheduled || !decision.Dispose {
			result = ResultStale
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		t, err := p.inspect(ctx, r, decision.Due)
		if err != nil {
			return r, evidence.Entry{}, err
		}
		return r.Expiring(t, p.ruled(c))
	})
	return r, result, err
}

// inspect says what an erasure of r would erase. The ETag may have moved since the upload (a tier, a hold, metadata): creation time and
// size decide whether it is the same upload. It is looked at before the erasure begins, since afterwards nobody could tell an original
// that we deleted from one that had gone before.
func (p *Protocol) inspect(ctx context.Context, r evidence.Record, due time.Time) (evidence.Tombstone, error) {
	t := evidence.Tombstone{
		Digest: r.Digest.Computed, Size: r.Original.Size, Created: r.Original.Created, Due: due,
		Rule: p.Policy.Rule(), ETag: r.Original.ETag, Original: evidence.FoundPresent,
	}
	o, err := p.Originals.Stat(ctx, r.Original.Path)
	switch {
	case errors.Is(err, evidence.NotFound):
		t.Original = evidence.FoundMissing
	case err != nil:
		return t, fmt.Errorf("looking at the original of %s: %w", r.ID, err)
	case !o.SameUpload(r.Original):
		t.Original = evidence.FoundReplaced
	default:
		t.ETag = o.ETag
	}
	return t, nil
}

// erase deletes renditions and original and looks whether they are gone. Done twice it finds nothing to do the second time.
func (p *Protocol) erase(ctx context.Context, r evidence.Record) error {
	if err := p.Renditions.DeleteAll(ctx, r.ID, ""); err != nil {
		return fmt.Errorf("erasing the renditions of %s: %w", r.ID, err)
	}
	o, err := p.Originals.Stat(ctx, r.Original.Path)
	if err == nil && o.SameUpload(r.Original) {
		if err := p.Originals.Delete(ctx, o); err != nil && !errors.Is(err, evidence.NotFound) {
			return fmt.Errorf("erasing the original of %s: %w", r.ID, err)
		}
		o, err = p.Originals.Stat(ctx, r.Original.Path)
	}
	if err != nil && !errors.Is(err, evidence.NotFound) {
		return fmt.Errorf("looking at the original of %s: %w", r.ID, err)
	}
	if err == nil && o.SameUpload(r.Original) {
		return fmt.Errorf("the original of %s is still there after its deletion: %w", r.ID, evidence.Unavailable)
	}
	if left, err := p.Renditions.List(ctx, r.ID); err != nil || len(left) > 0 {
		return fmt.Errorf("%d renditions of %s are still there after their deletion: %w", len(left), r.ID, errors.Join(err, evidence.Unavailable))
	}
	return nil
}

// bury commits `expired`.
func (p *Protocol) bury(ctx context.Context, id evidence.ID, c evidence.Cause) error {
	_, err := evidence.Update(ctx, p.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Retention.State == evidence.Expired {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		return r.Expired(p.ruled(c))
	})
	return err
}

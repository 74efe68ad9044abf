// Package retention decides when a recording goes, and carries that decision out so that a crash anywhere is harmless.
package retention

import (
	"fmt"
	"time"

	"bwv/internal/evidence"
)

// Policy is how long unflagged recordings are kept, and what may stop disposal as a whole.
type Policy struct {
	Keep    time.Duration // the full window; also the floor: nothing is erased before basis + Keep
	Paused  bool          // the kill switch
	PerHour int           // disposals an hour above which the breaker trips; 0 means no breaker
	Defer   time.Duration // how long a disposal that may not happen now is put off
}

// clockTolerance is how far after its upload a recording may claim to have been made: cameras write local time as UTC, which is at
// most 14 hours off, and a day covers it.
const clockTolerance = 24 * time.Hour

// Decision is what is to happen to a record, and why.
type Decision struct {
	Dispose bool      // may be erased now
	Due     time.Time // when it is due
	Reason  string
}

// Basis is where the window starts: the latest of upload, a believed recorded time, and the end of the last flag. A camera clock can
// lengthen the window by clockTolerance at most and never shortens it.
func Basis(r evidence.Record) time.Time {
	basis := r.Original.Created
	if at := r.Media.Recorded.At; r.Media.Recorded.Believed && at.After(basis) && at.Sub(r.Original.Created) <= clockTolerance {
		basis = at
	}
	if r.Retention.Released.After(basis) {
		basis = r.Retention.Released
	}
	return basis
}

// Decide says whether r may be erased at now. A due date that was promised on the record is never brought forward by a shorter policy.
func Decide(r evidence.Record, p Policy, now time.Time) Decision {
	due := Basis(r).Add(p.Keep)
	if r.Retention.Due.After(due) {
		due = r.Retention.Due
	}
	due = ceilSecond(due)
	switch state := r.Retention.State; {
	case state == evidence.Expired:
		return Decision{Due: due, Reason: "already erased"}
	case r.Flagged():
		return Decision{Due: due, Reason: "flagged: kept past its due date"}
	case p.Keep <= 0:
		return Decision{Due: due, Reason: "no retention is configured: kept"}
	case now.Before(due):
		return Decision{Due: due, Reason: fmt.Sprintf("not due before %s", due.UTC().Format(time.RFC3339))}
	case state == evidence.Scheduled, state == evidence.Expiring:
		return Decision{Dispose: true, Due: due, Reason: "due and not flagged"}
	default:
		return Decision{Due: due, Reason: fmt.Sprintf("%s: no disposal is pending", state)}
	}
}

// Rule names the policy in custody entries.
func (p Policy) Rule() string { return "retention " + p.Keep.String() }

// ceilSecond rounds up, so that a time survives every format it passes through without moving forward of itself.
func ceilSecond(t time.Time) time.Time {
	if f := t.Truncate(time.Second); !f.Equal(t) {
		return f.Add(time.Second)
	}
	return t
}

package evidence

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
)

// next is the transition table: where op leads from a state, and whether it may happen there at all. Processing and consultation
// leave the state alone; a record that is being erased takes only what ends it, or what is merely looked at.
func next(from State, op Operation) (State, bool) {
	switch op {
	case OpReceive:
		return Received, from == ""
	case OpSchedule:
		return Scheduled, from == Received || from == Scheduled || from == Flagged
	case OpDefer:
		return Scheduled, from == Scheduled
	case OpFlag:
		return Flagged, from == Received || from == Scheduled || from == Flagged
	case OpUnflag:
		return Flagged, from == Flagged // of one flag among several; the last one's end is OpSchedule's move, see EndLastFlag
	case OpExpiring:
		return Expiring, from == Scheduled
	case OpExpired:
		return Expired, from == Expiring
	case OpMetadata, OpDigest, OpProxy, OpReprocess:
		return from, from == Received || from == Scheduled || from == Flagged
	case OpCancel, OpNote, OpReconcile, OpView, OpPlay, OpAudit:
		return from, from != ""
	}
	return from, false
}

// step is the one way a record changes: it makes the next record and the custody entry that goes with it. alter may change
// anything but state and chain; it must not share memory with r.
func (r Record) step(op Operation, c Cause, changes map[string]string, alter func(*Record)) (Record, Entry, error) {
	to, ok := next(r.Retention.State, op)
	if !ok {
		return r, Entry{}, fmt.Errorf("%s of %s, which is %s: %w", op, r.ID, r.Retention.State, Refused)
	}
	n := r
	n.Flags, n.Attention = slices.Clone(r.Flags), slices.Clone(r.Attention)
	if alter != nil {
		alter(&n)
	}
	n.Retention.State = to
	e, err := n.link(op, OutcomeDone, r.Retention.State, c, changes)
	return n, e, err
}

// link adds an entry to the end of the chain of r, which is the record after the operation.
func (r *Record) link(op Operation, outcome string, before State, c Cause, changes map[string]string) (Entry, error) {
	e := Entry{
		Evidence: r.ID, Number: r.Head.Number + 1, At: c.At.UTC().Round(0), Actor: c.By, Operation: op, Outcome: outcome,
		Reason: c.Reason, Rule: c.Rule, Recipient: c.Recipient, Correlation: c.Correlation,
		Before: before, After: r.Retention.State, Digest: r.Digest.Computed, Changes: changes, Previous: r.Head.Hash,
	}
	hash, err := e.Seal()
	if err != nil {
		return Entry{}, err
	}
	e.Hash = hash
	r.Head = Head{Number: e.Number, Hash: hash}
	return e, nil
}

// Receive makes the record of an upload.
func Receive(id ID, o Original, name Name, attention []Attention, c Cause) (Record, Entry, error) {
	r := Record{ID: id, Shard: id.Shard(), Type: "evidence"}
	changes := map[string]string{"path": o.Path, "size": strconv.FormatInt(o.Size, 10), "created": o.Created.UTC().Format(time.RFC3339)}
	return r.step(OpReceive, c, changes, func(n *Record) {
		n.Unit, n.Officer, n.Camera = name.Unit, name.Officer, name.Camera
		n.Incident, n.Category = o.Claims.Incident, o.Claims.Category
		n.Started, n.Original, n.Attention = o.Created, o, attention
		n.Digest.Claimed = o.Claims.Digest
	})
}

// NextEpoch is the epoch of the disposal that is sent at a moment: greater than the record's, and never that of an earlier attempt whose
// commit failed. So a message that no record names is void, and each record has one live disposal.
func (r Record) NextEpoch(at time.Time) int {
	return max(r.Retention.Epoch+1, int(at.UnixMilli()))
}

// Schedule records the pending disposal that was just sent with that sequence number: its epoch is r.NextEpoch(c.At).
func (r Record) Schedule(due, fires time.Time, sequence int64, c Cause) (Record, Entry, error) {
	if r.Flagged() {
		return r, Entry{}, fmt.Errorf("scheduling %s, which is flagged: %w", r.ID, Refused)
	}
	op := OpSchedule
	if r.Retention.State == Scheduled {
		op = OpDefer
	}
	epoch := r.NextEpoch(c.At)
	return r.step(op, c, scheduleChanges(due, fires, epoch), func(n *Record) {
		n.Retention.pend(due, fires, epoch, sequence)
	})
}

func (t *Retention) pend(due, fires time.Time, epoch int, sequence int64) {
	t.Due, t.Fires, t.Epoch, t.Sequence = due.UTC(), fires.UTC(), epoch, sequence
}

func scheduleChanges(due, fires time.Time, epoch int) map[string]string {
	changes := map[string]string{"due": due.UTC().Format(time.RFC3339), "epoch": strconv.Itoa(epoch)}
	if !fires.Equal(due) {
		changes["fires"] = fires.UTC().Format(time.RFC3339)
	}
	return changes
}

// Flag keeps the record: the instant of safety. The pending message, if any, is void from here on; its sequence number
// stays until its cancellation is confirmed.
func (r Record) Flag(f Flag, c Cause) (Record, Entry, error) {
	if r.Gone() {
		return r, Entry{}, fmt.Errorf("recording %s is %s: it was due on %s and can no longer be kept: %w",
			r.ID, r.Retention.State, r.Retention.Due.Format(time.RFC3339), Refused)
	}
	if _, ok := r.FlagByID(f.ID); ok || f.ID == "" {
		return r, Entry{}, fmt.Errorf("flag %q of %s is there already, or has no id: %w", f.ID, r.ID, Refused)
	}
	changes := map[string]string{"flag": f.ID, "purpose": string(f.Purpose), "reference": f.Reference}
	return r.step(OpFlag, c, changes, func(n *Record) {
		if r.Retention.State != Flagged {
			n.Retention.Epoch++
		}
		n.Flags = append(n.Flags, f)
	})
}

// Cancelled notes that the scheduled message is confirmed gone.
func (r Record) Cancelled(c Cause) (Record, Entry, error) {
	changes := map[string]string{"sequence": strconv.FormatInt(r.Retention.Sequence, 10)}
	return r.step(OpCancel, c, changes, func(n *Record) { n.Retention.Sequence = 0 })
}

// EndFlag ends one flag among several; the last one is ended by EndLastFlag.
func (r Record) EndFlag(id string, c Cause) (Record, Entry, error) {
	if _, ok := r.FlagByID(id); !ok || len(r.Flags) < 2 {
		return r, Entry{}, fmt.Errorf("flag %s of %s is not one of several: %w", id, r.ID, Refused)
	}
	return r.step(OpUnflag, c, map[string]string{"flag": id}, func(n *Record) { n.dropFlag(id) })
}

// EndLastFlag ends the only flag and records the disposal that was just sent for a new full window.
func (r Record) EndLastFlag(id string, due time.Time, sequence int64, c Cause) (Record, Entry, error) {
	if _, ok := r.FlagByID(id); !ok || len(r.Flags) != 1 || r.Retention.State != Flagged {
		return r, Entry{}, fmt.Errorf("flag %s of %s is not the last one: %w", id, r.ID, Refused)
	}
	epoch := r.NextEpoch(c.At)
	changes := scheduleChanges(due, due, epoch)
	changes["flag"] = id
	return r.step(OpSchedule, c, changes, func(n *Record) {
		n.dropFlag(id)
		n.Retention.Released = c.At.UTC()
		n.Retention.pend(due, due, epoch, sequence)
	})
}

func (r *Record) dropFlag(id string) {
	r.Flags = slices.DeleteFunc(r.Flags, func(f Flag) bool { return f.ID == id })
}

// Describe records what the metadata stage found. Findings of an earlier run are replaced, its attention entries too.
func (r Record) Describe(m Media, started time.Time, found []Attention, c Cause) (Record, Entry, error) {
	return r.step(OpMetadata, c, map[string]string{"media": string(m.State)}, func(n *Record) {
		n.Media, n.Started = m, started
		n.renew("metadata", found)
	})
}

// Fix records the digest that was computed from the stored bytes; an earlier one is replaced, its attention entries too.
func (r Record) Fix(d Digest, found []Attention, c Cause) (Record, Entry, error) {
	changes := map[string]string{"sha256": d.Computed}
	if d.Computed == "" {
		changes["sha256"] = "not computed"
	}
	return r.step(OpDigest, c, changes, func(n *Record) {
		n.Digest = d
		n.renew("digest", found)
	})
}

// Render records how far the proxy is, and what its stages found.
func (r Record) Render(p Proxy, found []Attention, c Cause) (Record, Entry, error) {
	return r.step(OpProxy, c, map[string]string{"proxy": string(p.State)}, func(n *Record) {
		n.Proxy = p
		n.renew("proxy", found)
	})
}

// renew replaces what a stage found before by what it found now; what it found both times keeps its place.
func (r *Record) renew(stage string, found []Attention) {
	still := func(a Attention) bool {
		return a.Stage != stage || slices.ContainsFunc(found, func(b Attention) bool { return b.Stage == stage && b.Problem == a.Problem })
	}
	r.Attention = slices.DeleteFunc(r.Attention, func(a Attention) bool { return !still(a) })
	for _, a := range found {
		r.Attention = note(r.Attention, a)
	}
}

// Attend adds something for a person to look at.
func (r Record) Attend(a Attention, c Cause) (Record, Entry, error) {
	changes := map[string]string{"stage": a.Stage, "problem": a.Problem}
	return r.step(OpNote, c, changes, func(n *Record) { n.Attention = note(n.Attention, a) })
}

// Consult records that somebody looked, or that somebody or something asked for work on the record: op leaves the state alone.
func (r Record) Consult(op Operation, changes map[string]string, c Cause) (Record, Entry, error) {
	switch op {
	case OpView, OpPlay, OpAudit, OpReprocess, OpReconcile:
		return r.step(op, c, maps.Clone(changes), nil)
	}
	return r, Entry{}, fmt.Errorf("consulting %s by %s: %w", r.ID, op, Invalid)
}

// Deny records an attempt that was not allowed.
func (r Record) Deny(op Operation, c Cause) (Record, Entry, error) {
	n := r
	e, err := n.link(op, OutcomeDenied, r.Retention.State, c, nil)
	return n, e, err
}

// Expiring begins the erasure: from here a flag comes too late. t says what is about to be erased, and by which rule.
func (r Record) Expiring(t Tombstone, c Cause) (Record, Entry, error) {
	if r.Flagged() {
		return r, Entry{}, fmt.Errorf("erasing %s, which is flagged: %w", r.ID, Refused)
	}
	changes := map[string]string{"due": t.Due.Format(time.RFC3339), "size": strconv.FormatInt(t.Size, 10), "original": string(t.Original)}
	if t.ETag != r.Original.ETag {
		changes["etag"] = r.Original.ETag + " at upload, " + t.ETag + " now"
	}
	return r.step(OpExpiring, c, changes, func(n *Record) {
		n.Retention.Sequence = 0
		n.Tombstone = &t
	})
}

// Expired ends it: original and renditions are confirmed gone, the tombstone stays, what described the content goes.
func (r Record) Expired(c Cause) (Record, Entry, error) {
	return r.step(OpExpired, c, nil, func(n *Record) {
		if n.Tombstone != nil {
			t := *n.Tombstone
			t.Erased = c.At.UTC().Truncate(time.Second)
			n.Tombstone = &t
		}
		n.Media, n.Proxy = Media{State: n.Media.State}, Proxy{}
		n.Attention = slices.DeleteFunc(n.Attention, func(a Attention) bool { return a.Problem == ProblemUnended }) // nobody can end it any more
	})
}

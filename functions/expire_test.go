package functions_test

import (
	"fmt"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func TestExpire(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	if n := w.twice("expire", w.disposal(r)); n != 2 {
		t.Errorf("%d custody entries, want its beginning and its end", n)
	}
	r = w.in(r.ID, evidence.Expired)
	if r.Tombstone == nil || r.Tombstone.Erased.IsZero() || r.Tombstone.Original != evidence.FoundPresent {
		t.Errorf("tombstone %+v", r.Tombstone)
	}
	left, err := w.renditions.List(t.Context(), r.ID)
	if err != nil || len(left) > 0 || len(w.originals.Paths()) > 0 {
		t.Errorf("left: %v %v, %v", left, w.originals.Paths(), err)
	}
	if e := w.last(r.ID); e.Operation != evidence.OpExpired || e.Actor.ID != "stage:expire" {
		t.Errorf("entry %+v", e)
	}
}

// An erasure that failed in the middle goes on at the next delivery.
func TestExpireGoesOn(t *testing.T) {
	w := newWorld(t)
	r := w.expiring()
	if n := w.twice("expire", fmt.Sprintf(`{"evidence":%q,"epoch":%d}`, r.ID, r.Retention.Epoch)); n != 1 {
		t.Errorf("%d custody entries, want its end", n)
	}
	w.in(r.ID, evidence.Expired)
}

// Every message that the record does not ask for any more is done with, and nothing is deleted.
func TestExpireKeeps(t *testing.T) {
	for name, c := range map[string]struct {
		move  func(*world, evidence.Record)
		epoch int // of the message, beside the record's
		state evidence.State
	}{
		"not due":       {func(*world, evidence.Record) {}, 0, evidence.Scheduled},
		"another epoch": {func(w *world, r evidence.Record) { w.now = r.Retention.Due.Add(time.Hour) }, 1, evidence.Scheduled},
		"an old epoch":  {func(w *world, r evidence.Record) { w.now = r.Retention.Due.Add(time.Hour) }, -1, evidence.Scheduled},
		"flagged": {func(w *world, r evidence.Record) {
			w.flag(r.ID, "", "court")
			w.now = r.Retention.Due.Add(time.Hour)
		}, 0, evidence.Flagged},
		"flagged, guessed": {func(w *world, r evidence.Record) {
			w.flag(r.ID, "", "court")
			w.now = r.Retention.Due.Add(time.Hour)
		}, 1, evidence.Flagged},
		"paused": {func(w *world, r evidence.Record) {
			w.protocol.Policy.Paused = true
			w.now = r.Retention.Due.Add(time.Hour)
		}, 0, evidence.Scheduled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.scheduled("lambeth", 1)
			epoch := r.Retention.Epoch + c.epoch
			c.move(w, r)
			w.twice("expire", fmt.Sprintf(`{"evidence":%q,"epoch":%d}`, r.ID, epoch))
			w.in(r.ID, c.state)
			left, err := w.renditions.List(t.Context(), r.ID)
			if err != nil || len(left) != len(renditions()) || len(w.originals.Paths()) != 1 {
				t.Errorf("left: %v %v, %v", left, w.originals.Paths(), err)
			}
		})
	}
}

package functions_test

import (
	"testing"

	"bwv/internal/evidence"
)

func TestRetention(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	if n := w.twice("retention", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	r := w.in(id, evidence.Scheduled)
	if want := r.Original.Created.Add(keep); !r.Retention.Due.Equal(want) {
		t.Errorf("due %s, want %s", r.Retention.Due, want)
	}
	pending := w.disposals.Pending()
	if p := pending[r.Retention.Sequence]; len(pending) != 1 || p.Disposal != (evidence.Disposal{Evidence: id, Epoch: r.Retention.Epoch}) || !p.At.Equal(r.Retention.Due) {
		t.Errorf("pending %+v for %+v", pending, r.Retention)
	}
	if e := w.last(id); e.Operation != evidence.OpSchedule || e.Rule != "retention 744h0m0s" {
		t.Errorf("entry %+v", e)
	}
}

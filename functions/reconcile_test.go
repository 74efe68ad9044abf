package functions_test

import (
	"testing"
	"time"

	"bwv/internal/evidence"
)

// A disposal whose message was lost is sent again, once, with a custody entry.
func TestReconcile(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	w.disposal(r) // taken out and never delivered
	w.now = r.Retention.Due.Add(time.Hour)
	before := len(w.ledger.Entries())
	w.taken(w.tick())
	state := w.state()
	w.now = w.now.Add(time.Minute)
	w.taken(w.tick())
	if n := len(w.ledger.Entries()) - before; n != 1 || w.state() != state {
		t.Errorf("%d custody entries after two ticks, want 1", n)
	}
	if e := w.last(r.ID); e.Operation != evidence.OpDefer || e.Actor.ID != "stage:reconcile" || e.Reason == "" || e.Correlation == "" {
		t.Errorf("entry %+v", e)
	}
	w.must("expire", w.disposal(w.in(r.ID, evidence.Scheduled)), 1)
	w.in(r.ID, evidence.Expired)
}

func TestReconcileFindsUploads(t *testing.T) {
	w := newWorld(t)
	w.upload("lambeth", 1, "video") // its event was lost
	w.taken(w.tick())
	if sent := w.arrivals.Drain(); len(sent) > 0 {
		t.Errorf("announced what is still on its way: %v", sent)
	}
	w.now = w.now.Add(time.Hour)
	w.taken(w.tick())
	if sent := w.arrivals.Drain(); len(sent) != 1 || sent[0].Path != w.originals.Paths()[0] {
		t.Errorf("announced %v", sent)
	}
}

// A timer that is late, or never ran, is a timer.
func TestReconcileTakesAnyTimer(t *testing.T) {
	w := newWorld(t)
	for _, value := range []string{`{}`, `{"Schedule":{},"ScheduleStatus":null,"IsPastDue":true}`, `null`, `"{\"IsPastDue\":false}"`} {
		w.taken(w.invoke("reconcile", value, ""))
	}
}

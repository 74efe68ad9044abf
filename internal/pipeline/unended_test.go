package pipeline_test

import (
	"fmt"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

// swept runs reconcile and tells which stages it asked, of how many records.
func (w *world) swept() (asked string) {
	w.t.Helper()
	if _, err := w.reconcile.Run(w.t.Context(), w.cause("reconcile")); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range w.works.Drain() {
		if m.Work.Again {
			w.t.Fatalf("%+v: what is there would be made anew", m)
		}
		asked += string(m.Subject) + " "
	}
	return asked
}

// without takes an upload through all stages but some, whose messages were lost.
func (w *world) without(n int, lost ...string) evidence.ID {
	w.t.Helper()
	got, err := w.ingest.Run(w.t.Context(), w.upload(path(n), "video abc"), w.message("ingest"))
	if err != nil {
		w.t.Fatal(err)
	}
	for queue := w.deliveries(); len(queue) > 0; queue = w.deliveries() {
		for _, d := range queue {
			if fmt.Sprint(lost) != fmt.Sprint([]string{d.stage}) {
				if _, err := d.run(w.t.Context()); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	return got.Evidence
}

// TestUnended has the messages of one stage lost: a day later it is asked again, by name, and what it makes completes the rest.
func TestUnended(t *testing.T) {
	for lost, asked := range map[string]string{"metadata": "metadata ", "digest": "digest proxy ", "proxy": "proxy ", "segment": "proxy ", "nothing": ""} {
		t.Run(lost, func(t *testing.T) {
			w := newWorld(t)
			id := w.without(1, lost)
			before := len(w.verify(id))
			w.now = w.now.Add(23 * time.Hour)
			if got := w.swept(); got != "" {
				t.Fatalf("asked %sof what may be in a queue still", got)
			}
			w.now = w.now.Add(2 * time.Hour)
			if got := w.swept(); got != asked {
				t.Fatalf("asked %q, want %q", got, asked)
			}
			if lost == "nothing" {
				if n := len(w.verify(id)); n != before {
					t.Fatalf("%d custody entries, not %d", n, before)
				}
				return
			}
			if e := w.verify(id)[before]; e.Operation != evidence.OpReconcile || e.Reason == "" || e.Actor.ID != "stage:reconcile" || len(w.verify(id)) != before+1 {
				t.Fatalf("%d entries, %+v", len(w.verify(id)), e)
			}
			if got := w.swept(); got != "" {
				t.Fatalf("asked %sonce more on the same day", got)
			}
			w.now = w.now.Add(25 * time.Hour)
			if _, err := w.reconcile.Run(t.Context(), w.message("reconcile")); err != nil {
				t.Fatal(err)
			}
			w.done()
			w.plays(id)
			if r := w.get(id); len(r.Unended()) > 0 || r.Digest.Matches == nil || len(r.Attention) > 0 {
				t.Fatalf("%v did not end; %+v", r.Unended(), r.Attention)
			}
			w.now = w.now.Add(25 * time.Hour)
			if got := w.swept(); got != "" {
				t.Fatalf("asked %sthough all has ended", got)
			}
		})
	}
}

// TestUnendedOfTheKept and not of what is going.
func TestUnendedOfTheKept(t *testing.T) {
	w := newWorld(t)
	flagged, gone := w.without(1, "proxy"), w.without(2, "proxy")
	if _, err := w.protocol.Flag(t.Context(), flagged, evidence.Flag{ID: "a"}, w.cause("person")); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(keep)
	for _, d := range w.disposals.Due(w.now) {
		if _, err := w.expire.Run(t.Context(), d, w.cause("expire")); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.swept(); got != "proxy " || len(w.get(gone).Unended()) > 0 || len(w.get(flagged).Unended()) != 1 {
		t.Fatalf("asked %q; %v, %v", got, w.get(gone).Unended(), w.get(flagged).Unended())
	}
	w.verify(gone)
}

// TestUnendedForGood is asked seven times, and then a person is; it is over when the stage ends after all.
func TestUnendedForGood(t *testing.T) {
	w := newWorld(t)
	id := w.without(1, "segment")
	asks := 0
	for range 12 {
		w.now = w.now.Add(24 * time.Hour)
		if w.swept() != "" {
			asks++
		}
		w.swept() // the next hour
	}
	r := w.get(id)
	if asks != 7 || problems(r) != "proxy:stage-not-ended" || count(w.verify(id), evidence.OpReconcile) != 7 || count(w.verify(id), evidence.OpNote) != 1 {
		t.Fatalf("asked %d times, %q, %d entries", asks, problems(r), count(w.verify(id), evidence.OpReconcile))
	}
	if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, w.message("proxy")); err != nil {
		t.Fatal(err)
	}
	w.done()
	w.plays(id)
	if r := w.get(id); problems(r) != "" {
		t.Fatalf("%q", problems(r))
	}
}

// TestUnendedComesLast has more to repair than a run may: what has to do with retention comes first.
func TestUnendedComesLast(t *testing.T) {
	w := newWorld(t)
	w.without(1, "proxy")
	w.without(2, "proxy")
	lost := w.without(3, "retention")
	w.upload(path(4), "video") // its event was lost
	w.reconcile.Most = 2
	w.now = w.now.Add(25 * time.Hour)
	if got := w.swept(); got != "received " || len(w.arrivals.Drain()) != 1 {
		t.Fatalf("asked %q", got)
	}
	if _, err := w.retention.Run(t.Context(), evidence.Work{Evidence: lost}, w.message("retention")); err != nil {
		t.Fatal(err)
	}
	w.reconcile.Most = 3 // the event is lost once more
	if got := w.swept(); got != "proxy proxy " || len(w.arrivals.Drain()) != 1 {
		t.Fatalf("asked %q", got)
	}
}

// TestUnendedAfterAFault sends what it could not send a day later, with another custody entry.
func TestUnendedAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		w := newWorld(t)
		id := w.without(1, "proxy")
		w.now = w.now.Add(25 * time.Hour)
		w.works.Next = fault
		if _, err := w.reconcile.Run(t.Context(), w.cause("reconcile")); err == nil {
			t.Fatalf("%s: it was not reported", name)
		}
		w.works.Drain()
		w.now = w.now.Add(24 * time.Hour)
		if got := w.swept(); got != "proxy " || count(w.verify(id), evidence.OpReconcile) != 2 {
			t.Fatalf("%s: asked %q, %d entries", name, got, count(w.verify(id), evidence.OpReconcile))
		}
	}
}

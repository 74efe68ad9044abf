package pipeline_test

import (
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/retention"
)

func TestReconcile(t *testing.T) {
	run := func(t *testing.T, w *world, want string) {
		t.Helper()
		got, err := w.reconcile.Run(t.Context(), w.cause("reconcile"))
		if err != nil || got.Outcome != want {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	const late = time.Hour
	t.Run("nothing wrong", func(t *testing.T) {
		w := newWorld(t)
		id := w.receive(w.upload(path(1), "video")).ID
		n := len(w.verify(id))
		w.now = w.now.Add(late)
		run(t, w, "consistent")
		if len(w.verify(id)) != n || len(w.arrivals.Drain()) != 0 {
			t.Fatal("it changed what was right")
		}
	})
	t.Run("blob without a record", func(t *testing.T) {
		w := newWorld(t)
		w.upload(path(1), "video") // Event Grid lost it
		run(t, w, "consistent")    // too young to say
		w.now = w.now.Add(late)
		run(t, w, "repaired")
		arrived := w.arrivals.Drain()
		if len(arrived) != 1 {
			t.Fatalf("%v", arrived)
		}
		w.receive(eventOf(arrived[0]))
		run(t, w, "consistent")
	})
	t.Run("never scheduled", func(t *testing.T) {
		w := newWorld(t)
		got, err := w.ingest.Run(t.Context(), w.upload(path(1), "video"), w.cause("ingest"))
		if err != nil {
			t.Fatal(err)
		}
		w.works.Drain() // lost
		w.now = w.now.Add(late)
		run(t, w, "repaired")
		w.done()
		if r := w.get(got.Evidence); r.Retention.State != evidence.Scheduled || count(w.verify(r.ID), evidence.OpReconcile) != 1 {
			t.Fatalf("%+v", r.Retention)
		}
	})
	t.Run("due but not expired", func(t *testing.T) {
		w := newWorld(t)
		id := w.receive(w.upload(path(1), "video")).ID
		w.now = w.now.Add(keep)
		w.disposals.Due(w.now) // lost
		w.now = w.now.Add(late)
		run(t, w, "repaired")
		w.now = w.now.Add(time.Second)
		for _, d := range w.disposals.Due(w.now) {
			if got, err := w.expire.Run(t.Context(), d, w.cause("expire")); err != nil || got.Outcome != retention.ResultExpired {
				t.Fatalf("%+v, %v", got, err)
			}
		}
		if r := w.get(id); r.Retention.State != evidence.Expired {
			t.Fatalf("%+v", r.Retention)
		}
	})
	t.Run("due but paused on purpose", func(t *testing.T) {
		w := newWorld(t)
		w.receive(w.upload(path(1), "video"))
		w.now = w.now.Add(keep + late)
		w.protocol.Policy.Paused = true
		run(t, w, "consistent")
	})
	t.Run("flagged, but the cancellation was lost", func(t *testing.T) {
		w := newWorld(t)
		id := w.receive(w.upload(path(1), "video")).ID
		w.disposals.Next = memory.Lost
		if _, err := w.protocol.Flag(t.Context(), id, evidence.Flag{ID: "a"}, w.cause("person")); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(late)
		run(t, w, "repaired")
		if r := w.get(id); r.Retention.Sequence != 0 || len(w.disposals.Pending()) != 0 {
			t.Fatalf("%+v, pending %v", r.Retention, w.disposals.Pending())
		}
	})
	t.Run("half erased", func(t *testing.T) {
		w := newWorld(t)
		id := w.receive(w.upload(path(1), "video")).ID
		w.now = w.now.Add(keep)
		w.originals.Next = memory.Lost
		for _, d := range w.disposals.Due(w.now) {
			if _, err := w.expire.Run(t.Context(), d, w.cause("expire")); err == nil {
				t.Fatal("the lost deletion was not reported")
			}
		} // and the message was dead-lettered
		w.now = w.now.Add(late)
		run(t, w, "repaired")
		for _, d := range w.disposals.Due(w.now) {
			if _, err := w.expire.Run(t.Context(), d, w.cause("expire")); err != nil {
				t.Fatal(err)
			}
		}
		if r := w.get(id); r.Retention.State != evidence.Expired {
			t.Fatalf("%+v", r.Retention)
		}
	})
}

package functions_test

import (
	"net/http"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func TestSegment(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	w.must("digest", work(id), 1)
	w.must("proxy", work(id), 1)
	if n := w.twice("segment", part(id, 1)); n != 1 {
		t.Errorf("%d custody entries, want 1: it was the last chunk", n)
	}
	if r := w.get(id); r.Proxy.State != evidence.ProxyReady {
		t.Errorf("proxy %+v", r.Proxy)
	}
	if e := w.last(id); e.Operation != evidence.OpProxy || e.Actor.ID != "stage:segment" || e.Changes["proxy"] != "ready" {
		t.Errorf("entry %+v", e)
	}
}

// A message of a proxy that is planned no more, or not so, is done with; one that names nothing that can be is refused.
func TestSegmentOfNothing(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	before := w.state()
	w.must("segment", part(id, 0), 1)
	w.must("proxy", work(id), 1)
	w.must("segment", part(id, 2), 1)
	w.must("segment", part(id, 1<<40), 1)
	w.refused(w.deliver("segment", part(id, -1), 1), http.StatusBadRequest)
	w.refused(w.deliver("segment", part(unknown, 0), 1), http.StatusNotFound)
	w.refused(w.deliver("segment", `{"evidence":7}`, 1), http.StatusBadRequest)
	w.refused(w.deliver("segment", `{"chunk":"x"}`, 1), http.StatusBadRequest)
	if len(w.ledger.Entries()) != 1 {
		t.Errorf("something changed:\n%s\n---\n%s", before, w.state())
	}
}

func TestSegmentAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.catalogued("lambeth", 1, "video")
			w.must("digest", work(id), 1)
			w.must("proxy", work(id), 1)
			w.renditions.Next = fault
			w.refused(w.deliver("segment", part(id, 1), 1), http.StatusServiceUnavailable)
			w.must("segment", part(id, 1), 2)
			if n := len(w.ledger.Entries()); n != 4 || w.get(id).Proxy.State != evidence.ProxyReady {
				t.Errorf("%d custody entries, proxy %+v", n, w.get(id).Proxy)
			}
		})
	}
}

package functions_test

import (
	"net/http"
	"slices"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func TestProxy(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	if n := w.twice("proxy", work(id)); n != 0 {
		t.Errorf("%d custody entries, want none: there is nothing to hear yet", n)
	}
	asked := w.parts.Drain()
	if len(asked) != 2 || asked[0] != (evidence.Part{Evidence: id, Chunk: 1}) || asked[1] != asked[0] { // each delivery asks for what is missing
		t.Errorf("asked for %+v", asked)
	}
	w.must("digest", work(id), 1)
	if r := w.get(id); r.Proxy.State != evidence.ProxyGrowing || r.Proxy.Width != 854 || !r.Proxy.HasAudio {
		t.Errorf("proxy %+v", r.Proxy)
	}
	w.must("segment", part(id, 1), 1)
	names, err := w.renditions.List(t.Context(), id)
	if err != nil || !slices.Equal(names, renditions()) {
		t.Errorf("renditions %q, %v", names, err)
	}
	if r := w.get(id); r.Proxy.State != evidence.ProxyReady || r.Proxy.Seconds != 11.5 || r.Proxy.Frames != 20 || r.Proxy.Bytes != 21 {
		t.Errorf("proxy %+v", r.Proxy)
	}
	if e := w.last(id); e.Operation != evidence.OpProxy || e.Actor.ID != "stage:segment" {
		t.Errorf("entry %+v", e)
	}
}

func TestProxyOfNoRecording(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "holiday.doc")
	if n := w.twice("proxy", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	if r := w.get(id); r.Proxy.State != evidence.ProxyFailed || len(r.Attention) != 1 || r.Attention[0].Problem != evidence.ProblemProxy {
		t.Errorf("proxy %+v, attention %+v", r.Proxy, r.Attention)
	}
}

func TestProxyAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.catalogued("lambeth", 1, "video")
			w.parts.Next = fault
			w.refused(w.deliver("proxy", work(id), 1), http.StatusServiceUnavailable)
			w.must("digest", work(id), 1)
			w.must("proxy", work(id), 2)
			w.must("segment", part(id, 1), 1)
			if n := len(w.ledger.Entries()); n != 4 || w.get(id).Proxy.State != evidence.ProxyReady {
				t.Errorf("%d custody entries, proxy %+v", n, w.get(id).Proxy)
			}
		})
	}
}

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
	if n := w.twice("proxy", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	names, err := w.renditions.List(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{evidence.Poster, evidence.Playlist, evidence.ProxyFile}; !slices.Equal(names, want) {
		t.Errorf("renditions %v", names)
	}
	if r := w.get(id); r.Proxy.State != evidence.ProxyReady || r.Proxy.Seconds != 5 {
		t.Errorf("proxy %+v", r.Proxy)
	}
	if e := w.last(id); e.Operation != evidence.OpProxy || e.Actor.ID != "stage:proxy" {
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
			w.ledger.Next = fault
			w.refused(w.deliver("proxy", work(id), 1), http.StatusServiceUnavailable)
			w.must("proxy", work(id), 2)
			if n := len(w.ledger.Entries()); n != 2 || w.get(id).Proxy.State != evidence.ProxyReady {
				t.Errorf("%d custody entries, proxy %+v", n, w.get(id).Proxy)
			}
		})
	}
}

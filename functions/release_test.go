package functions_test

import (
	"net/http"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

const release = "/api/disposals/release"

// The breaker stops the second disposal of an hour; after its release disposal goes on.
func TestRelease(t *testing.T) {
	w := newWorld(t)
	w.protocol.Policy.PerHour = 1
	first, second := w.scheduled("lambeth", 1), w.scheduled("camden", 2)
	for _, r := range []evidence.Record{first, second} {
		w.must("expire", w.disposalOf(r), 1)
	}
	w.in(first.ID, evidence.Expired)
	r := w.in(second.ID, evidence.Scheduled)
	if tripped, err := w.breaker.Tripped(t.Context()); !tripped || err != nil {
		t.Fatalf("tripped: %v, %v", tripped, err)
	}
	w.want(w.ask(http.MethodPost, release, `{"reason":"the backlog was planned"}`), http.StatusOK, nil)
	if c := w.breaker.Releases(); len(c) != 1 || c[0].By.ID != "development:officer" || c[0].Reason != "the backlog was planned" || c[0].Correlation == "" {
		t.Errorf("releases %+v", c)
	}
	w.must("expire", w.disposalOf(r), 1)
	w.in(second.ID, evidence.Expired)
}

func TestReleaseRefuses(t *testing.T) {
	w := newWorld(t)
	w.bodies(release)
	w.refused(w.ask(http.MethodPost, release, `{"reason":""}`), http.StatusBadRequest, "reason is missing")
	w.refused(w.send(http.MethodPost, release, strings.NewReader(`{"reason":"r"}`), nil), http.StatusUnauthorized)
	if c := w.breaker.Releases(); len(c) > 0 {
		t.Errorf("releases %+v", c)
	}
}

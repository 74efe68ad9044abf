package functions_test

import (
	"net/http"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func TestDigest(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	if n := w.twice("digest", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	r := w.get(id)
	if r.Digest.Matches == nil || !*r.Digest.Matches || r.Digest.Computed != r.Original.Claims.Digest || !r.Digest.At.Equal(r.Original.Created) {
		t.Errorf("digest %+v", r.Digest)
	}
	if e := w.last(id); e.Operation != evidence.OpDigest || e.Actor.ID != "stage:digest" || e.Digest != r.Digest.Computed {
		t.Errorf("entry %+v", e)
	}
}

// A file that is no recording has a digest all the same.
func TestDigestOfNoRecording(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "holiday.doc")
	if n := w.twice("digest", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	if r := w.get(id); r.Digest.Matches == nil || !*r.Digest.Matches || len(r.Attention) > 0 {
		t.Errorf("digest %+v, attention %+v", r.Digest, r.Attention)
	}
}

func TestDigestAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.catalogued("lambeth", 1, "video")
			w.ledger.Next = fault
			w.refused(w.deliver("digest", work(id), 1), http.StatusServiceUnavailable)
			w.must("digest", work(id), 2)
			if n := len(w.ledger.Entries()); n != 2 || w.get(id).Digest.Matches == nil {
				t.Errorf("%d custody entries, digest %+v", n, w.get(id).Digest)
			}
		})
	}
}

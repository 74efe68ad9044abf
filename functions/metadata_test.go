package functions_test

import (
	"net/http"
	"testing"

	"bwv/internal/evidence"
)

func TestMetadata(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	if n := w.twice("metadata", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	r := w.get(id)
	if r.Media.State != evidence.MediaReady || r.Media.Container != "mp4" {
		t.Errorf("media %+v", r.Media)
	}
	if e := w.last(id); e.Operation != evidence.OpMetadata || e.Actor.ID != "stage:metadata" {
		t.Errorf("entry %+v", e)
	}
}

// A file that is no recording is an entry on its record, and no failed message.
func TestMetadataOfNoRecording(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "holiday.doc")
	if n := w.twice("metadata", work(id)); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	if r := w.get(id); r.Media.State != evidence.MediaUnreadable || len(r.Attention) != 1 || r.Attention[0].Problem != evidence.ProblemUnreadable {
		t.Errorf("media %+v, attention %+v", r.Media, r.Attention)
	}
}

func TestMetadataOfNothing(t *testing.T) {
	w := newWorld(t)
	for _, stage := range []string{"metadata", "digest", "proxy", "segment", "retention"} {
		w.refused(w.deliver(stage, work(unknown), 1), http.StatusNotFound)
		w.refused(w.deliver(stage, `{"evidence":7}`, 1), http.StatusBadRequest)
	}
}

// Whatever comes for a recording that is gone changes nothing and is done with.
func TestStagesOfAnErasedRecording(t *testing.T) {
	w := newWorld(t)
	id := w.expired().ID
	before := w.state()
	for _, stage := range []string{"metadata", "digest", "proxy", "segment", "retention"} {
		w.must(stage, work(id), 1)
		w.must(stage, `{"evidence":"`+string(id)+`","again":true}`, 1)
	}
	if w.state() != before {
		t.Errorf("something changed:\n%s\n---\n%s", before, w.state())
	}
}

package functions_test

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func TestReprocess(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	request := fmt.Sprintf(`{"evidence":%q,"stages":["proxy"],"by":{"id":"development:officer","roles":["officer"]},"reason":"new encoder"}`, id)
	if n := w.twice("reprocess", request); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	if e := w.last(id); e.Operation != evidence.OpReprocess || e.Actor.ID != "development:officer" || e.Reason != "new encoder" {
		t.Errorf("entry %+v", e)
	}
	want := memory.Announcement{Subject: evidence.SubjectProxy, Work: evidence.Work{Evidence: id, Again: true}}
	if sent := w.works.Drain(); !reflect.DeepEqual(sent, []memory.Announcement{want, want}) { // each delivery asks, the stage bears it
		t.Errorf("announced %+v", sent)
	}
	w.must("proxy", fmt.Sprintf(`{"evidence":%q,"again":true}`, id), 1)
}

// In the portal's Test/Run somebody types the message; the host makes sparse metadata around it.
func TestReprocessFromThePortal(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	w.taken(w.invoke("reprocess", fmt.Sprintf(`"{\"evidence\":\"%s\"}"`, id), `"DeliveryCount":"0",`))
	if e := w.last(id); e.Operation != evidence.OpReprocess || e.Actor.ID != "stage:reprocess" || e.Correlation == "" {
		t.Errorf("entry %+v", e)
	}
	if sent := w.works.Drain(); len(sent) != 3 || sent[0].Subject != evidence.SubjectMetadata || sent[1].Subject != evidence.SubjectDigest || sent[2].Subject != evidence.SubjectProxy {
		t.Errorf("announced %+v", sent)
	}
}

func TestReprocessRefuses(t *testing.T) {
	w := newWorld(t)
	gone := w.expired().ID
	before := w.state()
	w.refused(w.deliver("reprocess", `{}`, 1), http.StatusBadRequest, "is not an evidence id")
	w.refused(w.deliver("reprocess", fmt.Sprintf(`{"evidence":%q}`, unknown), 1), http.StatusNotFound)
	w.refused(w.deliver("reprocess", fmt.Sprintf(`{"evidence":%q,"stages":["expire"]}`, gone), 1), http.StatusBadRequest, "expire")
	w.must("reprocess", work(gone), 1) // nothing to do
	if sent := w.works.Drain(); len(sent) > 0 || w.state() != before {
		t.Errorf("announced %+v", sent)
	}
}

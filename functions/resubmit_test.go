package functions_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func (w *world) resubmit(id evidence.ID, body string) answer {
	w.t.Helper()
	return w.ask(http.MethodPost, "/api/evidence/"+string(id)+"/reprocess", body)
}

func TestResubmit(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	before := w.state()
	w.want(w.resubmit(id, `{"stages":["proxy","retention"],"reason":"new encoder"}`), http.StatusAccepted, nil)
	if w.state() != before {
		t.Error("the request itself changed something: that is for the stage")
	}
	sent := w.requests.Drain()
	want := evidence.Reprocess{Evidence: id, Stages: []evidence.Subject{"proxy", "retention"}, By: officer(), Reason: "new encoder"}
	if len(sent) != 1 || !reflect.DeepEqual(sent[0], want) {
		t.Fatalf("queued %+v, want %+v", sent, want)
	}
	message, err := json.Marshal(sent[0])
	if err != nil {
		t.Fatal(err)
	}
	w.must("reprocess", string(message), 1)
	if e := w.last(id); e.Operation != evidence.OpReprocess || e.Actor.Name != "PC Ada Morris" {
		t.Errorf("entry %+v", e)
	}
	if asked := w.works.Drain(); len(asked) != 2 || asked[0].Subject != "proxy" || asked[1].Subject != "retention" {
		t.Errorf("announced %+v", asked)
	}
	w.want(w.resubmit(id, `{}`), http.StatusAccepted, nil)
	if sent := w.requests.Drain(); len(sent) != 1 || len(sent[0].Stages) != 0 {
		t.Errorf("queued %+v", sent)
	}
}

func TestResubmitIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodPost, "/api/evidence/%s/reprocess", `{}`)
}

func TestResubmitRefuses(t *testing.T) {
	w := newWorld(t)
	fresh := w.catalogued("lambeth", 2, "video")
	gone := w.expired().ID
	w.refused(w.resubmit(gone, `{}`), http.StatusConflict, "is expired")
	w.refused(w.resubmit(fresh, `{"stages":["expire"]}`), http.StatusBadRequest, `"expire"`, "choose from")
	w.refused(w.resubmit(fresh, `{"stages":["received"]}`), http.StatusBadRequest, "choose from")
	w.refused(w.resubmit(fresh, `{"reason":"\u0000"}`), http.StatusBadRequest, "not text")
	w.refused(w.resubmit(fresh, `{"by":{"id":"chief"}}`), http.StatusBadRequest, "unknown field")
	w.requests.Next = memory.Lost
	w.refused(w.resubmit(fresh, `{}`), http.StatusServiceUnavailable)
	if sent := w.requests.Drain(); len(sent) > 0 {
		t.Errorf("queued %+v", sent)
	}
}

package functions_test

import (
	"net/http"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func TestIngest(t *testing.T) {
	w := newWorld(t)
	event := w.upload("lambeth", 7, "video")
	if n := w.twice("ingest", event); n != 1 {
		t.Errorf("%d custody entries, want 1", n)
	}
	r := w.ledger.Records()[0]
	if r.Unit != "lambeth" || r.Officer != "P1" || r.Camera != "X1" || r.Incident != "CAD-7" || r.Retention.State != evidence.Received {
		t.Errorf("record %+v", r)
	}
	if e := w.last(r.ID); e.Operation != evidence.OpReceive || e.Actor.ID != "stage:ingest" || e.Correlation != "message-ingest" {
		t.Errorf("entry %+v", e)
	}
	sent := w.works.Drain()
	for _, m := range sent {
		if m.Subject != evidence.SubjectReceived || m.Work.Evidence != r.ID {
			t.Errorf("announced %+v", m)
		}
	}
	if len(sent) != 2 { // the second delivery cannot know that the first one's message was sent
		t.Errorf("%d announcements", len(sent))
	}
}

// What Event Grid may send on top: a list of one event; its name not understood; the upload gone.
func TestIngestTakesEveryUpload(t *testing.T) {
	w := newWorld(t)
	w.must("ingest", "["+w.upload("lambeth", 1, "video")+"]", 1)
	w.must("ingest", w.upload("Not-A-Unit", 2, "video"), 1)
	gone := w.upload("lambeth", 3, "video")
	for _, path := range w.originals.Paths() {
		w.originals.Remove(path)
	}
	w.must("ingest", gone, 1)
	problems := map[string]int{}
	for _, r := range w.ledger.Records() {
		for _, a := range r.Attention {
			problems[a.Problem]++
		}
	}
	if n := len(w.ledger.Records()); n != 3 || problems[evidence.ProblemName] != 1 || problems[evidence.ProblemMissing] != 1 {
		t.Errorf("%d records, problems %v", n, problems)
	}
}

func TestIngestRefuses(t *testing.T) {
	w := newWorld(t)
	for name, message := range map[string]string{
		"no event":          `{}`,
		"two events":        `[{},{}]`,
		"another type":      `{"eventType":"Microsoft.Storage.BlobDeleted","subject":"/blobServices/default/containers/footage/blobs/a"}`,
		"another container": `{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/renditions/blobs/a"}`,
		"no time, no blob":  `{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/footage/blobs/a"}`,
		"no JSON":           `x`,
		"nothing":           ``,
	} {
		if a := w.deliver("ingest", message, 1); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if n := len(w.ledger.Entries()); n != 0 {
		t.Errorf("%d custody entries", n)
	}
}

func TestIngestAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			event := w.upload("lambeth", 1, "video")
			w.ledger.Next = fault
			w.refused(w.deliver("ingest", event, 1), http.StatusServiceUnavailable)
			w.must("ingest", event, 2)
			if n := len(w.ledger.Entries()); n != 1 {
				t.Errorf("%d custody entries", n)
			}
		})
	}
}

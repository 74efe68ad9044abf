package functions_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

// upload puts a recording into the store and returns the event that announces it, as Event Grid writes it.
func (w *world) upload(unit string, n int, body string) string {
	w.t.Helper()
	sum := sha256.Sum256([]byte(body))
	path := fmt.Sprintf("%s/P%d/X%d/%s-%04d.mp4", unit, n%3, n%2, w.now.Format("2006/01/02/20060102T150405Z"), n)
	o, err := w.originals.Upload(path, []byte(body), evidence.Claims{Digest: hex.EncodeToString(sum[:]), Incident: fmt.Sprintf("CAD-%d", n)}, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf(`{"topic":"/subscriptions/S/resourceGroups/RG/providers/Microsoft.Storage/storageAccounts/bwv",`+
		`"subject":"/blobServices/default/containers/footage/blobs/%s","eventType":"Microsoft.Storage.BlobCreated","id":"831e1650-001e-001b-66ab-eeb76e069631",`+
		`"data":{"api":"PutBlockList","eTag":%q,"contentType":"video/mp4","contentLength":%d,"blobType":"BlockBlob",`+
		`"url":"https://bwv.blob.core.windows.net/footage/%[1]s","sequencer":"00000000000004420000000000028963","storageDiagnostics":{"batchId":"b"}},`+
		`"dataVersion":"","metadataVersion":"1","eventTime":%[4]q}`, path, o.ETag, o.Size, o.Created.Format(time.RFC3339Nano))
}

// catalogued uploads a recording and has it ingested, and no more.
func (w *world) catalogued(unit string, n int, body string) evidence.ID {
	w.t.Helper()
	w.must("ingest", w.upload(unit, n, body), 1)
	sent := w.works.Drain()
	if len(sent) != 1 {
		w.t.Fatalf("%d messages after an upload", len(sent))
	}
	return sent[0].Work.Evidence
}

func work(id evidence.ID) string { return fmt.Sprintf(`{"evidence":%q}`, id) }

func part(id evidence.ID, chunk int) string {
	return fmt.Sprintf(`{"evidence":%q,"chunk":%d}`, id, chunk)
}

// scheduled takes a recording through every stage.
func (w *world) scheduled(unit string, n int) evidence.Record {
	w.t.Helper()
	id := w.catalogued(unit, n, fmt.Sprintf("video %d", n))
	for _, stage := range []string{"metadata", "digest", "proxy", "retention"} {
		w.must(stage, work(id), 1)
	}
	for _, p := range w.parts.Drain() {
		w.must("segment", part(id, p.Chunk), 1)
	}
	r := w.get(id)
	if r.Retention.State != evidence.Scheduled || r.Media.State != evidence.MediaReady || r.Digest.At.IsZero() || r.Proxy.State != evidence.ProxyReady {
		w.t.Fatalf("after all stages: %+v", r)
	}
	return r
}

// disposalOf is the message that a record has pending.
func (w *world) disposalOf(r evidence.Record) string {
	w.t.Helper()
	p, ok := w.disposals.Pending()[r.Retention.Sequence]
	if !ok || p.Disposal.Evidence != r.ID {
		w.t.Fatalf("pending: %v", w.disposals.Pending())
	}
	w.now = p.At
	return fmt.Sprintf(`{"evidence":%q,"epoch":%d}`, r.ID, p.Disposal.Epoch)
}

// disposal waits until the record's message is to come and returns it.
func (w *world) disposal(r evidence.Record) string {
	w.t.Helper()
	w.now = r.Retention.Fires
	due := w.disposals.Due(w.now)
	if len(due) != 1 || due[0].Evidence != r.ID {
		w.t.Fatalf("due: %v", due)
	}
	return fmt.Sprintf(`{"evidence":%q,"epoch":%d}`, due[0].Evidence, due[0].Epoch)
}

// expired has a recording erased.
func (w *world) expired() evidence.Record {
	w.t.Helper()
	r := w.scheduled("lambeth", 1)
	w.must("expire", w.disposal(r), 1)
	return w.in(r.ID, evidence.Expired)
}

// expiring has the erasure of a recording fail in the middle.
func (w *world) expiring() evidence.Record {
	w.t.Helper()
	r := w.scheduled("lambeth", 1)
	w.originals.Next = memory.Lost
	w.refused(w.deliver("expire", w.disposal(r), 1), http.StatusServiceUnavailable)
	return w.in(r.ID, evidence.Expiring)
}

// in reads a record that must be in a state.
func (w *world) in(id evidence.ID, state evidence.State) evidence.Record {
	w.t.Helper()
	r := w.get(id)
	if r.Retention.State != state {
		w.t.Fatalf("%s is %s, want %s", id, r.Retention.State, state)
	}
	return r
}

func (w *world) get(id evidence.ID) evidence.Record {
	w.t.Helper()
	r, err := w.ledger.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// last returns a record's newest custody entry, after the whole chain was verified.
func (w *world) last(id evidence.ID) evidence.Entry {
	w.t.Helper()
	chain, err := w.ledger.Chain(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := evidence.VerifyChain(chain, w.get(id).Head); err != nil {
		w.t.Fatal(err)
	}
	return chain[len(chain)-1]
}

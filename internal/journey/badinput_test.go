package journey_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

// TestBadRecordings docks what is no recording: each gets a record that says so in words, keeps its original, and will go when it is due.
func TestBadRecordings(t *testing.T) {
	rig := start(t, nil)
	dir := t.TempDir()
	var fetched atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fetched.Add(1); w.WriteHeader(http.StatusNotFound) }))
	defer trap.Close()
	secret := filepath.Join(dir, "secret.txt")
	ok(t, os.WriteFile(secret, []byte("CANARY-7781"), 0o600))
	whole, err := os.ReadFile(clip(t, t.TempDir(), "whole.mp4"))
	ok(t, err)
	bad := map[string][]byte{
		"zero.mp4":      {},
		"text.mp4":      []byte("this is not a video, it only has the name of one"),
		"truncated.mp4": whole[:len(whole)*2/3],
		"local.mp4":     fmt.Appendf(nil, "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s\n#EXT-X-ENDLIST\n", secret),
		"remote.mp4":    fmt.Appendf(nil, "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s/segment.ts\n#EXT-X-ENDLIST\n", trap.URL),
		"concat.mp4":    fmt.Appendf(nil, "ffconcat version 1.0\nfile %s\n", secret),
	}
	var files []string
	for name, content := range bad {
		file := filepath.Join(dir, name)
		ok(t, os.WriteFile(file, content, 0o600))
		files = append(files, file)
	}
	_, err = rig.Dock(within(t, time.Minute), files...)
	ok(t, err)
	client, err := rig.Blobs()
	ok(t, err)
	_, err = client.UploadBuffer(t.Context(), "footage", "not a proper name.mp4", whole, nil)
	ok(t, err)
	records, err := rig.Processed(within(t, 2*time.Minute), len(bad)+1)
	ok(t, err)
	for path, r := range records {
		if r.Retention.State != evidence.Scheduled || r.Digest.Computed == "" {
			t.Errorf("%s: %s, digest %q", path, r.Retention.State, r.Digest.Computed)
		}
		if path == "not a proper name.mp4" {
			if r.Unit != evidence.Unassigned || r.Media.State != evidence.MediaReady || r.Attention[0].Problem != evidence.ProblemName {
				t.Errorf("%s: %s %s %+v", path, r.Unit, r.Media.State, r.Attention)
			}
			continue
		}
		if r.Media.State != evidence.MediaUnreadable || r.Proxy.State != evidence.ProxyFailed || len(r.Attention) != 2 {
			t.Errorf("%s: %s %s %+v", path, r.Media.State, r.Proxy.State, r.Attention)
		}
		text, err := json.Marshal(r)
		ok(t, err)
		if strings.Contains(string(text), "CANARY-7781") {
			t.Errorf("%s: a local file's content is on the record", path)
		}
		if stored, err := rig.Stored(t.Context(), path); !stored || err != nil {
			t.Errorf("%s: the original is not there any more: %v", path, err)
		}
	}
	if n := fetched.Load(); n != 0 {
		t.Errorf("a hostile recording had %d URLs fetched", n)
	}
	batteryPulled(t, rig, whole, len(records))
	none(t, rig, "deadLettered")
}

// batteryPulled docks a recording, and later another one of the same camera whose index was never written: people watch that one, too, and are told how.
func batteryPulled(t *testing.T, rig *journey.Rig, whole []byte, known int) {
	t.Helper()
	dir := t.TempDir()
	earlier, pulled := filepath.Join(dir, "earlier.mp4"), filepath.Join(dir, "pulled.mp4")
	ok(t, os.WriteFile(earlier, whole, 0o600))
	ok(t, os.WriteFile(pulled, whole[:len(whole)*4/5], 0o600))
	for n, file := range []string{earlier, pulled} {
		_, err := rig.Dock(within(t, time.Minute), file)
		ok(t, err)
		_, err = rig.Processed(within(t, 2*time.Minute), known+n+1)
		ok(t, err)
	}
	records, err := rig.Processed(within(t, time.Minute), known+2)
	ok(t, err)
	for path, r := range records {
		if !strings.HasSuffix(path, "-pulled.mp4") {
			continue
		}
		if r.Media.State != evidence.MediaUnreadable || r.Proxy.State != evidence.ProxyReady || r.Proxy.Frames == 0 || len(r.Attention) != 2 {
			t.Fatalf("%s %+v %+v", r.Media.State, r.Proxy, r.Attention)
		}
		if words := r.Attention[1].Detail; r.Attention[1].Problem != evidence.ProblemMedia || !strings.Contains(words, "-earlier.mp4") {
			t.Errorf("people are told %q", words)
		}
		return
	}
	t.Fatal("it was not docked")
}

// TestBadMessages sends what Event Grid and our own stages never would: nothing crashes, and each message is a record or a dead letter.
func TestBadMessages(t *testing.T) {
	rig := start(t, nil)
	dir := t.TempDir()
	rig.EventGrid.Duplicate(1)
	files := copies(t, clip(t, dir, "clip.mp4"), t.TempDir(), 3)
	_, err := rig.Dock(within(t, time.Minute), files[0]) // its event comes twice
	ok(t, err)
	rig.EventGrid.Swap()
	_, err = rig.Dock(within(t, time.Minute), files[1:]...) // and these two in the wrong order
	ok(t, err)
	records, err := rig.Processed(within(t, 2*time.Minute), 3)
	ok(t, err)
	if len(records) != 3 {
		t.Fatalf("%d records of 3 uploads", len(records))
	}

	bus, err := azservicebus.NewClientFromConnectionString(rig.Addresses.Settings()["SB"], nil)
	ok(t, err)
	defer bus.Close(t.Context())
	unknown := string(evidence.NewID("lambeth", time.Now(), "nothing", "etag"))
	event := func(path string) string {
		return fmt.Sprintf(`{"eventType":"Microsoft.Storage.BlobCreated","subject":"/blobServices/default/containers/footage/blobs/%s","eventTime":%q,"data":{"api":"PutBlob","eTag":"0x8DX","contentLength":9}}`,
			path, time.Now().UTC().Format(time.RFC3339))
	}
	sent := []struct{ queue, subject, body string }{
		{"ingest", "", `{"half":`}, {"ingest", "", ``}, {"ingest", "", `[{},{}]`}, {"ingest", "", strings.Repeat("[", 5000)},
		{"ingest", "", `{"eventType":"Microsoft.Storage.BlobDeleted","subject":"/blobServices/default/containers/footage/blobs/x"}`},
		{"ingest", "", `{"messageId":"evil","deliveryCount":"0","eventType":7}`},
		{"ingest", "", strings.Repeat(" ", 900<<10)},
		{"footage", "received", fmt.Sprintf(`{"evidence":%q}`, unknown)},
		{"footage", "proxy", `{"evidence":"../../etc/passwd"}`},
		{"segment", "", fmt.Sprintf(`{"evidence":%q,"chunk":1}`, unknown)}, {"segment", "", `{"evidence":"../../x","chunk":-1}`},
		{"expire", "", fmt.Sprintf(`{"evidence":%q,"epoch":1}`, unknown)},
		{"expire", "", `{"evidence":"` + strings.Repeat("x", 100000) + `","epoch":-1}`},
		{"reprocess", "", `{"evidence":"x","stages":["expire"]}`},
	}
	for _, m := range sent {
		sender, err := bus.NewSender(m.queue, nil)
		ok(t, err)
		message := &azservicebus.Message{Body: []byte(m.body)}
		if m.subject != "" {
			message.Subject = &m.subject
		}
		ok(t, sender.SendMessage(t.Context(), message, nil))
		ok(t, sender.Close(t.Context()))
	}
	const wanted = 7 + 4 + 1 + 2 + 2 + 1 // ingest, the topic's four subscriptions, proxy, segment, expire, reprocess
	ok(t, journey.Wait(within(t, 2*time.Minute), "each bad message is a dead letter", func() (bool, error) {
		n, err := held(rig, "deadLettered")
		if n != wanted {
			return false, fmt.Errorf("%d dead letters, not %d: %w", n, wanted, err)
		}
		return true, err
	}))

	sender, err := bus.NewSender("ingest", nil)
	ok(t, err)
	gone := "lambeth/P123456/X81234567/2026/11/22/20261122T101500Z-gone.mp4"
	ok(t, sender.SendMessage(t.Context(), &azservicebus.Message{Body: []byte(event(gone))}, nil)) // deleted before ingest
	records, err = rig.Processed(within(t, time.Minute), 4)
	ok(t, err)
	if r := records[gone]; len(r.Attention) == 0 || r.Attention[0].Problem != evidence.ProblemMissing {
		t.Errorf("deleted before ingest: %+v", r)
	}
	hostileRequests(t, rig, records[gone].ID)
	if answer, err := rig.Client.Do(t.Context(), http.MethodGet, "/api/health", nil); err != nil || answer.Status != http.StatusOK {
		t.Errorf("health after all that: %d %s %v", answer.Status, answer.Body, err)
	}
}

func hostileRequests(t *testing.T, rig *journey.Rig, id evidence.ID) {
	t.Helper()
	at := "/api/evidence/" + string(id) + "/flag"
	for name, test := range map[string]struct {
		path, body string
		want       int
	}{
		"half":           {at, `{"purpose":`, 400},
		"unknown field":  {at, `{"purpose":"court","reference":"R","reason":"r","state":"expired"}`, 400},
		"no purpose":     {at, `{"reference":"R","reason":"r"}`, 400},
		"control bytes":  {at, `{"purpose":"court","reference":"R\u0000","reason":"r"}`, 400},
		"too large":      {at, `{"reason":"` + strings.Repeat("x", 1<<20) + `"}`, 413},
		"too deep":       {at, strings.Repeat(`{"a":`, 20000), 400},
		"two values":     {at, `{"purpose":"court","reference":"R","reason":"r"} {}`, 400},
		"no such record": {"/api/evidence/lambeth-202611-aaaaaaaaaaaaaaaaaaaa/flag", `{"purpose":"court","reference":"R","reason":"r"}`, 404},
		"no such id":     {"/api/evidence/..%2f..%2fetc/flag", `{"purpose":"court","reference":"R","reason":"r"}`, 400},
	} {
		answer, err := rig.Client.Send(t.Context(), http.MethodPost, test.path, strings.NewReader(test.body))
		if err != nil || answer.Status != test.want || !strings.Contains(string(answer.Body), "detail") {
			t.Errorf("%s: %d %.200s %v, not %d with words", name, answer.Status, answer.Body, err, test.want)
		}
	}
}

// held adds up what all entities of Service Bus hold in one state.
func held(rig *journey.Rig, state string) (int, error) {
	answer, err := journey.Client{Base: "http://" + rig.Addresses.Control}.Do(context.Background(), http.MethodGet, "/entities", nil)
	if err != nil {
		return 0, err
	}
	var entities []map[string]any
	if err := json.Unmarshal(answer.Body, &entities); err != nil {
		return 0, err
	}
	total := 0
	for _, e := range entities {
		n, _ := e[state].(float64)
		total += int(n)
	}
	return total, nil
}

func none(t *testing.T, rig *journey.Rig, state string) {
	t.Helper()
	if n, err := held(rig, state); n != 0 || err != nil {
		t.Errorf("%d messages %s, %v", n, state, err)
	}
}

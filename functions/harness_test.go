package functions_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bwv/functions"
	"bwv/internal/api"
	"bwv/internal/azfunc"
	"bwv/internal/custodian"
	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/pipeline"
	"bwv/internal/retention"
)

const keep = 31 * 24 * time.Hour

// TestMain keeps the log lines out of the way; internal/azfunc has their tests.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// world is the whole function app over memory, behind a socket, with a clock that only the test moves.
type world struct {
	t          *testing.T
	now        time.Time
	ledger     *memory.Ledger
	originals  *memory.Originals
	renditions *memory.Renditions
	disposals  *memory.Disposals
	works      *memory.Works
	requests   *memory.Requests
	arrivals   *memory.Arrivals
	breaker    *memory.Breaker
	signer     *signer
	protocol   *retention.Protocol
	custodian  *custodian.Custodian
	health     api.Health
	url        string
	calls      int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC),
		ledger: &memory.Ledger{}, originals: &memory.Originals{}, renditions: &memory.Renditions{}, disposals: &memory.Disposals{},
		works: &memory.Works{}, requests: &memory.Requests{}, arrivals: &memory.Arrivals{}, breaker: &memory.Breaker{}, signer: &signer{}, health: api.Health{}}
	clock := func() time.Time { return w.now }
	w.disposals.Now = clock
	w.protocol = &retention.Protocol{Ledger: w.ledger, Disposals: w.disposals, Originals: w.originals, Renditions: w.renditions,
		Breaker: w.breaker, Now: clock, Policy: retention.Policy{Keep: keep, Defer: time.Hour}}
	w.custodian = &custodian.Custodian{Ledger: w.ledger, Catalogue: w.ledger, Renditions: w.renditions, Signer: w.signer,
		Requests: w.requests, Breaker: w.breaker, Protocol: w.protocol, LinkTTL: 10 * time.Minute}
	f := &functions.Functions{
		Ingest:    &pipeline.Ingest{Ledger: w.ledger, Catalogue: w.ledger, Originals: w.originals, Works: w.works},
		Metadata:  &pipeline.Metadata{Ledger: w.ledger, Originals: w.originals, Renditions: w.renditions, Prober: tool{}},
		Proxy:     &pipeline.Proxy{Ledger: w.ledger, Originals: w.originals, Renditions: w.renditions, Transcoder: tool{}},
		Retention: &pipeline.Retention{Protocol: w.protocol},
		Expire:    &pipeline.Expire{Protocol: w.protocol},
		Reprocess: &pipeline.Reprocess{Ledger: w.ledger, Works: w.works},
		Reconcile: &pipeline.Reconcile{Protocol: w.protocol, Catalogue: w.ledger, Originals: w.originals, Works: w.works, Arrivals: w.arrivals,
			Grace: 15 * time.Minute, Most: 100, Now: clock},
		API: &api.API{Custodian: w.custodian, Health: w.health},
		Who: azfunc.Development([]evidence.Actor{officer()}),
		Now: clock,
	}
	server := httptest.NewServer(f.Mux())
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

func officer() evidence.Actor {
	return evidence.Actor{ID: "development:officer", Name: "PC Ada Morris", Roles: []string{"officer"}, Unit: "lambeth"}
}

// signer makes links that nobody can follow.
type signer struct{ signed []string }

func (s *signer) Sign(_ context.Context, id evidence.ID, name string, ttl time.Duration) (string, error) {
	s.signed = append(s.signed, name)
	return fmt.Sprintf("https://store.example/%s/%s?for=%s", id, name, ttl), nil
}

// tool stands for ffprobe and ffmpeg, which have their own suite: a recording is text that begins with "video".
type tool struct{}

func (tool) look(ctx context.Context, s evidence.Source) error {
	body, err := s.OpenAt(ctx, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err == nil && !strings.HasPrefix(string(b), "video") {
		err = fmt.Errorf("no recording: %w", evidence.Unreadable)
	}
	return err
}

func (p tool) Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error) {
	return evidence.Findings{Media: evidence.Media{Container: "mp4", Seconds: 5}}, p.look(ctx, s)
}

const playlist = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI=\"proxy.mp4\",BYTERANGE=\"800@0\"\n" +
	"#EXTINF:5.0,\n#EXT-X-BYTERANGE:900@800\nproxy.mp4\n#EXTINF:1.0,\n#EXT-X-BYTERANGE:90@1700\nproxy.mp4\n#EXT-X-ENDLIST\n"

func (p tool) Transcode(ctx context.Context, s evidence.Source, put func(context.Context, evidence.Rendition, io.Reader) error) (evidence.Proxy, []string, error) {
	if err := p.look(ctx, s); err != nil {
		return evidence.Proxy{}, nil, err
	}
	for _, f := range [][2]string{{evidence.ProxyFile, "pictures"}, {evidence.Poster, "picture"}, {evidence.Playlist, playlist}} {
		if err := put(ctx, evidence.Rendition{Name: f[0]}, strings.NewReader(f[1])); err != nil {
			return evidence.Proxy{}, nil, err
		}
	}
	return evidence.Proxy{Seconds: 5}, nil, nil
}

// answer is what came back over the socket.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) send(method, path string, body io.Reader, header map[string]string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	w.calls++
	r.Header.Set("X-Azure-Functions-InvocationId", fmt.Sprintf("inv-%d", w.calls))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(b)}
}

// ask sends a person's request, as the host's proxy hands it on.
func (w *world) ask(method, path, body string) answer {
	w.t.Helper()
	return w.send(method, path, strings.NewReader(body), map[string]string{azfunc.DevelopmentHeader: "officer"})
}

// want checks an answer's status and decodes its JSON.
func (w *world) want(a answer, status int, into any) {
	w.t.Helper()
	if a.status != status {
		w.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		w.t.Fatalf("%v in %q", err, a.body)
	}
}

// refused checks that an answer is a problem in the form of RFC 9457, with words.
func (w *world) refused(a answer, status int, words ...string) {
	w.t.Helper()
	var problem struct {
		Title, Detail, Reference string
		Status                   int
	}
	w.want(a, status, &problem)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" || problem.Status != status || problem.Title == "" || problem.Reference == "" {
		w.t.Errorf("%s: %s", got, a.body)
	}
	for _, word := range words {
		if !strings.Contains(problem.Detail, word) {
			w.t.Errorf("%q does not say %q", problem.Detail, word)
		}
	}
}

// binding is what a function.json declares.
type binding struct {
	Name, Type, Direction, DataType, Cardinality       string
	QueueName, TopicName, SubscriptionName, Connection string
	Methods                                            []string
	Route, AuthLevel, Schedule                         string
}

func bindings(t *testing.T, function string) []binding {
	t.Helper()
	var config struct{ Bindings []binding }
	load(t, filepath.Join(function, "function.json"), &config)
	if len(config.Bindings) == 0 {
		t.Fatalf("%s has no bindings", function)
	}
	return config.Bindings
}

func load(t *testing.T, path string, into any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// deliver hands a message to a function exactly as the host does: base64 under the name of function.json, since its dataType is binary,
// metadata as JSON in strings, chunked.
func (w *world) deliver(function, message string, delivery int) answer {
	w.t.Helper()
	value, err := json.Marshal(base64.StdEncoding.EncodeToString([]byte(message)))
	if err != nil {
		w.t.Fatal(err)
	}
	metadata := fmt.Sprintf(`"MessageReceiver":{},"MessageSession":{},"MessageActions":{},"SessionActions":{},"ReceiveActions":{},`+
		`"Client":{"FullyQualifiedNamespace":"ns.servicebus.windows.net","IsClosed":false,"TransportType":0,"Identifier":"ns-1"},`+
		`"DeliveryCount":"%d","LockToken":"\"7ebe3bcf-bae7-455e-99ea-568500a75173\"","ExpiresAtUtc":"2026-12-06T10:11:12","ExpiresAt":"2026-12-06T10:11:12+00:00",`+
		`"EnqueuedTimeUtc":"2026-11-22T10:11:12","EnqueuedTime":"2026-11-22T10:11:12+00:00","MessageId":"\"message-%s\"","ContentType":"\"application/json\"",`+
		`"SequenceNumber":"1","ApplicationProperties":{},"UserProperties":{},`, delivery, function)
	return w.invoke(function, string(value), metadata)
}

func (w *world) tick() answer {
	w.t.Helper()
	return w.invoke("reconcile", `{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"0001-01-01T00:00:00+00:00",`+
		`"Next":"2026-11-22T10:15:00+00:00","LastUpdated":"0001-01-01T00:00:00+00:00"},"IsPastDue":false}`, "")
}

func (w *world) invoke(function, value, metadata string) answer {
	w.t.Helper()
	body := fmt.Sprintf(`{"Data":{%q:%s},"Metadata":{%s"sys":{"MethodName":%q,"UtcNow":"2026-11-22T10:11:13.0042Z","RandGuid":"831e1650-001e-001b-66ab-eeb76e069631"}}}`,
		bindings(w.t, function)[0].Name, value, metadata, function)
	header := map[string]string{"Content-Type": "application/json; charset=utf-8", "User-Agent": "Azure-Functions-Host/4.1040.0.0", "X-Azure-Functions-HostVersion": "4.1040.0.0"}
	return w.send(http.MethodPost, "/"+function, io.MultiReader(strings.NewReader(body)), header)
}

// must delivers a message that the function has to take.
func (w *world) must(function, message string, delivery int) {
	w.t.Helper()
	a := w.deliver(function, message, delivery)
	w.taken(a)
}

// taken checks that the host would complete the message: JSON, and never empty.
func (w *world) taken(a answer) {
	w.t.Helper()
	var body map[string]any
	w.want(a, http.StatusOK, &body)
	if a.header.Get("Content-Type") != "application/json" || body == nil {
		w.t.Fatalf("%v %q", a.header, a.body)
	}
}

// state is everything the stores hold, as text.
func (w *world) state() string {
	w.t.Helper()
	all := map[string]any{"records": w.ledger.Records(), "entries": w.ledger.Entries(), "originals": w.originals.Paths(), "pending": w.disposals.Pending()}
	for _, r := range w.ledger.Records() {
		list, err := w.renditions.List(w.t.Context(), r.ID)
		if err != nil {
			w.t.Fatal(err)
		}
		all["renditions of "+string(r.ID)] = list
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// twice delivers a message two times: the second changes nothing. It returns how many custody entries the first wrote.
func (w *world) twice(function, message string) int {
	w.t.Helper()
	before := len(w.ledger.Entries())
	w.must(function, message, 1)
	written, state := len(w.ledger.Entries())-before, w.state()
	w.now = w.now.Add(time.Minute)
	w.must(function, message, 2)
	if n := len(w.ledger.Entries()) - before; n != written {
		w.t.Errorf("%d custody entries after the second delivery, %d after the first", n, written)
	}
	if again := w.state(); again != state {
		w.t.Errorf("the second delivery changed something:\n%s\n---\n%s", state, again)
	}
	return written
}

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
		`"dataVersion":"","metadataVersion":"1","eventTime":%q}`, path, o.ETag, o.Size, o.Created.Format(time.RFC3339Nano))
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

// scheduled takes a recording through every stage.
func (w *world) scheduled(unit string, n int) evidence.Record {
	w.t.Helper()
	id := w.catalogued(unit, n, fmt.Sprintf("video %d", n))
	for _, stage := range []string{"metadata", "proxy", "retention"} {
		w.must(stage, work(id), 1)
	}
	r := w.get(id)
	if r.Retention.State != evidence.Scheduled || r.Media.State != evidence.MediaReady || r.Proxy.State != evidence.ProxyReady {
		w.t.Fatalf("after all stages: %+v", r)
	}
	return r
}

// disposal waits until the record is due and returns the message that comes.
func (w *world) disposal(r evidence.Record) string {
	w.t.Helper()
	w.now = r.Retention.Due
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

const unknown = "lambeth-202611-aaaaaaaaaaaaaaaaaaaa"

// guarded checks what every request about one record refuses, with a custody entry for none of it: route has %s for the id.
func (w *world) guarded(method, route, body string) {
	w.t.Helper()
	id := string(w.scheduled("lambeth", 99).ID)
	before := w.state()
	w.refused(w.send(method, fmt.Sprintf(route, id), strings.NewReader(body), nil), http.StatusUnauthorized, azfunc.DevelopmentHeader)
	w.refused(w.send(method, fmt.Sprintf(route, id), strings.NewReader(body), map[string]string{azfunc.DevelopmentHeader: "stranger"}), http.StatusUnauthorized)
	w.refused(w.ask(method, fmt.Sprintf(route, unknown), body), http.StatusNotFound)
	for _, id := range []string{"x", "Lambeth-202611-aaaaaaaaaaaaaaaaaaaa", "lambeth-202611-aaaaaaaaaaaaaaaaaaa1", "lambeth-202611-aaaaaaaaaaaaaaaaaaaa%0a", "..%2Fhealth", strings.Repeat("a", 500)} {
		w.refused(w.ask(method, fmt.Sprintf(route, id), body), http.StatusBadRequest, "is not an evidence id")
	}
	if method == http.MethodPost {
		w.bodies(fmt.Sprintf(route, id))
	}
	if w.state() != before {
		w.t.Error("a refused request changed something")
	}
}

// bodies checks what every request with a body refuses.
func (w *world) bodies(path string) {
	w.t.Helper()
	for name, body := range map[string]string{
		"none": "", "no JSON": "reason", "an array": "[]", "a list of one": `[{"reason":"r"}]`, "wrong type": `{"reason":7}`, "unknown field": `{"reason":"r","admin":true}`,
		"two values": `{"reason":"r"}{"reason":"r"}`, "rest": `{"reason":"r"} x`, "cut short": `{"reason":"r`, "deep": strings.Repeat(`{"reason":`, 20000),
	} {
		if a := w.ask(http.MethodPost, path, body); a.status != http.StatusBadRequest && (name != "deep" || a.status != http.StatusRequestEntityTooLarge) {
			w.t.Errorf("body with %s: %d %s", name, a.status, a.body)
		}
	}
	large := fmt.Sprintf(`{"reason":%q}`, strings.Repeat("r", 70<<10))
	w.refused(w.ask(http.MethodPost, path, large), http.StatusRequestEntityTooLarge, "larger than 65536 bytes")
}

package functions_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
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
	parts      *memory.Parts
	requests   *memory.Requests
	arrivals   *memory.Arrivals
	breaker    *memory.Breaker
	signer     *signer
	protocol   *retention.Protocol
	custodian  *custodian.Custodian
	health     api.Health
	app        *functions.Functions
	url        string
	calls      int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC),
		ledger: &memory.Ledger{}, originals: &memory.Originals{}, renditions: &memory.Renditions{}, disposals: &memory.Disposals{},
		works: &memory.Works{}, parts: &memory.Parts{}, requests: &memory.Requests{}, arrivals: &memory.Arrivals{}, breaker: &memory.Breaker{}, signer: &signer{}, health: api.Health{}}
	clock := func() time.Time { return w.now }
	w.disposals.Now = clock
	w.protocol = &retention.Protocol{Ledger: w.ledger, Disposals: w.disposals, Originals: w.originals, Renditions: w.renditions,
		Breaker: w.breaker, Now: clock, Policy: retention.Policy{Keep: keep, Defer: time.Hour}}
	w.custodian = &custodian.Custodian{Ledger: w.ledger, Catalogue: w.ledger, Renditions: w.renditions, Signer: w.signer,
		Requests: w.requests, Breaker: w.breaker, Protocol: w.protocol, LinkTTL: 10 * time.Minute}
	assembly := &pipeline.Assembly{Ledger: w.ledger, Renditions: w.renditions, Pages: w.renditions}
	segment := &pipeline.Segment{Assembly: assembly, Originals: w.originals, Cutter: tool{}}
	w.app = &functions.Functions{
		Ingest:    &pipeline.Ingest{Ledger: w.ledger, Catalogue: w.ledger, Originals: w.originals, Works: w.works},
		Metadata:  &pipeline.Metadata{Ledger: w.ledger, Originals: w.originals, Renditions: w.renditions, Prober: tool{}},
		Digest:    &pipeline.Digest{Assembly: assembly, Originals: w.originals, Listener: tool{}},
		Proxy:     &pipeline.Proxy{Segment: segment, Parts: w.parts, Catalogue: w.ledger},
		Segment:   segment,
		Retention: &pipeline.Retention{Protocol: w.protocol},
		Expire:    &pipeline.Expire{Protocol: w.protocol},
		Reprocess: &pipeline.Reprocess{Ledger: w.ledger, Works: w.works},
		Reconcile: &pipeline.Reconcile{Protocol: w.protocol, Catalogue: w.ledger, Originals: w.originals, Works: w.works, Arrivals: w.arrivals,
			Grace: 15 * time.Minute, Most: 100, Now: clock},
		API: &api.API{Custodian: w.custodian, Health: w.health},
		Who: azfunc.Development([]evidence.Actor{officer()}),
		Now: clock,
	}
	w.serve()
	return w
}

// serve puts the app, as it is now, behind a socket.
func (w *world) serve() {
	w.t.Helper()
	server := httptest.NewServer(w.app.Mux())
	w.t.Cleanup(server.Close)
	w.url = server.URL
}

func officer() evidence.Actor {
	return evidence.Actor{ID: "development:officer", Name: "PC Ada Morris", Roles: []string{"officer"}, Unit: "lambeth"}
}

// signer makes links that nobody can follow.
type signer struct {
	signed []string
	fail   error
}

func (s *signer) Sign(_ context.Context, id evidence.ID, name string, ttl time.Duration) (string, error) {
	s.signed = append(s.signed, name)
	return fmt.Sprintf("https://store.example/%s/%s?for=%s", id, name, ttl), s.fail
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
		"two values": `{"reason":"r"}{"reason":"r"}`, "rest": `{"reason":"r"} x`, "cut short": `{"reason":"r`, "deep": strings.Repeat(`{"reason":`, 5000),
	} {
		if a := w.ask(http.MethodPost, path, body); a.status != http.StatusBadRequest {
			w.t.Errorf("body with %s: %d %s", name, a.status, a.body)
		}
	}
	large := fmt.Sprintf(`{"reason":%q}`, strings.Repeat("r", 70<<10))
	w.refused(w.ask(http.MethodPost, path, large), http.StatusRequestEntityTooLarge, "larger than 65536 bytes")
}

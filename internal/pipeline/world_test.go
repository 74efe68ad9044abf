package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/hls"
	"bwv/internal/memory"
	"bwv/internal/pipeline"
	"bwv/internal/retention"
)

const keep = 31 * 24 * time.Hour

// world is the whole pipeline over memory, with a clock that only the test moves.
type world struct {
	t          testing.TB
	now        time.Time
	ledger     *memory.Ledger
	originals  *memory.Originals
	renditions *memory.Renditions
	watch      *watch
	disposals  *memory.Disposals
	works      *memory.Works
	parts      *memory.Parts
	arrivals   *memory.Arrivals
	breaker    *memory.Breaker
	tool       *tool
	messages   int

	protocol  *retention.Protocol
	assembly  *pipeline.Assembly
	ingest    *pipeline.Ingest
	metadata  *pipeline.Metadata
	digest    *pipeline.Digest
	proxy     *pipeline.Proxy
	segment   *pipeline.Segment
	retention *pipeline.Retention
	expire    *pipeline.Expire
	reprocess *pipeline.Reprocess
	reconcile *pipeline.Reconcile
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC),
		ledger: &memory.Ledger{}, originals: &memory.Originals{}, renditions: &memory.Renditions{}, disposals: &memory.Disposals{},
		works: &memory.Works{}, parts: &memory.Parts{}, arrivals: &memory.Arrivals{}, breaker: &memory.Breaker{}, tool: &tool{}}
	w.watch = &watch{Renditions: w.renditions, w: w, scripts: map[evidence.ID]script{}, last: map[string]*hls.Media{}}
	clock := func() time.Time { return w.now }
	w.disposals.Now = clock
	w.protocol = &retention.Protocol{Ledger: w.ledger, Disposals: w.disposals, Originals: w.originals, Renditions: w.watch,
		Breaker: w.breaker, Now: clock, Policy: retention.Policy{Keep: keep, Defer: time.Hour}}
	w.assembly = &pipeline.Assembly{Ledger: w.ledger, Renditions: w.watch, Pages: w.watch}
	w.ingest = &pipeline.Ingest{Ledger: w.ledger, Catalogue: w.ledger, Originals: w.originals, Works: w.works}
	w.metadata = &pipeline.Metadata{Ledger: w.ledger, Originals: w.originals, Renditions: w.watch, Prober: w.tool}
	w.digest = &pipeline.Digest{Assembly: w.assembly, Originals: w.originals, Listener: w.tool}
	w.segment = &pipeline.Segment{Assembly: w.assembly, Originals: w.originals, Cutter: w.tool}
	w.proxy = &pipeline.Proxy{Segment: w.segment, Parts: w.parts, Catalogue: w.ledger}
	w.retention = &pipeline.Retention{Protocol: w.protocol}
	w.expire = &pipeline.Expire{Protocol: w.protocol}
	w.reprocess = &pipeline.Reprocess{Ledger: w.ledger, Works: w.works}
	w.reconcile = &pipeline.Reconcile{Protocol: w.protocol, Catalogue: w.ledger, Originals: w.originals, Works: w.works,
		Arrivals: w.arrivals, Grace: 15 * time.Minute, Most: 1000, Now: clock}
	return w
}

// faults has plan asked at every mutating call of every store, one call at a time.
func (w *world) faults(plan func(op string) memory.Fault) {
	var mu sync.Mutex
	locked := func(op string) memory.Fault {
		mu.Lock()
		defer mu.Unlock()
		return plan(op)
	}
	for _, f := range []*memory.Faults{&w.ledger.Faults, &w.originals.Faults, &w.renditions.Faults, &w.disposals.Faults, &w.works.Faults,
		&w.parts.Faults, &w.arrivals.Faults, &w.breaker.Faults} {
		f.Plan = locked
	}
}

func (w *world) cause(stage string) evidence.Cause {
	return evidence.Cause{By: evidence.Stage(stage), At: w.now, Correlation: fmt.Sprintf("%s-%d", stage, w.now.UnixNano())}
}

func path(n int) string {
	return fmt.Sprintf("lambeth/P123456/X81234567/2026/11/22/20261122T101500Z-%04d.mp4", n)
}

// upload puts a recording into the store and returns the event that announces it.
func (w *world) upload(path, body string) pipeline.Event {
	w.t.Helper()
	sum := sha256.Sum256([]byte(body))
	o, err := w.originals.Upload(path, []byte(body), evidence.Claims{Digest: hex.EncodeToString(sum[:])}, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	if s, err := parse(body); err == nil {
		name, _ := evidence.ParseName(path)
		w.watch.scripts[evidence.NewID(name.Unit, o.Created, path, o.ETag)] = s
	}
	return eventOf(o)
}

func eventOf(o evidence.Original) pipeline.Event {
	e := pipeline.Event{Type: "Microsoft.Storage.BlobCreated", Subject: "/blobServices/default/containers/footage/blobs/" + o.Path, Time: o.Created}
	e.Data.API, e.Data.ETag, e.Data.Length = "PutBlockList", o.ETag, o.Size
	return e
}

// delivery is a message for one stage; delivered again it is the same one.
type delivery struct {
	stage string
	id    evidence.ID
	run   func(context.Context) (evidence.Result, error)
	send  func() error // once more, as another message
}

// deliveries takes everything that was sent off the topic and the queue.
func (w *world) deliveries() (list []delivery) {
	for _, m := range w.works.Drain() {
		for _, s := range w.stages() {
			if m.For(s.name) {
				c := w.message(string(s.name))
				list = append(list, delivery{string(s.name), m.Work.Evidence,
					func(ctx context.Context) (evidence.Result, error) { return s.run(ctx, m.Work, c) },
					func() error { return w.works.Announce(w.t.Context(), s.name, m.Work) }})
			}
		}
	}
	for _, p := range w.parts.Drain() {
		list = append(list, w.part(p))
	}
	return list
}

func (w *world) part(p evidence.Part) delivery {
	c := w.message("segment")
	return delivery{"segment", p.Evidence,
		func(ctx context.Context) (evidence.Result, error) { return w.segment.Run(ctx, p, c) },
		func() error { return w.parts.Dispatch(w.t.Context(), []evidence.Part{p}) }}
}

// message is the cause of what a new message has done.
func (w *world) message(stage string) evidence.Cause {
	w.messages++
	c := w.cause(stage)
	c.Correlation = fmt.Sprintf("message-%d", w.messages)
	return c
}

// work delivers every message to its stage, until there are none; each that fails is handed to failed.
func (w *world) work(failed func(d delivery, err error)) {
	for queue := w.deliveries(); len(queue) > 0; queue = w.deliveries() {
		for _, d := range queue {
			if _, err := d.run(w.t.Context()); err != nil {
				failed(d, err)
			}
		}
	}
}

// done works until there is nothing to do, and nothing may fail.
func (w *world) done() {
	w.t.Helper()
	w.work(func(d delivery, err error) { w.t.Fatalf("%s of %s: %v", d.stage, d.id, err) })
}

type stage struct {
	name evidence.Subject
	run  func(context.Context, evidence.Work, evidence.Cause) (evidence.Result, error)
}

func (w *world) stages() []stage {
	return []stage{{evidence.SubjectMetadata, w.metadata.Run}, {evidence.SubjectDigest, w.digest.Run}, {evidence.SubjectProxy, w.proxy.Run},
		{evidence.SubjectRetention, w.retention.Run}}
}

// catalogue takes an upload through ingest only; its message is gone.
func (w *world) catalogue(e pipeline.Event) evidence.ID {
	w.t.Helper()
	got, err := w.ingest.Run(w.t.Context(), e, w.cause("ingest"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.works.Drain()
	return got.Evidence
}

// receive takes an upload through ingest and all stages.
func (w *world) receive(e pipeline.Event) evidence.Record {
	w.t.Helper()
	got, err := w.ingest.Run(w.t.Context(), e, w.cause("ingest"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.done()
	return w.get(got.Evidence)
}

func (w *world) get(id evidence.ID) evidence.Record {
	w.t.Helper()
	r, err := w.ledger.Get(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// verify checks a record's chain and returns it.
func (w *world) verify(id evidence.ID) []evidence.Entry {
	w.t.Helper()
	chain, err := w.ledger.Chain(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := evidence.VerifyChain(chain, w.get(id).Head); err != nil {
		w.t.Fatal(err)
	}
	return chain
}

// names lists a record's renditions.
func (w *world) names(id evidence.ID) []string {
	w.t.Helper()
	names, err := w.renditions.List(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// file is a rendition's content, empty where there is none.
func (w *world) file(id evidence.ID, name string) string {
	w.t.Helper()
	body, err := w.watch.file(id, name)
	if err != nil {
		return ""
	}
	return string(body)
}

func count(chain []evidence.Entry, op evidence.Operation) int {
	n := 0
	for _, e := range chain {
		if e.Operation == op {
			n++
		}
	}
	return n
}

// said is what the chain says of the proxy, in order.
func said(chain []evidence.Entry) string {
	var list []string
	for _, e := range chain {
		if e.Operation == evidence.OpProxy {
			list = append(list, e.Changes["proxy"])
		}
	}
	return strings.Join(list, " ")
}

func problems(r evidence.Record) string {
	var list []string
	for _, a := range r.Attention {
		list = append(list, a.Stage+":"+a.Problem)
	}
	return strings.Join(list, " ")
}

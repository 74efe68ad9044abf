package pipeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
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
	disposals  *memory.Disposals
	works      *memory.Works
	arrivals   *memory.Arrivals
	breaker    *memory.Breaker
	tool       *tool

	protocol  *retention.Protocol
	ingest    *pipeline.Ingest
	metadata  *pipeline.Metadata
	proxy     *pipeline.Proxy
	retention *pipeline.Retention
	expire    *pipeline.Expire
	reprocess *pipeline.Reprocess
	reconcile *pipeline.Reconcile
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC),
		ledger: &memory.Ledger{}, originals: &memory.Originals{}, renditions: &memory.Renditions{}, disposals: &memory.Disposals{},
		works: &memory.Works{}, arrivals: &memory.Arrivals{}, breaker: &memory.Breaker{}, tool: &tool{}}
	clock := func() time.Time { return w.now }
	w.disposals.Now = clock
	w.protocol = &retention.Protocol{Ledger: w.ledger, Disposals: w.disposals, Originals: w.originals, Renditions: w.renditions,
		Breaker: w.breaker, Now: clock, Policy: retention.Policy{Keep: keep, Defer: time.Hour}}
	w.ingest = &pipeline.Ingest{Ledger: w.ledger, Catalogue: w.ledger, Originals: w.originals, Works: w.works}
	w.metadata = &pipeline.Metadata{Ledger: w.ledger, Originals: w.originals, Renditions: w.renditions, Prober: w.tool}
	w.proxy = &pipeline.Proxy{Ledger: w.ledger, Originals: w.originals, Renditions: w.renditions, Transcoder: w.tool}
	w.retention = &pipeline.Retention{Protocol: w.protocol}
	w.expire = &pipeline.Expire{Protocol: w.protocol}
	w.reprocess = &pipeline.Reprocess{Ledger: w.ledger, Works: w.works}
	w.reconcile = &pipeline.Reconcile{Protocol: w.protocol, Catalogue: w.ledger, Originals: w.originals, Works: w.works,
		Arrivals: w.arrivals, Grace: 15 * time.Minute, Most: 1000, Now: clock}
	return w
}

// tool stands for ffprobe and ffmpeg, which have their own suite: a recording is text that begins with "video".
type tool struct {
	findings evidence.Findings
	during   func() // what happens elsewhere while it works
	fail     error  // once
}

func (p *tool) look(ctx context.Context, s evidence.Source) error {
	if p.during != nil {
		p.during()
	}
	if err := p.fail; err != nil {
		p.fail = nil
		return err
	}
	body, err := s.OpenAt(ctx, 0)
	if err != nil {
		return err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(b), "video") {
		return fmt.Errorf("no recording: %w", evidence.Unreadable)
	}
	return nil
}

func (p *tool) Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error) {
	return p.findings, p.look(ctx, s)
}

func (p *tool) Transcode(ctx context.Context, s evidence.Source, put func(context.Context, evidence.Rendition, io.Reader) error) (evidence.Proxy, []string, error) {
	if err := p.look(ctx, s); err != nil {
		return evidence.Proxy{}, nil, err
	}
	for _, name := range []string{evidence.ProxyFile, evidence.Poster, evidence.Playlist} {
		if err := put(ctx, evidence.Rendition{Name: name}, strings.NewReader("made from "+s.Original.Path)); err != nil {
			return evidence.Proxy{}, nil, err
		}
	}
	return evidence.Proxy{Seconds: 5}, nil, nil
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
	return eventOf(o)
}

func eventOf(o evidence.Original) pipeline.Event {
	e := pipeline.Event{Type: "Microsoft.Storage.BlobCreated", Subject: "/blobServices/default/containers/footage/blobs/" + o.Path, Time: o.Created}
	e.Data.API, e.Data.ETag, e.Data.Length = "PutBlockList", o.ETag, o.Size
	return e
}

// work delivers every announced message to its stages, until there are none; each error is handed to failed.
func (w *world) work(failed func(stage string, work evidence.Work, err error)) {
	for queue := w.works.Drain(); len(queue) > 0; queue = w.works.Drain() {
		for _, m := range queue {
			for _, s := range w.stages() {
				if !m.For(s.name) {
					continue
				}
				if _, err := s.run(w.t.Context(), m.Work, w.cause(string(s.name))); err != nil {
					failed(string(s.name), m.Work, err)
				}
			}
		}
	}
}

type stage struct {
	name evidence.Subject
	run  func(context.Context, evidence.Work, evidence.Cause) (evidence.Result, error)
}

func (w *world) stages() []stage {
	return []stage{{evidence.SubjectMetadata, w.metadata.Run}, {evidence.SubjectProxy, w.proxy.Run}, {evidence.SubjectRetention, w.retention.Run}}
}

// receive takes an upload through ingest and all stages.
func (w *world) receive(e pipeline.Event) evidence.Record {
	w.t.Helper()
	got, err := w.ingest.Run(w.t.Context(), e, w.cause("ingest"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.work(func(stage string, work evidence.Work, err error) {
		w.t.Fatalf("%s of %s: %v", stage, work.Evidence, err)
	})
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

func count(chain []evidence.Entry, op evidence.Operation) int {
	n := 0
	for _, e := range chain {
		if e.Operation == op {
			n++
		}
	}
	return n
}

func problems(r evidence.Record) string {
	var list []string
	for _, a := range r.Attention {
		list = append(list, a.Stage+":"+a.Problem)
	}
	return strings.Join(list, " ")
}

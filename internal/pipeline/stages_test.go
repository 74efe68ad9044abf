package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/pipeline"
)

func TestLifeOfARecording(t *testing.T) {
	w := newWorld(t)
	w.tool.findings = evidence.Findings{Media: evidence.Media{Seconds: 5}, Satellite: w.now.Add(-time.Hour),
		Fixes: []evidence.Fix{{Latitude: 51.46, Longitude: -0.12}, {Latitude: 51.47, Longitude: -0.12, Offset: 1}}}
	r := w.receive(w.upload(path(1), "video one"))
	if r.Retention.State != evidence.Scheduled || r.Media.State != evidence.MediaReady || r.Proxy.State != evidence.ProxyReady {
		t.Fatalf("%+v %+v %+v", r.Retention, r.Media, r.Proxy)
	}
	if r.Digest.Matches == nil || !*r.Digest.Matches || r.Unit != "lambeth" || r.Officer != "P123456" || r.Camera != "X81234567" {
		t.Fatalf("%+v", r)
	}
	if !r.Started.Equal(w.now.Add(-time.Hour)) || !r.Media.Recorded.Believed {
		t.Fatalf("started %s: %+v", r.Started, r.Media.Recorded)
	}
	names, err := w.renditions.List(t.Context(), r.ID)
	if err != nil || fmt.Sprint(names) != "[location.json poster.jpg proxy.m3u8 proxy.mp4]" {
		t.Fatalf("%v, %v", names, err)
	}
	if n := len(w.verify(r.ID)); n != 4 {
		t.Fatalf("%d custody entries, not 4: received, scheduled, metadata, proxy", n)
	}
}

// TestDeliveredTwice delivers each message of a recording's life a second time: nothing changes, no entry is written.
func TestDeliveredTwice(t *testing.T) {
	w := newWorld(t)
	e := w.upload(path(1), "video one")
	r := w.receive(e)
	before := len(w.verify(r.ID))
	again, err := w.ingest.Run(t.Context(), e, w.cause("ingest"))
	if err != nil || again.Evidence != r.ID || again.Outcome != "already" {
		t.Fatalf("ingest again: %+v, %v", again, err)
	}
	for _, s := range w.stages() {
		got, err := s.run(t.Context(), evidence.Work{Evidence: r.ID}, w.cause(string(s.name)))
		if err != nil || got.Outcome != "already" {
			t.Errorf("%s again: %+v, %v", s.name, got, err)
		}
	}
	if n := len(w.verify(r.ID)); n != before || len(w.disposals.Pending()) != 1 || len(w.ledger.Records()) != 1 {
		t.Errorf("%d entries, not %d; %d disposals; %d records", n, before, len(w.disposals.Pending()), len(w.ledger.Records()))
	}
}

// TestFaults lets each mutating call of the whole way in be lost, or stored with its reply lost, and delivers again, as the host does.
func TestFaults(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		for nth := range 9 {
			t.Run(fmt.Sprintf("%s/%d", name, nth), func(t *testing.T) {
				w := newWorld(t)
				calls, hit := 0, false
				plan := func(string) memory.Fault {
					if calls++; calls == nth+1 {
						hit = true
						return fault
					}
					return memory.None
				}
				for _, f := range []*memory.Faults{&w.ledger.Faults, &w.disposals.Faults, &w.renditions.Faults, &w.works.Faults} {
					f.Plan = plan
				}
				e := w.upload(path(1), "video one")
				deliver := func() (got evidence.Result, err error) {
					for range 3 {
						if got, err = w.ingest.Run(t.Context(), e, w.cause("ingest")); err == nil {
							return got, nil
						}
					}
					return got, err
				}
				got, err := deliver()
				if err != nil {
					t.Fatal(err)
				}
				w.work(func(stage string, work evidence.Work, err error) {
					for _, s := range w.stages() {
						if string(s.name) == stage {
							if _, err := s.run(t.Context(), work, w.cause(stage)); err != nil {
								t.Fatalf("%s, delivered again: %v", stage, err)
							}
						}
					}
				})
				if !hit {
					t.Fatalf("there are only %d calls: the test does not reach what it is for", calls)
				}
				r := w.get(got.Evidence)
				chain := w.verify(r.ID)
				if r.Retention.State != evidence.Scheduled || r.Media.State == "" || r.Proxy.State == "" || len(chain) != 4 {
					t.Fatalf("%s, media %q, proxy %q, %d entries", r.Retention.State, r.Media.State, r.Proxy.State, len(chain))
				}
				if _, ok := w.disposals.Pending()[r.Retention.Sequence]; !ok {
					t.Fatal("the disposal on record is not pending")
				}
			})
		}
	}
}

func TestIngestBadInput(t *testing.T) {
	t.Run("name that does not parse", func(t *testing.T) {
		w := newWorld(t)
		r := w.receive(w.upload("holiday video (1).mp4", "video"))
		if r.Unit != evidence.Unassigned || problems(r) != "ingest:name-not-understood" || r.Retention.State != evidence.Scheduled {
			t.Fatalf("%s %q %s", r.Unit, problems(r), r.Retention.State)
		}
	})
	t.Run("two events swapped", func(t *testing.T) {
		w := newWorld(t)
		first := w.upload(path(1), "video one")
		w.now = w.now.Add(time.Minute)
		second := w.upload(path(2), "video two")
		b, a := w.receive(second), w.receive(first)
		if a.ID == b.ID || len(w.ledger.Records()) != 2 {
			t.Fatalf("%s %s", a.ID, b.ID)
		}
	})
	t.Run("the same event in both orders with a replaced blob", func(t *testing.T) {
		w := newWorld(t)
		old := w.upload(path(1), "video one")
		w.originals.Remove(path(1))
		w.now = w.now.Add(time.Hour)
		w.receive(w.upload(path(1), "video number two"))
		w.receive(old)
		if n := len(w.ledger.Records()); n != 1 {
			t.Fatalf("%d records for one blob", n)
		}
	})
	t.Run("the ETag moved before it was catalogued", func(t *testing.T) {
		w := newWorld(t)
		e := w.upload(path(1), "video one")
		w.originals.Touch(path(1))
		r := w.receive(e)
		o, err := w.originals.Stat(t.Context(), path(1))
		if err != nil {
			t.Fatal(err)
		}
		late := w.receive(eventOf(o)) // reconcile knows only the ETag of now
		if late.ID != r.ID || r.Original.ETag != e.Data.ETag {
			t.Fatalf("two records of one upload: %s, %s", r.ID, late.ID)
		}
	})
	t.Run("deleted before ingest", func(t *testing.T) {
		w := newWorld(t)
		e := w.upload(path(1), "video one")
		w.originals.Remove(path(1))
		r := w.receive(e)
		if problems(r) != "ingest:original-missing metadata:original-missing proxy:original-missing" {
			t.Fatalf("%q", problems(r))
		}
		w.receive(e)
		if n := len(w.ledger.Records()); n != 1 {
			t.Fatalf("%d records", n)
		}
	})
	t.Run("duplicate after it was erased", func(t *testing.T) {
		w := newWorld(t)
		e := w.upload(path(1), "video one")
		id := w.receive(e).ID
		w.now = w.now.Add(keep)
		for _, d := range w.disposals.Due(w.now) {
			if got, err := w.expire.Run(t.Context(), d, w.cause("expire")); err != nil || got.Outcome != "expired" {
				t.Fatal(got, err)
			}
		}
		got, err := w.ingest.Run(t.Context(), e, w.cause("ingest"))
		if err != nil || got.Evidence != id || got.Outcome != "already" || len(w.ledger.Records()) != 1 {
			t.Fatalf("%+v, %v, %d records", got, err, len(w.ledger.Records()))
		}
	})
	t.Run("claim that is no digest", func(t *testing.T) {
		w := newWorld(t)
		o, err := w.originals.Upload(path(1), []byte("video"), evidence.Claims{Digest: "trust me"}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if r := w.receive(eventOf(o)); problems(r) != "ingest:claim-not-understood metadata:digest-mismatch" {
			t.Fatalf("%q", problems(r))
		}
	})
	for name, subject := range map[string]string{
		"another container": "/blobServices/default/containers/renditions/blobs/a/proxy.mp4",
		"no blob":           "/blobServices/default/containers/footage/blobs/",
		"too long":          "/blobServices/default/containers/footage/blobs/" + strings.Repeat("x", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.ingest.Run(t.Context(), pipeline.Event{Type: "Microsoft.Storage.BlobCreated", Subject: subject, Time: w.now}, w.cause("ingest")); !errors.Is(err, evidence.Invalid) {
				t.Fatalf("%v", err)
			}
		})
	}
	for name, text := range map[string]string{"array of two": `[{},{}]`, "array of none": `[]`, "a number": `7`, "wrong type": `{"eventTime":"yesterday"}`} {
		t.Run(name, func(t *testing.T) {
			var e pipeline.Event
			if err := json.Unmarshal([]byte(text), &e); err == nil {
				t.Fatalf("%s was taken for an event", text)
			}
		})
	}
}

func TestBadRecordings(t *testing.T) {
	t.Run("unreadable", func(t *testing.T) {
		w := newWorld(t)
		r := w.receive(w.upload(path(1), "text renamed"))
		if r.Media.State != evidence.MediaUnreadable || r.Proxy.State != evidence.ProxyFailed || problems(r) != "metadata:unreadable proxy:proxy-failed" {
			t.Fatalf("%+v %+v %q", r.Media, r.Proxy, problems(r))
		}
		if r.Retention.State != evidence.Scheduled || r.Digest.Computed == "" {
			t.Fatalf("an unreadable recording must still be hashed and go when it is due: %+v", r)
		}
	})
	t.Run("digest mismatch", func(t *testing.T) {
		w := newWorld(t)
		o, err := w.originals.Upload(path(1), []byte("video"), evidence.Claims{Digest: strings.Repeat("ab", 32)}, w.now)
		if err != nil {
			t.Fatal(err)
		}
		r := w.receive(eventOf(o))
		if r.Digest.Matches == nil || *r.Digest.Matches || problems(r) != "metadata:digest-mismatch" {
			t.Fatalf("%+v %q", r.Digest, problems(r))
		}
	})
	t.Run("the store does not answer", func(t *testing.T) {
		w := newWorld(t)
		got, err := w.ingest.Run(t.Context(), w.upload(path(1), "video"), w.cause("ingest"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.stages()[:2] {
			w.tool.fail = fmt.Errorf("reading: %w", evidence.Unavailable)
			if _, err := s.run(t.Context(), evidence.Work{Evidence: got.Evidence}, w.cause("x")); !errors.Is(err, evidence.Unavailable) {
				t.Fatalf("%s: %v: an outage is not an unreadable recording", s.name, err)
			}
		}
		if r := w.get(got.Evidence); r.Media.State != "" || r.Proxy.State != "" || len(r.Attention) != 0 {
			t.Fatalf("%+v", r)
		}
	})
	t.Run("unknown record", func(t *testing.T) {
		w := newWorld(t)
		id := evidence.NewID("lambeth", w.now, "x", "y")
		for _, s := range w.stages() {
			if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
				t.Errorf("%s: %v: the message must end in the dead-letter queue", s.name, err)
			}
		}
		if _, err := w.expire.Run(t.Context(), evidence.Disposal{Evidence: id, Epoch: 1}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
			t.Errorf("expire: %v", err)
		}
		if _, err := w.reprocess.Run(t.Context(), evidence.Reprocess{Evidence: id}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
			t.Errorf("reprocess: %v", err)
		}
	})
}

// TestErasedMeanwhile has the recording erased while its stages work: nothing of it may be left, neither then nor by a late delivery.
func TestErasedMeanwhile(t *testing.T) {
	for _, n := range []int{0, 1} {
		w := newWorld(t)
		w.tool.findings.Fixes = []evidence.Fix{{Latitude: 51}}
		got, err := w.ingest.Run(t.Context(), w.upload(path(1), "video"), w.cause("ingest"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.retention.Run(t.Context(), evidence.Work{Evidence: got.Evidence}, w.cause("retention")); err != nil {
			t.Fatal(err)
		}
		s := w.stages()[n]
		w.tool.during = func() {
			w.tool.during = nil
			w.now = w.now.Add(keep)
			for _, d := range w.disposals.Due(w.now) {
				if _, err := w.expire.Run(t.Context(), d, w.cause("expire")); err != nil {
					t.Fatal(err)
				}
			}
		}
		for try := range 2 {
			result, err := s.run(context.WithoutCancel(t.Context()), evidence.Work{Evidence: got.Evidence}, w.cause("x"))
			if try == 1 && (err != nil || result.Outcome != "gone") {
				t.Fatalf("%s, late: %+v, %v", s.name, result, err)
			}
			left, err := w.renditions.List(t.Context(), got.Evidence)
			if err != nil || try == 1 && len(left) > 0 {
				t.Fatalf("%s left %v, %v", s.name, left, err)
			}
		}
	}
}

func TestReprocess(t *testing.T) {
	w := newWorld(t)
	r := w.receive(w.upload(path(1), "text"))
	c := w.cause("reprocess")
	q := evidence.Reprocess{Evidence: r.ID, By: evidence.Actor{ID: "development:administrator"}, Reason: "new tool"}
	for range 2 { // delivered twice
		if got, err := w.reprocess.Run(t.Context(), q, c); err != nil || got.Outcome != "done" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	before := len(w.verify(r.ID))
	w.work(func(stage string, _ evidence.Work, err error) { t.Fatalf("%s: %v", stage, err) })
	chain := w.verify(r.ID)
	if n := count(chain, evidence.OpReprocess); n != 1 || len(chain) != before {
		t.Fatalf("%d entries of two deliveries, %d after the same findings again", n, len(chain)-before)
	}
	if e := chain[before-1]; e.Actor.ID != "development:administrator" || e.Reason != "new tool" {
		t.Fatalf("%+v", e)
	}
	if _, err := w.reprocess.Run(t.Context(), evidence.Reprocess{Evidence: r.ID, Stages: []evidence.Subject{"expire"}}, c); !errors.Is(err, evidence.Invalid) {
		t.Fatalf("expire by request: %v", err)
	}
	if _, err := w.reprocess.Run(t.Context(), evidence.Reprocess{Evidence: "x"}, c); !errors.Is(err, evidence.Invalid) {
		t.Fatalf("%v", err)
	}
}

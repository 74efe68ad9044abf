package pipeline_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
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
	want := []string{"digest.json", "location.json", "master.m3u8", "poster.jpg",
		"sound-0.m3u8", "sound-0/00000.mp4", "sound-0/00000.peaks", "sound-0/00001.mp4", "sound-0/00001.peaks", "sound-0/00002.mp4", "sound-0/00002.peaks",
		"sound-0/init.mp4", "sound.json", "storyboard.vtt", "video-facts.json", "video-plan.json", "video.m3u8",
		"video/00000.jpg", "video/00000.mp4", "video/00001.jpg", "video/00001.mp4", "video/00002.jpg", "video/00002.mp4", "video/init.mp4",
		"video/plan/0000.json", "video/plan/0001.json", "waveform.dat"}
	if names := w.names(r.ID); !slices.Equal(names, want) {
		t.Fatalf("%q", names)
	}
	w.plays(r.ID)
	if chain := w.verify(r.ID); len(chain) != 6 || said(chain) != "growing ready" {
		t.Fatalf("%d custody entries, not 6: received, scheduled, metadata, digest, proxy growing and ready (%s)", len(chain), said(chain))
	}
}

// TestDeliveredTwice delivers each message of a recording's life a second time: nothing changes, no entry is written.
func TestDeliveredTwice(t *testing.T) {
	w := newWorld(t)
	e := w.upload(path(1), "video one")
	r := w.receive(e)
	before, files := len(w.verify(r.ID)), w.files(r.ID)
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
	for n := range len(w.watch.scripts[r.ID].chunks) {
		got, err := w.segment.Run(t.Context(), evidence.Part{Evidence: r.ID, Chunk: n}, w.cause("segment"))
		if err != nil || got.Outcome != "already" {
			t.Errorf("segment %d again: %+v, %v", n, got, err)
		}
	}
	if !maps.Equal(w.files(r.ID), files) {
		t.Error("the renditions are not what they were")
	}
	if n := len(w.verify(r.ID)); n != before || len(w.disposals.Pending()) != 1 || len(w.ledger.Records()) != 1 {
		t.Errorf("%d entries, not %d; %d disposals; %d records", n, before, len(w.disposals.Pending()), len(w.ledger.Records()))
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
		if problems(r) != "ingest:original-missing metadata:original-missing digest:original-missing proxy:original-missing" {
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
		if r := w.receive(eventOf(o)); problems(r) != "ingest:claim-not-understood digest:digest-mismatch" {
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
		if r.Digest.Matches == nil || *r.Digest.Matches || problems(r) != "digest:digest-mismatch" {
			t.Fatalf("%+v %q", r.Digest, problems(r))
		}
	})
	t.Run("the store does not answer", func(t *testing.T) {
		w := newWorld(t)
		got, err := w.ingest.Run(t.Context(), w.upload(path(1), "video"), w.cause("ingest"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range w.stages()[:3] {
			w.tool.fail = fmt.Errorf("reading: %w", evidence.Unavailable)
			if _, err := s.run(t.Context(), evidence.Work{Evidence: got.Evidence}, w.cause("x")); !errors.Is(err, evidence.Unavailable) {
				t.Fatalf("%s: %v: an outage is not an unreadable recording", s.name, err)
			}
		}
		if r := w.get(got.Evidence); r.Media.State != "" || !r.Digest.At.IsZero() || r.Proxy.State != "" || len(r.Attention) != 0 {
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
		if _, err := w.segment.Run(t.Context(), evidence.Part{Evidence: id}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
			t.Errorf("segment: %v", err)
		}
		if _, err := w.expire.Run(t.Context(), evidence.Disposal{Evidence: id, Epoch: 1}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
			t.Errorf("expire: %v", err)
		}
		if _, err := w.reprocess.Run(t.Context(), evidence.Reprocess{Evidence: id}, w.cause("x")); !errors.Is(err, evidence.NotFound) {
			t.Errorf("reprocess: %v", err)
		}
	})
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
	w.done()
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

package pipeline_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// TestGaps has chunks that can never be made: each is a gap with its place in time, a person is told, and the rest plays.
func TestGaps(t *testing.T) {
	for text, c := range map[string]struct {
		problems, gap, note string
	}{
		"video abc":    {},
		"video aXb":    {"proxy:proxy-has-gaps", "1 stretches could not be made, the rest plays; the original is untouched: 0:00:02-0:00:06 (no picture could be decoded: unreadable)", ""},
		"tape aXb":     {"proxy:proxy-has-gaps", "1 stretches could not be made", ""},
		"video Xab":    {"proxy:proxy-has-gaps", "0:00:00-0:00:02", ""},
		"video abX|":   {"proxy:proxy-has-gaps", "0:00:06-0:00:11", ""},
		"video XaXX|s": {"proxy:proxy-has-gaps", "3 stretches", ""},
		"video aNb":    {"proxy:media-warning", "", "0:00:02-0:00:06 (1 of 10 pictures could not be decoded)"},
		"video NXa|f":  {"proxy:proxy-has-gaps proxy:media-warning", "1 stretches", "0:00:00-0:00:02 (1 of 10 pictures could not be decoded); Sound 1: nobody can decode it"},
		"video ab!":    {"proxy:media-warning", "", "only a part could be cut: nothing can be found from chunk 2 on: unreadable"},
		"tape aX!bc|":  {"proxy:proxy-has-gaps proxy:media-warning", "1 stretches", "only a part could be cut"},
	} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			r := w.receive(w.upload(path(1), text))
			w.plays(r.ID)
			if problems(r) != c.problems {
				t.Fatalf("attention %q, want %q", problems(r), c.problems)
			}
			for _, a := range r.Attention {
				want := map[string]string{evidence.ProblemGap: c.gap, evidence.ProblemMedia: c.note}[a.Problem]
				if !strings.Contains(a.Detail, want) {
					t.Errorf("%s says %q, want %q", a.Problem, a.Detail, want)
				}
			}
			if chain := w.verify(r.ID); said(chain) != "growing ready" && said(chain) != "ready" {
				t.Errorf("the chain says %s", said(chain))
			}
		})
	}
}

// TestNothingToSee is no proxy: neither of chunks that are all gaps, nor of none.
func TestNothingToSee(t *testing.T) {
	for _, text := range []string{"video X", "video XX|s", "tape XXX|s", "tape X|", "video !", "tape !ab|s", "video X!", "text"} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			r := w.receive(w.upload(path(1), text))
			want := "proxy:proxy-failed"
			if text == "text" {
				want = "metadata:unreadable " + want
			}
			if r.Proxy.State != evidence.ProxyFailed || problems(r) != want || said(w.verify(r.ID)) != "failed" {
				t.Fatalf("proxy %+v, %q, the chain says %s", r.Proxy, problems(r), said(w.verify(r.ID)))
			}
			if r.Retention.State != evidence.Scheduled || r.Digest.Matches == nil || !*r.Digest.Matches {
				t.Fatalf("it must be hashed and go when it is due all the same: %+v %+v", r.Retention, r.Digest)
			}
			for _, name := range w.names(r.ID) {
				if name == evidence.Master || strings.HasPrefix(name, "video/aside/") {
					t.Errorf("%s is there", name)
				}
			}
			before := len(w.verify(r.ID))
			for _, s := range w.stages() { // and delivered again it stays so
				if got, err := s.run(t.Context(), evidence.Work{Evidence: r.ID}, w.message("again")); err != nil || got.Outcome != "already" {
					t.Errorf("%s again: %+v, %v", s.name, got, err)
				}
			}
			if got, err := w.segment.Run(t.Context(), evidence.Part{Evidence: r.ID}, w.message("again")); err != nil || got.Outcome != "already" && got.Outcome != "stale" {
				t.Errorf("segment again: %+v, %v", got, err)
			}
			if n := len(w.verify(r.ID)); n != before {
				t.Errorf("%d custody entries, not %d", n, before)
			}
		})
	}
}

// TestGrowsWithWhatCanBeSeen says that a proxy grows as soon as there is something to see, and to hear, at its beginning: not before, and not later.
func TestGrowsWithWhatCanBeSeen(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "video XXab|s"))
	grows := func(what string, want evidence.ProxyState) {
		t.Helper()
		if r := w.get(id); r.Proxy.State != want || (w.file(id, evidence.Master) != "") != (want != "") {
			t.Fatalf("%s: %q, with a master playlist: %t", what, r.Proxy.State, w.file(id, evidence.Master) != "")
		}
	}
	run := func(s func(context.Context, evidence.Work, evidence.Cause) (evidence.Result, error)) {
		t.Helper()
		if _, err := s(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
			t.Fatal(err)
		}
	}
	land := func(n int) {
		t.Helper()
		if _, err := w.segment.Run(t.Context(), evidence.Part{Evidence: id, Chunk: n}, w.message("segment")); err != nil {
			t.Fatal(err)
		}
	}
	run(w.proxy.Run)
	grows("a gap", "")
	run(w.digest.Run)
	grows("a gap, and sound", "")
	land(3)
	grows("something to see, behind a chunk that is missing", "")
	land(1)
	grows("two gaps", "")
	land(2)
	grows("everything", evidence.ProxyReady)
	w.plays(id)

	id = w.catalogue(w.upload(path(2), "video Xab|s"))
	run(w.digest.Run)
	run(w.proxy.Run)
	land(1)
	grows("something to see behind a gap", evidence.ProxyGrowing)
	land(2)
	grows("everything", evidence.ProxyReady)
	w.plays(id)
}

// TestOriginalGoesMeanwhile has somebody delete the original behind the back of everybody, between its plan and its chunks.
func TestOriginalGoesMeanwhile(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "video abc|"))
	for _, s := range w.stages()[:3] {
		if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
			t.Fatal(err)
		}
	}
	w.originals.Remove(path(1))
	delete(w.watch.scripts, id) // which knows nothing of this
	w.done()
	r := w.get(id)
	if r.Proxy.State != evidence.ProxyReady || r.Proxy.Gaps != 8.5 || problems(r) != "proxy:proxy-has-gaps" || !strings.Contains(r.Attention[0].Detail, "the original is not in the store") {
		t.Fatalf("%+v %+v", r.Proxy, r.Attention)
	}
}

// TestOriginalGoesBeforeThePlan is whole: what was begun goes, and messages that are still under way make nothing grow again.
func TestOriginalGoesBeforeThePlan(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "video abc|"))
	w.watch.lose = "video-plan.json"
	c := w.message("proxy")
	if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, c); err == nil {
		t.Fatal("the plan was not lost")
	}
	if _, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, w.message("digest")); err != nil {
		t.Fatal(err)
	}
	old := w.deliveries()
	w.originals.Remove(path(1))
	if got, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, c); err != nil || got.Outcome != "unreadable" {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, d := range old {
		if got, err := d.run(t.Context()); err != nil || got.Outcome != "stale" {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	r := w.get(id)
	if r.Proxy.State != evidence.ProxyFailed || said(w.verify(id)) != "growing failed" || problems(r) != "proxy:original-missing" {
		t.Fatalf("%+v %q, the chain says %s", r.Proxy, problems(r), said(w.verify(id)))
	}
}

// TestFirstChunkFails has the first chunk fail while the plan is made: the next delivery makes it, and cuts nothing anew.
func TestFirstChunkFails(t *testing.T) {
	for _, text := range []string{"video abc", "tape abc"} {
		w := newWorld(t)
		id := w.catalogue(w.upload(path(1), text))
		w.watch.lose = "video/init.mp4"
		c := w.message("proxy")
		_, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, c)
		if err == nil || w.file(id, "video/00000.mp4") != "" {
			t.Fatalf("%v: the first chunk was made: the test does not reach what it is for", err)
		}
		w.tool.cut = nil
		if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, c); err != nil {
			t.Fatal(err)
		}
		if w.file(id, "video/00000.mp4") == "" || len(w.tool.cut) > 0 {
			t.Fatalf("%s: cut again: %v; the first chunk: %q", text, w.tool.cut, w.file(id, "video/00000.mp4"))
		}
		if _, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, w.message("digest")); err != nil {
			t.Fatal(err)
		}
		w.done()
		w.plays(id)
	}
}

// TestLostParts are messages that ended as dead letters and were completed there: another delivery of the proxy asks for what is missing, and for no more.
func TestLostParts(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "video abcdXf"))
	run := func(s func(context.Context, evidence.Work, evidence.Cause) (evidence.Result, error)) {
		t.Helper()
		if _, err := s(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
			t.Fatal(err)
		}
	}
	run(w.proxy.Run)
	run(w.digest.Run)
	w.parts.Drain()
	for _, n := range []int{2, 4} {
		if _, err := w.segment.Run(t.Context(), evidence.Part{Evidence: id, Chunk: n}, w.message("segment")); err != nil {
			t.Fatal(err)
		}
	}
	run(w.proxy.Run)
	var asked []int
	for _, p := range w.parts.Drain() {
		asked = append(asked, p.Chunk)
	}
	if fmt.Sprint(asked) != "[1 3 5]" {
		t.Fatalf("asked for %v", asked)
	}
	run(w.proxy.Run)
	w.done()
	w.plays(id)
}

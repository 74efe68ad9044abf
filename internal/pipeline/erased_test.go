package pipeline_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"bwv/internal/evidence"
)

// TestErasedMeanwhile has the recording erased while its stages work, by the tool's pace: nothing of it may be left, neither then nor by a late delivery.
func TestErasedMeanwhile(t *testing.T) {
	for _, stage := range []string{"metadata", "digest", "proxy", "segment"} {
		for _, text := range []string{"video abc", "tape abc", "lost abc"} {
			t.Run(stage+" of "+text, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, id, run := readied(t, stage, text)
					erased := false
					w.tool.during = func() {
						w.tool.mu.Lock()
						w.tool.during = nil
						w.tool.mu.Unlock()
						erased = w.erase()
					}
					w.leavesNothing(id, stage, run)
					if !erased {
						t.Fatal("it was not erased meanwhile: the test does not reach what it is for")
					}
				})
			})
		}
	}
}

// TestErasedAnywhere has it erased between any two writes of a stage.
func TestErasedAnywhere(t *testing.T) {
	for _, stage := range []string{"metadata", "digest", "proxy", "segment"} {
		for _, text := range []string{"video abc", "tape abX|s", "video a|", "lost abX"} {
			if stage == "segment" && text == "video a|" || stage == "metadata" && text == "lost abX" {
				continue // which has no second chunk, or nothing to say
			}
			nth, hit := 0, true
			for ; hit; nth++ {
				synctest.Test(t, func(t *testing.T) {
					w, id, run := readied(t, stage, text)
					calls := 0
					hit = false
					w.watch.before = func(string) {
						if calls++; calls != nth+1 {
							return
						}
						w.watch.before = nil
						hit = w.erase()
					}
					w.leavesNothing(id, fmt.Sprintf("%s of %q, erased before call %d", stage, text, nth), run)
				})
			}
			if nth < 2 {
				t.Errorf("%s of %q has %d mutating calls: the test does not reach what it is for", stage, text, nth-1)
			}
		}
	}
}

// readied is a recording whose disposal is pending, and the stage that is to work on it.
func readied(t *testing.T, stage, text string) (w *world, id evidence.ID, run func() (evidence.Result, error)) {
	w = newHistory(t, text)
	w.tool.findings.Fixes = []evidence.Fix{{Latitude: 51}}
	id = w.catalogue(w.upload(path(1), text))
	if _, err := w.retention.Run(t.Context(), evidence.Work{Evidence: id}, w.message("retention")); err != nil {
		t.Fatal(err)
	}
	for _, s := range w.stages() {
		if string(s.name) == stage {
			run = func() (evidence.Result, error) { return s.run(t.Context(), evidence.Work{Evidence: id}, w.cause("x")) }
		}
	}
	if stage == "segment" { // there has to be a plan
		for _, s := range w.stages()[1:3] {
			if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
				t.Fatal(err)
			}
		}
		part := w.parts.Drain()[0]
		run = func() (evidence.Result, error) { return w.segment.Run(t.Context(), part, w.cause("x")) }
	}
	return w, id, run
}

// erase lets the recording's time come, and tells whether it is gone.
func (w *world) erase() (gone bool) {
	w.now = w.now.Add(keep)
	for _, d := range w.disposals.Due(w.now) {
		got, err := w.expire.Run(w.t.Context(), d, w.cause("expire"))
		if err != nil {
			w.t.Error(err)
		}
		gone = got.Outcome == "expired"
		delete(w.watch.scripts, d.Evidence) // what a stage writes now names what is gone, and goes as well
	}
	return gone
}

// leavesNothing runs a stage during which the recording is erased, and once more.
func (w *world) leavesNothing(id evidence.ID, what string, run func() (evidence.Result, error)) {
	w.t.Helper()
	_, first := run()
	if !w.get(id).Gone() { // there were fewer calls
		return
	}
	if left := w.names(id); first == nil && len(left) > 0 { // else it comes again
		w.t.Fatalf("%s: %v is left", what, left)
	}
	if got, err := run(); err != nil || got.Outcome != "gone" {
		w.t.Fatalf("%s, late: %+v, %v", what, got, err)
	}
	if left := w.names(id); len(left) > 0 {
		w.t.Fatalf("%s: %v is left after another delivery", what, left)
	}
	if r := w.get(id); r.Retention.State != evidence.Expired || r.Proxy.State == evidence.ProxyReady {
		w.t.Fatalf("%s: %+v %+v", what, r.Retention, r.Proxy)
	}
	w.verify(id)
}

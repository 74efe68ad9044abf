package pipeline_test

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"bwv/internal/evidence"
)

// asked has stages done again, as a person asks for it.
func (w *world) asked(id evidence.ID, stages ...evidence.Subject) {
	w.t.Helper()
	if _, err := w.reprocess.Run(w.t.Context(), evidence.Reprocess{Evidence: id, Stages: stages, Reason: "new encoder"}, w.message("reprocess")); err != nil {
		w.t.Fatal(err)
	}
}

// settled are a record's files beside the pages that say by which wish they were made.
func (w *world) settled(id evidence.ID) map[string]string {
	all := w.files(id)
	maps.DeleteFunc(all, func(name, _ string) bool { return strings.HasSuffix(name, "-wish.json") })
	return all
}

// TestAgain has everything made anew: by the same tools it is the same, and by another version it is all of that version.
func TestAgain(t *testing.T) {
	for _, text := range []string{"video aNXb|sl", "tape aXb|s", "video a|", "tape ab|"} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			id := w.receive(w.upload(path(1), text)).ID
			files, before := w.settled(id), len(w.verify(id))
			w.asked(id)
			w.done()
			if now := w.settled(id); !maps.Equal(now, files) || len(w.verify(id)) != before+1 {
				t.Fatalf("%q\nis not\n%q; %d custody entries after %d", now, files, len(w.verify(id)), before)
			}
			w.plays(id)
			w.tool.version = 7
			w.asked(id, evidence.SubjectProxy)
			w.done()
			w.plays(id)
			w.all(id, "v7")
			if s := w.watch.scripts[id]; len(s.sounds) > 0 && strings.Contains(w.file(id, "sound-0/00000.mp4"), "v7") != s.tape {
				t.Fatalf("sound %q: it goes with the pictures where those have no index, and only there", w.file(id, "sound-0/00000.mp4"))
			}
			if len(w.verify(id)) > before+3 {
				t.Fatalf("%d custody entries after %d: two were asked for, and the size is new", len(w.verify(id)), before)
			}
		})
	}
}

// all holds every chunk to a version of the tool.
func (w *world) all(id evidence.ID, version string) {
	w.t.Helper()
	for name, body := range w.files(id) {
		if strings.HasPrefix(name, "video/0") && strings.HasSuffix(name, ".mp4") && !strings.Contains(body, version) {
			w.t.Fatalf("%s is %q", name, body)
		}
	}
}

// TestAgainAfterFailure has a proxy that failed made anew, by a tool that can.
func TestAgainAfterFailure(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "video abc"))
	w.tool.fail = evidence.Unreadable
	if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, w.message("proxy")); err != nil {
		t.Fatal(err)
	}
	if r := w.get(id); r.Proxy.State != evidence.ProxyFailed || problems(r) != "proxy:proxy-failed" {
		t.Fatalf("%+v %q", r.Proxy, problems(r))
	}
	w.asked(id)
	w.done()
	w.plays(id)
	if r := w.get(id); problems(r) != "" || said(w.verify(id)) != "failed growing ready" {
		t.Fatalf("%q, the chain says %s", problems(r), said(w.verify(id)))
	}
}

// TestAgainCutOff ends each delivery of a wish early: the next goes on, and takes nothing away that the one before has made.
func TestAgainCutOff(t *testing.T) {
	for _, text := range []string{"video abc", "tape abc|s"} {
		w := newWorld(t)
		id := w.receive(w.upload(path(1), text)).ID
		w.tool.version = 7
		c, again := w.message("proxy"), evidence.Work{Evidence: id, Again: true}
		w.watch.lose = "video-plan.json"
		if _, err := w.proxy.Run(t.Context(), again, c); err == nil {
			t.Fatal("it was not cut off")
		}
		old := w.deliveries()
		if len(old) != 2 {
			t.Fatalf("%d messages", len(old))
		}
		if _, err := old[1].run(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.tool.made = nil
		for range 2 {
			if _, err := w.proxy.Run(t.Context(), again, c); err != nil {
				t.Fatal(err)
			}
		}
		w.done()
		w.plays(id)
		w.all(id, "v7")
		if len(w.tool.made) != 1 || w.tool.made[0] != 1 {
			t.Errorf("%s: made %v, while all but chunk 1 was there", text, w.tool.made)
		}
	}
}

// TestAgainInFlight has a chunk of the earlier proxy being made while the proxy is made anew, by another version: it comes too late, and is dropped.
func TestAgainInFlight(t *testing.T) {
	for _, text := range []string{"video abcd", "tape abXd|s"} { // the chunk is one, or a gap
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			id := w.catalogue(w.upload(path(1), text))
			for _, s := range w.stages()[1:3] {
				if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
					t.Fatal(err)
				}
			}
			old := w.deliveries() // of chunks 1 to 3
			hold := make(chan struct{})
			w.tool.making = func(chunk int) {
				if chunk == 2 {
					<-hold
				}
			}
			var got evidence.Result
			var err error
			go func() { got, err = old[1].run(t.Context()) }()
			synctest.Wait()
			w.tool.mu.Lock()
			w.tool.version, w.tool.making = 7, nil
			w.tool.mu.Unlock()
			w.asked(id, evidence.SubjectProxy)
			proxy := w.deliveries()
			if _, err := proxy[0].run(t.Context()); err != nil {
				t.Fatal(err)
			}
			close(hold)
			synctest.Wait()
			if err != nil || got.Outcome != "stale" {
				t.Fatalf("%+v, %v", got, err)
			}
			for _, d := range old { // the others of the earlier proxy come as well
				if _, err := d.run(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			w.done()
			w.plays(id)
			w.all(id, "v7")
		})
	}
}

// TestAgainWhileTakingAway has the chunk of the earlier proxy ready while that is being taken away: before each deletion, and before the new wish is noted.
func TestAgainWhileTakingAway(t *testing.T) {
	nth, hit := 0, true
	for ; hit; nth++ {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.tool.orderly = true
			id := w.catalogue(w.upload(path(1), "video abcd"))
			for _, s := range w.stages()[1:3] {
				if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
					t.Fatal(err)
				}
			}
			old := w.deliveries()
			hold := make(chan struct{})
			w.tool.making = func(int) { <-hold }
			go func() { _, _ = old[1].run(t.Context()) }() // of an outage it comes again
			synctest.Wait()
			w.tool.mu.Lock()
			w.tool.version, w.tool.making = 77, nil
			w.tool.mu.Unlock()
			calls := 0
			hit = false
			w.watch.before = func(call string) {
				if calls++; calls == nth+1 && (strings.HasPrefix(call, "delete") || strings.HasSuffix(call, "wish.json")) {
					hit = true
					w.watch.before = nil
					close(hold)
					synctest.Wait()
				}
			}
			if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id, Again: true}, w.message("proxy")); err != nil {
				t.Fatal(err)
			}
			if w.watch.before = nil; !hit {
				close(hold)
			}
			w.done()
			w.plays(id)
			if hit && nth > 1 { // behind the plan's own pages: from here on it can tell
				w.all(id, "v77")
			}
		})
	}
	if nth < 8 {
		t.Errorf("only %d calls: the test does not reach what it is for", nth-1)
	}
}

// TestTwoVersionsAtOnce makes one chunk twice at the same time, on instances of two versions: the playlist says where the segments of the first lie, and
// those stay.
func TestTwoVersionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := w.catalogue(w.upload(path(1), "video abcd"))
		for _, s := range w.stages()[1:3] {
			if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
				t.Fatal(err)
			}
		}
		chunk := w.deliveries()[0]
		hold := make(chan struct{})
		w.tool.making = func(int) { <-hold }
		var late error
		go func() { _, late = chunk.run(t.Context()) }()
		synctest.Wait()
		w.tool.mu.Lock()
		w.tool.version, w.tool.making = 77, nil
		w.tool.mu.Unlock()
		if _, err := chunk.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(hold)
		synctest.Wait()
		if late != nil {
			t.Fatal(late)
		}
		if body := w.file(id, "video/00001.mp4"); !strings.Contains(body, "v77") {
			t.Errorf("the chunk is %q", body)
		}
		for n := range 4 {
			if _, err := w.segment.Run(t.Context(), evidence.Part{Evidence: id, Chunk: n}, w.message("segment")); err != nil {
				t.Fatal(err)
			}
		}
		w.plays(id)
	})
}

// TestAgainAmongOldMessages delivers a message of the earlier proxy before each mutating call of the delivery that makes it anew, of a proxy that is
// ready and of one that grows: whatever it finds, the new one comes out whole.
func TestAgainAmongOldMessages(t *testing.T) {
	for _, text := range []string{"video abcXd|s", "tape abcXd|s"} {
		for _, state := range []string{"ready", "growing", "behind"} {
			nth, hit := 0, true
			for ; hit; nth++ {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.tool.orderly = true
					id := w.catalogue(w.upload(path(1), text))
					for _, s := range w.stages()[1:3] {
						if _, err := s.run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
							t.Fatal(err)
						}
					}
					old := w.deliveries()
					for n, d := range old {
						if state == "behind" { // the part is there, and the playlist does not say so
							w.watch.lose = evidence.Pictures
						}
						if _, err := d.run(t.Context()); (err != nil) != (state == "behind") {
							t.Fatal(err)
						}
						if n == 1 && state != "ready" {
							break
						}
					}
					w.watch.lose = ""
					w.asked(id, evidence.SubjectProxy)
					anew := w.deliveries()
					calls := 0
					hit = false
					w.watch.before = func(string) {
						if calls++; calls != nth+1 {
							return
						}
						hit = true
						w.watch.before = nil
						for _, d := range old {
							_, _ = d.run(t.Context()) // of an outage it comes again, later
						}
					}
					if _, err := anew[0].run(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.watch.before = nil
					w.done()
					w.plays(id)
				})
			}
			if nth < 12 {
				t.Errorf("%q has only %d mutating calls: the test does not reach what it is for", text, nth-1)
			}
		}
	}
}

package pipeline_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

// histories are recordings whose whole way is broken at each of its mutating calls: with an index, without one, and with one that was never
// written; with gaps, notes and several sounds.
func histories() []string {
	return []string{"video aNX|sl", "tape aXb|s", "video a|", "tape a|s", "lost aNX"}
}

// newHistory is a world that has another recording of the camera where one is needed.
func newHistory(t *testing.T, text string) *world {
	w := newWorld(t)
	w.tool.orderly = true
	if strings.HasPrefix(text, "lost") {
		w.receive(w.upload(path(2), "video"))
	}
	return w
}

// untouched is how a recording comes out when nothing fails.
func untouched(t *testing.T, text string) (files map[string]string, entries int) {
	synctest.Test(t, func(t *testing.T) {
		w := newHistory(t, text)
		r := w.receive(w.upload(path(1), text))
		w.plays(r.ID)
		chain := w.verify(r.ID)
		files, entries = w.files(r.ID), len(chain)-count(chain, evidence.OpProxy)
	})
	return files, entries
}

// TestFaults lets each mutating call of the whole way be lost, or stored with its reply lost, and delivers again, as the host does.
func TestFaults(t *testing.T) {
	for _, text := range histories() {
		files, entries := untouched(t, text)
		for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
			hit, nth := true, 0
			for ; hit; nth++ {
				synctest.Test(t, func(t *testing.T) {
					w := newHistory(t, text)
					calls := 0
					hit = false
					w.faults(func(string) memory.Fault {
						if calls++; calls == nth+1 {
							hit = true
							return fault
						}
						return memory.None
					})
					w.survives(context.WithoutCancel(t.Context()), text, files, entries, fmt.Sprintf("%q, call %d %s", text, nth, name))
				})
			}
			t.Logf("%q: %d calls %s", text, nth-1, name)
			if nth < 20 {
				t.Errorf("%q has only %d mutating calls: the test does not reach what it is for", text, nth-1)
			}
		}
	}
}

// TestKilled ends the process between every two mutating calls, or between a call and its reply: from there on nothing gets through, neither reads nor
// writes. A fresh process gets the messages again: it all comes out the same, to the byte.
func TestKilled(t *testing.T) {
	for _, text := range histories() {
		files, entries := untouched(t, text)
		for name, fault := range map[string]memory.Fault{"before": memory.Lost, "after": memory.Ghost} {
			hit, nth := true, 0
			for ; hit; nth++ {
				synctest.Test(t, func(t *testing.T) {
					w := newHistory(t, text)
					ctx, kill := context.WithCancel(t.Context())
					defer kill()
					calls := 0
					hit = false
					w.faults(func(string) memory.Fault {
						if calls++; calls == nth+1 {
							hit = true
							kill()
							return fault
						}
						return memory.None
					})
					w.survives(ctx, text, files, entries, fmt.Sprintf("%q, killed %s call %d", text, name, nth))
				})
			}
			t.Logf("%q: killed %s %d calls", text, name, nth-1)
			if nth < 20 {
				t.Errorf("%q has only %d mutating calls: the test does not reach what it is for", text, nth-1)
			}
		}
	}
}

// survives takes an upload through all stages, in a process that lives as long as ctx and then in another one. What fails is delivered again.
func (w *world) survives(ctx context.Context, text string, files map[string]string, entries int, what string) {
	w.t.Helper()
	e := w.upload(path(1), text)
	alive := func() context.Context {
		if ctx.Err() != nil {
			return w.t.Context()
		}
		return ctx
	}
	var id evidence.ID
	for try := 0; id == ""; try++ {
		got, err := w.ingest.Run(alive(), e, w.message("ingest"))
		if err == nil {
			id = got.Evidence
		} else if try == 3 {
			w.t.Fatalf("%s: %v", what, err)
		}
	}
	failures := 0
	for queue := w.deliveries(); len(queue) > 0; queue = append(queue, w.deliveries()...) {
		d := queue[0]
		queue = queue[1:]
		if _, err := d.run(alive()); err != nil {
			if failures++; failures > 3 {
				w.t.Fatalf("%s: %s: %v", what, d.stage, err)
			}
			queue = append(queue, d)
		}
	}
	r := w.get(id)
	if r.Retention.State != evidence.Scheduled || r.Media.State == "" || r.Digest.Matches == nil || !*r.Digest.Matches {
		w.t.Fatalf("%s: %s, media %q, digest %+v", what, r.Retention.State, r.Media.State, r.Digest)
	}
	if _, ok := w.disposals.Pending()[r.Retention.Sequence]; !ok {
		w.t.Fatalf("%s: the disposal on record is not pending", what)
	}
	chain := w.verify(id)
	if once := said(chain); once != "growing ready" && (once != "ready" || len(text) > 8) { // of one chunk without sound the beginning may be all
		w.t.Fatalf("%s: the chain says of the proxy: %s", what, once)
	}
	if n := len(chain) - count(chain, evidence.OpProxy); n != entries {
		w.t.Fatalf("%s: %d custody entries beside the proxy's, not %d", what, n, entries)
	}
	w.plays(id)
	if now := w.files(id); !maps.Equal(now, files) {
		w.t.Fatalf("%s:\n%q\nis not\n%q", what, now, files)
	}
}

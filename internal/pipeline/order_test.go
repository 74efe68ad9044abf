package pipeline_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

// TestAnyOrder has the parts of proxies land in any order, some twice, some at the same time, with calls that are lost, or stored while the reply is
// lost, or told to be too late though they were not. The watch sees every playlist that is written: a beginning that plays, without a hole and without
// anything twice, and only ever longer. In the end all of it is there, once.
func TestAnyOrder(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(200) {
		o := &order{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 9)), seen: seen}
		o.run(t.Context())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("seen: %v", seen)
	for _, name := range []string{"the plan before", "the plan between", "the plan after", "the first chunk late", "the digest last", "twice", "at once", "conflict", "told too late", "lost", "ghost"} {
		if seen[name] == 0 {
			t.Errorf("no history had %q: the test does not cover what it is for", name)
		}
	}
}

type order struct {
	*world
	mu     sync.Mutex
	random *rand.Rand
	seen   map[string]int
	broken bool
}

// chance is true once in n times.
func (o *order) chance(n int, name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.broken || o.random.IntN(n) > 0 {
		return false
	}
	o.seen[name]++
	return true
}

func (o *order) recording() string {
	letters := []byte{'a' + byte(o.random.IntN(26))}
	for range o.random.IntN(13) {
		letters = append(letters, "abcdefghijklmnopqrstuvwHXN"[o.random.IntN(26)])
	}
	o.random.Shuffle(len(letters), func(i, k int) { letters[i], letters[k] = letters[k], letters[i] })
	kind := []string{"video", "video", "video", "tape"}[o.random.IntN(4)]
	return fmt.Sprintf("%s %s|%s", kind, letters, []string{"", "s", "s", "sl", "fs", "lsf"}[o.random.IntN(6)])
}

func (o *order) run(ctx context.Context) {
	t := o.t
	id := o.catalogue(o.upload(path(1), o.recording()))
	planned := o.plan(ctx, id)
	events := o.deliveries()
	for _, e := range slices.Clone(events) {
		if o.random.IntN(4) == 0 {
			o.seen["twice"]++
			events = append(events, e)
		}
	}
	for _, s := range o.stages()[1:3] { // the digest, and once more the proxy
		c := o.message(string(s.name))
		events = append(events, delivery{string(s.name), id, func(ctx context.Context) (evidence.Result, error) { return s.run(ctx, evidence.Work{Evidence: id}, c) }, nil})
	}
	o.random.Shuffle(len(events), func(i, k int) { events[i], events[k] = events[k], events[i] })
	o.note(events, planned)
	o.broken = true
	o.faults(func(string) memory.Fault {
		switch {
		case o.chance(20, "lost"):
			return memory.Lost
		case o.chance(20, "ghost"):
			return memory.Ghost
		}
		return memory.None
	})
	o.watch.again = func() bool { return o.chance(6, "told too late") }
	for len(events) > 0 {
		n := min(1+o.random.IntN(4), len(events))
		o.atOnce(ctx, events[:n])
		events = events[n:]
	}
	o.mu.Lock()
	o.broken = false
	o.mu.Unlock()
	o.done() // what was asked for again
	o.seen["conflict"] += o.watch.lost
	o.plays(id)
	chain := o.verify(id)
	if once := said(chain); once != "growing ready" && once != "ready" {
		t.Errorf("the chain says of the proxy: %s", once)
	}
	if len(chain) != 2+count(chain, evidence.OpProxy) || o.get(id).Digest.Matches == nil {
		t.Errorf("%d custody entries, digest %+v", len(chain), o.get(id).Digest)
	}
}

// plan has the recording cut, once in full, else so that its plan is not whole yet, or its first chunk not made.
func (o *order) plan(ctx context.Context, id evidence.ID) (whole bool) {
	how := o.random.IntN(3)
	if how == 1 {
		o.watch.lose = "video-plan.json"
	}
	if how == 2 { // the header of the first chunk, and so that chunk, is not stored
		o.seen["the first chunk late"]++
		o.watch.lose = "video/init.mp4"
	}
	_, err := o.proxy.Run(ctx, evidence.Work{Evidence: id}, o.message("proxy"))
	if how == 0 && err != nil || how == 1 && err == nil {
		o.t.Fatalf("the plan: %v", err)
	}
	o.watch.lose = ""
	return how != 1
}

// note counts what this history covers.
func (o *order) note(events []delivery, planned bool) {
	at := func(stage string) int {
		return slices.IndexFunc(events, func(d delivery) bool { return d.stage == stage })
	}
	if planned {
		o.seen["the plan before"]++
	} else if n := at("proxy"); n == len(events)-1 {
		o.seen["the plan after"]++
	} else if n > 0 {
		o.seen["the plan between"]++
	}
	if at("digest") == len(events)-1 {
		o.seen["the digest last"]++
	}
}

// atOnce delivers messages side by side, each until it is taken.
func (o *order) atOnce(ctx context.Context, events []delivery) {
	if len(events) > 1 {
		o.seen["at once"]++
	}
	var group sync.WaitGroup
	for _, d := range events {
		group.Go(func() {
			for try := 0; ; try++ {
				got, err := d.run(ctx)
				if err == nil && (got.Outcome == "stale" || got.Outcome == "gone") {
					o.t.Errorf("%s: %s, of a proxy that is made once", d.stage, got.Outcome)
				}
				if err == nil || o.t.Failed() {
					return
				}
				if try == 500 {
					o.t.Errorf("%s: %v", d.stage, err)
				}
			}
		})
	}
	group.Wait()
}

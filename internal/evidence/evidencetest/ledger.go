package evidencetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// Ledger is the contract of evidence.Ledger and evidence.Catalogue. open returns two faces of one empty store.
func Ledger(t *testing.T, open func(t *testing.T) (evidence.Ledger, evidence.Catalogue)) {
	for name, test := range map[string]func(*testing.T, evidence.Ledger){
		"get after commit":         getAfterCommit,
		"nothing there":            nothingThere,
		"created once":             createdOnce,
		"stale version":            staleVersion,
		"never stored":             neverStored,
		"both or neither":          bothOrNeither,
		"entry of another record":  entryOfAnotherRecord,
		"race to create":           raceToCreate,
		"race on one version":      raceOnOneVersion,
		"race of updates":          raceOfUpdates,
		"long chain in order":      longChain,
		"everything comes back":    everythingComesBack,
		"nobody shares memory":     nobodySharesMemory,
		"cancelled context":        cancelledContext,
		"chains of one shard part": neighbours,
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := open(t)
			test(t, l)
		})
	}
	for name, test := range map[string]func(*testing.T, evidence.Ledger, evidence.Catalogue){
		"shards":                 shards,
		"filters":                filters,
		"filters by time":        filtersByTime,
		"unended":                unended,
		"newest first":           newestFirst,
		"pages with equal times": pages,
		"limit":                  limit,
		"one shard only":         oneShardOnly,
		"found as stored":        foundAsStored,
	} {
		t.Run(name, func(t *testing.T) {
			l, c := open(t)
			test(t, l, c)
		})
	}
}

func getAfterCommit(t *testing.T, l evidence.Ledger) {
	first, e := received(t, upload("lambeth", 1, noon()))
	stored := commit(t, l, first, e, nil)
	if stored.Version == "" {
		t.Fatal("a stored record has no version")
	}
	same(t, "the stored record", stored, first)
	read := get(t, l, first.ID)
	same(t, "the record read", read, first)
	if read.Version != stored.Version {
		t.Fatalf("version %q read, %q committed", read.Version, stored.Version)
	}
	for i := range 3 {
		next, e, err := read.Consult(evidence.OpView, nil, cause(fmt.Sprint("look ", i)))
		stored = commit(t, l, next, e, err)
		if stored.Version == read.Version {
			t.Fatal("a commit left the version alone")
		}
		read = get(t, l, first.ID)
		same(t, "the record read", read, stored)
		if read.Version != stored.Version {
			t.Fatalf("version %q read, %q committed", read.Version, stored.Version)
		}
	}
	intact(t, l, first.ID, 4)
}

func nothingThere(t *testing.T, l evidence.Ledger) {
	r, _ := received(t, upload("lambeth", 1, noon()))
	_, err := l.Get(t.Context(), r.ID)
	is(t, err, evidence.NotFound)
	_, err = l.Get(t.Context(), "nonsense")
	is(t, err, evidence.NotFound)
	entries, err := l.Chain(t.Context(), r.ID)
	if err != nil || len(entries) != 0 {
		t.Fatalf("the chain of nothing: %v, %v", entries, err)
	}
}

func createdOnce(t *testing.T, l evidence.Ledger) {
	r, e := received(t, upload("lambeth", 1, noon()))
	commit(t, l, r, e, nil)
	_, err := l.Commit(t.Context(), r, e)
	is(t, err, evidence.Conflict)
	intact(t, l, r.ID, 1)
}

func staleVersion(t *testing.T, l evidence.Ledger) {
	old := create(t, l, upload("lambeth", 1, noon()))
	next, e, err := old.Schedule(noon(), noon(), 7, cause("first"))
	newer := commit(t, l, next, e, err)
	next, e, err = old.Schedule(noon(), noon(), 8, cause("too late"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Commit(t.Context(), next, e)
	is(t, err, evidence.Conflict)
	same(t, "the record", get(t, l, old.ID), newer)
	if entries := intact(t, l, old.ID, 2); entries[1].Reason != "first" {
		t.Fatalf("the loser's entry was kept: %+v", entries[1])
	}
}

func neverStored(t *testing.T, l evidence.Ledger) {
	stored := create(t, l, upload("lambeth", 1, noon()))
	r, e := received(t, upload("lambeth", 2, noon()))
	r.Version = stored.Version
	_, err := l.Commit(t.Context(), r, e)
	is(t, err, evidence.NotFound, evidence.Conflict)
	_, err = l.Get(t.Context(), r.ID)
	is(t, err, evidence.NotFound)
	if entries, err := l.Chain(t.Context(), r.ID); err != nil || len(entries) != 0 {
		t.Fatalf("an entry without its record: %v, %v", entries, err)
	}
}

// bothOrNeither brings a record of the right version with a custody number that is taken.
func bothOrNeither(t *testing.T, l evidence.Ledger) {
	first := create(t, l, upload("lambeth", 1, noon()))
	next, e, err := first.Consult(evidence.OpView, nil, cause("one"))
	second := commit(t, l, next, e, err)
	forged := first
	forged.Version = second.Version
	forged.Officer = "somebody else"
	forged, e, err = forged.Consult(evidence.OpPlay, nil, cause("another second entry"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Commit(t.Context(), forged, e)
	is(t, err, evidence.Conflict, evidence.Invalid)
	after := get(t, l, first.ID)
	same(t, "the record", after, second)
	if after.Version != second.Version {
		t.Fatal("the version moved although nothing was stored")
	}
	if entries := intact(t, l, first.ID, 2); entries[1].Reason != "one" {
		t.Fatalf("the custody entry was overwritten: %+v", entries[1])
	}
}

func entryOfAnotherRecord(t *testing.T, l evidence.Ledger) {
	a, _ := received(t, upload("lambeth", 1, noon()))
	_, e := received(t, upload("lambeth", 2, noon()))
	_, err := l.Commit(t.Context(), a, e)
	is(t, err, evidence.Invalid)
	_, err = l.Get(t.Context(), a.ID)
	is(t, err, evidence.NotFound)
}

// race runs f eight times at once and returns how often it won; whoever lost must have met a conflict.
func race(t *testing.T, f func(n int) error) int {
	t.Helper()
	var (
		group sync.WaitGroup
		start = make(chan struct{})
		errs  = make([]error, 8)
	)
	for n := range errs {
		group.Go(func() {
			<-start
			errs[n] = f(n)
		})
	}
	close(start)
	group.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		is(t, err, evidence.Conflict)
	}
	return won
}

func raceToCreate(t *testing.T, l evidence.Ledger) {
	r, e := received(t, upload("lambeth", 1, noon()))
	won := race(t, func(int) error {
		_, err := l.Commit(t.Context(), r, e)
		return err
	})
	if won != 1 {
		t.Fatalf("%d of 8 created it", won)
	}
	intact(t, l, r.ID, 1)
}

func raceOnOneVersion(t *testing.T, l evidence.Ledger) {
	r := create(t, l, upload("lambeth", 1, noon()))
	for round := range 5 {
		won := race(t, func(n int) error {
			next, e, err := r.Consult(evidence.OpView, nil, cause(fmt.Sprint("racer ", n)))
			if err != nil {
				return err
			}
			_, err = l.Commit(t.Context(), next, e)
			return err
		})
		if won != 1 {
			t.Fatalf("%d of 8 committed on one version", won)
		}
		intact(t, l, r.ID, round+2)
		r = get(t, l, r.ID)
	}
}

func raceOfUpdates(t *testing.T, l evidence.Ledger) {
	const each = 4
	r := create(t, l, upload("lambeth", 1, noon()))
	won := race(t, func(n int) error {
		for i := range each {
			reason := fmt.Sprintf("%d by %d", i, n)
			for {
				_, err := evidence.Update(t.Context(), l, r.ID, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
					return r.Consult(evidence.OpView, nil, cause(reason))
				})
				if err == nil {
					break
				}
				if !errors.Is(err, evidence.Conflict) {
					return err
				}
			}
		}
		return nil
	})
	if won != 8 {
		t.Fatalf("%d of 8 got through", won)
	}
	seen := map[string]int{}
	for _, e := range intact(t, l, r.ID, 8*each+1) {
		seen[e.Reason]++
	}
	for reason, times := range seen {
		if times != 1 {
			t.Fatalf("entry %q is there %d times", reason, times)
		}
	}
}

func longChain(t *testing.T, l evidence.Ledger) {
	const length = 130
	r := create(t, l, upload("lambeth", 1, noon()))
	for i := 2; i <= length; i++ {
		next, e, err := r.Consult(evidence.OpAudit, map[string]string{"i": fmt.Sprint(i)}, cause("again"))
		r = commit(t, l, next, e, err)
	}
	for i, e := range intact(t, l, r.ID, length) {
		if e.Number != i+1 {
			t.Fatalf("entry %d comes at place %d", e.Number, i+1)
		}
	}
}

// everythingComesBack stores what is easily spoilt on the way: fractions of seconds, large numbers, marks that JSON escapes.
func everythingComesBack(t *testing.T, l evidence.Ledger) {
	o := upload("lambeth", 1, noon().Add(123456789))
	o.Claims = evidence.Claims{Digest: strings.Repeat("ab", 32), Recorded: noon().Add(-time.Nanosecond), Incident: `"<&>\'`, Category: "žluťoučký \u2028 🎥"}
	r := create(t, l, o)
	next, e, err := r.Schedule(noon().AddDate(0, 0, 31), noon().AddDate(0, 0, 32), 1<<62+1, cause("quoted \" \\ \u2029 \x01 tab\t"))
	r = commit(t, l, next, e, err)
	matches := true
	next, e, err = r.Describe(
		evidence.Media{State: evidence.MediaReady, Seconds: 1.1, Video: []evidence.Video{{Codec: "h264", Width: 1920, Height: 1080, Rate: 30000.0 / 1001}},
			Location: &evidence.Location{Source: "gpmf-gps5", Count: 2, First: evidence.Fix{Latitude: 51.4613, Longitude: -0.1156}}},
		noon().Add(time.Microsecond), []evidence.Attention{{Stage: "metadata", Problem: evidence.ProblemClock, Detail: "früh", At: noon()}},
		cause("described"))
	r = commit(t, l, next, e, err)
	next, e, err = r.Fix(evidence.Digest{Claimed: o.Claims.Digest, Computed: o.Claims.Digest, Matches: &matches, At: noon()}, nil, cause("fixed"))
	r = commit(t, l, next, e, err)
	next, e, err = r.Flag(evidence.Flag{ID: "f1", Purpose: evidence.Court, Reference: "R/1", Reason: "trial", By: evidence.Actor{ID: "a", Roles: []string{"officer"}}, At: noon(), Review: noon()}, cause("kept"))
	r = commit(t, l, next, e, err)
	same(t, "the record", get(t, l, r.ID), next)
	if got := get(t, l, r.ID).Retention.Sequence; got != 1<<62+1 {
		t.Fatalf("sequence number %d", got)
	}
	entries := intact(t, l, r.ID, 5)
	same(t, "the last entry", entries[4], e)
}

func nobodySharesMemory(t *testing.T, l evidence.Ledger) {
	r := create(t, l, upload("lambeth", 1, noon()))
	next, e, err := r.Flag(evidence.Flag{ID: "f1", Reason: "kept"}, cause("flag"))
	returned := commit(t, l, next, e, err)
	want := plain(t, next)
	read := get(t, l, r.ID)
	next.Flags[0].Reason, returned.Flags[0].Reason, read.Flags[0].Reason = "changed", "changed", "changed"
	e.Changes["flag"] = "changed"
	if got := plain(t, get(t, l, r.ID)); got != want {
		t.Fatalf("the stored record changed:\n got %s\nwant %s", got, want)
	}
	intact(t, l, r.ID, 2)[1].Changes["flag"] = "changed"
	intact(t, l, r.ID, 2)
}

func cancelledContext(t *testing.T, l evidence.Ledger) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, e := received(t, upload("lambeth", 1, noon()))
	if _, err := l.Commit(ctx, r, e); err == nil {
		t.Fatal("a cancelled commit succeeded")
	}
	if _, err := l.Get(ctx, r.ID); err == nil || errors.Is(err, evidence.NotFound) {
		t.Fatalf("a cancelled read: %v", err)
	}
}

func neighbours(t *testing.T, l evidence.Ledger) {
	for n := range 5 {
		r := create(t, l, upload("lambeth", n, noon()))
		for range n {
			next, e, err := r.Consult(evidence.OpView, nil, cause("look"))
			r = commit(t, l, next, e, err)
		}
		for _, e := range intact(t, l, r.ID, n+1) {
			if e.Evidence != r.ID {
				t.Fatalf("an entry of %s in the chain of %s", e.Evidence, r.ID)
			}
		}
	}
}

package memory_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func received(t *testing.T) (evidence.Record, evidence.Entry) {
	t.Helper()
	o := evidence.Original{Path: "lambeth/P1/X1/2026/11/22/20261122T101500Z-1.mp4", ETag: "0x1", Size: 5, Created: noon()}
	name, err := evidence.ParseName(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	r, e, err := evidence.Receive(evidence.NewID(name.Unit, o.Created, o.Path, o.ETag), o, name, nil, evidence.Cause{By: evidence.Stage("test"), At: noon()})
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

// operation is one mutating call, and how much is stored.
type operation struct {
	faults *memory.Faults
	do     func() error
	size   func() int
	grows  int // by how much size changes when it is done
}

func operations(t *testing.T) map[string]operation {
	ctx := t.Context()
	id, cause := evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa"), evidence.Cause{At: noon()}
	var (
		ledger               memory.Ledger
		originals            memory.Originals
		puts, deletes, pages memory.Renditions
		schedules, cancels   memory.Disposals
		works                memory.Works
		parts                memory.Parts
		requests             memory.Requests
		arrivals             memory.Arrivals
		breaker, released    memory.Breaker
		first, entry         = received(t)
		original, uploadErr  = originals.Upload("a", []byte("x"), evidence.Claims{}, noon())
		sequence, cancelErr  = cancels.Schedule(ctx, evidence.Disposal{}, time.Now().Add(time.Hour))
		putErr               = deletes.Put(ctx, id, evidence.Rendition{Name: "a"}, strings.NewReader("x"))
		admitted, breakerErr = released.Admit(ctx, noon(), 0)
	)
	if err := errors.Join(uploadErr, cancelErr, putErr, breakerErr); err != nil || admitted {
		t.Fatal(err, admitted)
	}
	files := func(s *memory.Renditions) func() int {
		return func() int {
			names, err := s.List(ctx, id)
			if err != nil {
				t.Error(err)
			}
			return len(names)
		}
	}
	tripped := func(b *memory.Breaker) func() int {
		return func() int {
			if is, err := b.Tripped(ctx); err != nil || is {
				return 1
			}
			return 0
		}
	}
	sent := 0
	return map[string]operation{
		"commit":     {&ledger.Faults, func() error { _, err := ledger.Commit(ctx, first, entry); return err }, func() int { return len(ledger.Entries()) }, 1},
		"delete":     {&originals.Faults, func() error { return originals.Delete(ctx, original) }, func() int { return len(originals.Paths()) }, -1},
		"put":        {&puts.Faults, func() error { return puts.Put(ctx, id, evidence.Rendition{Name: "a"}, strings.NewReader("x")) }, files(&puts), 1},
		"delete all": {&deletes.Faults, func() error { return deletes.DeleteAll(ctx, id, "") }, files(&deletes), -1},
		"swap": {&pages.Faults, func() error {
			_, version, err := pages.Load(ctx, id, "a")
			if err != nil && !errors.Is(err, evidence.NotFound) {
				return err
			}
			return pages.Swap(ctx, id, evidence.Rendition{Name: "a"}, []byte("x"), version)
		}, files(&pages), 1},
		"dispatch": {&parts.Faults, func() error { return parts.Dispatch(ctx, []evidence.Part{{Evidence: id}}) }, drained(parts.Drain), 1},
		"schedule": {&schedules.Faults, func() error { _, err := schedules.Schedule(ctx, evidence.Disposal{}, noon()); return err },
			func() int { return len(schedules.Pending()) }, 1},
		"cancel":   {&cancels.Faults, func() error { return cancels.Cancel(ctx, sequence) }, func() int { return len(cancels.Pending()) }, -1},
		"announce": {&works.Faults, func() error { return works.Announce(ctx, evidence.SubjectProxy, evidence.Work{}) }, func() int { sent += len(works.Drain()); return sent }, 1},
		"request":  {&requests.Faults, func() error { return requests.Request(ctx, evidence.Reprocess{}) }, drained(requests.Drain), 1},
		"arrive":   {&arrivals.Faults, func() error { return arrivals.Arrive(ctx, original) }, drained(arrivals.Drain), 1},
		"admit":    {&breaker.Faults, func() error { _, err := breaker.Admit(ctx, noon(), 0); return err }, tripped(&breaker), 1},
		"release":  {&released.Faults, func() error { return released.Release(ctx, cause) }, tripped(&released), -1},
	}
}

func drained[T any](drain func() []T) func() int {
	sent := 0
	return func() int { sent += len(drain()); return sent }
}

func TestLost(t *testing.T) {
	for name, op := range operations(t) {
		before := op.size()
		op.faults.Next = memory.Lost
		if err := op.do(); !errors.Is(err, evidence.Unavailable) {
			t.Fatalf("%s: %v", name, err)
		}
		if now := op.size(); now != before {
			t.Fatalf("%s was lost and changed %d to %d", name, before, now)
		}
		if err := op.do(); err != nil {
			t.Fatalf("%s, the second time: %v", name, err)
		}
		if now := op.size(); now != before+op.grows {
			t.Fatalf("%s changed %d to %d", name, before, now)
		}
	}
}

func TestGhost(t *testing.T) {
	for name, op := range operations(t) {
		before := op.size()
		op.faults.Next = memory.Ghost
		if err := op.do(); !errors.Is(err, evidence.Unavailable) {
			t.Fatalf("%s: %v", name, err)
		}
		if now := op.size(); now != before+op.grows {
			t.Fatalf("%s changed %d to %d", name, before, now)
		}
		if op.faults.Next != memory.None {
			t.Fatalf("%s left its fault for the next call", name)
		}
	}
}

func TestPlan(t *testing.T) {
	for name, op := range operations(t) {
		before, asked := op.size(), []string(nil)
		op.faults.Plan = func(op string) memory.Fault {
			asked = append(asked, op)
			return []memory.Fault{memory.Lost, memory.None}[len(asked)-1]
		}
		if err := op.do(); !errors.Is(err, evidence.Unavailable) {
			t.Fatalf("%s: %v", name, err)
		}
		if err := op.do(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if now := op.size(); now != before+op.grows || !slices.Equal(asked, []string{name, name}) {
			t.Fatalf("%s changed %d to %d, asked for %q", name, before, now, asked)
		}
	}
}

// TestLostSwap loses the reply of a swap that was stored: whoever tries again with the version it knows is told to read again.
func TestLostSwap(t *testing.T) {
	var s memory.Renditions
	const id = evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	swap := func(text, version string) error {
		return s.Swap(t.Context(), id, evidence.Rendition{Name: "a"}, []byte(text), version)
	}
	s.Next = memory.Ghost
	if err := swap("mine", ""); !errors.Is(err, evidence.Unavailable) || errors.Is(err, evidence.Conflict) {
		t.Fatal(err)
	}
	if err := swap("mine", ""); !errors.Is(err, evidence.Conflict) {
		t.Fatal(err)
	}
	if text, _, err := s.Load(t.Context(), id, "a"); err != nil || string(text) != "mine" {
		t.Fatalf("%q, %v", text, err)
	}
}

// TestLostReplyOfRefusal loses a reply that would have been a refusal: the caller must not learn it.
func TestLostReplyOfRefusal(t *testing.T) {
	q := &memory.Disposals{}
	q.Next = memory.Ghost
	if err := q.Cancel(t.Context(), 7); !errors.Is(err, evidence.Unavailable) || errors.Is(err, evidence.NotFound) {
		t.Fatal(err)
	}
}

func TestWriteOnce(t *testing.T) {
	s := &memory.Originals{}
	body := []byte("footage")
	o, err := s.Upload("a", body, evidence.Claims{}, noon().Add(time.Millisecond))
	if err != nil || !o.Created.Equal(noon()) {
		t.Fatal(o, err)
	}
	if _, err := s.Upload("a", body, evidence.Claims{}, noon()); !errors.Is(err, evidence.Conflict) {
		t.Fatalf("a second upload of the same path: %v", err)
	}
	if !s.Touch("a") || s.Touch("b") {
		t.Fatal("touched the wrong one")
	}
	if moved, err := s.Stat(t.Context(), "a"); err != nil || moved.ETag == o.ETag || !moved.SameUpload(o) {
		t.Fatal(moved, err)
	}
	if err := s.Delete(t.Context(), o); !errors.Is(err, evidence.Conflict) {
		t.Fatalf("deleted by a stale ETag: %v", err)
	}
	if !s.Remove("a") || s.Remove("a") || len(s.Paths()) != 0 {
		t.Fatal("it is still there")
	}
}

// TestForgeries commits what no transition makes.
func TestForgeries(t *testing.T) {
	var l memory.Ledger
	first, e := received(t)
	first, err := l.Commit(t.Context(), first, e)
	if err != nil {
		t.Fatal(err)
	}
	reseal := func(r *evidence.Record, e *evidence.Entry) {
		e.Hash, _ = e.Seal()
		r.Head = evidence.Head{Number: e.Number, Hash: e.Hash}
	}
	for n, forge := range []func(r *evidence.Record, e *evidence.Entry){
		func(r *evidence.Record, e *evidence.Entry) { e.Number++; reseal(r, e) },
		func(r *evidence.Record, e *evidence.Entry) { e.Number--; reseal(r, e) },
		func(r *evidence.Record, e *evidence.Entry) { e.Previous = strings.Repeat("00", 32); reseal(r, e) },
		func(r *evidence.Record, e *evidence.Entry) { e.Previous = "zz" },
		func(r *evidence.Record, e *evidence.Entry) { e.Evidence += "a"; reseal(r, e) },
		func(r *evidence.Record, e *evidence.Entry) { e.Reason = "altered" },
		func(r *evidence.Record, e *evidence.Entry) { e.Hash = "" },
		func(r *evidence.Record, e *evidence.Entry) { r.Head.Number++ },
		func(r *evidence.Record, e *evidence.Entry) { r.Head.Hash = e.Previous },
		func(r *evidence.Record, e *evidence.Entry) { e.Before = evidence.Flagged; reseal(r, e) },
		func(r *evidence.Record, e *evidence.Entry) { r.Retention.State = evidence.Expired },
		func(r *evidence.Record, e *evidence.Entry) { r.Shard = "camden/2026-11" },
		func(r *evidence.Record, e *evidence.Entry) { r.Type = "custody" },
		func(r *evidence.Record, e *evidence.Entry) { r.Original.Size++ },
		func(r *evidence.Record, e *evidence.Entry) { r.Original.Created = noon().Add(1) },
	} {
		next, e, err := first.Schedule(noon(), noon(), 1, evidence.Cause{By: evidence.Stage("test"), At: noon()})
		if err != nil {
			t.Fatal(err)
		}
		forge(&next, &e)
		if _, err := l.Commit(t.Context(), next, e); !errors.Is(err, evidence.Invalid) {
			t.Fatalf("forgery %d: %v", n, err)
		}
	}
	if len(l.Entries()) != 1 || len(l.Records()) != 1 {
		t.Fatal(fmt.Sprint(len(l.Entries()), " entries"))
	}
	same, err := l.Get(t.Context(), first.ID)
	if err != nil || same.Version != first.Version {
		t.Fatal(same.Version, err)
	}
}

// TestDueInOrder has a clock of its own.
func TestDueInOrder(t *testing.T) {
	now := noon()
	q := &memory.Disposals{Now: func() time.Time { return now }}
	sequence := map[int]int64{}
	for _, hour := range []int{3, 1, 2, 4} {
		n, err := q.Schedule(t.Context(), evidence.Disposal{Epoch: hour}, noon().Add(time.Duration(hour)*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		sequence[hour] = n
	}
	if len(q.Pending()) != 4 || q.Pending()[sequence[2]].Disposal.Epoch != 2 {
		t.Fatalf("pending %v", q.Pending())
	}
	now = noon().Add(3 * time.Hour)
	if err := q.Cancel(t.Context(), sequence[3]); !errors.Is(err, evidence.NotFound) {
		t.Fatalf("cancelled what has come: %v", err)
	}
	if err := q.Cancel(t.Context(), sequence[4]); err != nil {
		t.Fatal(err)
	}
	var came []int
	for _, d := range q.Due(now) {
		came = append(came, d.Epoch)
	}
	if !slices.Equal(came, []int{1, 2, 3}) || len(q.Pending()) != 0 || len(q.Due(now)) != 0 {
		t.Fatalf("came %v, pending %v", came, q.Pending())
	}
}

package evidencetest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// Receive takes the next message; false when none came by the deadline. A message it returned does not come again.
type Receive[T any] func(deadline time.Time) (T, bool)

// soon is when a message that was sent must have come, and never when none is awaited.
func soon() time.Time { return time.Now().Add(20 * time.Second) }

func quiet[T any](t *testing.T, receive Receive[T]) {
	t.Helper()
	if m, ok := receive(time.Now().Add(300 * time.Millisecond)); ok {
		t.Fatalf("a message came that nobody sent: %+v", m)
	}
}

func comes[T any](t *testing.T, receive Receive[T], want T) {
	t.Helper()
	got, ok := receive(soon())
	if !ok {
		t.Fatalf("no message came, want %+v", want)
	}
	same(t, "the message", got, want)
}

// Disposals is the contract of evidence.Disposals. open returns an empty queue, and what receives from it.
func Disposals(t *testing.T, open func(t *testing.T) (evidence.Disposals, Receive[evidence.Disposal])) {
	for name, test := range map[string]func(*testing.T, evidence.Disposals, Receive[evidence.Disposal]){
		"past":              past,
		"not before":        notBefore,
		"cancelled":         cancelled,
		"cancelled late":    cancelledLate,
		"a month and a day": month,
		"many":              manyDisposals,
	} {
		t.Run(name, func(t *testing.T) {
			d, receive := open(t)
			test(t, d, receive)
		})
	}
}

func schedule(t *testing.T, d evidence.Disposals, m evidence.Disposal, at time.Time) int64 {
	t.Helper()
	sequence, err := d.Schedule(t.Context(), m, at)
	if err != nil {
		t.Fatal(err)
	}
	if sequence == 0 {
		t.Fatal("sequence number 0, which means none")
	}
	return sequence
}

func past(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	for n, ago := range []time.Duration{0, time.Second, 1000 * time.Hour} {
		m := evidence.Disposal{Evidence: idOf(n), Epoch: n + 1}
		schedule(t, d, m, time.Now().Add(-ago))
		comes(t, receive, m)
	}
	never := evidence.Disposal{Evidence: idOf(9), Epoch: 1}
	schedule(t, d, never, time.Time{})
	comes(t, receive, never)
	quiet(t, receive)
}

func notBefore(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	at := time.Now().Add(2500 * time.Millisecond)
	m := evidence.Disposal{Evidence: idOf(1), Epoch: 3}
	schedule(t, d, m, at)
	comes(t, receive, m)
	if now := time.Now(); now.Before(at) {
		t.Fatalf("it came %s early", at.Sub(now))
	}
	quiet(t, receive)
}

func cancelled(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	at := time.Now().Add(3 * time.Second)
	first := schedule(t, d, evidence.Disposal{Evidence: idOf(1), Epoch: 1}, at)
	second := schedule(t, d, evidence.Disposal{Evidence: idOf(1), Epoch: 1}, at)
	third := schedule(t, d, evidence.Disposal{Evidence: idOf(2), Epoch: 1}, at)
	if first == second || second == third {
		t.Fatalf("sequence numbers %d, %d, %d", first, second, third)
	}
	for _, sequence := range []int64{first, second} {
		if err := d.Cancel(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
		is(t, d.Cancel(t.Context(), sequence), evidence.NotFound)
	}
	comes(t, receive, evidence.Disposal{Evidence: idOf(2), Epoch: 1})
	quiet(t, receive)
}

func cancelledLate(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	m := evidence.Disposal{Evidence: idOf(1), Epoch: 1}
	sequence := schedule(t, d, m, time.Now().Add(-time.Second))
	comes(t, receive, m)
	is(t, d.Cancel(t.Context(), sequence), evidence.NotFound)
	is(t, d.Cancel(t.Context(), sequence+1000), evidence.NotFound)
	later := schedule(t, d, m, time.Now().Add(time.Hour)) // the queue still works
	if err := d.Cancel(t.Context(), later); err != nil {
		t.Fatal(err)
	}
}

func month(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	var sequences []int64
	for _, days := range []int{31, 32, 365} {
		sequences = append(sequences, schedule(t, d, evidence.Disposal{Evidence: idOf(days), Epoch: 1}, time.Now().AddDate(0, 0, days)))
	}
	quiet(t, receive)
	for _, sequence := range sequences {
		if err := d.Cancel(t.Context(), sequence); err != nil {
			t.Fatal(err)
		}
	}
}

func manyDisposals(t *testing.T, d evidence.Disposals, receive Receive[evidence.Disposal]) {
	const many = 50
	want := map[evidence.Disposal]bool{}
	for n := range many {
		m := evidence.Disposal{Evidence: idOf(n), Epoch: n}
		want[m] = true
		schedule(t, d, m, time.Now())
	}
	for range many {
		m, ok := receive(soon())
		if !ok || !want[m] {
			t.Fatalf("got %+v (%t), %d more expected", m, ok, len(want))
		}
		delete(want, m)
	}
	quiet(t, receive)
}

// Works is the contract of evidence.Works. open returns an empty topic, and what receives for each stage: metadata, digest, proxy, retention.
func Works(t *testing.T, open func(t *testing.T) (evidence.Works, func(stage evidence.Subject) Receive[evidence.Work])) {
	stages := []evidence.Subject{evidence.SubjectMetadata, evidence.SubjectDigest, evidence.SubjectProxy, evidence.SubjectRetention}
	announce := func(t *testing.T, works evidence.Works, subject evidence.Subject, w evidence.Work) {
		t.Helper()
		if err := works.Announce(t.Context(), subject, w); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("received goes to every stage", func(t *testing.T) {
		works, of := open(t)
		w := evidence.Work{Evidence: idOf(1)}
		announce(t, works, evidence.SubjectReceived, w)
		for _, stage := range stages {
			comes(t, of(stage), w)
			quiet(t, of(stage))
		}
	})
	t.Run("a stage's own goes to that stage", func(t *testing.T) {
		works, of := open(t)
		for n, stage := range stages {
			announce(t, works, stage, evidence.Work{Evidence: idOf(n), Again: true})
		}
		for n, stage := range stages {
			comes(t, of(stage), evidence.Work{Evidence: idOf(n), Again: true})
			quiet(t, of(stage))
		}
	})
	t.Run("a subject of nobody", func(t *testing.T) {
		works, of := open(t)
		for _, subject := range []evidence.Subject{"", "Received", "expire"} {
			is(t, works.Announce(t.Context(), subject, evidence.Work{Evidence: idOf(1)}), evidence.Invalid)
		}
		for _, stage := range stages {
			quiet(t, of(stage))
		}
	})
}

// Parts is the contract of evidence.Parts. open returns an empty queue, and what receives from it.
func Parts(t *testing.T, open func(t *testing.T) (evidence.Parts, Receive[evidence.Part])) {
	t.Run("one", func(t *testing.T) {
		parts, receive := open(t)
		p := evidence.Part{Evidence: idOf(1), Chunk: 0}
		dispatch(t, parts, p)
		comes(t, receive, p)
		quiet(t, receive)
	})
	t.Run("none", func(t *testing.T) {
		parts, receive := open(t)
		dispatch(t, parts)
		quiet(t, receive)
	})
	t.Run("a shift's", func(t *testing.T) { // 12 hours in chunks of a minute
		parts, receive := open(t)
		var all []evidence.Part
		for n := range 720 {
			all = append(all, evidence.Part{Evidence: idOf(1), Chunk: n})
		}
		before := slices.Clone(all)
		dispatch(t, parts, all...)
		if !slices.Equal(all, before) {
			t.Fatal("what was dispatched is not what the caller has now")
		}
		arrive(t, receive, all)
	})
	t.Run("of several, and some twice", func(t *testing.T) {
		parts, receive := open(t)
		all := []evidence.Part{{Evidence: idOf(1), Chunk: 1}, {Evidence: idOf(2), Chunk: 1}, {Evidence: idOf(1), Chunk: 1}, {Evidence: idOf(1), Chunk: 99999}}
		dispatch(t, parts, all...)
		dispatch(t, parts, all[1])
		arrive(t, receive, append(all, all[1]))
	})
}

func dispatch(t *testing.T, parts evidence.Parts, list ...evidence.Part) {
	t.Helper()
	if err := parts.Dispatch(t.Context(), list); err != nil {
		t.Fatal(err)
	}
}

// arrive receives every one of the parts, in any order. A message may be there more often than it was sent, and never less.
func arrive(t *testing.T, receive Receive[evidence.Part], want []evidence.Part) {
	t.Helper()
	missing := map[evidence.Part]int{}
	for _, p := range want {
		missing[p]++
	}
	sent := maps.Clone(missing)
	for left := len(want); left > 0; {
		p, ok := receive(soon())
		if !ok || sent[p] == 0 {
			t.Fatalf("got %+v (%t), %d of %d more expected", p, ok, left, len(want))
		}
		if missing[p] > 0 {
			missing[p]--
			left--
		}
	}
}

// Requests is the contract of evidence.Requests. open returns an empty queue, and what receives from it.
func Requests(t *testing.T, open func(t *testing.T) (evidence.Requests, Receive[evidence.Reprocess])) {
	requests, receive := open(t)
	for n := range 3 {
		q := evidence.Reprocess{
			Evidence: idOf(n), Stages: []evidence.Subject{evidence.SubjectMetadata, evidence.SubjectProxy}[:n],
			By: evidence.Actor{ID: "a", Name: `Zoë "Z"`, Roles: []string{"officer"}}, Reason: fmt.Sprint("new encoder\n", n),
		}
		if err := requests.Request(t.Context(), q); err != nil {
			t.Fatal(err)
		}
		comes(t, receive, q)
	}
	quiet(t, receive)
}

// Arrivals is the contract of evidence.Arrivals. open returns an empty queue, and what receives from it: path, ETag, size and the time
// of creation are what an event carries.
func Arrivals(t *testing.T, open func(t *testing.T) (evidence.Arrivals, Receive[evidence.Original])) {
	arrivals, receive := open(t)
	for n, path := range []string{path, "holiday video (1).mp4", "wie/schön/é%20?#.mp4"} {
		o := evidence.Original{Path: path, ETag: fmt.Sprintf("0x8DD%d", n), Size: int64(n) << 35, Created: noon().Add(time.Duration(n) * time.Second)}
		whole := o
		whole.ContentType, whole.Claims = "video/mp4", evidence.Claims{Digest: "ab", Incident: "CAD-1"}
		if err := arrivals.Arrive(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
		comes(t, receive, o)
	}
	quiet(t, receive)
}

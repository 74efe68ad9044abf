package retention_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/retention"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	os.Exit(m.Run())
}

// office is one received record and all that the protocol touches.
type office struct {
	*retention.Protocol
	t          *testing.T
	now        time.Time
	ledger     *memory.Ledger
	disposals  *memory.Disposals
	originals  *memory.Originals
	renditions *memory.Renditions
	breaker    *memory.Breaker
	id         evidence.ID
	path       string
	epoch      int
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, now: uploaded, ledger: &memory.Ledger{}, disposals: &memory.Disposals{}, originals: &memory.Originals{},
		renditions: &memory.Renditions{}, breaker: &memory.Breaker{}, path: "lambeth/P1/X1/2026/11/22/20261122T101500Z-1.mp4"}
	o.disposals.Now = func() time.Time { return o.now }
	o.Protocol = &retention.Protocol{Ledger: o.ledger, Disposals: o.disposals, Originals: o.originals, Renditions: o.renditions,
		Breaker: o.breaker, Now: func() time.Time { return o.now }, Policy: retention.Policy{Keep: keep, Defer: time.Hour}}
	original, err := o.originals.Upload(o.path, []byte("video"), evidence.Claims{}, o.now)
	o.must(err)
	name, err := evidence.ParseName(o.path)
	o.must(err)
	o.id = evidence.NewID(name.Unit, original.Created, original.Path, original.ETag)
	r, e, err := evidence.Receive(o.id, original, name, nil, o.cause())
	o.must(err)
	_, err = o.ledger.Commit(t.Context(), r, e)
	o.must(err)
	o.must(o.renditions.Put(t.Context(), o.id, evidence.Rendition{Name: "proxy.mp4"}, strings.NewReader("proxy")))
	return o
}

func (o *office) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) cause() evidence.Cause {
	return evidence.Cause{By: evidence.Stage("test"), At: o.now, Correlation: "c"}
}

func (o *office) flag(id string) evidence.Flag {
	return evidence.Flag{ID: id, Purpose: evidence.Court, Reference: "CRN 1", Reason: "shows it", At: o.now}
}

func (o *office) get() evidence.Record {
	o.t.Helper()
	r, err := o.ledger.Get(o.t.Context(), o.id)
	o.must(err)
	return r
}

func (o *office) scheduled() *office {
	o.t.Helper()
	_, err := o.Schedule(o.t.Context(), o.id, o.cause())
	o.must(err)
	return o
}

// fire lets time pass until the pending messages come and gives them to Expire.
func (o *office) fire() []string {
	o.t.Helper()
	var results []string
	for _, d := range o.disposals.Due(o.now) {
		result, err := o.Expire(o.t.Context(), d, o.cause())
		o.must(err)
		results = append(results, result)
	}
	return results
}

func (o *office) there() bool {
	_, err := o.originals.Stat(o.t.Context(), o.path)
	return err == nil
}

func (o *office) entries(op evidence.Operation) int {
	o.t.Helper()
	chain, err := o.ledger.Chain(o.t.Context(), o.id)
	o.must(err)
	o.must(evidence.VerifyChain(chain, o.get().Head))
	n := 0
	for _, e := range chain {
		if e.Operation == op {
			n++
		}
	}
	return n
}

func TestScheduleThenExpire(t *testing.T) {
	o := newOffice(t).scheduled()
	r := o.get()
	if p, ok := o.disposals.Pending()[r.Retention.Sequence]; !ok || !p.At.Equal(uploaded.Add(keep)) || p.Disposal.Epoch != r.Retention.Epoch {
		t.Fatalf("pending %v, record %+v", o.disposals.Pending(), r.Retention)
	}
	o.scheduled() // delivered twice
	if n := len(o.disposals.Pending()); n != 1 || o.entries(evidence.OpSchedule) != 1 {
		t.Fatalf("%d messages, %d entries after two deliveries", n, o.entries(evidence.OpSchedule))
	}
	o.now = uploaded.Add(keep)
	if got := o.fire(); fmt.Sprint(got) != "[expired]" {
		t.Fatal(got)
	}
	r = o.get()
	left, err := o.renditions.List(t.Context(), o.id)
	o.must(err)
	if o.there() || len(left) > 0 || r.Retention.State != evidence.Expired {
		t.Fatalf("original there: %v, renditions %v, %s", o.there(), left, r.Retention.State)
	}
	if r.Tombstone == nil || r.Tombstone.Original != evidence.FoundPresent || r.Tombstone.Size != 5 || r.Tombstone.Rule != "retention 744h0m0s" || r.Tombstone.Erased.Before(r.Tombstone.Due) {
		t.Fatalf("tombstone %+v", r.Tombstone)
	}
	got, err := o.Expire(t.Context(), evidence.Disposal{Evidence: o.id, Epoch: r.Retention.Epoch}, o.cause())
	if got != retention.ResultStale || err != nil || o.entries(evidence.OpExpired) != 1 {
		t.Fatalf("second delivery: %s, %v", got, err)
	}
}

func TestFlagCancels(t *testing.T) {
	o := newOffice(t).scheduled()
	message := evidence.Disposal{Evidence: o.id, Epoch: o.get().Retention.Epoch}
	r, err := o.Flag(t.Context(), o.id, o.flag("a"), o.cause())
	o.must(err)
	if r.Retention.State != evidence.Flagged || r.Retention.Sequence != 0 || len(o.disposals.Pending()) != 0 || o.entries(evidence.OpCancel) != 1 {
		t.Fatalf("%+v, pending %v", r.Retention, o.disposals.Pending())
	}
	_, err = o.Flag(t.Context(), o.id, o.flag("a"), o.cause()) // asked twice
	o.must(err)
	_, err = o.Flag(t.Context(), o.id, o.flag("b"), o.cause()) // somebody else's
	o.must(err)
	if n := len(o.get().Flags); n != 2 || o.entries(evidence.OpFlag) != 2 {
		t.Fatalf("%d flags, %d entries", n, o.entries(evidence.OpFlag))
	}
	o.now = uploaded.AddDate(1, 0, 0)
	if got, err := o.Expire(t.Context(), message, o.cause()); got != retention.ResultStale || err != nil || !o.there() {
		t.Fatalf("a cancelled message that came all the same: %s, %v, original there: %v", got, err, o.there())
	}
}

func TestUnflagStartsAFullWindow(t *testing.T) {
	o := newOffice(t).scheduled()
	for _, id := range []string{"a", "b"} {
		_, err := o.Flag(t.Context(), o.id, o.flag(id), o.cause())
		o.must(err)
	}
	o.now = uploaded.AddDate(0, 6, 0)
	_, err := o.Unflag(t.Context(), o.id, "a", o.cause())
	o.must(err)
	if r := o.get(); r.Retention.State != evidence.Flagged || len(o.disposals.Pending()) != 0 {
		t.Fatalf("with a flag left: %+v", r.Retention)
	}
	for range 2 { // asked twice
		_, err = o.Unflag(t.Context(), o.id, "b", o.cause())
		o.must(err)
	}
	r := o.get()
	if r.Retention.State != evidence.Scheduled || !r.Retention.Due.Equal(o.now.Add(keep)) || len(o.disposals.Pending()) != 1 {
		t.Fatalf("%+v, pending %v", r.Retention, o.disposals.Pending())
	}
	o.now = o.now.Add(keep)
	if got := o.fire(); fmt.Sprint(got) != "[expired]" || o.there() {
		t.Fatal(got)
	}
}

func TestFlagTooLate(t *testing.T) {
	o := newOffice(t).scheduled()
	o.now = uploaded.Add(keep)
	o.originals.Next = memory.Lost // the erasure stops in the middle
	d := o.disposals.Due(o.now)[0]
	if _, err := o.Expire(t.Context(), d, o.cause()); err == nil {
		t.Fatal("the lost deletion was not reported")
	}
	for _, state := range []evidence.State{evidence.Expiring, evidence.Expired} {
		_, err := o.Flag(t.Context(), o.id, o.flag("late"), o.cause())
		if !errors.Is(err, evidence.Refused) || !strings.Contains(err.Error(), string(state)) || !strings.Contains(err.Error(), "2026-12-23") {
			t.Fatalf("flagging while %s: %v", state, err)
		}
		if _, err := o.Expire(t.Context(), d, o.cause()); err != nil {
			t.Fatal(err)
		}
	}
	if o.there() {
		t.Fatal("the second delivery did not finish what the first began")
	}
}

func TestHold(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*office)
		result  string
		fires   time.Time
	}{
		"came early":      {func(o *office) { o.now = uploaded.Add(keep - time.Minute) }, retention.ResultDeferred, uploaded.Add(keep)},
		"policy extended": {func(o *office) { o.Policy.Keep = 2 * keep }, retention.ResultDeferred, uploaded.Add(2 * keep)},
		"kill switch":     {func(o *office) { o.Policy.Paused = true }, retention.ResultPaused, uploaded.Add(keep + time.Hour)},
		"breaker": {func(o *office) {
			o.Policy.PerHour = 1
			_, err := o.breaker.Admit(o.t.Context(), o.now, 1)
			o.must(err)
		}, retention.ResultTripped, uploaded.Add(keep + time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t).scheduled()
			before := o.get()
			o.now = uploaded.Add(keep)
			test.prepare(o)
			got, err := o.Expire(t.Context(), evidence.Disposal{Evidence: o.id, Epoch: before.Retention.Epoch}, o.cause())
			if got != test.result || err != nil || !o.there() {
				t.Fatalf("%q, %v, original there: %v", got, err, o.there())
			}
			r := o.get()
			if p, ok := o.disposals.Pending()[r.Retention.Sequence]; !ok || !p.At.Equal(test.fires) || !r.Retention.Fires.Equal(test.fires) || r.Retention.Epoch <= before.Retention.Epoch {
				t.Fatalf("%+v, pending %v", r.Retention, o.disposals.Pending())
			}
		})
	}
}

func TestETagMoved(t *testing.T) {
	o := newOffice(t).scheduled()
	o.originals.Touch(o.path) // a tier, a hold, metadata
	o.now = uploaded.Add(keep)
	if got := o.fire(); fmt.Sprint(got) != "[expired]" || o.there() {
		t.Fatal(got)
	}
	if r := o.get(); r.Tombstone.ETag == r.Original.ETag {
		t.Fatal("the tombstone does not say that the ETag had moved")
	}
}

func TestOriginalNotOurs(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(*office)
		found   evidence.Found
		there   bool
	}{
		"gone before": {func(o *office) { o.originals.Remove(o.path) }, evidence.FoundMissing, false},
		"another upload": {func(o *office) {
			o.originals.Remove(o.path)
			_, err := o.originals.Upload(o.path, []byte("another"), evidence.Claims{}, o.now)
			o.must(err)
		}, evidence.FoundReplaced, true},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t).scheduled()
			o.now = uploaded.Add(keep)
			test.prepare(o)
			if got := o.fire(); fmt.Sprint(got) != "[expired]" || o.there() != test.there {
				t.Fatalf("%v, there: %v", got, o.there())
			}
			if r := o.get(); r.Tombstone.Original != test.found {
				t.Fatalf("tombstone %+v", r.Tombstone)
			}
		})
	}
}

// TestFaults lets each call of each move be lost, or stored with its reply lost, and does the move again: the end must be the same.
func TestFaults(t *testing.T) {
	moves := map[string]struct {
		prepare func(*office)
		move    func(*office) error
		state   evidence.State
		entries map[evidence.Operation]int
	}{
		"schedule": {func(*office) {}, func(o *office) error { _, err := o.Schedule(o.t.Context(), o.id, o.cause()); return err },
			evidence.Scheduled, map[evidence.Operation]int{evidence.OpSchedule: 1}},
		"flag": {func(o *office) { o.scheduled() }, func(o *office) error { _, err := o.Flag(o.t.Context(), o.id, o.flag("a"), o.cause()); return err },
			evidence.Flagged, map[evidence.Operation]int{evidence.OpFlag: 1}},
		"unflag": {func(o *office) {
			o.scheduled()
			_, err := o.Flag(o.t.Context(), o.id, o.flag("a"), o.cause())
			o.must(err)
		},
			func(o *office) error { _, err := o.Unflag(o.t.Context(), o.id, "a", o.cause()); return err },
			evidence.Scheduled, map[evidence.Operation]int{evidence.OpSchedule: 2}},
		"expire": {func(o *office) { o.scheduled(); o.epoch = o.get().Retention.Epoch; o.now = uploaded.Add(keep) }, func(o *office) error {
			_, err := o.Expire(o.t.Context(), evidence.Disposal{Evidence: o.id, Epoch: o.epoch}, o.cause())
			return err
		}, evidence.Expired, map[evidence.Operation]int{evidence.OpExpiring: 1, evidence.OpExpired: 1}},
	}
	for name, m := range moves {
		for faultName, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
			for nth := range 4 {
				t.Run(fmt.Sprintf("%s/%s/%d", name, faultName, nth), func(t *testing.T) {
					o := newOffice(t)
					m.prepare(o)
					calls := 0
					plan := func(string) memory.Fault {
						calls++
						if calls == nth+1 {
							return fault
						}
						return memory.None
					}
					for _, f := range []*memory.Faults{&o.ledger.Faults, &o.disposals.Faults, &o.originals.Faults, &o.renditions.Faults} {
						f.Plan = plan
					}
					if err := m.move(o); err != nil {
						o.must(m.move(o))
					}
					r := o.get()
					if r.Retention.State != m.state {
						t.Fatalf("ended %s", r.Retention.State)
					}
					for op, n := range m.entries {
						if got := o.entries(op); got != n {
							t.Errorf("%d entries of %s, not %d", got, op, n)
						}
					}
					if _, pending := o.disposals.Pending()[r.Retention.Sequence]; r.Retention.State == evidence.Scheduled && !pending {
						t.Error("scheduled, but its message is not pending: it would be kept for ever")
					}
					if r.Tombstone != nil && r.Tombstone.Original != evidence.FoundPresent {
						t.Errorf("tombstone says the original was %s", r.Tombstone.Original)
					}
				})
			}
		}
	}
}

package evidence_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func why() evidence.Cause {
	return evidence.Cause{By: evidence.Actor{ID: "a", Roles: []string{"officer"}}, At: noon(), Reason: "why", Rule: "rule", Recipient: "CPS", Correlation: "c"}
}

// golden compares got with a file of testdata; with UPDATE_GOLDEN set it writes the file anew, to be read before it is committed.
func golden(t *testing.T, name, got string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(filepath.Join("testdata", name), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was. It is now:\n%s", name, got)
	}
}

func states() []evidence.State {
	return []evidence.State{"", evidence.Received, evidence.Scheduled, evidence.Flagged, evidence.Expiring, evidence.Expired}
}

func operations() []evidence.Operation {
	return []evidence.Operation{
		evidence.OpReceive, evidence.OpMetadata, evidence.OpDigest, evidence.OpProxy, evidence.OpNote, evidence.OpSchedule, evidence.OpDefer, evidence.OpFlag, evidence.OpUnflag,
		evidence.OpCancel, evidence.OpReprocess, evidence.OpReconcile, evidence.OpView, evidence.OpPlay, evidence.OpAudit, evidence.OpExpiring, evidence.OpExpired,
		"unknown",
	}
}

// TestTransitions is the whole table: where each operation leads from each state; a dash where it may not happen.
func TestTransitions(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "%-24s", "")
	for _, from := range states() {
		fmt.Fprintf(&table, " %-9s", map[bool]string{true: "(none)", false: string(from)}[from == ""])
	}
	for _, op := range operations() {
		fmt.Fprintf(&table, "\n%-24s", op)
		for _, from := range states() {
			to, ok := evidence.Next(from, op)
			if !ok {
				to = "-"
			}
			fmt.Fprintf(&table, " %-9s", to)
		}
	}
	golden(t, "transitions.golden", trimmed(table.String()))
}

// trimmed has no spaces at the ends of lines.
func trimmed(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func arrival() (evidence.Record, evidence.Entry, error) {
	const path = "lambeth/P1/X1/2026/11/22/20261122T101500Z-1.mp4"
	o := evidence.Original{Path: path, ETag: "0x1", Size: 5, Created: noon(), Claims: evidence.Claims{Digest: "ab", Incident: "CAD", Category: "arrest"}}
	name, err := evidence.ParseName(path)
	if err != nil {
		return evidence.Record{}, evidence.Entry{}, err
	}
	return evidence.Receive(evidence.NewID(name.Unit, o.Created, path, o.ETag), o, name, []evidence.Attention{{Stage: "ingest", Problem: "p"}}, why())
}

// move is one way a record changes.
type move struct {
	name string
	flag string // that it sets
	do   func(r evidence.Record) (evidence.Record, evidence.Entry, error)
}

func moves() []move {
	flag := func(id string) evidence.Flag { return evidence.Flag{ID: id, Purpose: evidence.Court, Reference: "R"} }
	type result = func(r evidence.Record) (evidence.Record, evidence.Entry, error)
	consult := func(op evidence.Operation) result {
		return func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Consult(op, map[string]string{"a": "b"}, why())
		}
	}
	return []move{
		{"schedule", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Schedule(noon().AddDate(0, 0, 31), noon().AddDate(0, 0, 31), 42, why())
		}},
		{"flag a", "a", func(r evidence.Record) (evidence.Record, evidence.Entry, error) { return r.Flag(flag("a"), why()) }},
		{"flag b", "b", func(r evidence.Record) (evidence.Record, evidence.Entry, error) { return r.Flag(flag("b"), why()) }},
		{"cancelled", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) { return r.Cancelled(why()) }},
		{"end flag a", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) { return r.EndFlag("a", why()) }},
		{"end flag b", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) { return r.EndFlag("b", why()) }},
		{"end last flag a", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.EndLastFlag("a", noon().AddDate(0, 0, 62), 43, why())
		}},
		{"describe", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Describe(evidence.Media{State: evidence.MediaReady, Tool: "t"}, noon(), []evidence.Attention{{Stage: "metadata", Problem: "x"}}, why())
		}},
		{"fix", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Fix(evidence.Digest{Computed: "cd", At: noon()}, []evidence.Attention{{Stage: "digest", Problem: "z"}}, why())
		}},
		{"render", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Render(evidence.Proxy{State: evidence.ProxyReady}, nil, why())
		}},
		{"attend", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Attend(evidence.Attention{Stage: "proxy", Problem: "y"}, why())
		}},
		{"view", "", consult(evidence.OpView)},
		{"reprocess", "", consult(evidence.OpReprocess)},
		{"consult by flag", "", consult(evidence.OpFlag)},
		{"deny", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Deny(evidence.OpFlag, why())
		}},
		{"expiring", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Expiring(evidence.Tombstone{Size: 5, ETag: "0x2", Rule: "rule", Due: noon()}, why())
		}},
		{"expired", "", func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			return r.Expired(why())
		}},
	}
}

// walk takes the named moves from an arrival on.
func walk(t *testing.T, names ...string) evidence.Record {
	t.Helper()
	r, _, err := arrival()
	for _, name := range names {
		for _, m := range moves() {
			if m.name == name && err == nil {
				r, _, err = m.do(r)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMoves is what each method makes of a record in each situation: the state after it, whether the epoch is new, the sequence number and the flags,
// and which operation the custody entry names; or the kind of the refusal.
func TestMoves(t *testing.T) {
	situations := []struct {
		name string
		from []string
	}{
		{"received", nil}, {"scheduled", []string{"schedule"}}, {"flagged a", []string{"schedule", "flag a"}}, {"flagged a, never scheduled", []string{"flag a"}},
		{"flagged a and b", []string{"schedule", "flag a", "flag b"}}, {"flagged a, cancelled", []string{"schedule", "flag a", "cancelled"}},
		{"expiring", []string{"schedule", "expiring"}}, {"expired", []string{"schedule", "expiring", "expired"}},
	}
	var table strings.Builder
	for _, s := range situations {
		r := walk(t, s.from...)
		fmt.Fprintf(&table, "%s: sequence %d\n", s.name, r.Retention.Sequence)
		for _, m := range moves() {
			if _, twice := r.FlagByID(m.flag); twice {
				continue // a flag's ID is given once: the retention protocol sees to that
			}
			n, e, err := m.do(r)
			var kind evidence.Kind
			if errors.As(err, &kind) {
				fmt.Fprintf(&table, "  %-16s %s\n", m.name, kind)
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			epoch := "same"
			if n.Retention.Epoch > r.Retention.Epoch {
				epoch = "new"
			}
			var flags []string
			for _, f := range n.Flags {
				flags = append(flags, f.ID)
			}
			fmt.Fprintf(&table, "  %-16s %-9s %s epoch, sequence %d, flags %v by %s, %s\n", m.name, n.Retention.State, epoch, n.Retention.Sequence, flags, e.Operation, e.Outcome)
		}
	}
	golden(t, "moves.golden", table.String())
}

// TestEntryGoesWithIt holds for every move from every situation: one entry more, sealed on the one before; a refusal changes nothing; and
// what was there before the move shares no memory with what is there after.
func TestEntryGoesWithIt(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		r, e, err := arrival()
		if err != nil {
			t.Fatal(err)
		}
		entries := []evidence.Entry{e}
		for range 40 {
			m := moves()[random.IntN(len(moves()))]
			if _, twice := r.FlagByID(m.flag); twice {
				continue
			}
			before := fmt.Sprintf("%+v", r)
			n, e, err := m.do(r)
			if fmt.Sprintf("%+v", r) != before {
				t.Fatalf("seed %d: %s changed the record it was given", seed, m.name)
			}
			if err != nil {
				if fmt.Sprintf("%+v", n) != before || !reflect.DeepEqual(e, evidence.Entry{}) {
					t.Fatalf("seed %d: %s was refused and returned something else", seed, m.name)
				}
				continue
			}
			sound(t, m.name, r, n, e)
			r, entries = n, append(entries, e)
		}
		if err := evidence.VerifyChain(entries, r.Head); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func sound(t *testing.T, name string, r, n evidence.Record, e evidence.Entry) {
	t.Helper()
	c := why()
	switch {
	case e.Number != r.Head.Number+1 || n.Head != evidence.Head{Number: e.Number, Hash: e.Hash} || e.Previous != r.Head.Hash:
		t.Fatalf("%s: entry %d after %d", name, e.Number, r.Head.Number)
	case e.Before != r.Retention.State || e.After != n.Retention.State || e.Evidence != r.ID:
		t.Fatalf("%s: entry from %q to %q, the record from %q to %q", name, e.Before, e.After, r.Retention.State, n.Retention.State)
	case e.Actor.ID != c.By.ID || !e.At.Equal(c.At) || e.Reason != c.Reason || e.Rule != c.Rule || e.Recipient != c.Recipient || e.Correlation != c.Correlation:
		t.Fatalf("%s: the entry does not say why: %+v", name, e)
	case n.Flagged() != (n.Retention.State == evidence.Flagged):
		t.Fatalf("%s: %d flags in state %s", name, len(n.Flags), n.Retention.State)
	case n.Retention.Epoch < r.Retention.Epoch:
		t.Fatalf("%s: the epoch went back", name)
	case r.Gone() && !n.Gone() || r.Retention.State == evidence.Expired && n.Retention.State != evidence.Expired:
		t.Fatalf("%s: back from %s to %s", name, r.Retention.State, n.Retention.State)
	case (n.Tombstone != nil) != n.Gone():
		t.Fatalf("%s: %s with tombstone %v", name, n.Retention.State, n.Tombstone)
	case r.ID != n.ID || r.Shard != n.Shard || !reflect.DeepEqual(r.Original, n.Original):
		t.Fatalf("%s: another record", name)
	}
	// a message that was pending is void as soon as the record is flagged, and again when a new window begins
	if (r.Retention.State == evidence.Scheduled) != (n.Retention.State == evidence.Scheduled) && n.Retention.State != evidence.Expiring && n.Retention.Epoch == r.Retention.Epoch {
		t.Fatalf("%s: from %s to %s in the same epoch", name, r.Retention.State, n.Retention.State)
	}
}

func TestNoSharedMemory(t *testing.T) {
	r := walk(t, "schedule", "flag a", "flag b", "attend")
	for _, m := range moves() {
		n, _, err := m.do(r)
		if err != nil {
			continue
		}
		for i := range n.Flags {
			n.Flags[i].ID = "changed"
		}
		for i := range n.Attention {
			n.Attention[i].Stage = "changed"
		}
		if r.Flags[0].ID != "a" || r.Flags[1].ID != "b" || r.Attention[0].Stage != "ingest" {
			if m.name != "deny" { // a denial changes nothing, and so copies nothing
				t.Errorf("%s shares memory", m.name)
			}
			r = walk(t, "schedule", "flag a", "flag b", "attend")
		}
	}
}

// TestAttentionOfOneProblem is there once, and renewed by the stage that reported it.
func TestAttentionOfOneProblem(t *testing.T) {
	r := walk(t, "attend", "attend", "describe", "fix", "describe", "fix")
	got := ""
	for _, a := range r.Attention {
		got += a.Stage + ":" + a.Problem + " "
	}
	if got != "ingest:p proxy:y metadata:x digest:z " {
		t.Fatalf("attention %s", got)
	}
	if r = walk(t, "attend", "describe", "fix", "render"); len(r.Attention) != 3 {
		t.Fatalf("a proxy without problems left %+v", r.Attention)
	}
}

// TestTombstone keeps nothing that describes the content.
func TestTombstone(t *testing.T) {
	r := walk(t, "describe", "fix", "render", "schedule", "expiring", "expired")
	if r.Tombstone == nil || r.Tombstone.Size != 5 || !r.Tombstone.Erased.Equal(noon()) || r.Media.Tool != "" || r.Media.State != evidence.MediaReady || r.Proxy != (evidence.Proxy{}) {
		t.Fatalf("%+v", r)
	}
	if r.Digest.Computed != "cd" {
		t.Fatal("the digest went too: nobody could prove what was erased")
	}
}

// TestNextEpoch is never that of a message sent before, whether a commit followed or not.
func TestNextEpoch(t *testing.T) {
	r := walk(t, "schedule")
	first, second := r.NextEpoch(noon().Add(time.Second)), r.NextEpoch(noon().Add(1001*time.Millisecond))
	if first <= r.Retention.Epoch || second <= first {
		t.Fatalf("epochs %d, %d, %d", r.Retention.Epoch, first, second)
	}
	if early := r.NextEpoch(time.Time{}); early <= r.Retention.Epoch { // a clock that went back
		t.Fatalf("epoch %d after %d", early, r.Retention.Epoch)
	}
	at := noon().Add(time.Hour)
	c := why()
	c.At = at
	n, _, err := r.Schedule(at, at, 1, c)
	if err != nil || n.Retention.Epoch != r.NextEpoch(at) {
		t.Fatalf("scheduled with epoch %d, announced %d: %v", n.Retention.Epoch, r.NextEpoch(at), err)
	}
}

package evidence_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func full() evidence.Entry {
	return evidence.Entry{
		Evidence: "lambeth-202611-aaaaaaaaaaaaaaaaaaaa", Number: 2, At: time.Date(2026, 11, 22, 10, 15, 0, 123456789, time.UTC),
		Actor:     evidence.Actor{ID: "stage:retention", Name: `Zoë "Z" <O'Hara> & co`, Roles: []string{"officer", "supervisor"}, Unit: "lambeth", Clearance: "sc"},
		Operation: evidence.OpSchedule, Outcome: evidence.OutcomeDone, Reason: "line\nbreak\ttab \\ \x01\x1f \u2028 \u007f 🎥", Rule: "retention 744h0m0s",
		Recipient: "CPS", Correlation: "3f2c", Before: evidence.Received, After: evidence.Scheduled, Digest: strings.Repeat("ab", 32),
		Changes:  map[string]string{"sequence": "4611686018427387905", "due": "2026-12-23T10:15:00Z", "Z": "", "a": "1"},
		Previous: strings.Repeat("00ff", 16),
	}
}

// TestSealGolden has the canonical bytes written out by hand after RFC 8785: names sorted, no space, only what must be escaped.
func TestSealGolden(t *testing.T) {
	for name, c := range map[string]struct {
		entry     evidence.Entry
		canonical string
	}{
		"full": {full(), `{"actor":{"clearance":"sc","id":"stage:retention","name":"Zoë \"Z\" <O'Hara> & co","roles":["officer","supervisor"],"unit":"lambeth"},` +
			`"after":"scheduled","at":"2026-11-22T10:15:00.123456789Z","before":"received",` +
			`"changes":{"Z":"","a":"1","due":"2026-12-23T10:15:00Z","sequence":"4611686018427387905"},"correlation":"3f2c",` +
			`"digest":"` + strings.Repeat("ab", 32) + `","evidence":"lambeth-202611-aaaaaaaaaaaaaaaaaaaa","number":2,"operation":"alteration:schedule",` +
			`"outcome":"done","previous":"` + strings.Repeat("00ff", 16) + `","reason":"line\nbreak\ttab \\ \u0001\u001f ` + "\u2028 \u007f 🎥" + `",` +
			`"recipient":"CPS","rule":"retention 744h0m0s"}`},
		"least": {evidence.Entry{Evidence: "a", Number: 1, Operation: evidence.OpReceive, Outcome: evidence.OutcomeDenied},
			`{"actor":{"id":""},"at":"0001-01-01T00:00:00Z","evidence":"a","number":1,"operation":"collection:receive","outcome":"denied","previous":""}`},
	} {
		previous, err := hex.DecodeString(c.entry.Previous)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append(previous, c.canonical...))
		got, err := c.entry.Seal()
		if err != nil {
			t.Fatal(err)
		}
		if want := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: sealed %s, want %s", name, got, want)
		}
	}
	// a literal, so that code and test cannot drift together: an exported chain must verify for ever
	got, err := full().Seal()
	if err != nil || got != "9451ff0a51dff785b9c1ef049cb12a4420d9baa3c6f163bc09e0983eac28dba6" {
		t.Errorf("sealed %s, %v", got, err)
	}
}

func TestSealIgnoresItsHash(t *testing.T) {
	e := full()
	before, err := e.Seal()
	if err != nil {
		t.Fatal(err)
	}
	e.Hash = before
	if after, err := e.Seal(); err != nil || after != before {
		t.Fatal(after, err)
	}
}

func TestSealRefusesNonsense(t *testing.T) {
	e := full()
	e.Previous = "not hex"
	if _, err := e.Seal(); !errors.Is(err, evidence.Invalid) {
		t.Fatal(err)
	}
	e = full()
	e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // no RFC 3339 time
	if _, err := e.Seal(); err == nil {
		t.Fatal("sealed what JSON cannot say")
	}
}

// chain is a whole one, and its head.
func chain(t *testing.T, length int) ([]evidence.Entry, evidence.Head) {
	t.Helper()
	var entries []evidence.Entry
	var head evidence.Head
	for n := range length {
		e := full()
		e.Number, e.Previous = n+1, head.Hash
		hash, err := e.Seal()
		if err != nil {
			t.Fatal(err)
		}
		e.Hash = hash
		head = evidence.Head{Number: e.Number, Hash: hash}
		entries = append(entries, e)
	}
	return entries, head
}

func TestVerifyChain(t *testing.T) {
	for _, length := range []int{0, 1, 2, 150} {
		entries, head := chain(t, length)
		if err := evidence.VerifyChain(entries, head); err != nil {
			t.Fatalf("%d entries: %v", length, err)
		}
		raw, err := json.Marshal(entries)
		if err != nil {
			t.Fatal(err)
		}
		var again []evidence.Entry
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatal(err)
		}
		if err := evidence.VerifyChain(again, head); err != nil {
			t.Fatalf("%d entries, exported and read again: %v", length, err)
		}
	}
}

// TestAlteration alters every field of an entry in the middle, without sealing it again.
func TestAlteration(t *testing.T) {
	alterations := map[string]func(*evidence.Entry){
		"Evidence":    func(e *evidence.Entry) { e.Evidence += "a" },
		"Number":      func(e *evidence.Entry) { e.Number = 7 },
		"At":          func(e *evidence.Entry) { e.At = e.At.Add(1) },
		"Actor":       func(e *evidence.Entry) { e.Actor.Roles = []string{"officer"} },
		"Operation":   func(e *evidence.Entry) { e.Operation = evidence.OpView },
		"Outcome":     func(e *evidence.Entry) { e.Outcome = evidence.OutcomeDenied },
		"Reason":      func(e *evidence.Entry) { e.Reason = "" },
		"Rule":        func(e *evidence.Entry) { e.Rule = "retention 1h0m0s" },
		"Recipient":   func(e *evidence.Entry) { e.Recipient = "" },
		"Correlation": func(e *evidence.Entry) { e.Correlation += " " },
		"Before":      func(e *evidence.Entry) { e.Before = "" },
		"After":       func(e *evidence.Entry) { e.After = evidence.Flagged },
		"Digest":      func(e *evidence.Entry) { e.Digest = strings.ToUpper(e.Digest) },
		"Changes":     func(e *evidence.Entry) { e.Changes = map[string]string{"a": "1"} },
		"Previous":    func(e *evidence.Entry) { e.Previous = strings.Repeat("00", 32) },
		"Hash":        func(e *evidence.Entry) { e.Hash = strings.Repeat("00", 32) },
	}
	for field := range reflect.TypeFor[evidence.Entry]().Fields() {
		alter, ok := alterations[field.Name]
		if !ok {
			t.Errorf("nobody tests field %s", field.Name)
			continue
		}
		for n := range 3 {
			entries, head := chain(t, 3)
			alter(&entries[n])
			if err := evidence.VerifyChain(entries, head); !errors.Is(err, evidence.Invalid) {
				t.Errorf("entry %d with another %s: %v", n+1, field.Name, err)
			}
		}
	}
}

// TestForgedChains are sealed well and yet not the chain.
func TestForgedChains(t *testing.T) {
	entries, head := chain(t, 5)
	reseal := func(entries []evidence.Entry, from int) evidence.Head {
		previous := ""
		for i := range entries {
			if i >= from {
				entries[i].Previous = previous
				hash, err := entries[i].Seal()
				if err != nil {
					t.Fatal(err)
				}
				entries[i].Hash = hash
			}
			previous = entries[i].Hash
		}
		return evidence.Head{Number: len(entries), Hash: previous}
	}
	for name, forge := range map[string]func() ([]evidence.Entry, evidence.Head){
		"gap": func() ([]evidence.Entry, evidence.Head) { return slices.Delete(slices.Clone(entries), 2, 3), head },
		"gap, head moved": func() ([]evidence.Entry, evidence.Head) {
			f := slices.Delete(slices.Clone(entries), 2, 3)
			return f, evidence.Head{Number: 4, Hash: head.Hash}
		},
		"gap, sealed again": func() ([]evidence.Entry, evidence.Head) {
			f := slices.Delete(slices.Clone(entries), 2, 3)
			return f, reseal(f, 2)
		},
		"first one missing": func() ([]evidence.Entry, evidence.Head) { return entries[1:], head },
		"swap": func() ([]evidence.Entry, evidence.Head) {
			f := slices.Clone(entries)
			f[1], f[2] = f[2], f[1]
			return f, head
		},
		"twice": func() ([]evidence.Entry, evidence.Head) {
			return slices.Insert(slices.Clone(entries), 2, entries[2]), head
		},
		"truncated": func() ([]evidence.Entry, evidence.Head) { return entries[:4], head },
		"all gone":  func() ([]evidence.Entry, evidence.Head) { return nil, head },
		"longer than it says": func() ([]evidence.Entry, evidence.Head) {
			return entries, evidence.Head{Number: 4, Hash: entries[3].Hash}
		},
		"another head": func() ([]evidence.Entry, evidence.Head) {
			return entries, evidence.Head{Number: 5, Hash: entries[3].Hash}
		},
		"rewritten": func() ([]evidence.Entry, evidence.Head) {
			f := slices.Clone(entries)
			f[2].Reason = "nothing happened"
			reseal(f, 2)
			return f, head // the record still has the head of the true chain
		},
		"of another record": func() ([]evidence.Entry, evidence.Head) {
			f := slices.Clone(entries)
			f[2].Evidence = "camden-202611-aaaaaaaaaaaaaaaaaaaa"
			return f, reseal(f, 2)
		},
	} {
		f, h := forge()
		if err := evidence.VerifyChain(f, h); !errors.Is(err, evidence.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := evidence.VerifyChain(entries, head); err != nil {
		t.Errorf("the forgeries spoilt the chain itself: %v", err)
	}
}

// FuzzSeal seals whatever people type, and again after the entry was stored as JSON.
func FuzzSeal(f *testing.F) {
	f.Add("why", "who", "key", "value")
	f.Add("\xff\xfe", "\u2028<>&", "\x00", "\\\"")
	f.Fuzz(func(t *testing.T, reason, name, key, value string) {
		e := full()
		e.Reason, e.Actor.Name, e.Changes = reason, name, map[string]string{key: value}
		before, err := e.Seal()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var again evidence.Entry
		if err := json.Unmarshal(raw, &again); err != nil {
			t.Fatal(err)
		}
		if after, err := again.Seal(); err != nil || after != before {
			t.Fatalf("sealed %s, stored and sealed again %s (%v): %s", before, after, err, raw)
		}
	})
}

package evidencetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// noon is when everything in these suites happens, more or less.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }

func cause(reason string) evidence.Cause {
	return evidence.Cause{By: evidence.Stage("test"), At: noon().Add(123456789), Reason: reason, Correlation: "run-1"}
}

// upload makes an original of unit that was created then; n tells several of them apart.
func upload(unit string, n int, created time.Time) evidence.Original {
	return evidence.Original{
		Path: fmt.Sprintf("%s/P1/X1/2026/11/22/20261122T101500Z-%04d.mp4", unit, n),
		ETag: fmt.Sprintf("0x8DD%04X", n), Size: 1000 + int64(n), ContentType: "video/mp4", Created: created,
	}
}

// received makes the first record and entry of an upload, after alter.
func received(t *testing.T, o evidence.Original, alter ...func(*evidence.Original, *evidence.Name)) (evidence.Record, evidence.Entry) {
	t.Helper()
	name, err := evidence.ParseName(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range alter {
		f(&o, &name)
	}
	r, e, err := evidence.Receive(evidence.NewID(name.Unit, o.Created, o.Path, o.ETag), o, name, nil, cause("uploaded"))
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

// commit stores what a transition made.
func commit(t *testing.T, l evidence.Ledger, next evidence.Record, entry evidence.Entry, err error) evidence.Record {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r, err := l.Commit(t.Context(), next, entry)
	if err != nil {
		t.Fatalf("commit of entry %d: %v", entry.Number, err)
	}
	return r
}

// create stores the first record of an upload.
func create(t *testing.T, l evidence.Ledger, o evidence.Original, alter ...func(*evidence.Original, *evidence.Name)) evidence.Record {
	t.Helper()
	r, e := received(t, o, alter...)
	return commit(t, l, r, e, nil)
}

// is asks for one of kinds.
func is(t *testing.T, err error, kinds ...evidence.Kind) {
	t.Helper()
	var have evidence.Kind
	if !errors.As(err, &have) {
		t.Fatalf("got error %v, want one of kind %q", err, kinds)
	}
	for _, k := range kinds {
		if have == k {
			return
		}
	}
	t.Fatalf("got an error of kind %q (%v), want %q", have, err, kinds)
}

// same compares two values as JSON has them: that is all a store keeps.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := plain(t, got), plain(t, want); !reflect.DeepEqual(g, w) {
		t.Fatalf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func plain(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func get(t *testing.T, l evidence.Ledger, id evidence.ID) evidence.Record {
	t.Helper()
	r, err := l.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// intact reads a record's chain and verifies it up to its head.
func intact(t *testing.T, l evidence.Ledger, id evidence.ID, length int) []evidence.Entry {
	t.Helper()
	entries, err := l.Chain(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != length {
		t.Fatalf("%d custody entries, want %d", len(entries), length)
	}
	if err := evidence.VerifyChain(entries, get(t, l, id).Head); err != nil {
		t.Fatal(err)
	}
	return entries
}

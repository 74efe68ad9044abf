package evidence_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func TestNewID(t *testing.T) {
	const path = "lambeth/P123456/X81234567/2026/11/22/20261122T101500Z-0001.mp4"
	created := time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	want := evidence.NewID("lambeth", created, path, "0x8DD")
	if want != "lambeth-202611-kffnr5g5a2tngzugjewd" {
		t.Errorf("ID %s: the IDs of all that is stored have changed", want)
	}
	for _, same := range []evidence.ID{
		evidence.NewID("lambeth", created, path, `"0x8DD"`),
		evidence.NewID("lambeth", created, path, `W/"0x8DD"`),
		evidence.NewID("lambeth", created.In(time.FixedZone("east", 3600)), path, "0x8DD"), // already December there
		evidence.NewID("lambeth", created.Add(-time.Hour), path, "0x8DD"),
	} {
		if same != want {
			t.Errorf("%s, want %s", same, want)
		}
	}
	for _, other := range []evidence.ID{
		evidence.NewID("camden", created, path, "0x8DD"), evidence.NewID("lambeth", created.Add(time.Second), path, "0x8DD"),
		evidence.NewID("lambeth", created, path+"x", "0x8DD"), evidence.NewID("lambeth", created, path, "0x8DE"),
	} {
		if other == want {
			t.Errorf("another upload has the same ID %s", other)
		}
	}
	if parsed, err := evidence.ParseID(string(want)); err != nil || parsed != want {
		t.Errorf("%s: %v", want, err)
	}
}

func TestShard(t *testing.T) {
	for _, unit := range []string{"lambeth", "kensington-and-chelsea", "a", "unit-202611", "x-", strings.Repeat("u", 40)} {
		created := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
		id := evidence.NewID(unit, created, "p", "e")
		if got, want := id.Shard(), unit+"/2026-02"; got != want || evidence.ShardOf(unit, created) != want {
			t.Errorf("%s is in %q, want %q", id, got, want)
		}
		if _, err := evidence.ParseID(string(id)); err != nil {
			t.Error(err)
		}
	}
	for _, id := range []evidence.ID{"", "a", "-202611-aaaaaaaaaaaaaaaaaaaa", "202611-aaaaaaaaaaaaaaaaaaaa"} {
		if got := id.Shard(); got != "" {
			t.Errorf("%q is in %q", id, got)
		}
	}
}

func TestParseID(t *testing.T) {
	const hash = "abcdefghijklmnop2345"
	for _, good := range []string{"a-202611-" + hash, "unassigned-202611-" + hash, "k-and-c-2-202611-" + hash} {
		if _, err := evidence.ParseID(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{
		"", "-202611-" + hash, "A-202611-" + hash, "1-202611-" + hash, "a-20261-" + hash, "a-202611-" + hash[1:], "a-202611-" + hash + "a",
		"a-202611-" + strings.ToUpper(hash), "a-202611-" + hash[1:] + "1", "a-202611-" + hash + "\n", "\na-202611-" + hash, "a/../b-202611-" + hash,
		"a_b-202611-" + hash, "ä-202611-" + hash, strings.Repeat("a", 60) + "-202611-" + hash, "a-202611-" + hash + "/x", "a-202611-" + hash + "\x00",
	} {
		id, err := evidence.ParseID(bad)
		if !errors.Is(err, evidence.Invalid) || id != "" {
			t.Errorf("%q is %q, %v", bad, id, err)
		}
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("an error of %d characters", len(err.Error()))
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("lambeth-202611-abcdefghijklmnop2345")
	f.Add("a--202611-aaaaaaaaaaaaaaaaaaaa")
	f.Add("../../x")
	shape := regexp.MustCompile(`^[a-z][a-z0-9-]*-[0-9]{6}-[a-z2-7]{20}$`)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := evidence.ParseID(s)
		if (err == nil) != (len(s) <= 80 && shape.MatchString(s)) {
			t.Fatalf("%q: %v", s, err)
		}
		if err != nil {
			if !errors.Is(err, evidence.Invalid) || id != "" {
				t.Fatal(id, err)
			}
			return
		}
		if string(id) != s || strings.ContainsAny(s, "/\\.?#%:\n\x00 ") {
			t.Fatalf("%q is an ID", s)
		}
		unit, month, ok := strings.Cut(id.Shard(), "/")
		if !ok || !strings.HasPrefix(s, unit+"-"+strings.ReplaceAll(month, "-", "")+"-") {
			t.Fatalf("%q is in shard %q", s, id.Shard())
		}
	})
}

func TestPlainETag(t *testing.T) {
	for etag, want := range map[string]string{`"0x8DD"`: "0x8DD", "0x8DD": "0x8DD", `W/"0x8DD"`: "0x8DD", "": "", `""`: ""} {
		if got := evidence.PlainETag(etag); got != want {
			t.Errorf("%s is %q, want %q", etag, got, want)
		}
	}
}

func TestSameUpload(t *testing.T) {
	created := time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)
	a := evidence.Original{Path: "p", ETag: "0x1", Size: 5, ContentType: "video/mp4", Created: created}
	for name, c := range map[string]struct {
		change func(*evidence.Original)
		want   bool
	}{
		"itself":           {func(*evidence.Original) {}, true},
		"another ETag":     {func(o *evidence.Original) { o.ETag = "0x2" }, true},
		"other metadata":   {func(o *evidence.Original) { o.Claims.Incident, o.ContentType = "CAD", "video/quicktime" }, true},
		"another zone":     {func(o *evidence.Original) { o.Created = created.In(time.FixedZone("BST", 3600)) }, true},
		"within a second":  {func(o *evidence.Original) { o.Created = created.Add(999 * time.Millisecond) }, true},
		"a second later":   {func(o *evidence.Original) { o.Created = created.Add(time.Second) }, false},
		"a moment earlier": {func(o *evidence.Original) { o.Created = created.Add(-1) }, false},
		"another size":     {func(o *evidence.Original) { o.Size = 6 }, false},
		"another path":     {func(o *evidence.Original) { o.Path = "q" }, false},
	} {
		b := a
		c.change(&b)
		if a.SameUpload(b) != c.want || b.SameUpload(a) != c.want {
			t.Errorf("%s: not %t", name, c.want)
		}
	}
}

// TestKeyOrder holds the order of listings: newest upload first, then by ID downwards; any two different keys have one order.
func TestKeyOrder(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)
	want := []evidence.Key{
		{Created: at.Add(time.Second), ID: "a"}, {Created: at.Add(1), ID: "a"}, {Created: at, ID: "c"},
		{Created: at.In(time.FixedZone("BST", 3600)), ID: "b"}, {Created: at, ID: "a"}, {Created: at.Add(-1), ID: "z"},
	}
	for i, a := range want {
		for j, b := range want {
			if a.Before(b) != (i < j) {
				t.Errorf("%v before %v: %t", a, b, a.Before(b))
			}
		}
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, func(a, b evidence.Key) int {
		if a.Before(b) {
			return -1
		}
		return 1
	})
	if !slices.Equal(got, want) {
		t.Errorf("sorted %v", got)
	}
	r := evidence.Record{ID: "x", Original: evidence.Original{Created: at}}
	if r.Key() != (evidence.Key{Created: at, ID: "x"}) {
		t.Errorf("key %v", r.Key())
	}
}

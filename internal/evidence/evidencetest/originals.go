package evidencetest

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// Uploader stores an original as a dock would.
type Uploader func(path string, body []byte, claims evidence.Claims)

// Originals is the contract of evidence.Originals. open returns an empty container, and what fills it.
func Originals(t *testing.T, open func(t *testing.T) (evidence.Originals, Uploader)) {
	for name, test := range map[string]func(*testing.T, evidence.Originals, Uploader){
		"stat":                    stat,
		"nothing to stat":         nothingToStat,
		"claims":                  claims,
		"open anywhere":           openAnywhere,
		"open far into a big one": openBig,
		"open a part":             openPart,
		"open outside":            openOutside,
		"open what has changed":   openChanged,
		"delete":                  deletes,
		"delete a stale one":      deleteStale,
		"list":                    list,
		"list many":               listMany,
		"list of nothing":         listNothing,
		"odd names":               oddNames,
	} {
		t.Run(name, func(t *testing.T) {
			store, upload := open(t)
			test(t, store, upload)
		})
	}
}

const path = "lambeth/P1/X1/2026/11/22/20261122T101500Z-0001.mp4"

func statOf(t *testing.T, store evidence.Originals, path string) evidence.Original {
	t.Helper()
	o, err := store.Stat(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func readAll(t *testing.T, body io.ReadCloser, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := body.Close(); err != nil {
		t.Fatal(err)
	}
	return content
}

// noise is n bytes that are the same in every run, and different for every seed.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

func stat(t *testing.T, store evidence.Originals, upload Uploader) {
	before := time.Now()
	upload(path, []byte("footage"), evidence.Claims{})
	o := statOf(t, store, path)
	if o.Path != path || o.Size != 7 || o.ContentType == "" {
		t.Fatalf("%+v", o)
	}
	if o.ETag == "" || strings.ContainsAny(o.ETag, `"`) {
		t.Fatalf("ETag %q", o.ETag)
	}
	if o.Created.Location() != time.UTC || o.Created.Before(before.Add(-time.Minute)) || o.Created.After(time.Now().Add(time.Minute)) {
		t.Fatalf("created %s, uploaded at %s", o.Created, before)
	}
	if o.Claims != (evidence.Claims{}) {
		t.Fatalf("claims %+v of an upload without any", o.Claims)
	}
	same(t, "the second look", statOf(t, store, path), o)
	again := statOf(t, store, path)
	if !again.SameUpload(o) {
		t.Fatal("the same upload is not the same")
	}
}

func nothingToStat(t *testing.T, store evidence.Originals, upload Uploader) {
	upload(path, nil, evidence.Claims{})
	for _, missing := range []string{"lambeth", path + "x", strings.TrimSuffix(path, "4")} {
		_, err := store.Stat(t.Context(), missing)
		is(t, err, evidence.NotFound)
	}
}

func claims(t *testing.T, store evidence.Originals, upload Uploader) {
	want := evidence.Claims{
		Digest: strings.Repeat("0a", 32), Recorded: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC), Incident: "CAD-2211", Category: "stop-and-search",
	}
	upload(path, []byte("x"), want)
	if got := statOf(t, store, path).Claims; got != want {
		t.Fatalf("claims %+v, want %+v", got, want)
	}
	upload(path+"2", []byte("x"), evidence.Claims{Incident: "CAD-1"})
	if got := statOf(t, store, path+"2").Claims; got != (evidence.Claims{Incident: "CAD-1"}) {
		t.Fatalf("claims %+v", got)
	}
}

// opened reads length bytes from offset and fails when there are more or fewer.
func opened(t *testing.T, store evidence.Originals, o evidence.Original, offset, length int64) []byte {
	t.Helper()
	reader, err := store.Open(t.Context(), o, offset, length)
	got := readAll(t, reader, err)
	if int64(len(got)) != length {
		t.Fatalf("%d bytes at %d of %s, asked for %d", len(got), offset, o.Path, length)
	}
	return got
}

func openAnywhere(t *testing.T, store evidence.Originals, upload Uploader) {
	body := noise(1000, 1)
	upload(path, body, evidence.Claims{})
	o := statOf(t, store, path)
	for _, offset := range []int64{0, 1, 500, 999, 1000} {
		if got := opened(t, store, o, offset, 1000-offset); !bytes.Equal(got, body[offset:]) {
			t.Fatalf("from %d to the end: not the right %d bytes", offset, 1000-offset)
		}
	}
	upload(path+".empty", nil, evidence.Claims{})
	opened(t, store, statOf(t, store, path+".empty"), 0, 0)
}

// openPart reads exactly what was asked for, which may be nothing.
func openPart(t *testing.T, store evidence.Originals, upload Uploader) {
	body := noise(1000, 3)
	upload(path, body, evidence.Claims{})
	o := statOf(t, store, path)
	for _, part := range [][2]int64{{0, 1}, {0, 1000}, {0, 999}, {1, 1}, {1, 998}, {500, 250}, {998, 1}, {999, 1}, {0, 0}, {500, 0}, {1000, 0}} {
		if got := opened(t, store, o, part[0], part[1]); !bytes.Equal(got, body[part[0]:part[0]+part[1]]) {
			t.Fatalf("%d bytes at %d: not the right ones", part[1], part[0])
		}
	}
}

func openBig(t *testing.T, store evidence.Originals, upload Uploader) {
	body := noise(9<<20+17, 2)
	size := int64(len(body))
	upload(path, body, evidence.Claims{})
	o := statOf(t, store, path)
	for _, part := range [][2]int64{{5<<20 + 3, size - 5<<20 - 3}, {3<<20 + 1, 4<<20 + 5}, {size - 10, 10}} {
		if got := opened(t, store, o, part[0], part[1]); !bytes.Equal(got, body[part[0]:part[0]+part[1]]) {
			t.Fatalf("%d bytes at %d: not the right ones", part[1], part[0])
		}
	}
	reader, err := store.Open(t.Context(), o, 0, size) // whoever has seen enough closes early
	if err != nil {
		t.Fatal(err)
	}
	start := make([]byte, 100)
	if _, err := io.ReadFull(reader, start); err != nil || !bytes.Equal(start, body[:100]) {
		t.Fatal("the start is wrong", err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
}

func openOutside(t *testing.T, store evidence.Originals, upload Uploader) {
	upload(path, []byte("footage"), evidence.Claims{})
	o := statOf(t, store, path)
	for _, part := range [][2]int64{{-1, 1}, {-1, 0}, {0, -1}, {0, 8}, {7, 1}, {8, 0}, {8, 1}, {6, 2}, {1 << 40, 1}, {1, math.MaxInt64}, {math.MaxInt64, math.MaxInt64}} {
		_, err := store.Open(t.Context(), o, part[0], part[1])
		is(t, err, evidence.Invalid)
	}
}

func openChanged(t *testing.T, store evidence.Originals, upload Uploader) {
	upload(path, []byte("footage"), evidence.Claims{})
	o := statOf(t, store, path)
	other := o
	other.ETag = "0x1"
	_, err := store.Open(t.Context(), other, 0, 7)
	is(t, err, evidence.Conflict)
	_, err = store.Open(t.Context(), other, 3, 2)
	is(t, err, evidence.Conflict)
	other = o
	other.Path += "x"
	_, err = store.Open(t.Context(), other, 0, 7)
	is(t, err, evidence.NotFound)
}

func deletes(t *testing.T, store evidence.Originals, upload Uploader) {
	upload(path, []byte("footage"), evidence.Claims{})
	upload(path+"2", []byte("other"), evidence.Claims{})
	o := statOf(t, store, path)
	if err := store.Delete(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, err := store.Stat(t.Context(), path)
	is(t, err, evidence.NotFound)
	_, err = store.Open(t.Context(), o, 0, 7)
	is(t, err, evidence.NotFound)
	is(t, store.Delete(t.Context(), o), evidence.NotFound)
	statOf(t, store, path+"2")
	upload(path, []byte("another upload"), evidence.Claims{})
	again := statOf(t, store, path)
	if again.ETag == o.ETag || again.SameUpload(o) {
		t.Fatalf("another upload is the same as the deleted one: %+v", again)
	}
	is(t, store.Delete(t.Context(), o), evidence.Conflict)
	statOf(t, store, path)
}

func deleteStale(t *testing.T, store evidence.Originals, upload Uploader) {
	upload(path, []byte("footage"), evidence.Claims{})
	o := statOf(t, store, path)
	for _, etag := range []string{"0x1", "", "*"} {
		stale := o
		stale.ETag = etag
		is(t, store.Delete(t.Context(), stale), evidence.Conflict)
	}
	same(t, "the original", statOf(t, store, path), o)
}

func listed(t *testing.T, store evidence.Originals) []evidence.Original {
	t.Helper()
	var all []evidence.Original
	for o, err := range store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func list(t *testing.T, store evidence.Originals, upload Uploader) {
	paths := []string{"camden/P2/X2/b.mp4", "camden/P2/X2/a.mp4", "zz", "Camden", path, "camden-x/a", "camden/P2"}
	for n, p := range paths {
		upload(p, noise(n, 1), evidence.Claims{Incident: "I-" + p[:2], Recorded: time.Date(2026, 11, 22, 10, 0, n, 0, time.UTC)})
	}
	slices.Sort(paths)
	all := listed(t, store)
	if len(all) != len(paths) {
		t.Fatalf("%d listed, want %d", len(all), len(paths))
	}
	for n, o := range all {
		if o.Path != paths[n] {
			t.Fatalf("place %d is %s, want %s", n, o.Path, paths[n])
		}
		same(t, "listed", o, statOf(t, store, o.Path))
	}
	seen := 0
	for range store.List(t.Context()) {
		if seen++; seen == 2 {
			break
		}
	}
	if seen != 2 {
		t.Fatalf("stopped after 2, got %d", seen)
	}
}

func listMany(t *testing.T, store evidence.Originals, upload Uploader) {
	const many = 60
	for n := range many {
		upload(strings.Replace(path, "0001", string(rune('a'+n/26))+string(rune('a'+n%26)), 1), []byte("x"), evidence.Claims{})
	}
	all := listed(t, store)
	if len(all) != many || !slices.IsSortedFunc(all, func(a, b evidence.Original) int { return strings.Compare(a.Path, b.Path) }) {
		t.Fatalf("%d listed in order, want %d", len(all), many)
	}
}

func listNothing(t *testing.T, store evidence.Originals, _ Uploader) {
	if all := listed(t, store); len(all) != 0 {
		t.Fatalf("%d originals in an empty container", len(all))
	}
}

// oddNames are of recordings that nobody named well: they are never dropped.
func oddNames(t *testing.T, store evidence.Originals, upload Uploader) {
	for _, odd := range []string{"holiday video (1).mp4", "a/b%20c/d+e&f=g;h.mp4", "wie/schön/é.mp4", "what?/#1.mp4", "no extension", "x/quote'\".mp4"} {
		upload(odd, []byte(odd), evidence.Claims{Incident: "CAD 1"})
		o := statOf(t, store, odd)
		if o.Path != odd {
			t.Fatalf("path %q, want %q", o.Path, odd)
		}
		if got := opened(t, store, o, 1, o.Size-1); string(got) != odd[1:] {
			t.Fatalf("%q holds %q", odd, got)
		}
		if all := listed(t, store); len(all) != 1 || all[0].Path != odd {
			t.Fatalf("listed %+v, want %q", all, odd)
		}
		if err := store.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

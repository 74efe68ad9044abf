package evidence_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

const goodName = "lambeth/P123456/X81234567/2026/11/22/20261122T101500Z-0001.mp4"

func TestParseName(t *testing.T) {
	got, err := evidence.ParseName(goodName)
	want := evidence.Name{Unit: "lambeth", Officer: "P123456", Camera: "X81234567", Start: time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)}
	if err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, good := range []string{
		"k-and-c2/a_b-C/X/2026/02/28/20260228T235959Z-x.mov", "a/1/2/2024/02/29/20240229T000000Z-.mp4", "a/1/2/2026/11/22/20261122T101500Z-",
		strings.Repeat("u", 40) + "/" + strings.Repeat("o", 40) + "/c/2026/11/22/20261122T101500Z-with-dashes.and.dots",
	} {
		if name, err := evidence.ParseName(good); err != nil || name.Unit != good[:strings.IndexByte(good, '/')] {
			t.Errorf("%q: %+v, %v", good, name, err)
		}
	}
}

// TestNamesNotUnderstood are never dropped: unit unassigned, and words that say why without the name in them.
func TestNamesNotUnderstood(t *testing.T) {
	for _, bad := range []string{
		"", "/", "holiday.mp4", "//////", goodName + "/x", "/" + goodName, strings.Replace(goodName, "lambeth", "Lambeth", 1),
		strings.Replace(goodName, "lambeth", "", 1), strings.Replace(goodName, "lambeth", "..", 1), strings.Replace(goodName, "lambeth", "1a", 1),
		strings.Replace(goodName, "lambeth", "la mbeth", 1), strings.Replace(goodName, "lambeth", "lambeth\n", 1),
		strings.Replace(goodName, "lambeth", strings.Repeat("u", 41), 1), strings.Replace(goodName, "P123456", "", 1), strings.Replace(goodName, "P123456", "P.1", 1),
		strings.Replace(goodName, "X81234567", "é", 1), strings.Replace(goodName, "X81234567", strings.Repeat("x", 41), 1),
		strings.Replace(goodName, "/22/", "/23/", 1), strings.Replace(goodName, "/11/", "/1/", 1), strings.Replace(goodName, "T101500Z", "T251500Z", 1),
		strings.Replace(goodName, "T101500Z", "T101500", 1), strings.Replace(goodName, "20261122T", "2026112T", 1), "a/b/c/2026/02/30/20260230T000000Z-x.mp4", "a/1/2/2026/11/22/20261122T101500Z.mp4",
	} {
		name, err := evidence.ParseName(bad)
		if !errors.Is(err, evidence.Invalid) || name != (evidence.Name{Unit: evidence.Unassigned}) {
			t.Errorf("%q: %+v, %v", bad, name, err)
		}
		if err != nil && len(bad) > 20 && strings.Contains(err.Error(), bad) {
			t.Errorf("the words repeat the name: %v", err)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add(goodName)
	f.Add("a/1/2/2024/02/29/20240229T000000Z")
	f.Add("../../../../../../etc")
	f.Fuzz(func(t *testing.T, path string) {
		name, err := evidence.ParseName(path)
		if err != nil {
			if !errors.Is(err, evidence.Invalid) || name != (evidence.Name{Unit: evidence.Unassigned}) {
				t.Fatalf("%+v, %v", name, err)
			}
		} else if want := name.Unit + "/" + name.Officer + "/" + name.Camera + "/" + name.Start.Format("2006/01/02") + "/"; !strings.HasPrefix(path, want) {
			t.Fatalf("%q says %+v", path, name)
		}
		// whatever it is called, its record has an ID, which leads back to its shard
		created := time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)
		id := evidence.NewID(name.Unit, created, path, "0x1")
		if _, err := evidence.ParseID(string(id)); err != nil {
			t.Fatal(err)
		}
		if id.Shard() != evidence.ShardOf(name.Unit, created) {
			t.Fatalf("%s is in %q", id, id.Shard())
		}
	})
}

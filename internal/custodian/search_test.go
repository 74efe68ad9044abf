package custodian

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// shelf is a catalogue whose records are kept in order. Its shards are listed in any order, as a store may.
type shelf struct {
	shards map[string][]evidence.Record
	broken string
}

func (s shelf) Shards(context.Context) ([]string, error) {
	var list []string
	for name := range s.shards {
		list = append(list, name)
	}
	return list, nil
}

func (s shelf) Find(_ context.Context, shard string, q evidence.Query) ([]evidence.Record, error) {
	if shard == s.broken {
		return nil, evidence.Unavailable
	}
	var found []evidence.Record
	for _, r := range s.shards[shard] {
		if (q.After == evidence.Key{} || q.After.Before(r.Key())) && len(found) < q.Limit {
			found = append(found, r)
		}
	}
	return found, nil
}

func compare(a, b evidence.Record) int {
	if a.Key().Before(b.Key()) {
		return -1
	}
	return 1
}

// stocked has n records of few units and few instants, so that most have others of their time, in their shard and in others.
func stocked(n int, seed uint64) (shelf, []evidence.ID) {
	random := rand.New(rand.NewPCG(seed, 1))
	s := shelf{shards: map[string][]evidence.Record{}}
	var all []evidence.Record
	for i := range n {
		unit := []string{"a", "b", "c"}[random.IntN(3)]
		created := time.Date(2026, time.Month(1+random.IntN(3)), 1+random.IntN(2), 0, 0, 0, 0, time.UTC)
		r := evidence.Record{ID: evidence.NewID(unit, created, fmt.Sprint(i), "e"), Unit: unit, Original: evidence.Original{Created: created}}
		r.Shard = r.ID.Shard()
		s.shards[r.Shard] = append(s.shards[r.Shard], r)
		all = append(all, r)
	}
	for _, list := range s.shards {
		slices.SortFunc(list, compare)
	}
	slices.SortFunc(all, compare)
	ids := make([]evidence.ID, n)
	for i, r := range all {
		ids[i] = r.ID
	}
	return s, ids
}

// Page after page gives every record once, in order, at any page size: also those of one instant that a page's end cuts apart.
func TestSearchMerges(t *testing.T) {
	for seed := range uint64(20) {
		s, want := stocked(60, seed)
		k := &Custodian{Catalogue: s}
		for _, limit := range []int{1, 2, 3, 7, 30, 59, 60, 61, 200} {
			var got []evidence.ID
			for q := (Search{Query: evidence.Query{Limit: limit}}); len(got) <= len(want); {
				page, err := k.Search(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					got = append(got, r.ID)
				}
				if q.Next = page.Next; q.Next == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Fatalf("seed %d, limit %d:\n got %v\nwant %v", seed, limit, got, want)
			}
		}
	}
}

// A shard that does not answer fails the search: half an answer would look like all of it.
func TestSearchIsWholeOrFails(t *testing.T) {
	s, _ := stocked(60, 1)
	s.broken = "b/2026-02"
	page, err := (&Custodian{Catalogue: s}).Search(t.Context(), Search{Query: evidence.Query{Limit: 10}})
	if !errors.Is(err, evidence.Unavailable) || !strings.Contains(err.Error(), s.broken) || len(page.Records) > 0 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
	if _, err := (&Custodian{Catalogue: s}).Search(t.Context(), Search{Unit: "a", Query: evidence.Query{Limit: 10}}); err != nil {
		t.Errorf("unit a is whole: %v", err)
	}
}

func TestCovers(t *testing.T) {
	day := func(month time.Month, d int) time.Time { return time.Date(2026, month, d, 12, 0, 0, 0, time.UTC) }
	from := func(at time.Time) Search { return Search{Query: evidence.Query{From: at}} }
	after := func(at time.Time) Search {
		return Search{Query: evidence.Query{After: evidence.Key{Created: at, ID: "x"}}}
	}
	for name, c := range map[string]struct {
		search Search
		shard  string
		want   bool
	}{
		"everything":               {Search{}, "lambeth/2026-11", true},
		"its unit":                 {Search{Unit: "lambeth"}, "lambeth/2026-11", true},
		"another unit":             {Search{Unit: "camden"}, "lambeth/2026-11", false},
		"a unit that begins alike": {Search{Unit: "lambeth"}, "lambeth-north/2026-11", false},
		"a unit that ends alike":   {Search{Unit: "north"}, "lambeth-north/2026-11", false},
		"not a shard":              {Search{}, "2026-11", false},
		"nothing":                  {Search{}, "", false},

		"from the month":              {from(day(11, 15)), "lambeth/2026-11", true},
		"from before the month":       {from(day(10, 15)), "lambeth/2026-11", true},
		"from after the month":        {from(day(12, 15)), "lambeth/2026-11", false},
		"from just after the month":   {from(day(12, 1)), "lambeth/2026-11", true}, // a camera may be ahead of the upload by a day
		"from 49 hours after":         {from(day(12, 3).Add(-11 * time.Hour)), "lambeth/2026-11", false},
		"from in another zone":        {from(time.Date(2026, 12, 3, 0, 30, 0, 0, time.FixedZone("", 3600))), "lambeth/2026-11", true},
		"uploaded a year later":       {from(day(1, 1)), "lambeth/2027-01", true},
		"a page that ended before":    {after(day(10, 15)), "lambeth/2026-11", false},
		"a page that ended in it":     {after(day(11, 1)), "lambeth/2026-11", true},
		"a page that ended after":     {after(day(12, 1)), "lambeth/2026-11", true},
		"a page that ended in a zone": {after(time.Date(2026, 11, 1, 0, 30, 0, 0, time.FixedZone("", 3600))), "lambeth/2026-11", false},
	} {
		if got := c.search.covers(c.shard); got != c.want {
			t.Errorf("%s: covers(%q) is %v", name, c.shard, got)
		}
	}
}

func TestKey(t *testing.T) {
	k := evidence.Key{Created: time.Date(2026, 11, 22, 10, 15, 0, 123456700, time.UTC), ID: "lambeth-202611-aaaaaaaaaaaaaaaaaaaa"}
	text := formatKey(k)
	if strings.ContainsAny(text, "+/=&?# ") {
		t.Errorf("%q does not go into a URL as it is", text)
	}
	got, err := parseKey(text)
	if err != nil || got.ID != k.ID || !got.Created.Equal(k.Created) {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "====", "e30", "bnVsbA", "W10", text[:len(text)-4], formatKey(evidence.Key{ID: "x"}), formatKey(evidence.Key{Created: k.Created})} {
		if _, err := parseKey(bad); !errors.Is(err, evidence.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

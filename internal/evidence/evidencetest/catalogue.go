package evidencetest

import (
	"slices"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// find returns the IDs that a query selects.
func find(t *testing.T, c evidence.Catalogue, shard string, q evidence.Query) []evidence.ID {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 200
	}
	records, err := c.Find(t.Context(), shard, q)
	if err != nil {
		t.Fatal(err)
	}
	var ids []evidence.ID
	for _, r := range records {
		if r.Version == "" {
			t.Fatalf("%s was found without a version", r.ID)
		}
		ids = append(ids, r.ID)
	}
	return ids
}

func finds(t *testing.T, c evidence.Catalogue, shard string, q evidence.Query, want ...evidence.Record) {
	t.Helper()
	var ids []evidence.ID
	for _, r := range want {
		ids = append(ids, r.ID)
	}
	if got := find(t, c, shard, q); !slices.Equal(got, ids) {
		t.Fatalf("query %+v\n found %v\nwanted %v", q, got, ids)
	}
}

func shards(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	list := func() []string {
		t.Helper()
		names, err := c.Shards(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		return names
	}
	if names := list(); len(names) != 0 {
		t.Fatalf("an empty store has shards %v", names)
	}
	var want []string
	for n := range 12 {
		month := noon().AddDate(0, n, 0)
		for _, unit := range []string{"lambeth", "kensington-and-chelsea"} {
			create(t, l, upload(unit, n, month))
			create(t, l, upload(unit, 100+n, month))
			want = append(want, evidence.ShardOf(unit, month))
		}
	}
	slices.Sort(want)
	if names := list(); !slices.Equal(names, want) {
		t.Fatalf("shards %v, want %v", names, want)
	}
}

func filters(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	nth := func(n int) evidence.Original { return upload("lambeth", n, noon().Add(-time.Duration(n)*time.Second)) }
	plain := create(t, l, nth(0))
	officer := create(t, l, nth(1), func(_ *evidence.Original, n *evidence.Name) { n.Officer = "P' OR 1=1" })
	camera := create(t, l, nth(2), func(_ *evidence.Original, n *evidence.Name) { n.Camera = "X9" })
	incident := create(t, l, nth(3), func(o *evidence.Original, _ *evidence.Name) { o.Claims.Incident = `CAD "1" é` })
	category := create(t, l, nth(4), func(o *evidence.Original, _ *evidence.Name) { o.Claims.Category = "arrest" })
	next, e, err := create(t, l, nth(5)).Flag(evidence.Flag{ID: "f"}, cause("flag"))
	flagged := commit(t, l, next, e, err)
	next, e, err = create(t, l, nth(6)).Attend(evidence.Attention{Stage: "proxy", Problem: evidence.ProblemProxy}, cause("see"))
	attention := commit(t, l, next, e, err)
	next, e, err = create(t, l, nth(7)).Schedule(noon(), noon(), 42, cause("due"))
	scheduled := commit(t, l, next, e, err)
	next, e, err = scheduled.Consult(evidence.OpView, nil, cause("look"))
	scheduled = commit(t, l, next, e, err)
	all := []evidence.Record{plain, officer, camera, incident, category, flagged, attention, scheduled}

	yes, no := true, false
	shard := plain.Shard
	finds(t, c, shard, evidence.Query{}, all...)
	finds(t, c, shard, evidence.Query{Path: camera.Original.Path}, camera)
	finds(t, c, shard, evidence.Query{Path: "lambeth"})
	finds(t, c, shard, evidence.Query{Officer: officer.Officer}, officer)
	finds(t, c, shard, evidence.Query{Camera: "X9"}, camera)
	finds(t, c, shard, evidence.Query{Camera: "x9"})
	finds(t, c, shard, evidence.Query{Incident: incident.Incident}, incident)
	finds(t, c, shard, evidence.Query{Category: "arrest"}, category)
	finds(t, c, shard, evidence.Query{State: evidence.Flagged}, flagged)
	finds(t, c, shard, evidence.Query{State: evidence.Scheduled}, scheduled)
	finds(t, c, shard, evidence.Query{State: evidence.Received}, append(all[:5:5], attention)...)
	finds(t, c, shard, evidence.Query{Attention: true}, attention)
	finds(t, c, shard, evidence.Query{Sequence: &yes}, scheduled)
	finds(t, c, shard, evidence.Query{Sequence: &no}, all[:7]...)
	finds(t, c, shard, evidence.Query{State: evidence.Scheduled, Sequence: &no})
	finds(t, c, shard, evidence.Query{Category: "arrest", Camera: "X9"})
	finds(t, c, shard, evidence.Query{Category: "arrest", Camera: "X1", Officer: "P1", After: incident.Key()}, category)
}

// unended finds a record until each stage of its processing has ended, and no longer; one that is gone has none left.
func unended(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	r := create(t, l, upload("lambeth", 1, noon()))
	other := create(t, l, upload("lambeth", 2, noon().Add(-time.Second)))
	shard := r.Shard
	step := func(next evidence.Record, e evidence.Entry, err error) {
		t.Helper()
		finds(t, c, shard, evidence.Query{Unended: true}, r, other)
		r = commit(t, l, next, e, err)
	}
	step(r.Describe(evidence.Media{State: evidence.MediaReady}, noon(), nil, cause("metadata")))
	step(r.Render(evidence.Proxy{State: evidence.ProxyGrowing}, nil, cause("proxy")))
	step(r.Fix(evidence.Digest{At: noon()}, nil, cause("digest")))
	step(r.Render(evidence.Proxy{State: evidence.ProxyReady}, nil, cause("proxy")))
	finds(t, c, shard, evidence.Query{Unended: true}, other)
	finds(t, c, shard, evidence.Query{}, r, other)
	next, e, err := r.Render(evidence.Proxy{}, nil, cause("proxy"))
	r = commit(t, l, next, e, err)
	finds(t, c, shard, evidence.Query{Unended: true, State: evidence.Received, Limit: 1}, r)
	finds(t, c, shard, evidence.Query{Unended: true, After: r.Key()}, other)
	next, e, err = r.Render(evidence.Proxy{State: evidence.ProxyFailed}, nil, cause("proxy"))
	commit(t, l, next, e, err)
	finds(t, c, shard, evidence.Query{Unended: true}, other)
	next, e, err = other.Schedule(noon(), noon(), 42, cause("due"))
	other = commit(t, l, next, e, err)
	finds(t, c, shard, evidence.Query{Unended: true}, other)
	next, e, err = other.Expiring(evidence.Tombstone{}, cause("gone"))
	commit(t, l, next, e, err)
	finds(t, c, shard, evidence.Query{Unended: true})
}

// filtersByTime has times with and without fractions, whose texts do not sort as the times do.
func filtersByTime(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	steps := []time.Duration{0, time.Nanosecond, 1500 * time.Microsecond, 500 * time.Millisecond, 999999999, time.Second, time.Hour}
	var records []evidence.Record // by time, rising
	for n, step := range steps {
		r := create(t, l, upload("lambeth", n, noon().Add(-time.Duration(n)*time.Minute)))
		next, e, err := r.Describe(evidence.Media{}, noon().Add(step), nil, cause("started"))
		r = commit(t, l, next, e, err)
		next, e, err = r.Schedule(noon(), noon().Add(step), int64(n+1), cause("fires"))
		records = append(records, commit(t, l, next, e, err))
	}
	shard := records[0].Shard
	for n, step := range steps {
		at := noon().Add(step)
		finds(t, c, shard, evidence.Query{From: at}, records[n:]...)
		finds(t, c, shard, evidence.Query{To: at}, records[:n]...)
		finds(t, c, shard, evidence.Query{FiresUntil: at}, records[:n]...)
		finds(t, c, shard, evidence.Query{From: at.In(time.FixedZone("BST", 3600)), To: at.Add(1)}, records[n])
	}
	next, e, err := records[0].Flag(evidence.Flag{ID: "f"}, cause("flag"))
	commit(t, l, next, e, err)
	finds(t, c, shard, evidence.Query{FiresUntil: noon().Add(time.Minute)}, records[1:6]...)
}

// newestFirst has creation times whose texts do not sort as the times do.
func newestFirst(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	steps := []time.Duration{0, time.Nanosecond, 100 * time.Millisecond, 120 * time.Millisecond, time.Second, 1500 * time.Millisecond, time.Minute}
	var want []evidence.Record
	for _, n := range []int{3, 0, 6, 1, 5, 2, 4} {
		want = append(want, create(t, l, upload("lambeth", n, noon().Add(steps[n]))))
	}
	slices.SortFunc(want, func(a, b evidence.Record) int { return b.Original.Created.Compare(a.Original.Created) })
	finds(t, c, want[0].Shard, evidence.Query{}, want...)
	for n := range want {
		finds(t, c, want[0].Shard, evidence.Query{After: want[n].Key()}, want[n+1:]...)
	}
}

func pages(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	var want []evidence.Record
	for n := range 23 {
		want = append(want, create(t, l, upload("lambeth", n, noon().Add(time.Duration(n/8)*time.Second))))
	}
	slices.SortFunc(want, func(a, b evidence.Record) int {
		if a.Key().Before(b.Key()) {
			return -1
		}
		return 1
	})
	for _, size := range []int{1, 5, 7, 23, 24} {
		var q evidence.Query
		var got []evidence.ID
		for q.Limit = size; ; {
			page, err := c.Find(t.Context(), want[0].Shard, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > size {
				t.Fatalf("a page of %d, asked for %d", len(page), size)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
			q.After = page[len(page)-1].Key()
			if len(got) > len(want) {
				t.Fatal("the pages never end")
			}
		}
		if len(got) != len(want) {
			t.Fatalf("pages of %d: %d records, want %d", size, len(got), len(want))
		}
		for n := range want {
			if got[n] != want[n].ID {
				t.Fatalf("pages of %d: place %d is %s, want %s", size, n, got[n], want[n].ID)
			}
		}
	}
}

func limit(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	for n := range 3 {
		create(t, l, upload("lambeth", n, noon()))
	}
	shard := evidence.ShardOf("lambeth", noon())
	for _, wrong := range []int{-1, 0, 201} {
		_, err := c.Find(t.Context(), shard, evidence.Query{Limit: wrong})
		is(t, err, evidence.Invalid)
	}
	for n := 1; n < 5; n++ {
		if got := find(t, c, shard, evidence.Query{Limit: n}); len(got) != min(n, 3) {
			t.Fatalf("limit %d found %d", n, len(got))
		}
	}
}

func oneShardOnly(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	a := create(t, l, upload("lambeth", 1, noon()))
	b := create(t, l, upload("camden", 1, noon()))
	later := create(t, l, upload("lambeth", 2, noon().AddDate(0, 1, 0)))
	for _, r := range []evidence.Record{a, b, later} {
		finds(t, c, r.Shard, evidence.Query{}, r)
	}
	finds(t, c, "lambeth/1999-01", evidence.Query{})
}

// foundAsStored updates what Find returned: it must be as good as what Get returns.
func foundAsStored(t *testing.T, l evidence.Ledger, c evidence.Catalogue) {
	create(t, l, upload("lambeth", 1, noon()))
	records, err := c.Find(t.Context(), evidence.ShardOf("lambeth", noon()), evidence.Query{Limit: 1})
	if err != nil || len(records) != 1 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	same(t, "the record", records[0], get(t, l, records[0].ID))
	next, e, err := records[0].Consult(evidence.OpView, nil, cause("look"))
	commit(t, l, next, e, err)
	intact(t, l, records[0].ID, 2)
}

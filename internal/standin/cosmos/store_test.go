package cosmos_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// A page stays where it is while documents come and go around it.
func TestPagingIsStable(t *testing.T) {
	c := start(t).container("evidence")
	put := func(id string, n int) {
		create(t, c, doc{"id": id, "shard": "s", "type": "e", "n": n, "recorded": fmt.Sprint(n)})
	}
	for i := range 20 {
		put(fmt.Sprintf("m%02d", i), 100+i)
	}
	for text, wanted := range map[string]string{
		"SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, 'm')":                                     "streamed by id",
		"SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, 'm') ORDER BY c.recorded DESC, c.id DESC": "streamed by an index",
		"SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, 'm') ORDER BY c.n":                        "sorted",
		"SELECT TOP 18 VALUE c.id FROM c WHERE STARTSWITH(c.id, 'm') ORDER BY c.n DESC":            "sorted, limited",
		"SELECT VALUE c.id FROM c WHERE STARTSWITH(c.id, 'm') ORDER BY c.n OFFSET 2 LIMIT 18":      "sorted, offset",
		"SELECT VALUE c.id FROM c WHERE c.type = 'e' AND STARTSWITH(c.id, 'm') ORDER BY c.n DESC":  "streamed within an equality",
	} {
		t.Run(wanted, func(t *testing.T) {
			whole := ids(t, c, "s", text, nil)
			pager := c.NewQueryItemsPager(text, pk("s"), &azcosmos.QueryOptions{PageSizeHint: 3})
			var got []string
			for n := 0; pager.More(); n++ {
				page, err := pager.NextPage(t.Context())
				check(t, err)
				for _, it := range page.Items {
					got = append(got, strings.Trim(string(it), `"`))
				}
				for side, at := range map[string]int{"early": 0, "late": 1000} {
					d := doc{"id": fmt.Sprintf("%s-%s-%d", side, wanted, n), "shard": "s", "type": "e", "n": at, "recorded": fmt.Sprint(at)}
					_, err := c.UpsertItem(t.Context(), pk("s"), raw(d), nil)
					check(t, err)
				}
			}
			same(t, got, whole)
		})
	}
}

// With a small scan budget pages come back short, and empty with a token.
func TestEmptyPages(t *testing.T) {
	r := start(t, func(o *cosmos.Options) { o.PageScan = 4 })
	c := r.container("evidence")
	var wanted []string
	for i := range 30 {
		d := doc{"id": fmt.Sprintf("%02d", i), "shard": "s", "hit": i%15 == 14, "recorded": i}
		if i%15 == 14 {
			wanted = append(wanted, d["id"].(string))
		}
		create(t, c, d)
	}
	for _, order := range []string{"", " ORDER BY c.recorded, c.id"} {
		empty, got := 0, []string{}
		pager := c.NewQueryItemsPager("SELECT VALUE c.id FROM c WHERE c.hit"+order, pk("s"), nil)
		for pager.More() {
			page, err := pager.NextPage(t.Context())
			check(t, err)
			if len(page.Items) == 0 && page.ContinuationToken != nil {
				empty++
			}
			for _, it := range page.Items {
				got = append(got, strings.Trim(string(it), `"`))
			}
		}
		if same(t, got, wanted); empty < 3 {
			t.Errorf("%d empty pages with a token", empty)
		}
	}
}

func TestContinuationTokens(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	for i := range 5 {
		create(t, c, doc{"id": fmt.Sprint(i), "shard": "s", "n": i})
		create(t, c, doc{"id": fmt.Sprint(i), "shard": "t", "n": i})
	}
	const text = "SELECT VALUE c.id FROM c WHERE c.n < @max ORDER BY c.n"
	max := []azcosmos.QueryParameter{{Name: "@max", Value: 10}}
	page, err := c.NewQueryItemsPager(text, pk("s"), &azcosmos.QueryOptions{PageSizeHint: 2, QueryParameters: max}).NextPage(t.Context())
	check(t, err)
	token := *page.ContinuationToken
	try := func(text, key, token string) ([]string, error) {
		items, _, err := all(t, c, pk(key), text, &azcosmos.QueryOptions{ContinuationToken: &token, QueryParameters: max})
		return items, err
	}
	rest, err := try(text, "s", token)
	check(t, err)
	same(t, rest, []string{`"2"`, `"3"`, `"4"`})
	flipped := []byte(token)
	flipped[len(flipped)/2] ^= 1
	for name, bad := range map[string][3]string{
		"altered":       {text, "s", string(flipped)},
		"cut":           {text, "s", token[:len(token)-4]},
		"longer":        {text, "s", token + "AAAA"},
		"rubbish":       {text, "s", "{}"},
		"other key":     {text, "t", token},
		"other query":   {text + " DESC", "s", token},
		"of the client": {text, "s", `[{"compositeToken":{"token":null}}]`},
	} {
		if _, err := try(bad[0], bad[1], bad[2]); status(t, err) != 400 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int32{-2, -100} {
		_, _, err := all(t, c, pk("s"), text, &azcosmos.QueryOptions{PageSizeHint: size, QueryParameters: max})
		want(t, err, 400)
	}
	items, pages, err := all(t, c, pk("s"), "SELECT * FROM c", &azcosmos.QueryOptions{PageSizeHint: -1})
	check(t, err)
	if len(items) != 5 || pages != 1 {
		t.Fatalf("%d items in %d pages", len(items), pages)
	}
}

// A page never exceeds 4 MB, whatever its item count.
func TestLargePages(t *testing.T) {
	c := start(t).container("evidence")
	for i := range 12 {
		create(t, c, doc{"id": fmt.Sprint(i), "shard": "s", "n": i, "x": strings.Repeat("x", 900<<10)})
	}
	for _, text := range []string{"SELECT * FROM c", "SELECT * FROM c ORDER BY c.n"} {
		items, pages, err := all(t, c, pk("s"), text, nil)
		check(t, err)
		if len(items) != 12 || pages < 3 {
			t.Fatalf("%d items in %d pages", len(items), pages)
		}
	}
}

func TestFaults(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	create(t, c, doc{"id": "1", "shard": "s"})
	read := func() error {
		_, err := c.ReadItem(t.Context(), pk("s"), "1", nil)
		return err
	}
	r.srv.FailNext(2, http.StatusTooManyRequests) // the client retries these by itself
	check(t, read())
	r.srv.FailNext(100, http.StatusTooManyRequests)
	want(t, read(), 429)
	r.srv.FailNext(1, 449)
	want(t, read(), 449)
	check(t, read())
	r.srv.FailNext(100, http.StatusServiceUnavailable)
	_, err := c.CreateItem(t.Context(), pk("s"), raw(doc{"id": "2", "shard": "s"}), nil)
	want(t, err, 503)
	r.srv.FailNext(0, 0)
	_, err = c.ReadItem(t.Context(), pk("s"), "2", nil)
	want(t, err, 404) // the refused write left nothing
	r.srv.FailNext(1, http.StatusTooManyRequests)
	res, _ := r.signed("GET", "/dbs/bwv/colls/evidence/docs/1", "docs", "dbs/bwv/colls/evidence/docs/1", time.Now(), map[string]string{"x-ms-documentdb-partitionkey": `["s"]`}, "")
	if res.StatusCode != 429 || res.Header.Get("x-ms-retry-after-ms") == "" || res.Header.Get("x-ms-substatus") != "3200" {
		t.Fatalf("%d %v", res.StatusCode, res.Header)
	}
}

func TestTimeToLive(t *testing.T) {
	var offset atomic.Int64
	r := start(t, func(o *cosmos.Options) {
		o.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	})
	brief, short, never := r.container("brief"), r.container("short"), r.container("evidence")
	create(t, brief, doc{"id": "stays", "shard": "s"})
	create(t, brief, doc{"id": "goes", "shard": "s", "ttl": 100})
	create(t, short, doc{"id": "goes", "shard": "s"})
	create(t, short, doc{"id": "longer", "shard": "s", "ttl": 3600})
	create(t, short, doc{"id": "stays", "shard": "s", "ttl": -1})
	create(t, never, doc{"id": "stays", "shard": "s", "ttl": 1})
	_, err := brief.CreateItem(t.Context(), pk("s"), raw(doc{"id": "x", "shard": "s", "ttl": 0}), nil)
	want(t, err, 400)
	const every = "SELECT VALUE c.id FROM c"
	same(t, ids(t, short, "s", every, nil), []string{"goes", "longer", "stays"})
	offset.Store(int64(2 * time.Minute))
	same(t, ids(t, brief, "s", every, nil), []string{"stays"})
	same(t, ids(t, short, "s", every, nil), []string{"longer", "stays"})
	same(t, ids(t, never, "s", every, nil), []string{"stays"})
	_, err = short.ReadItem(t.Context(), pk("s"), "goes", nil)
	want(t, err, 404)
	_, err = short.DeleteItem(t.Context(), pk("s"), "goes", nil)
	want(t, err, 404)
	create(t, short, doc{"id": "goes", "shard": "s"}) // not a conflict
	offset.Store(int64(24 * time.Hour))
	same(t, ids(t, short, "s", every, nil), []string{"stays"})
}

func TestPersistence(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	etag := create(t, c, doc{"id": "1", "shard": "s", "recorded": 1}).ETag
	create(t, c, doc{"id": "2", "shard": "s", "recorded": 2})
	const text = "SELECT VALUE c.id FROM c ORDER BY c.recorded DESC, c.id DESC"
	page, err := c.NewQueryItemsPager(text, pk("s"), &azcosmos.QueryOptions{PageSizeHint: 1}).NextPage(t.Context())
	check(t, err)
	check(t, r.srv.Close())
	check(t, r.srv.Close())
	_, err = c.ReadItem(t.Context(), pk("s"), "1", nil)
	want(t, err, 503)

	srv, err := cosmos.Open(r.opts)
	check(t, err)
	defer srv.Close()
	ts := httptest.NewServer(srv)
	defer ts.Close()
	cl, _ := client(t, ts.URL, testKey)
	c, err = cl.NewContainer("bwv", "evidence")
	check(t, err)
	got, err := c.ReadItem(t.Context(), pk("s"), "1", nil)
	check(t, err)
	if got.ETag != etag {
		t.Fatalf("etag %s, was %s", got.ETag, etag)
	}
	same(t, ids(t, c, "s", text, &azcosmos.QueryOptions{ContinuationToken: page.ContinuationToken}), []string{"1"})
	next, err := c.ReplaceItem(t.Context(), pk("s"), "1", raw(doc{"id": "1", "shard": "s"}), &azcosmos.ItemOptions{IfMatchEtag: &etag})
	check(t, err)
	if next.ETag == etag {
		t.Fatal("the etag did not move")
	}
	check(t, srv.Declare(strings.NewReader(declared)))
}

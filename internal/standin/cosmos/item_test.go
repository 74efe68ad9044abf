package cosmos_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func jsonReader(s string) io.Reader { return strings.NewReader(s) }

func TestItemLife(t *testing.T) {
	c := start(t).container("evidence")
	d := doc{"id": "a b+c%41é", "shard": "u/2026-11", "n": 1, "nested": doc{"x": []int{1, 2}}, "_etag": "mine", "_custom": true}
	res := create(t, c, d)
	if res.RawResponse.StatusCode != 201 || res.ETag == "" || res.RequestCharge <= 0 || res.ActivityID == "" || res.SessionToken == nil || len(res.Value) != 0 {
		t.Fatalf("create: %+v", res)
	}
	_, err := c.CreateItem(t.Context(), pk("u/2026-11"), raw(d), nil)
	want(t, err, http.StatusConflict)

	got, err := c.ReadItem(t.Context(), pk("u/2026-11"), "a b+c%41é", nil)
	check(t, err)
	body := decode(t, got.Value)
	for _, p := range []string{"_rid", "_self", "_etag", "_ts", "_attachments"} {
		if body[p] == nil {
			t.Errorf("%s is missing in %s", p, got.Value)
		}
	}
	if body["_etag"] != string(got.ETag) || got.ETag != res.ETag || body["_custom"] != true || body["n"] != 1.0 {
		t.Fatalf("read: etag %s, body %s", got.ETag, got.Value)
	}
	_, err = c.ReadItem(t.Context(), pk("other"), "a b+c%41é", nil)
	want(t, err, http.StatusNotFound)

	d["n"] = 2
	rep, err := c.ReplaceItem(t.Context(), pk("u/2026-11"), "a b+c%41é", raw(d), &azcosmos.ItemOptions{EnableContentResponseOnWrite: true})
	check(t, err)
	if now := decode(t, rep.Value); now["n"] != 2.0 || now["_rid"] != body["_rid"] || rep.ETag == res.ETag {
		t.Fatalf("replace: %s", rep.Value)
	}
	_, err = c.DeleteItem(t.Context(), pk("u/2026-11"), "a b+c%41é", nil)
	check(t, err)
	_, err = c.DeleteItem(t.Context(), pk("u/2026-11"), "a b+c%41é", nil)
	want(t, err, http.StatusNotFound)
	_, err = c.ReplaceItem(t.Context(), pk("u/2026-11"), "a b+c%41é", raw(d), nil)
	want(t, err, http.StatusNotFound)
}

func TestUpsert(t *testing.T) {
	c := start(t).container("evidence")
	d := doc{"id": "1", "shard": "s"}
	up := func(o *azcosmos.ItemOptions) (azcosmos.ItemResponse, error) {
		return c.UpsertItem(t.Context(), pk("s"), raw(d), o)
	}
	first, err := up(nil)
	check(t, err)
	second, err := up(&azcosmos.ItemOptions{IfMatchEtag: &first.ETag})
	check(t, err)
	if first.RawResponse.StatusCode != 201 || second.RawResponse.StatusCode != 200 {
		t.Fatalf("%d then %d", first.RawResponse.StatusCode, second.RawResponse.StatusCode)
	}
	_, err = up(&azcosmos.ItemOptions{IfMatchEtag: &first.ETag})
	want(t, err, http.StatusPreconditionFailed)
	d["id"] = "2" // as in Azure, If-Match does not stop an upsert from creating
	created, err := up(&azcosmos.ItemOptions{IfMatchEtag: &first.ETag})
	check(t, err)
	if created.RawResponse.StatusCode != 201 {
		t.Fatalf("status %d", created.RawResponse.StatusCode)
	}
}

func TestIfMatch(t *testing.T) {
	c := start(t).container("evidence")
	old := create(t, c, doc{"id": "1", "shard": "s"}).ETag
	_, err := c.ReplaceItem(t.Context(), pk("s"), "1", raw(doc{"id": "1", "shard": "s", "v": 2}), &azcosmos.ItemOptions{IfMatchEtag: &old})
	check(t, err)
	stale := &azcosmos.ItemOptions{IfMatchEtag: &old}
	_, err = c.ReplaceItem(t.Context(), pk("s"), "1", raw(doc{"id": "1", "shard": "s", "v": 3}), stale)
	want(t, err, http.StatusPreconditionFailed)
	_, err = c.DeleteItem(t.Context(), pk("s"), "1", stale)
	want(t, err, http.StatusPreconditionFailed)
	var ops azcosmos.PatchOperations
	ops.AppendSet("/v", 4)
	_, err = c.PatchItem(t.Context(), pk("s"), "1", ops, stale)
	want(t, err, http.StatusPreconditionFailed)
	got, err := c.ReadItem(t.Context(), pk("s"), "1", nil)
	check(t, err)
	if decode(t, got.Value)["v"] != 2.0 {
		t.Fatalf("%s", got.Value)
	}
	any := azcore.ETagAny
	_, err = c.DeleteItem(t.Context(), pk("s"), "1", &azcosmos.ItemOptions{IfMatchEtag: &any})
	check(t, err)
}

func TestRefusedItems(t *testing.T) {
	c := start(t).container("evidence")
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for name, test := range map[string]struct {
		key  string
		body string
		code int
	}{
		"no id":           {"s", `{"shard":"s"}`, 400},
		"empty id":        {"s", `{"id":"","shard":"s"}`, 400},
		"number id":       {"s", `{"id":1,"shard":"s"}`, 400},
		"slash":           {"s", `{"id":"a/b","shard":"s"}`, 400},
		"backslash":       {"s", `{"id":"a\\b","shard":"s"}`, 400},
		"question mark":   {"s", `{"id":"a?b","shard":"s"}`, 400},
		"hash":            {"s", `{"id":"a#b","shard":"s"}`, 400},
		"long id":         {"s", `{"id":"` + strings.Repeat("x", 1024) + `","shard":"s"}`, 400},
		"longest id":      {"s", `{"id":"` + strings.Repeat("x", 1023) + `","shard":"s"}`, 0},
		"other key":       {"t", `{"id":"a","shard":"s"}`, 400},
		"missing key":     {"s", `{"id":"a"}`, 400},
		"number key":      {"1", `{"id":"a","shard":1}`, 400},
		"object key":      {"s", `{"id":"a","shard":{}}`, 400},
		"not an object":   {"s", `[1]`, 400},
		"not json":        {"s", `{"id":`, 400},
		"twice a name":    {"s", `{"id":"a","shard":"s","x":1,"x":2}`, 400},
		"not utf-8":       {"s", "{\"id\":\"a\",\"shard\":\"s\",\"x\":\"\xff\"}", 400},
		"too deep":        {"s", `{"id":"a","shard":"s","x":` + deep + `}`, 400},
		"over 2 MB":       {"s", `{"id":"a","shard":"s","x":"` + strings.Repeat("x", 2<<20) + `"}`, 413},
		"2 MB and system": {"s", `{"id":"a","shard":"s","x":"` + strings.Repeat("x", 2<<20-40) + `"}`, 413},
		"just under 2 MB": {"s", `{"id":"big","shard":"s","x":"` + strings.Repeat("x", 2<<20-400) + `"}`, 0},
		"long key":        {strings.Repeat("k", 2049), `{"id":"a","shard":"` + strings.Repeat("k", 2049) + `"}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.CreateItem(t.Context(), pk(test.key), []byte(test.body), nil)
			want(t, err, test.code)
		})
	}
	_, err := c.CreateItem(t.Context(), azcosmos.NewPartitionKey(), []byte(`{"id":"a","shard":"s"}`), nil)
	want(t, err, 400)
	_, err = c.CreateItem(t.Context(), pk("s"), []byte(`{"id":"a","shard":"s"}`), &azcosmos.ItemOptions{PreTriggers: []string{"x"}})
	want(t, err, 400)
	_, err = c.ReadItem(t.Context(), pk("s"), strings.Repeat("x", 2000), nil)
	want(t, err, 400)
	create(t, c, doc{"id": "a", "shard": "s"})
	_, err = c.ReplaceItem(t.Context(), pk("s"), "a", raw(doc{"id": "b", "shard": "s"}), nil)
	want(t, err, 400)
	_, err = c.ReplaceItem(t.Context(), pk("s"), "a", raw(doc{"id": "a", "shard": "t"}), nil)
	want(t, err, 400)
}

func TestErrorShape(t *testing.T) {
	c := start(t).container("evidence")
	_, err := c.ReadItem(t.Context(), pk("s"), "nobody", nil)
	want(t, err, 404)
	for _, part := range []string{`"code": "NotFound"`, "Resource Not Found", "ActivityId"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %v", part, err)
		}
	}
}

func TestNumbersAreDoubles(t *testing.T) {
	c := start(t).container("evidence")
	_, err := c.CreateItem(t.Context(), pk("s"), []byte(`{"id":"n","shard":"s","big":9007199254740993,"int":1764000000123,"f":0.1,"e":1E3,"neg":-5}`), nil)
	check(t, err)
	got, err := c.ReadItem(t.Context(), pk("s"), "n", nil)
	check(t, err)
	if !bytes.Contains(got.Value, []byte(`"big":9007199254740992,"int":1764000000123,"f":0.1,"e":1000,"neg":-5`)) {
		t.Fatalf("%s", got.Value)
	}
}

func TestPartitionsAreApart(t *testing.T) {
	c := start(t).container("evidence")
	for _, shard := range []string{"a", "b", "ab", ""} {
		create(t, c, doc{"id": "same", "shard": shard, "of": shard})
	}
	for _, shard := range []string{"a", "b", ""} {
		got, err := c.ReadItem(t.Context(), pk(shard), "same", nil)
		check(t, err)
		if decode(t, got.Value)["of"] != shard {
			t.Fatalf("%q: %s", shard, got.Value)
		}
	}
	_, err := c.DeleteItem(t.Context(), pk("a"), "same", nil)
	check(t, err)
	_, err = c.ReadItem(t.Context(), pk("b"), "same", nil)
	check(t, err)
}

func TestPartitionKeyKinds(t *testing.T) {
	r := start(t)
	c := r.container("evidence")
	for name, test := range map[string]struct {
		key  azcosmos.PartitionKey
		body string
	}{
		"number":  {azcosmos.NewPartitionKeyNumber(3.5), `{"id":"x","shard":3.5}`},
		"boolean": {azcosmos.NewPartitionKeyBool(true), `{"id":"x","shard":true}`},
		"null":    {azcosmos.NullPartitionKey, `{"id":"x","shard":null}`},
		"accents": {pk("é\u2028<>"), `{"id":"x","shard":"é\u2028<>"}`},
	} {
		_, err := c.CreateItem(t.Context(), test.key, []byte(test.body), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err = c.ReadItem(t.Context(), test.key, "x", nil)
		check(t, err)
	}
	// The client writes such keys in Go's escapes, which are not JSON.
	for _, key := range []string{"a\x00b", "\U0001f600"} {
		_, err := c.CreateItem(t.Context(), pk(key), raw(doc{"id": "y", "shard": key}), nil)
		want(t, err, 400)
	}
	deep := r.container("deep")
	full := pk("north").AppendString("leeds")
	_, err := deep.CreateItem(t.Context(), full, raw(doc{"id": "1", "region": "north", "unit": "leeds"}), nil)
	check(t, err)
	_, err = deep.ReadItem(t.Context(), full, "1", nil)
	check(t, err)
	_, err = deep.CreateItem(t.Context(), pk("north"), raw(doc{"id": "2", "region": "north", "unit": "leeds"}), nil)
	want(t, err, 400)
}

func TestUniqueKeys(t *testing.T) {
	c := start(t).container("unique")
	create(t, c, doc{"id": "1", "shard": "s", "plate": "AB", "force": "met"})
	_, err := c.CreateItem(t.Context(), pk("s"), raw(doc{"id": "2", "shard": "s", "plate": "AB", "force": "met"}), nil)
	want(t, err, 409)
	create(t, c, doc{"id": "2", "shard": "s", "plate": "AB", "force": "gmp"})
	create(t, c, doc{"id": "2", "shard": "t", "plate": "AB", "force": "met"})
	_, err = c.ReplaceItem(t.Context(), pk("s"), "2", raw(doc{"id": "2", "shard": "s", "plate": "AB", "force": "met"}), nil)
	want(t, err, 409)
	kept, err := c.ReadItem(t.Context(), pk("s"), "2", nil) // the refused write took nothing away
	check(t, err)
	if decode(t, kept.Value)["force"] != "gmp" {
		t.Fatalf("%s", kept.Value)
	}
	_, err = c.CreateItem(t.Context(), pk("s"), raw(doc{"id": "4", "shard": "s", "plate": "AB", "force": "gmp"}), nil)
	want(t, err, 409)
	long := strings.Repeat("x", 5000) // compared whole
	create(t, c, doc{"id": "5", "shard": "s", "plate": long + "1"})
	create(t, c, doc{"id": "6", "shard": "s", "plate": long + "2"})
	_, err = c.ReplaceItem(t.Context(), pk("s"), "1", raw(doc{"id": "1", "shard": "s", "plate": "AB", "force": "met", "v": 2}), nil)
	check(t, err)
	_, err = c.DeleteItem(t.Context(), pk("s"), "1", nil)
	check(t, err)
	create(t, c, doc{"id": "3", "shard": "s", "plate": "AB", "force": "met"})
}

// Of many writers with the same ETag exactly one wins, in every round.
func TestConcurrentIfMatch(t *testing.T) {
	c := start(t).container("evidence")
	etag := create(t, c, doc{"id": "1", "shard": "s", "round": 0}).ETag
	for round := 1; round <= 10; round++ {
		var wins, losses atomic.Int32
		var next atomic.Value
		var wg sync.WaitGroup
		for w := range 50 {
			wg.Go(func() {
				res, err := c.ReplaceItem(t.Context(), pk("s"), "1", raw(doc{"id": "1", "shard": "s", "round": round, "writer": w}), &azcosmos.ItemOptions{IfMatchEtag: &etag})
				switch code := status(t, err); code {
				case 0:
					wins.Add(1)
					next.Store(fmt.Sprintf("%d %s", w, res.ETag))
				case http.StatusPreconditionFailed:
					losses.Add(1)
				default:
					t.Errorf("status %d", code)
				}
			})
		}
		wg.Wait()
		if wins.Load() != 1 || losses.Load() != 49 {
			t.Fatalf("round %d: %d won, %d lost", round, wins.Load(), losses.Load())
		}
		got, err := c.ReadItem(t.Context(), pk("s"), "1", nil)
		check(t, err)
		if have := fmt.Sprintf("%.0f %s", decode(t, got.Value)["writer"], got.ETag); have != next.Load() {
			t.Fatalf("round %d: stored %s, winner %s", round, have, next.Load())
		}
		etag = got.ETag
	}
}

package cosmos_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func run(t testing.TB, c *azcosmos.ContainerClient, b azcosmos.TransactionalBatch, o *azcosmos.TransactionalBatchOptions) azcosmos.TransactionalBatchResponse {
	t.Helper()
	res, err := c.ExecuteTransactionalBatch(t.Context(), b, o)
	check(t, err)
	return res
}

func codes(res azcosmos.TransactionalBatchResponse) []int32 {
	var out []int32
	for _, r := range res.OperationResults {
		out = append(out, r.StatusCode)
	}
	return out
}

func TestBatch(t *testing.T) {
	c := start(t).container("evidence")
	etag := create(t, c, doc{"id": "old", "shard": "s", "v": 1}).ETag
	create(t, c, doc{"id": "gone", "shard": "s"})

	b := c.NewTransactionalBatch(pk("s"))
	b.CreateItem(raw(doc{"id": "new", "shard": "s"}), nil)
	b.ReplaceItem("old", raw(doc{"id": "old", "shard": "s", "v": 2}), &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &etag})
	b.UpsertItem(raw(doc{"id": "up", "shard": "s"}), nil)
	b.UpsertItem(raw(doc{"id": "up", "shard": "s", "again": true}), nil)
	b.DeleteItem("gone", nil)
	var p azcosmos.PatchOperations
	p.AppendIncrement("/v", 5)
	b.PatchItem("old", p, nil)
	b.ReadItem("old", nil)
	res := run(t, c, b, nil)
	if !res.Success || !slices.Equal(codes(res), []int32{201, 200, 201, 200, 204, 200, 200}) {
		t.Fatalf("%v %v", res.Success, codes(res))
	}
	last := res.OperationResults[6] // a read brings bodies, and sees what came before it
	if d := decode(t, last.ResourceBody); d["v"] != 7.0 || d["_etag"] != string(last.ETag) {
		t.Fatalf("%s", last.ResourceBody)
	}
	if res.RequestCharge <= 0 || last.RequestCharge <= 0 || res.SessionToken == "" {
		t.Fatalf("charges %v %v, session %q", res.RequestCharge, last.RequestCharge, res.SessionToken)
	}

	b = c.NewTransactionalBatch(pk("s"))
	b.UpsertItem(raw(doc{"id": "up", "shard": "s"}), nil)
	if r := run(t, c, b, nil).OperationResults[0]; r.ResourceBody != nil || r.ETag == "" {
		t.Fatalf("a minimal answer with %s and etag %q", r.ResourceBody, r.ETag)
	}
	if r := run(t, c, b, &azcosmos.TransactionalBatchOptions{EnableContentResponseOnWrite: true}).OperationResults[0]; decode(t, r.ResourceBody)["id"] != "up" {
		t.Fatalf("%s", r.ResourceBody)
	}
}

// Whatever fails, nothing of the batch is kept: items, index entries and ETags.
func TestBatchRollsBack(t *testing.T) {
	c := start(t).container("evidence")
	stale := create(t, c, doc{"id": "r", "shard": "s", "v": 0}).ETag
	_, err := c.ReplaceItem(t.Context(), pk("s"), "r", raw(doc{"id": "r", "shard": "s", "v": 1}), nil)
	check(t, err)
	match := &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &stale}
	var cond azcosmos.PatchOperations
	cond.AppendSet("/v", 9)
	cond.SetCondition("from c where c.v = 5")
	var bad azcosmos.PatchOperations
	bad.AppendReplace("/nothing", 9)
	for name, test := range map[string]struct {
		fail func(*azcosmos.TransactionalBatch)
		code int32
	}{
		"conflict":      {func(b *azcosmos.TransactionalBatch) { b.CreateItem(raw(doc{"id": "r", "shard": "s"}), nil) }, 409},
		"stale replace": {func(b *azcosmos.TransactionalBatch) { b.ReplaceItem("r", raw(doc{"id": "r", "shard": "s"}), match) }, 412},
		"stale upsert":  {func(b *azcosmos.TransactionalBatch) { b.UpsertItem(raw(doc{"id": "r", "shard": "s"}), match) }, 412},
		"stale delete":  {func(b *azcosmos.TransactionalBatch) { b.DeleteItem("r", match) }, 412},
		"condition":     {func(b *azcosmos.TransactionalBatch) { b.PatchItem("r", cond, nil) }, 412},
		"patch":         {func(b *azcosmos.TransactionalBatch) { b.PatchItem("r", bad, nil) }, 400},
		"absent":        {func(b *azcosmos.TransactionalBatch) { b.ReadItem("nobody", nil) }, 404},
		"other key":     {func(b *azcosmos.TransactionalBatch) { b.CreateItem(raw(doc{"id": "q", "shard": "t"}), nil) }, 400},
		"no id":         {func(b *azcosmos.TransactionalBatch) { b.CreateItem([]byte(`{"shard":"s"}`), nil) }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			before := ids(t, c, "s", "SELECT VALUE c._etag FROM c ORDER BY c.recorded DESC, c.id DESC", nil)
			b := c.NewTransactionalBatch(pk("s"))
			b.CreateItem(raw(doc{"id": "first", "shard": "s", "recorded": 1}), nil)
			b.ReplaceItem("r", raw(doc{"id": "r", "shard": "s", "v": 2}), nil)
			test.fail(&b)
			b.CreateItem(raw(doc{"id": "last", "shard": "s"}), nil)
			if name == "stale replace" || name == "stale upsert" || name == "stale delete" {
				b.DeleteItem("first", nil)
			}
			res := run(t, c, b, nil)
			wanted := []int32{424, 424, test.code, 424}
			if got := codes(res); res.Success || res.RawResponse.StatusCode != http.StatusMultiStatus || !slices.Equal(got[:4], wanted) {
				t.Fatalf("%d %v, want %v", res.RawResponse.StatusCode, got, wanted)
			}
			same(t, ids(t, c, "s", "SELECT VALUE c._etag FROM c ORDER BY c.recorded DESC, c.id DESC", nil), before)
			_, err := c.ReadItem(t.Context(), pk("s"), "first", nil)
			want(t, err, 404)
			got, err := c.ReadItem(t.Context(), pk("s"), "r", nil)
			check(t, err)
			if decode(t, got.Value)["v"] != 1.0 {
				t.Fatalf("%s", got.Value)
			}
		})
	}
}

func TestBatchLimits(t *testing.T) {
	c := start(t).container("evidence")
	fill := func(n int, text string) azcosmos.TransactionalBatch {
		b := c.NewTransactionalBatch(pk("s"))
		for i := range n {
			b.UpsertItem(raw(doc{"id": fmt.Sprint(i), "shard": "s", "x": text}), nil)
		}
		return b
	}
	if res := run(t, c, fill(100, ""), nil); !res.Success || len(res.OperationResults) != 100 {
		t.Fatalf("%v", codes(res))
	}
	_, err := c.ExecuteTransactionalBatch(t.Context(), fill(101, ""), nil)
	want(t, err, 400)
	_, err = c.ExecuteTransactionalBatch(t.Context(), fill(3, strings.Repeat("x", 700<<10)), nil)
	want(t, err, 413)
}

func TestPatch(t *testing.T) {
	c := start(t).container("evidence")
	base := doc{"id": "1", "shard": "s", "n": 1, "list": []any{"a", "b"}, "o": doc{"k": "v"}, "t": "x"}
	patch := func(build func(p *azcosmos.PatchOperations)) (doc, error) {
		_, err := c.UpsertItem(t.Context(), pk("s"), raw(base), nil)
		check(t, err)
		var p azcosmos.PatchOperations
		build(&p)
		res, err := c.PatchItem(t.Context(), pk("s"), "1", p, &azcosmos.ItemOptions{EnableContentResponseOnWrite: true})
		if err != nil {
			return nil, err
		}
		return decode(t, res.Value), nil
	}
	got, err := patch(func(p *azcosmos.PatchOperations) {
		p.SetCondition("from e where e.t = 'x' and e.n >= 1")
		p.AppendSet("/o/new", doc{"deep": 1})
		p.AppendSet("/o/new/deep", 2)
		p.AppendAdd("/list/0", "z")
		p.AppendAdd("/list/-", "end")
		p.AppendReplace("/list/1", "A")
		p.AppendRemove("/t")
		p.AppendIncrement("/n", 4)
		p.AppendIncrement("/fresh", -2)
	})
	check(t, err)
	if got["n"] != 5.0 || got["fresh"] != -2.0 || got["t"] != nil || fmt.Sprint(got["list"]) != "[z A b end]" || fmt.Sprint(got["o"]) != "map[k:v new:map[deep:2]]" {
		t.Fatalf("%v", got)
	}
	for name, test := range map[string]struct {
		build func(p *azcosmos.PatchOperations)
		code  int
	}{
		"condition false":     {func(p *azcosmos.PatchOperations) { p.SetCondition("from c where c.n = 2"); p.AppendSet("/n", 3) }, 412},
		"condition undefined": {func(p *azcosmos.PatchOperations) { p.SetCondition("from c where c.no = 2"); p.AppendSet("/n", 3) }, 412},
		"condition invalid":   {func(p *azcosmos.PatchOperations) { p.SetCondition("where c.n = 2"); p.AppendSet("/n", 3) }, 400},
		"replace absent":      {func(p *azcosmos.PatchOperations) { p.AppendReplace("/no", 1) }, 400},
		"remove absent":       {func(p *azcosmos.PatchOperations) { p.AppendRemove("/no") }, 400},
		"no parent":           {func(p *azcosmos.PatchOperations) { p.AppendSet("/no/x", 1) }, 400},
		"index too far":       {func(p *azcosmos.PatchOperations) { p.AppendAdd("/list/3", 1) }, 400},
		"not a number":        {func(p *azcosmos.PatchOperations) { p.AppendIncrement("/t", 1) }, 400},
		"id":                  {func(p *azcosmos.PatchOperations) { p.AppendSet("/id", "2") }, 400},
		"partition key":       {func(p *azcosmos.PatchOperations) { p.AppendSet("/shard", "t") }, 400},
		"system property":     {func(p *azcosmos.PatchOperations) { p.AppendSet("/_etag", "t") }, 400},
		"no value":            {func(p *azcosmos.PatchOperations) { p.AppendSet("/n", nil) }, 400},
		"none":                {func(p *azcosmos.PatchOperations) {}, 400},
		"eleven": {func(p *azcosmos.PatchOperations) {
			for range 11 {
				p.AppendIncrement("/n", 1)
			}
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := patch(test.build)
			want(t, err, test.code)
			left, err := c.ReadItem(t.Context(), pk("s"), "1", nil)
			check(t, err)
			if d := decode(t, left.Value); d["n"] != 1.0 || fmt.Sprint(d["list"]) != "[a b]" {
				t.Fatalf("%s", left.Value)
			}
		})
	}
	var p azcosmos.PatchOperations
	p.AppendSet("/n", 1)
	_, err = c.PatchItem(t.Context(), pk("s"), "nobody", p, nil)
	want(t, err, 404)
}

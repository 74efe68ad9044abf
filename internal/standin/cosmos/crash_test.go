package cosmos_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// crashRounds is how often the server is killed: CRASH_ROUNDS, or a few.
func crashRounds() int {
	if n, err := strconv.Atoi(os.Getenv("CRASH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 5
}

var errBatch = errors.New("a batch failed")

// committer commits batches as the pipeline does: the record moves on under If-Match, and entries for that round are
// created, one to seven.
type committer struct {
	key   string
	etag  azcore.ETag
	round int // the last acknowledged batch
	asked int // the last batch sent
	acked map[string]int
}

func (w *committer) step(t *testing.T, c *azcosmos.ContainerClient) error {
	b := c.NewTransactionalBatch(pk(w.key))
	n := w.round + 1
	w.asked = n
	record := raw(doc{"id": "record", "shard": w.key, "round": n, "type": "record", "n": n})
	if n == 1 {
		b.CreateItem(record, nil)
	} else {
		b.ReplaceItem("record", record, &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &w.etag})
	}
	for i := range entries(n) {
		b.CreateItem(raw(doc{"id": fmt.Sprintf("entry-%06d-%d", n, i), "shard": w.key, "type": "entry", "n": n, "pad": strings.Repeat("x", n%5*1000)}), nil)
	}
	res, err := c.ExecuteTransactionalBatch(t.Context(), b, nil)
	if err != nil {
		return err
	}
	if !res.Success {
		t.Errorf("worker %s, round %d: %v", w.key, n, codes(res))
		return errBatch
	}
	w.round, w.etag = n, res.OperationResults[0].ETag
	w.acked["batches"]++
	return nil
}

// entries is how many the batch of round n creates.
func entries(n int) int { return 1 + n%7 }

// verify checks that the record and the entries are those of one and the same round.
func (w *committer) verify(t *testing.T, c *azcosmos.ContainerClient) {
	have := 0
	res, err := c.ReadItem(t.Context(), pk(w.key), "record", nil)
	if code := status(t, err); code == 0 {
		have = int(decode(t, res.Value)["round"].(float64))
	} else if code != 404 {
		t.Fatal(err)
	}
	if have < w.round || have > w.asked {
		t.Fatalf("worker %s: round %d stored, %d acknowledged, %d asked", w.key, have, w.round, w.asked)
	}
	want := 0
	for n := 1; n <= have; n++ {
		want += entries(n)
	}
	const filter = " FROM c WHERE c.type = 'entry'"
	count, _, err := all(t, c, pk(w.key), "SELECT VALUE COUNT(1)"+filter, nil)
	check(t, err)
	indexed := ids(t, c, w.key, "SELECT VALUE c.id"+filter+" ORDER BY c.type, c.n DESC", nil)
	if count[0] != fmt.Sprint(want) || len(indexed) != want || have > 0 && !strings.HasPrefix(indexed[0], fmt.Sprintf("entry-%06d-", have)) {
		t.Fatalf("worker %s: record at round %d, but %s entries, %d in the index, want %d", w.key, have, count[0], len(indexed), want)
	}
	w.round, w.asked, w.etag = have, have, res.ETag
}

// writer writes one item by every single operation in turn.
type writer struct {
	key   string
	etag  azcore.ETag
	n     int // the last acknowledged step; the item's v, unless the step deleted it
	asked int
	acked map[string]int
}

var steps = [...]string{"deletes", "creates", "replaces", "patches", "upserts"}

func (w *writer) step(t *testing.T, c *azcosmos.ContainerClient) error {
	ctx, key := t.Context(), pk(w.key)
	w.asked = w.n + 1
	body := raw(doc{"id": "item", "shard": w.key, "v": w.asked, "type": "single", "n": w.asked, "pad": strings.Repeat("y", w.asked%9*3000)})
	match := &azcosmos.ItemOptions{IfMatchEtag: &w.etag}
	var res azcosmos.ItemResponse
	var err error
	name := steps[w.asked%len(steps)]
	switch name {
	case "creates":
		res, err = c.CreateItem(ctx, key, body, nil)
	case "replaces":
		res, err = c.ReplaceItem(ctx, key, "item", body, match)
	case "patches":
		var p azcosmos.PatchOperations
		p.SetCondition(fmt.Sprintf("from c where c.v = %d", w.n))
		p.AppendIncrement("/v", 1)
		p.AppendSet("/n", w.asked)
		res, err = c.PatchItem(ctx, key, "item", p, nil)
	case "upserts":
		res, err = c.UpsertItem(ctx, key, body, nil)
	case "deletes":
		res, err = c.DeleteItem(ctx, key, "item", match)
	}
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		t.Errorf("worker %s, step %d: %v", w.key, w.asked, err)
	}
	if err != nil {
		return err
	}
	w.n, w.etag = w.asked, res.ETag
	w.acked[name]++
	return nil
}

func (w *writer) verify(t *testing.T, c *azcosmos.ContainerClient) {
	have := -1
	res, err := c.ReadItem(t.Context(), pk(w.key), "item", nil)
	if code := status(t, err); code == 0 {
		d := decode(t, res.Value)
		have = int(d["v"].(float64))
		if d["n"] != d["v"] {
			t.Fatalf("worker %s: v is %v and n %v: half a write", w.key, d["v"], d["n"])
		}
	} else if code != 404 {
		t.Fatal(err)
	}
	is := func(n int) bool { // the item is as step n leaves it
		if n == 0 || steps[n%len(steps)] == "deletes" {
			return have == -1
		}
		return have == n
	}
	indexed := ids(t, c, w.key, "SELECT VALUE c.id FROM c ORDER BY c.type, c.n DESC", nil)
	if (len(indexed) == 1) != (have >= 0) {
		t.Fatalf("worker %s: v is %d, the index has %v", w.key, have, indexed)
	}
	switch {
	case is(w.n):
	case is(w.asked):
		w.n = w.asked
	default:
		t.Fatalf("worker %s: v is %d after step %d was acknowledged and %d asked", w.key, have, w.n, w.asked)
	}
	w.asked, w.etag = w.n, res.ETag
}

// worker is either of the two.
type worker interface {
	step(*testing.T, *azcosmos.ContainerClient) error
	verify(*testing.T, *azcosmos.ContainerClient)
}

// TestCrashCampaign kills a server at random moments under load: what was acknowledged is there, no write and no batch
// is there by half, and the indexes agree with the documents.
func TestCrashCampaign(t *testing.T) {
	dir := t.TempDir()
	var workers []worker
	var tallies []map[string]int
	for i := range 8 {
		a, b := map[string]int{}, map[string]int{}
		tallies = append(tallies, a, b)
		workers = append(workers, &committer{key: fmt.Sprint("batch", i), acked: a}, &writer{key: fmt.Sprint("single", i), acked: b})
	}
	rounds := crashRounds()
	for range rounds {
		storm(t, dir, workers)
		verifyAll(t, dir, workers)
		if t.Failed() {
			t.FailNow()
		}
	}
	total, sum := map[string]int{}, 0
	for _, tally := range tallies {
		for name, n := range tally {
			total[name] += n
			sum += n
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(total)) {
		parts = append(parts, fmt.Sprintf("%d %s", total[name], name))
	}
	if len(total) != len(steps)+1 {
		t.Errorf("not every operation was acknowledged: %v", parts)
	}
	t.Logf("%d kills: %d acknowledged operations checked (%s), none lost, none there by half", rounds, sum, strings.Join(parts, ", "))
}

func storm(t *testing.T, dir string, workers []worker) {
	srv := spawn(t, dir)
	cl, hc := client(t, srv.url, testKey)
	c, err := cl.NewContainer("bwv", "evidence")
	check(t, err)
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			for w.step(t, c) == nil {
			}
		})
	}
	time.Sleep(time.Duration(30+rand.IntN(770)) * time.Millisecond) // the random moment
	srv.kill()
	wg.Wait()
	hc.CloseIdleConnections()
}

func verifyAll(t *testing.T, dir string, workers []worker) {
	srv, err := cosmos.Open(cosmos.Options{Dir: dir, Key: testKey})
	check(t, err)
	defer srv.Close()
	ts := httptest.NewServer(srv)
	defer ts.Close()
	cl, _ := client(t, ts.URL, testKey)
	c, err := cl.NewContainer("bwv", "evidence")
	check(t, err)
	for _, w := range workers {
		w.verify(t, c)
	}
}

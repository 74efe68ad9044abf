package cosmos_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

const (
	stocked   = 1_000_000
	partition = 100_000 // of them in each
)

// record is item i, of about 1 kB, in one of ten partitions.
func record(i int) doc {
	n := i % partition
	return doc{
		"id": fmt.Sprintf("r%06d", n), "shard": fmt.Sprint("s", i/partition), "type": "evidence", "n": n, "officer": fmt.Sprint("o", n%100), "other": n * 7919 % partition,
		"recorded": fmt.Sprintf("2026-11-%06d", n), "pad": strings.Repeat("x", 800),
	}
}

// BenchmarkCosmos fills an account with a million items, starts a server on it in a process of its own, measures over
// HTTP with the SDK and prints a table. What is answered is on disk: each write includes its fsync.
func BenchmarkCosmos(b *testing.B) {
	dir, filled, size := stock(b)
	srv := spawn(b, dir)
	first := container(b, srv)
	_, err := first.ReadItem(b.Context(), pk("s5"), "r050000", nil)
	check(b, err)
	up, idle := time.Since(srv.started), memoryOf(b, srv.pid)
	rows := &markdown{head: "| cosmos, 1,000,000 items, 100,000 in the partition | clients | a second | p50 | p99 |\n|---|---:|---:|---:|---:|\n"}
	var fresh atomic.Int64
	for _, op := range []struct {
		name    string
		clients []int
		run     func(*testing.B, *azcosmos.ContainerClient) func() error
	}{
		{"point read", []int{1, 8, 64}, pointRead},
		{"create", []int{1, 8, 64}, func(b *testing.B, c *azcosmos.ContainerClient) func() error {
			return func() error {
				d := record(0)
				d["id"] = fmt.Sprint("w", fresh.Add(1))
				_, err := c.CreateItem(b.Context(), pk("s0"), raw(d), nil)
				return err
			}
		}},
		{"batch: replace + create", []int{1, 8, 64}, func(b *testing.B, c *azcosmos.ContainerClient) func() error {
			return commit(b, c, fmt.Sprint("b", fresh.Add(1)), &fresh)
		}},
		{"page of 50, newest first", []int{1, 8}, paged("SELECT * FROM c ORDER BY c.recorded DESC, c.id DESC", nil)},
		{"page of 50, newest first, from anywhere", []int{1, 8}, paged(
			"SELECT * FROM c WHERE c.type = 'evidence' AND (c.recorded < @at OR (c.recorded = @at AND c.id < 'r')) ORDER BY c.recorded DESC, c.id DESC", anywhere)},
		{"page of 50, range", []int{1, 8}, paged("SELECT * FROM c WHERE c.recorded >= @at AND c.recorded < '2026-11-9' ORDER BY c.recorded DESC, c.id DESC", anywhere)},
		{"page of 50, equality and range", []int{1, 8}, paged("SELECT * FROM c WHERE c.type = 'evidence' AND c.n < 50000 ORDER BY c.type, c.n DESC", nil)},
		{"page of 50, by id", []int{1, 8}, paged("SELECT * FROM c WHERE STARTSWITH(c.id, 'r05') ORDER BY c.id", nil)},
		{"page of 50, equality of one in a hundred, on a path without an index", []int{1}, paged("SELECT * FROM c WHERE c.officer = 'o7' ORDER BY c.recorded DESC, c.id DESC", nil)},
		{"page of 50, ordered by a path without an index: a scan", []int{1}, paged("SELECT * FROM c ORDER BY c.other", nil)},
	} {
		for _, n := range op.clients {
			b.Run(fmt.Sprintf("%s/clients=%d", op.name, n), func(b *testing.B) {
				took := share(b, srv, n, op.run)
				slices.Sort(took)
				rate, p50, p99 := float64(len(took))/b.Elapsed().Seconds(), took[len(took)/2], took[len(took)*99/100]
				b.ReportMetric(rate, "ops/s")
				b.ReportMetric(ms(p50), "p50-ms")
				b.ReportMetric(ms(p99), "p99-ms")
				rows.set(b.Name(), fmt.Sprintf("| %s | %d | %.0f | %.2f ms | %.2f ms |", op.name, n, rate, ms(p50), ms(p99)))
			})
		}
	}
	rows.print()
	fmt.Printf("| cosmos with 1,000,000 items | |\n|---|---:|\n")
	fmt.Printf("| file, filled without a client in %.0f s | %.0f MB |\n", filled.Seconds(), float64(size)/1e6)
	fmt.Printf("| from the start of the process to the first answer (a point read) | %.2f s |\n", up.Seconds())
	fmt.Printf("| memory then | %s |\n| memory after all of the above | %s |\n\n", idle, memoryOf(b, srv.pid))
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

func stock(b *testing.B) (dir string, took time.Duration, size int64) {
	b.Helper()
	dir = b.TempDir()
	srv, err := cosmos.Open(cosmos.Options{Dir: dir, Key: testKey})
	check(b, err)
	check(b, srv.Declare(strings.NewReader(declared)))
	start := time.Now()
	check(b, srv.Stock("bwv", "evidence", stocked, func(i int) []byte { return raw(record(i)) }))
	check(b, srv.Close())
	info, err := os.Stat(filepath.Join(dir, "cosmos.db"))
	check(b, err)
	return dir, time.Since(start), info.Size()
}

func container(b *testing.B, srv process) *azcosmos.ContainerClient {
	b.Helper()
	cl, _ := client(b, srv.url, testKey)
	c, err := cl.NewContainer("bwv", "evidence")
	check(b, err)
	return c
}

// share runs work b.N times, shared by n clients, and returns how long each took.
func share(b *testing.B, srv process, n int, run func(*testing.B, *azcosmos.ContainerClient) func() error) []time.Duration {
	b.Helper()
	works := make([]func() error, n)
	for i := range works {
		works[i] = run(b, container(b, srv))
		check(b, works[i]()) // connects
	}
	took := make([]time.Duration, b.N)
	var next atomic.Int64
	done := make(chan error, n)
	b.ResetTimer()
	for _, work := range works {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					done <- nil
					return
				}
				start := time.Now()
				if err := work(); err != nil {
					done <- err
					return
				}
				took[i] = time.Since(start)
			}
		}()
	}
	for range works {
		check(b, <-done)
	}
	b.StopTimer()
	return took
}

func pointRead(b *testing.B, c *azcosmos.ContainerClient) func() error {
	return func() error {
		i := rand.IntN(stocked)
		_, err := c.ReadItem(b.Context(), pk(fmt.Sprint("s", i/partition)), fmt.Sprintf("r%06d", i%partition), nil)
		return err
	}
}

// commit is what the pipeline does: replace a record, create an entry.
func commit(b *testing.B, c *azcosmos.ContainerClient, id string, fresh *atomic.Int64) func() error {
	d := record(0)
	d["id"] = id
	res, err := c.UpsertItem(b.Context(), pk("s0"), raw(d), nil)
	check(b, err)
	etag := res.ETag
	return func() error {
		batch := c.NewTransactionalBatch(pk("s0"))
		batch.ReplaceItem(id, raw(d), &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &etag})
		batch.CreateItem(raw(doc{"id": fmt.Sprint("e", fresh.Add(1)), "shard": "s0", "type": "custody"}), nil)
		res, err := c.ExecuteTransactionalBatch(b.Context(), batch, nil)
		if err == nil && !res.Success {
			err = fmt.Errorf("batch: %v", codes(res))
		}
		if err == nil {
			etag = res.OperationResults[0].ETag
		}
		return err
	}
}

func anywhere() []azcosmos.QueryParameter {
	return []azcosmos.QueryParameter{{Name: "@at", Value: fmt.Sprintf("2026-11-%06d", 1000+rand.IntN(partition-2000))}}
}

func paged(text string, params func() []azcosmos.QueryParameter) func(*testing.B, *azcosmos.ContainerClient) func() error {
	return func(b *testing.B, c *azcosmos.ContainerClient) func() error {
		return func() error {
			o := &azcosmos.QueryOptions{PageSizeHint: 50}
			if params != nil {
				o.QueryParameters = params()
			}
			page, err := c.NewQueryItemsPager(text, pk("s3"), o).NextPage(b.Context())
			if err == nil && len(page.Items) != 50 {
				err = fmt.Errorf("%d items", len(page.Items))
			}
			return err
		}
	}
}

// markdown keeps one line for each name: a benchmark runs several times, and the last run counts.
type markdown struct {
	head  string
	names []string
	lines map[string]string
}

func (t *markdown) set(name, line string) {
	if t.lines == nil {
		t.lines = map[string]string{}
	}
	if _, ok := t.lines[name]; !ok {
		t.names = append(t.names, name)
	}
	t.lines[name] = line
}

func (t *markdown) print() {
	fmt.Print("\n", t.head)
	for _, name := range t.names {
		fmt.Println(t.lines[name])
	}
	fmt.Println()
}

// memory of a process in MB; file is the part that is pages of the store, which the kernel takes back when it wants.
type memory struct{ rss, file float64 }

func (m memory) String() string {
	return fmt.Sprintf("%.0f MB (%.0f MB of it file cache)", m.rss, m.file)
}

func memoryOf(tb testing.TB, pid int) memory {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	check(tb, err)
	get := func(name string) float64 {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(text)
		if m == nil {
			tb.Fatalf("no %s in %s", name, text)
		}
		kb, _ := strconv.ParseFloat(string(m[1]), 64) // digits
		return kb / 1000
	}
	return memory{get("VmRSS"), get("RssFile")}
}

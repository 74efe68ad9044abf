package cosmos_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

func record(i int) doc {
	return doc{"id": fmt.Sprintf("r%06d", i), "shard": "s", "type": "evidence", "n": i, "recorded": fmt.Sprintf("2026-11-%06d", i), "pad": strings.Repeat("x", 900)}
}

// stock writes n documents in full batches.
func stock(b *testing.B, c *azcosmos.ContainerClient, n int) {
	b.Helper()
	for at := 0; at < n; at += 100 {
		batch := c.NewTransactionalBatch(pk("s"))
		for i := range 100 {
			batch.UpsertItem(raw(record(at+i)), nil)
		}
		run(b, c, batch, nil)
	}
}

func BenchmarkPointRead(b *testing.B) {
	c := start(b).container("evidence")
	stock(b, c, 1000)
	for i := 0; b.Loop(); i++ {
		if _, err := c.ReadItem(b.Context(), pk("s"), fmt.Sprintf("r%06d", i%1000), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	c := start(b).container("evidence")
	for i := 0; b.Loop(); i++ {
		if _, err := c.CreateItem(b.Context(), pk("s"), raw(record(i)), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteParallel(b *testing.B) {
	c := start(b).container("evidence")
	b.SetParallelism(8)
	b.RunParallel(func(p *testing.PB) {
		for i := 0; p.Next(); i++ {
			if _, err := c.UpsertItem(b.Context(), pk("s"), raw(record(i)), nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkBatch is the pipeline's commit: replace a record, create an entry.
func BenchmarkBatch(b *testing.B) {
	c := start(b).container("evidence")
	etag := create(b, c, record(0)).ETag
	for i := 0; b.Loop(); i++ {
		batch := c.NewTransactionalBatch(pk("s"))
		batch.ReplaceItem("r000000", raw(record(0)), &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &etag})
		batch.CreateItem(raw(doc{"id": fmt.Sprintf("r000000:%06d", i), "shard": "s", "type": "custody"}), nil)
		res := run(b, c, batch, nil)
		if !res.Success {
			b.Fatal(codes(res))
		}
		etag = res.OperationResults[0].ETag
	}
}

// BenchmarkOrderedPage is a page of 50 from a partition of 100,000.
func BenchmarkOrderedPage(b *testing.B) {
	c := start(b).container("evidence")
	stock(b, c, 100_000)
	for name, text := range map[string]string{
		"newest":   "SELECT * FROM c ORDER BY c.recorded DESC, c.id DESC",
		"filtered": "SELECT * FROM c WHERE c.type = 'evidence' AND c.n < 50000 ORDER BY c.type, c.n DESC",
		"range":    "SELECT * FROM c WHERE c.recorded < '2026-11-050000' ORDER BY c.recorded DESC, c.id DESC",
		"by id":    "SELECT * FROM c WHERE STARTSWITH(c.id, 'r05')",
		"scanned":  "SELECT * FROM c ORDER BY c.n",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				page, err := c.NewQueryItemsPager(text, pk("s"), &azcosmos.QueryOptions{PageSizeHint: 50}).NextPage(b.Context())
				if err != nil || len(page.Items) != 50 {
					b.Fatalf("%d items, %v", len(page.Items), err)
				}
			}
		})
	}
}

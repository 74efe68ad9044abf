package custodian

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
)

// Search is one question over many shards.
type Search struct {
	evidence.Query
	Unit string
	Next string // where the page before ended
}

// Page is one page of answers, newest upload first.
type Page struct {
	Records []evidence.Record
	Next    string // empty at the end
}

const shardsAtOnce = 16

// Search asks the shards in parallel and merges; a page goes on behind the last record of the one before, whatever was added meanwhile.
// Search itself is no consultation: opening a hit is.
func (k *Custodian) Search(ctx context.Context, q Search) (Page, error) {
	if q.Limit < 1 {
		return Page{}, fmt.Errorf("a page of %d: %w", q.Limit, evidence.Invalid)
	}
	if q.Next != "" {
		after, err := parseKey(q.Next)
		if err != nil {
			return Page{}, err
		}
		q.After = after
	}
	shards, err := k.Catalogue.Shards(ctx)
	if err != nil {
		return Page{}, fmt.Errorf("listing the shards: %w", err)
	}
	var mu sync.Mutex
	var all []evidence.Record
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(shardsAtOnce)
	for _, shard := range shards {
		if !q.covers(shard) {
			continue
		}
		group.Go(func() error {
			found, err := k.Catalogue.Find(ctx, shard, q.Query)
			if err != nil {
				return fmt.Errorf("searching shard %s: %w", shard, err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, found...)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Page{}, err
	}
	slices.SortFunc(all, func(a, b evidence.Record) int {
		if a.Key().Before(b.Key()) {
			return -1
		}
		return 1
	})
	page := Page{Records: all}
	if len(all) >= q.Limit {
		page.Records = all[:q.Limit]
		page.Next = formatKey(page.Records[q.Limit-1].Key())
	}
	return page, nil
}

// covers tells whether a shard can hold an answer: its unit, and its month of upload, which is never long before the recording's.
func (q Search) covers(shard string) bool {
	if len(shard) < len("u/2006-01") {
		return false
	}
	unit, month := shard[:len(shard)-len("/2006-01")], shard[len(shard)-len("2006-01"):]
	return (q.Unit == "" || unit == q.Unit) &&
		(q.From.IsZero() || month >= q.From.Add(-48*time.Hour).UTC().Format("2006-01")) &&
		(q.After.ID == "" || month <= q.After.Created.UTC().Format("2006-01"))
}

func formatKey(k evidence.Key) string {
	b, err := json.Marshal(k)
	if err != nil {
		return "" // a time and a string always marshal
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseKey(s string) (evidence.Key, error) {
	var k evidence.Key
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	if err != nil || k.ID == "" || k.Created.IsZero() {
		return k, fmt.Errorf("next does not come from an earlier page: %w", evidence.Invalid)
	}
	return k, nil
}

package memory

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"bwv/internal/evidence"
)

func compare[T ~string](a, b T) int { return cmp.Compare(a, b) }

// Shards implements evidence.Catalogue.
func (l *Ledger) Shards(ctx context.Context) ([]string, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("listing shards: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(slices.Values(l.shards)), nil
}

// Find implements evidence.Catalogue; a limit outside 1 to 200 is Invalid.
func (l *Ledger) Find(ctx context.Context, shard string, q evidence.Query) ([]evidence.Record, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("searching %s: %w", shard, err)
	}
	if q.Limit < 1 || q.Limit > 200 {
		return nil, fmt.Errorf("searching %s: limit %d is not 1 to 200: %w", shard, q.Limit, evidence.Invalid)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var hits []*stored
	for _, s := range l.records {
		if s.record.Shard == shard && matches(s.record, q) {
			hits = append(hits, s)
		}
	}
	slices.SortFunc(hits, func(a, b *stored) int {
		if a.record.Key().Before(b.record.Key()) {
			return -1
		}
		return 1 // IDs differ, so no two keys are equal
	})
	var found []evidence.Record
	for _, s := range hits[:min(len(hits), q.Limit)] {
		r, err := s.copy()
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

func matches(r evidence.Record, q evidence.Query) bool {
	t := r.Retention
	is := func(wanted, have string) bool { return wanted == "" || wanted == have }
	return is(q.Path, r.Original.Path) && is(q.Officer, r.Officer) && is(q.Camera, r.Camera) &&
		is(q.Incident, r.Incident) && is(q.Category, r.Category) && is(string(q.State), string(t.State)) &&
		(q.From.IsZero() || !r.Started.Before(q.From)) &&
		(q.To.IsZero() || r.Started.Before(q.To)) &&
		(q.FiresUntil.IsZero() || t.State == evidence.Scheduled && t.Fires.Before(q.FiresUntil)) &&
		(q.Sequence == nil || *q.Sequence == (t.Sequence != 0)) &&
		(!q.Attention || len(r.Attention) > 0) &&
		(!q.Unended || len(r.Unended()) > 0) &&
		(q.After == (evidence.Key{}) || q.After.Before(r.Key()))
}

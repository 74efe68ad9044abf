package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"bwv/internal/evidence"
)

// Disposals is an evidence.Disposals; the zero value is empty and ready.
type Disposals struct {
	Faults
	// Now is the broker's clock, time.Now when nil: a message whose time has come cannot be cancelled any more.
	Now func() time.Time

	mu       sync.Mutex
	sequence int64
	pending  map[int64]Pending
}

// Pending is a message that is scheduled.
type Pending struct {
	Disposal evidence.Disposal
	At       time.Time
}

// Schedule implements evidence.Disposals.
func (q *Disposals) Schedule(ctx context.Context, d evidence.Disposal, at time.Time) (int64, error) {
	if err := alive(ctx); err != nil {
		return 0, fmt.Errorf("scheduling the disposal of %s: %w", d.Evidence, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var sequence int64
	err := q.apply("schedule", func() error {
		q.sequence++
		sequence = q.sequence
		if q.pending == nil {
			q.pending = map[int64]Pending{}
		}
		q.pending[sequence] = Pending{Disposal: d, At: at}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("scheduling the disposal of %s: %w", d.Evidence, err)
	}
	return sequence, nil
}

// Cancel implements evidence.Disposals.
func (q *Disposals) Cancel(ctx context.Context, sequence int64) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("cancelling scheduled message %d: %w", sequence, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	err := q.apply("cancel", func() error {
		p, ok := q.pending[sequence]
		if !ok || !p.At.After(q.now()) {
			return evidence.NotFound
		}
		delete(q.pending, sequence)
		return nil
	})
	if err != nil {
		return fmt.Errorf("cancelling scheduled message %d: %w", sequence, err)
	}
	return nil
}

func (q *Disposals) now() time.Time {
	if q.Now != nil {
		return q.Now()
	}
	return time.Now()
}

// Due takes out and returns the messages whose time has come by now, in order of their time.
func (q *Disposals) Due(now time.Time) []evidence.Disposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	var due []int64
	for sequence, p := range q.pending {
		if !p.At.After(now) {
			due = append(due, sequence)
		}
	}
	slices.SortFunc(due, func(a, b int64) int {
		if c := q.pending[a].At.Compare(q.pending[b].At); c != 0 {
			return c
		}
		return int(a - b)
	})
	var messages []evidence.Disposal
	for _, sequence := range due {
		messages = append(messages, q.pending[sequence].Disposal)
		delete(q.pending, sequence)
	}
	return messages
}

// Pending returns what was scheduled and neither cancelled nor taken by Due, by sequence number.
func (q *Disposals) Pending() map[int64]Pending {
	q.mu.Lock()
	defer q.mu.Unlock()
	pending := maps.Clone(q.pending)
	if pending == nil {
		pending = map[int64]Pending{}
	}
	return pending
}

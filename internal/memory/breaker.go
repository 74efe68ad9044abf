package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"bwv/internal/evidence"
)

// Breaker is an evidence.Breaker; the zero value is closed and ready.
type Breaker struct {
	Faults

	mu       sync.Mutex
	hour     time.Time
	count    int
	tripped  bool
	releases []evidence.Cause
}

// Admit implements evidence.Breaker. What comes late for its hour counts in the newest one: the breaker trips sooner, never later.
func (b *Breaker) Admit(ctx context.Context, at time.Time, limit int) (bool, error) {
	if err := alive(ctx); err != nil {
		return false, fmt.Errorf("asking the breaker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	admitted := false
	err := b.apply("admit", func() error {
		if hour := at.UTC().Truncate(time.Hour); hour.After(b.hour) {
			b.hour, b.count = hour, 0
		}
		if b.tripped {
			return nil
		}
		b.count++
		b.tripped = b.count > limit
		admitted = !b.tripped
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("asking the breaker: %w", err)
	}
	return admitted, nil
}

// Release implements evidence.Breaker.
func (b *Breaker) Release(ctx context.Context, c evidence.Cause) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("releasing the breaker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.apply("release", func() error {
		b.tripped, b.count = false, 0
		b.releases = append(b.releases, c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("releasing the breaker: %w", err)
	}
	return nil
}

// Tripped implements evidence.Breaker.
func (b *Breaker) Tripped(ctx context.Context) (bool, error) {
	if err := alive(ctx); err != nil {
		return false, fmt.Errorf("asking the breaker: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tripped, nil
}

// Releases returns why the breaker was released, in order.
func (b *Breaker) Releases() []evidence.Cause {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.releases)
}

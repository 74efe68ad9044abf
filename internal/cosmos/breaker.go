package cosmos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	"bwv/internal/evidence"
)

// breakerDocument is the one breaker of all instances.
type breakerDocument struct {
	ID      string    `json:"id"`
	Shard   string    `json:"shard"`
	Type    string    `json:"type"`
	Hour    time.Time `json:"hour,omitzero"` // UTC
	Count   int       `json:"count"`
	Limit   int       `json:"limit"` // when it was last asked
	Tripped time.Time `json:"tripped,omitzero"`
	// Released is the last release; it stays when the breaker trips again.
	Released *release `json:"released,omitempty"`
}

type release struct {
	By     evidence.Actor `json:"by"`
	At     time.Time      `json:"at"`
	Reason string         `json:"reason,omitempty"`
}

type breaker struct{ store *Store }

// Breaker returns the breaker that is kept beside the records.
func (s *Store) Breaker() evidence.Breaker { return breaker{s} }

// Admit implements evidence.Breaker. What comes late for its hour counts in the newest one: the breaker trips sooner, never later.
func (b breaker) Admit(ctx context.Context, at time.Time, limit int) (bool, error) {
	admitted := false
	err := b.change(ctx, func(d *breakerDocument) bool {
		admitted = false
		if !d.Tripped.IsZero() {
			return false
		}
		if hour := at.UTC().Truncate(time.Hour); hour.After(d.Hour) {
			d.Hour, d.Count = hour, 0
		}
		d.Count++
		d.Limit = limit
		if admitted = d.Count <= limit; !admitted {
			d.Tripped = at.UTC()
		}
		return true
	})
	if err != nil {
		return false, fmt.Errorf("asking the breaker: %w", err)
	}
	return admitted, nil
}

// Release implements evidence.Breaker.
func (b breaker) Release(ctx context.Context, c evidence.Cause) error {
	err := b.change(ctx, func(d *breakerDocument) bool {
		d.Tripped, d.Count = time.Time{}, 0
		d.Released = &release{By: c.By, At: c.At.UTC(), Reason: c.Reason}
		return true
	})
	if err != nil {
		return fmt.Errorf("releasing the breaker: %w", err)
	}
	return nil
}

// Tripped implements evidence.Breaker.
func (b breaker) Tripped(ctx context.Context) (bool, error) {
	d, _, err := b.read(ctx)
	if err != nil {
		return false, fmt.Errorf("asking the breaker: %w", err)
	}
	return !d.Tripped.IsZero(), nil
}

const (
	breakerID        = "breaker"
	controlPartition = "control"
	breakerTries     = 40
)

// read returns the breaker and its ETag, which is empty when nobody ever asked.
func (b breaker) read(ctx context.Context) (breakerDocument, azcore.ETag, error) {
	d := breakerDocument{ID: breakerID, Shard: controlPartition, Type: "breaker"}
	answer, err := b.store.container.ReadItem(ctx, azcosmos.NewPartitionKeyString(controlPartition), breakerID, nil)
	if err != nil {
		if err = withKind(err); errors.Is(err, evidence.NotFound) {
			return d, "", nil
		}
		return d, "", err
	}
	if err := json.Unmarshal(answer.Value, &d); err != nil {
		return d, "", fmt.Errorf("decoding: %w", err)
	}
	return d, answer.ETag, nil
}

// change takes a step by compare-and-swap until it was taken on the newest breaker; a step that returns false changes nothing.
func (b breaker) change(ctx context.Context, step func(*breakerDocument) bool) error {
	for try := 1; ; try++ {
		d, version, err := b.read(ctx)
		if err != nil || !step(&d) {
			return err
		}
		err = b.write(ctx, d, version)
		if err == nil || !errors.Is(err, evidence.Conflict) {
			return err
		}
		if try == breakerTries {
			return fmt.Errorf("it moved %d times: %w", try, evidence.Unavailable)
		}
		select { // the others are as busy as this one: spread out
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), evidence.Unavailable)
		case <-time.After(rand.N(time.Duration(min(try, 10)) * 10 * time.Millisecond)):
		}
	}
}

func (b breaker) write(ctx context.Context, d breakerDocument, version azcore.ETag) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("encoding: %w", err)
	}
	key := azcosmos.NewPartitionKeyString(controlPartition)
	if version == "" {
		_, err = b.store.container.CreateItem(ctx, key, raw, nil)
	} else {
		_, err = b.store.container.ReplaceItem(ctx, key, breakerID, raw, &azcosmos.ItemOptions{IfMatchEtag: &version})
	}
	if err != nil {
		return withKind(err)
	}
	return nil
}

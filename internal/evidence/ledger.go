package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ledger holds records and their custody chains. Errors carry NotFound, Conflict or Unavailable.
type Ledger interface {
	// Get reads the newest record; NotFound.
	Get(ctx context.Context, id ID) (Record, error)
	// Commit stores next and its entry in one transaction, or neither. An empty next.Version creates the record: Conflict when there
	// is one. Else the stored version must still be next.Version: Conflict when not. It returns next with its new version.
	// After any other error the commit may have happened: the caller MUST read again before it decides.
	Commit(ctx context.Context, next Record, entry Entry) (Record, error)
	// Chain reads the custody entries in order, from number 1.
	Chain(ctx context.Context, id ID) ([]Entry, error)
}

// Catalogue lists records. Every listing is within one shard; whoever lists many shards merges.
type Catalogue interface {
	// Shards names every shard that ever held a record. A record's shard is listed before the record is stored.
	Shards(ctx context.Context) ([]string, error)
	// Find returns the shard's records that match q, newest upload first, at most q.Limit (1 to 200).
	Find(ctx context.Context, shard string, q Query) ([]Record, error)
}

// Query selects records; zero fields select everything.
type Query struct {
	Path       string // of the original, exactly
	Officer    string
	Camera     string
	Incident   string
	Category   string
	State      State
	From, To   time.Time // of Started: from <= started < to
	FiresUntil time.Time // scheduled, and the pending message was to come before this
	Sequence   *bool     // has or has not the sequence number of a pending message
	Attention  bool      // only what a person should look at
	Unended    bool      // only what a stage of its processing has not come to its end with
	After      Key       // continue behind this one
	Limit      int
}

// Key orders listings: newest upload first, then by ID downwards.
type Key struct {
	Created time.Time `json:"created"`
	ID      ID        `json:"id"`
}

// Key is the record's place in a listing.
func (r Record) Key() Key { return Key{Created: r.Original.Created, ID: r.ID} }

// Before tells whether k stands before b in a listing.
func (k Key) Before(b Key) bool {
	if !k.Created.Equal(b.Created) {
		return k.Created.After(b.Created)
	}
	return k.ID > b.ID
}

// ErrUnchanged is what a step gives Update when the record is already as it should be.
var ErrUnchanged = errors.New("unchanged")

const updateTries = 8

// Update reads a record, takes a step and commits it, again from the start whenever somebody else moved the record on. A step that
// returns ErrUnchanged ends it without a commit and without an error.
func Update(ctx context.Context, l Ledger, id ID, step func(Record) (Record, Entry, error)) (Record, error) {
	for try := 1; ; try++ {
		r, err := l.Get(ctx, id)
		if err != nil {
			return r, err
		}
		n, e, err := step(r)
		if errors.Is(err, ErrUnchanged) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		n, err = l.Commit(ctx, n, e)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, Conflict) {
			return r, err
		}
		if try == updateTries {
			return r, fmt.Errorf("updating %s: it moved %d times: %w", id, try, err)
		}
	}
}

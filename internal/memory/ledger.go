package memory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"bwv/internal/evidence"
)

// Ledger is an evidence.Ledger and an evidence.Catalogue; the zero value is empty and ready. It refuses with Invalid whatever the
// domain cannot have made: a wrong custody number, a broken chain, a changed upload.
type Ledger struct {
	Faults

	mu      sync.Mutex
	records map[evidence.ID]*stored
	shards  []string // in order of their first record
	entries []json.RawMessage
	commits int
}

// stored shares no memory with any caller: it comes from JSON and goes as JSON.
type stored struct {
	raw     json.RawMessage
	record  evidence.Record // decoded once, for filters only
	chain   []json.RawMessage
	version string
}

// Get implements evidence.Ledger.
func (l *Ledger) Get(ctx context.Context, id evidence.ID) (evidence.Record, error) {
	if err := alive(ctx); err != nil {
		return evidence.Record{}, fmt.Errorf("reading %s: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.records[id]
	if !ok {
		return evidence.Record{}, fmt.Errorf("record %s: %w", id, evidence.NotFound)
	}
	return s.copy()
}

func (s *stored) copy() (evidence.Record, error) {
	var r evidence.Record
	if err := json.Unmarshal(s.raw, &r); err != nil {
		return r, fmt.Errorf("decoding record %s: %w", s.record.ID, err)
	}
	r.Version = s.version
	return r, nil
}

// Commit implements evidence.Ledger.
func (l *Ledger) Commit(ctx context.Context, next evidence.Record, entry evidence.Entry) (evidence.Record, error) {
	if err := alive(ctx); err != nil {
		return next, fmt.Errorf("committing %s: %w", next.ID, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	result := next
	err := l.apply("commit", func() error {
		stored, err := l.commit(next, entry)
		if err == nil {
			result = stored
		}
		return err
	})
	if err != nil {
		return next, fmt.Errorf("committing %s: %w", next.ID, err)
	}
	return result, nil
}

func (l *Ledger) commit(next evidence.Record, entry evidence.Entry) (evidence.Record, error) {
	before, exists := l.records[next.ID]
	switch {
	case next.Version == "" && exists:
		return next, fmt.Errorf("there is one already: %w", evidence.Conflict)
	case next.Version != "" && !exists:
		return next, fmt.Errorf("it was never stored: %w", evidence.NotFound)
	case exists && next.Version != before.version:
		return next, fmt.Errorf("version %s is not %s any more: %w", before.version, next.Version, evidence.Conflict)
	case !exists:
		before = &stored{}
	}
	if err := checkCommit(before.record, next, entry); err != nil {
		return next, err
	}
	after, err := encode(next, entry)
	if err != nil {
		return next, err
	}
	if !slices.Contains(l.shards, next.Shard) {
		l.shards = append(l.shards, next.Shard)
	}
	l.commits++
	after.version = "v" + strconv.Itoa(l.commits)
	after.chain = append(slices.Clone(before.chain), after.chain...)
	if l.records == nil {
		l.records = map[evidence.ID]*stored{}
	}
	l.records[next.ID] = after
	l.entries = append(l.entries, after.chain[len(after.chain)-1])
	return after.copy()
}

func encode(r evidence.Record, e evidence.Entry) (*stored, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encoding the record: %w: %w", err, evidence.Invalid)
	}
	entry, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding the custody entry: %w: %w", err, evidence.Invalid)
	}
	s := &stored{raw: raw, chain: []json.RawMessage{entry}}
	if err := json.Unmarshal(raw, &s.record); err != nil {
		return nil, fmt.Errorf("reading back the record: %w: %w", err, evidence.Invalid)
	}
	return s, nil
}

// checkCommit refuses what no transition makes. before is the zero record when next is the first.
func checkCommit(before, next evidence.Record, e evidence.Entry) error {
	if _, err := evidence.ParseID(string(next.ID)); err != nil {
		return err
	}
	wrong := func(what string, args ...any) error {
		return fmt.Errorf("%s: %w", fmt.Sprintf(what, args...), evidence.Invalid)
	}
	switch {
	case next.Shard != next.ID.Shard() || next.Type != "evidence":
		return wrong("shard %q, type %q", next.Shard, next.Type)
	case e.Evidence != next.ID:
		return wrong("the custody entry is of %s", e.Evidence)
	case e.Number != before.Head.Number+1:
		return wrong("custody entry %d after %d", e.Number, before.Head.Number)
	case e.Previous != before.Head.Hash:
		return wrong("custody entry %d does not follow the one before", e.Number)
	case next.Head != evidence.Head{Number: e.Number, Hash: e.Hash}:
		return wrong("the record's custody head is entry %d, the entry is %d", next.Head.Number, e.Number)
	case e.Before != before.Retention.State || e.After != next.Retention.State:
		return wrong("the entry says %q to %q, the record %q to %q", e.Before, e.After, before.Retention.State, next.Retention.State)
	case before.ID != "" && !sameUpload(before.Original, next.Original):
		return wrong("the original of a record never changes")
	}
	if hash, err := e.Seal(); err != nil || hash != e.Hash {
		return wrong("custody entry %d is not sealed", e.Number)
	}
	return nil
}

// sameUpload lets an ETag move and nothing else: listings are ordered by the creation time.
func sameUpload(a, b evidence.Original) bool {
	return a.Path == b.Path && a.Size == b.Size && a.Created.Equal(b.Created)
}

// Chain implements evidence.Ledger; a record that was never stored has no entries.
func (l *Ledger) Chain(ctx context.Context, id evidence.ID) ([]evidence.Entry, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("reading the custody of %s: %w", id, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.records[id]
	if !ok {
		return nil, nil
	}
	return decodeEntries(s.chain), nil
}

// Entries returns every custody entry of every record, in the order of their commits.
func (l *Ledger) Entries() []evidence.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return decodeEntries(l.entries)
}

func decodeEntries(raw []json.RawMessage) []evidence.Entry {
	entries := make([]evidence.Entry, len(raw))
	for i := range raw {
		if err := json.Unmarshal(raw[i], &entries[i]); err != nil {
			panic(fmt.Sprintf("memory: a custody entry that was encoded does not decode: %v", err))
		}
	}
	return entries
}

// Records returns every record, ordered by ID.
func (l *Ledger) Records() []evidence.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	var records []evidence.Record
	for _, s := range l.records {
		r, err := s.copy()
		if err != nil {
			panic(fmt.Sprintf("memory: a record that was encoded does not decode: %v", err))
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b evidence.Record) int { return compare(a.ID, b.ID) })
	return records
}

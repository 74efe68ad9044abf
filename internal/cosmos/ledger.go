package cosmos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	"bwv/internal/evidence"
)

// Get implements evidence.Ledger.
func (s *Store) Get(ctx context.Context, id evidence.ID) (evidence.Record, error) {
	shard := id.Shard()
	if _, err := evidence.ParseID(string(id)); err != nil {
		return evidence.Record{}, fmt.Errorf("record %.80q: no such id: %w", id, evidence.NotFound)
	}
	answer, err := s.container.ReadItem(ctx, azcosmos.NewPartitionKeyString(shard), string(id), nil)
	if err != nil {
		return evidence.Record{}, fmt.Errorf("reading record %s: %w", id, withKind(err))
	}
	r, err := decodeRecord(answer.Value, answer.ETag)
	if err != nil {
		return r, fmt.Errorf("reading record %s: %w", id, err)
	}
	return r, nil
}

// Commit implements evidence.Ledger. The client repeats a request whose answer was an error of the service; a repeated commit that
// had been stored meets itself and returns Conflict.
func (s *Store) Commit(ctx context.Context, next evidence.Record, entry evidence.Entry) (evidence.Record, error) {
	if err := checkCommit(next, entry); err != nil {
		return next, fmt.Errorf("committing %s: %w", next.ID, err)
	}
	// The shard is registered first: a crash in between leaves a shard that lists nothing, and never a record that no listing finds.
	if next.Version == "" {
		if err := s.register(ctx, next.Shard); err != nil {
			return next, fmt.Errorf("committing %s: %w", next.ID, err)
		}
	}
	version, err := s.batch(ctx, next, entry)
	if err != nil {
		return next, fmt.Errorf("committing %s: %w", next.ID, err)
	}
	next.Version = version
	return next, nil
}

// checkCommit refuses what no transition makes, before it could be stored.
func checkCommit(next evidence.Record, e evidence.Entry) error {
	if _, err := evidence.ParseID(string(next.ID)); err != nil {
		return err
	}
	switch {
	case next.Shard != next.ID.Shard() || next.Type != "evidence":
		return fmt.Errorf("shard %q, type %q: %w", next.Shard, next.Type, evidence.Invalid)
	case e.Evidence != next.ID || next.Head != evidence.Head{Number: e.Number, Hash: e.Hash}:
		return fmt.Errorf("custody entry %d of %s is not the head of the record's chain: %w", e.Number, e.Evidence, evidence.Invalid)
	case next.Version == "" && e.Number != 1:
		return fmt.Errorf("custody entry %d of a new record: %w", e.Number, evidence.Invalid)
	case e.Number > maxEntries:
		return fmt.Errorf("custody entry %d: %w", e.Number, evidence.TooLarge)
	}
	return nil
}

// register lists a shard, once in the life of this process.
func (s *Store) register(ctx context.Context, name string) error {
	if _, done := s.shards.Load(name); done {
		return nil
	}
	raw, err := json.Marshal(newShardDocument(name))
	if err != nil {
		return fmt.Errorf("registering shard %s: %w", name, err)
	}
	if _, err := s.container.UpsertItem(ctx, azcosmos.NewPartitionKeyString(shardsPartition), raw, nil); err != nil {
		return fmt.Errorf("registering shard %s: %w", name, withKind(err))
	}
	s.shards.Store(name, struct{}{})
	return nil
}

// batch stores record and entry in one transaction and returns the record's new ETag.
func (s *Store) batch(ctx context.Context, next evidence.Record, entry evidence.Entry) (string, error) {
	record, err := encodeRecord(next)
	if err != nil {
		return "", err
	}
	custody, err := encodeEntry(next.Shard, entry)
	if err != nil {
		return "", err
	}
	batch := s.container.NewTransactionalBatch(azcosmos.NewPartitionKeyString(next.Shard))
	if next.Version == "" {
		batch.CreateItem(record, nil)
	} else {
		version := azcore.ETag(next.Version)
		batch.ReplaceItem(string(next.ID), record, &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &version})
	}
	batch.CreateItem(custody, nil)
	answer, err := s.container.ExecuteTransactionalBatch(ctx, batch, nil)
	if err != nil {
		return "", withKind(err)
	}
	if err := failure(answer.OperationResults); err != nil {
		return "", err
	}
	if !answer.Success || len(answer.OperationResults) != 2 || answer.OperationResults[0].ETag == "" {
		// whatever that was, the version is not known: the caller reads again
		return "", fmt.Errorf("the batch's answer has %d results and no version: %w", len(answer.OperationResults), evidence.Unavailable)
	}
	return string(answer.OperationResults[0].ETag), nil
}

// failure finds the operation that made the whole batch fail; the others only say that they depended on it.
func failure(results []azcosmos.TransactionalBatchResult) error {
	for i, r := range results {
		status := int(r.StatusCode)
		if status < http.StatusMultipleChoices || status == http.StatusFailedDependency {
			continue
		}
		what := [...]string{"record", "custody entry"}[min(i, 1)]
		if kind := kindOf(status); kind != "" {
			return fmt.Errorf("%s: status %d: %w", what, status, kind)
		}
		return fmt.Errorf("%s: status %d", what, status)
	}
	return nil
}

// Chain implements evidence.Ledger; a record that was never stored has no entries.
func (s *Store) Chain(ctx context.Context, id evidence.ID) ([]evidence.Entry, error) {
	if _, err := evidence.ParseID(string(id)); err != nil {
		return nil, nil
	}
	var entries []evidence.Entry
	// ';' follows ':', so these are the bounds of all ids that begin with "<id>:"
	err := s.query(ctx, id.Shard(), "SELECT * FROM c WHERE c.id > @from AND c.id < @to ORDER BY c.id", -1,
		[]azcosmos.QueryParameter{{Name: "@from", Value: string(id) + ":"}, {Name: "@to", Value: string(id) + ";"}},
		func(raw []byte) (bool, error) {
			var d custodyDocument
			if err := json.Unmarshal(raw, &d); err != nil {
				return false, fmt.Errorf("decoding an entry: %w", err)
			}
			entries = append(entries, d.Entry)
			return true, nil
		})
	if err != nil {
		return nil, fmt.Errorf("reading the custody chain of %s: %w", id, err)
	}
	return entries, nil
}

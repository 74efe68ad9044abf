package cosmos

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"bwv/internal/evidence"
)

// recordDocument is a record as it is stored.
type recordDocument struct {
	evidence.Record
	Sort    sortKeys `json:"sort"`
	Unended bool     `json:"unended,omitempty"` // a stage has not ended: so few have it that looking for them costs little
	ETag    string   `json:"_etag,omitempty"`   // read only
}

// sortKeys are the record's times with nine digits of fraction each. The record's own times are RFC 3339 without trailing zeros,
// which do not sort as text: "…:00Z" comes after "…:00.5Z".
type sortKeys struct {
	Created string `json:"created"`
	Started string `json:"started"`
	Fires   string `json:"fires"`
}

func sortKey(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func encodeRecord(r evidence.Record) ([]byte, error) {
	d := recordDocument{Record: r, Unended: len(r.Unended()) > 0, Sort: sortKeys{
		Created: sortKey(r.Original.Created), Started: sortKey(r.Started), Fires: sortKey(r.Retention.Fires),
	}}
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding the record: %w: %w", err, evidence.Invalid)
	}
	return raw, nil
}

// decodeRecord reads a stored record; its version is etag, or what the document itself says when etag is empty.
func decodeRecord(raw []byte, etag azcore.ETag) (evidence.Record, error) {
	var d recordDocument
	if err := json.Unmarshal(raw, &d); err != nil {
		return evidence.Record{}, fmt.Errorf("decoding the record: %w", err)
	}
	d.Version = d.ETag
	if etag != "" {
		d.Version = string(etag)
	}
	return d.Record, nil
}

// custodyDocument is a custody entry as it is stored.
type custodyDocument struct {
	ID    string `json:"id"`
	Shard string `json:"shard"`
	Type  string `json:"type"`
	evidence.Entry
}

// maxEntries is how many custody entries have ids that sort by number.
const maxEntries = 999_999

func encodeEntry(shard string, e evidence.Entry) ([]byte, error) {
	raw, err := json.Marshal(custodyDocument{ID: fmt.Sprintf("%s:%06d", e.Evidence, e.Number), Shard: shard, Type: "custody", Entry: e})
	if err != nil {
		return nil, fmt.Errorf("encoding the custody entry: %w: %w", err, evidence.Invalid)
	}
	return raw, nil
}

// shardDocument names a shard that ever held a record.
type shardDocument struct {
	ID    string `json:"id"`
	Shard string `json:"shard"` // always shardsPartition
	Type  string `json:"type"`
	Name  string `json:"name"`
}

func newShardDocument(name string) shardDocument {
	return shardDocument{ID: strings.ReplaceAll(name, "/", "_"), Shard: shardsPartition, Type: "shard", Name: name}
}

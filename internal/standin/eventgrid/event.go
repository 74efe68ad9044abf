package eventgrid

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// event is a BlobCreated event in Event Grid schema.
// Source: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
type event struct {
	Topic           string    `json:"topic"`
	Subject         string    `json:"subject"`
	EventType       string    `json:"eventType"`
	ID              string    `json:"id"`
	Data            eventData `json:"data"`
	DataVersion     string    `json:"dataVersion"`
	MetadataVersion string    `json:"metadataVersion"`
	EventTime       string    `json:"eventTime"`
}

type eventData struct {
	API                string      `json:"api"`
	ClientRequestID    string      `json:"clientRequestId,omitempty"` // absent when the client sent none
	RequestID          string      `json:"requestId"`
	ETag               string      `json:"eTag"` // 0x..., without quotes
	ContentType        string      `json:"contentType"`
	ContentLength      int64       `json:"contentLength"`
	BlobType           string      `json:"blobType"`
	AccessTier         string      `json:"accessTier"`
	URL                string      `json:"url"`
	Sequencer          string      `json:"sequencer"`
	StorageDiagnostics diagnostics `json:"storageDiagnostics"`
}

type diagnostics struct {
	BatchID string `json:"batchId"`
}

const metadataVersion = "1"

// eventTimeLayout has the seven digits that .NET writes.
const eventTimeLayout = "2006-01-02T15:04:05.0000000Z"

// newEvent makes the event of a commit that happened. The sequencer is set by the outbox, in the
// order in which commits became known.
func newEvent(topic string, c commit, etag, requestID string, at time.Time) event {
	return event{
		Topic:     topic,
		Subject:   c.subject(),
		EventType: "Microsoft.Storage.BlobCreated",
		ID:        uuid.NewString(),
		Data: eventData{
			API:                c.API,
			ClientRequestID:    c.ClientRequestID,
			RequestID:          requestID,
			ETag:               strings.Trim(etag, `"`),
			ContentType:        c.ContentType,
			ContentLength:      c.ContentLength,
			BlobType:           "BlockBlob",
			AccessTier:         "Default",
			URL:                c.URL,
			StorageDiagnostics: diagnostics{BatchID: uuid.NewString()},
		},
		MetadataVersion: metadataVersion,
		EventTime:       at.UTC().Format(eventTimeLayout),
	}
}

// sequencer is fixed in width, so that it compares as a string.
func sequencer(n uint64) string { return fmt.Sprintf("%032x", n) }

package servicebus

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
)

// Announce implements evidence.Works, on topic `footage`; an unknown subject would reach nobody and is Invalid.
func (b *Bus) Announce(ctx context.Context, subject evidence.Subject, w evidence.Work) error {
	switch subject {
	case evidence.SubjectReceived, evidence.SubjectMetadata, evidence.SubjectDigest, evidence.SubjectProxy, evidence.SubjectRetention:
	default:
		return fmt.Errorf("announcing %s: nobody has subject %q: %w", w.Evidence, subject, evidence.Invalid)
	}
	m, err := message(w.Evidence, w)
	if err == nil {
		m.Subject = new(string(subject)) // what the subscriptions' filters call the label
		err = b.send(ctx, footageTopic, m)
	}
	if err != nil {
		return fmt.Errorf("announcing %s to %s: %w", w.Evidence, subject, err)
	}
	return nil
}

// Request implements evidence.Requests, on queue `reprocess`.
func (b *Bus) Request(ctx context.Context, q evidence.Reprocess) error {
	m, err := message(q.Evidence, q)
	if err == nil {
		err = b.send(ctx, reprocessQueue, m)
	}
	if err != nil {
		return fmt.Errorf("requesting work on %s: %w", q.Evidence, err)
	}
	return nil
}

// Dispatch implements evidence.Parts, on queue `segment`: as many to a batch as fit.
func (b *Bus) Dispatch(ctx context.Context, parts []evidence.Part) error {
	for len(parts) > 0 {
		sent := 0
		err := b.do(ctx, segmentQueue, func(ctx context.Context, s *azservicebus.Sender) error {
			var err error
			sent, err = fill(ctx, s, parts)
			return err
		})
		if err != nil {
			return fmt.Errorf("dispatching %d parts of %s: %w", len(parts), parts[0].Evidence, err)
		}
		parts = parts[sent:]
	}
	return nil
}

// fill sends one batch with the first of parts and says how many those were: at least one.
func fill(ctx context.Context, s *azservicebus.Sender, parts []evidence.Part) (int, error) {
	batch, err := s.NewMessageBatch(ctx, nil)
	if err != nil {
		return 0, err
	}
	for n, part := range parts {
		m, err := message(part.Evidence, part)
		if err != nil {
			return 0, err
		}
		err = batch.AddMessage(m, nil)
		if errors.Is(err, azservicebus.ErrMessageTooLarge) && n > 0 {
			return n, s.SendMessageBatch(ctx, batch, nil)
		}
		if err != nil {
			return 0, err
		}
	}
	return len(parts), s.SendMessageBatch(ctx, batch, nil)
}

// blobCreated is what Event Grid puts on the queue after an upload, as far as anybody reads it.
// Source: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
type blobCreated struct {
	ID              string          `json:"id"`
	EventType       string          `json:"eventType"`
	Subject         string          `json:"subject"` // the blob's name in it is not encoded
	EventTime       time.Time       `json:"eventTime"`
	Data            blobCreatedData `json:"data"`
	DataVersion     string          `json:"dataVersion"`
	MetadataVersion string          `json:"metadataVersion"`
}

type blobCreatedData struct {
	API           string `json:"api"`
	ETag          string `json:"eTag"` // without quotes
	ContentType   string `json:"contentType,omitempty"`
	ContentLength int64  `json:"contentLength"`
	BlobType      string `json:"blobType"`
}

// footageBlobs stands before the blob's name in an event's subject; the container is always named so.
const footageBlobs = "/blobServices/default/containers/footage/blobs/"

// Arrive implements evidence.Arrivals, on queue `ingest`.
func (b *Bus) Arrive(ctx context.Context, o evidence.Original) error {
	event := blobCreated{
		ID: rand.Text(), EventType: "Microsoft.Storage.BlobCreated", Subject: footageBlobs + o.Path, EventTime: o.Created.UTC(), MetadataVersion: "1",
		Data: blobCreatedData{API: "PutBlockList", ETag: evidence.PlainETag(o.ETag), ContentType: o.ContentType, ContentLength: o.Size, BlobType: "BlockBlob"},
	}
	m, err := message("", event)
	if err == nil {
		err = b.send(ctx, ingestQueue, m)
	}
	if err != nil {
		return fmt.Errorf("announcing the upload of %s: %w", o.Path, err)
	}
	return nil
}

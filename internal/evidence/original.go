package evidence

import (
	"context"
	"io"
	"iter"
	"time"
)

// Original is one upload as the store has it. It is write-once: nothing but the expire stage ever changes it.
type Original struct {
	Path        string    `json:"path"` // blob name in container `footage`
	ETag        string    `json:"etag"` // at upload, without quotes
	Size        int64     `json:"size"` // bytes
	ContentType string    `json:"contentType,omitempty"`
	Created     time.Time `json:"created"` // the blob's creation time, UTC: the time of upload
	Claims      Claims    `json:"claims"`
}

// Claims is what the uploader said about a recording; all of it optional and none of it believed unchecked.
type Claims struct {
	Digest   string    `json:"sha256,omitempty"` // hex
	Recorded time.Time `json:"recorded,omitzero"`
	Incident string    `json:"incident,omitempty"`
	Category string    `json:"category,omitempty"`
}

// SameUpload tells whether b is the upload a, even if its ETag moved (a tier, a hold, metadata): creation time and size decide.
func (o Original) SameUpload(b Original) bool {
	return o.Path == b.Path && o.Size == b.Size && o.Created.Truncate(time.Second).Equal(b.Created.Truncate(time.Second))
}

// Originals is the container `footage`. Callers retry by redelivery; implementations may retry transport errors.
type Originals interface {
	// Stat reads one original's properties; NotFound when there is none.
	Stat(ctx context.Context, path string) (Original, error)
	// Open reads length bytes from offset; NotFound, or Conflict when o.ETag is not the blob's any more. It asks the store for no byte more.
	// It MUST resume after dropped connections and MUST NOT hold the file in memory.
	Open(ctx context.Context, o Original, offset, length int64) (io.ReadCloser, error)
	// Delete removes o if its ETag is still o.ETag: Conflict when not; NotFound when it is gone. Only the expire stage may call it.
	Delete(ctx context.Context, o Original) error
	// List yields all originals in order of their paths; the first error ends it.
	List(ctx context.Context) iter.Seq2[Original, error]
}

// Source is one original, readable from any offset: what a media tool gets.
type Source struct {
	Original Original
	Store    Originals
	// Siblings are other recordings of the same camera, the likeliest to help first. A tool asks only where the original has no index and another
	// one might do instead; nil where there is nobody to ask.
	Siblings func(context.Context) ([]Original, error)
}

// OpenAt reads length bytes from offset.
func (s Source) OpenAt(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return s.Store.Open(ctx, s.Original, offset, length)
}

package blob

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"bwv/internal/evidence"
)

type originals struct{ container *container.Client }

// Stat implements evidence.Originals.
func (s originals) Stat(ctx context.Context, path string) (evidence.Original, error) {
	if path == "" {
		return evidence.Original{}, fmt.Errorf("looking at an original without a path: %w", evidence.NotFound)
	}
	p, err := s.container.NewBlobClient(path).GetProperties(ctx, nil)
	if err != nil {
		return evidence.Original{}, fmt.Errorf("looking at %s: %w", path, withKind(err))
	}
	return describe(path, p.ETag, p.ContentLength, p.ContentType, p.CreationTime, p.Metadata), nil
}

func describe(path string, etag *azcore.ETag, size *int64, contentType *string, created *time.Time, metadata map[string]*string) evidence.Original {
	o := evidence.Original{Path: path, Claims: claims(metadata)}
	if etag != nil {
		o.ETag = evidence.PlainETag(string(*etag))
	}
	if size != nil {
		o.Size = *size
	}
	if contentType != nil {
		o.ContentType = *contentType
	}
	if created != nil {
		o.Created = created.UTC()
	}
	return o
}

// claims reads what the uploader said; the names of metadata have no case. What cannot be understood is left out, but a digest
// stays as it is: it was claimed, and will never match.
func claims(metadata map[string]*string) evidence.Claims {
	var c evidence.Claims
	for name, value := range metadata {
		if value == nil {
			continue
		}
		switch v := strings.TrimSpace(*value); strings.ToLower(name) {
		case "sha256":
			c.Digest = v
			if sum, err := hex.DecodeString(v); err == nil {
				c.Digest = hex.EncodeToString(sum) // lower case
			}
		case "recordedat":
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				c.Recorded = at.UTC()
			}
		case "incident":
			c.Incident = v
		case "category":
			c.Category = v
		}
	}
	return c
}

const readRetries = 5 // of one read; every read that brings something starts anew

// Open implements evidence.Originals; a range outside the file is Invalid. A dropped connection is resumed where it broke, of the
// same version of the blob: a Read says Conflict when there is another, NotFound when it is gone.
func (s originals) Open(ctx context.Context, o evidence.Original, offset, length int64) (io.ReadCloser, error) {
	if offset < 0 || length < 0 || offset > o.Size || length > o.Size-offset {
		return nil, fmt.Errorf("opening %s: %d bytes at %d of %d: %w", o.Path, length, offset, o.Size, evidence.Invalid)
	}
	etag, err := ifMatch(o.ETag)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Path, err)
	}
	if length == 0 { // the service refuses a range that is empty
		return http.NoBody, nil
	}
	answer, err := s.container.NewBlobClient(o.Path).DownloadStream(ctx, &azblob.DownloadStreamOptions{
		Range:            azblob.HTTPRange{Offset: offset, Count: length},
		AccessConditions: &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: etag}},
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Path, s.gone(ctx, o.Path, withKind(err)))
	}
	return reader{answer.NewRetryReader(ctx, &azblob.RetryReaderOptions{MaxRetries: readRetries, EarlyCloseAsError: true}), o.Path}, nil
}

// reader names errors as the rest of this package does.
type reader struct {
	io.ReadCloser
	path string
}

func (r reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading %s: %w", r.path, withKind(err))
	}
	return n, err
}

// Delete implements evidence.Originals. Snapshots of the blob go with it.
func (s originals) Delete(ctx context.Context, o evidence.Original) error {
	etag, err := ifMatch(o.ETag)
	if err != nil {
		return fmt.Errorf("deleting %s: %w", o.Path, err)
	}
	_, err = s.container.NewBlobClient(o.Path).Delete(ctx, &azblob.DeleteOptions{
		DeleteSnapshots:  to.Ptr(azblob.DeleteSnapshotsOptionTypeInclude),
		AccessConditions: &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: etag}},
	})
	if err != nil {
		return fmt.Errorf("deleting %s: %w", o.Path, s.gone(ctx, o.Path, withKind(err)))
	}
	return nil
}

// gone tells a blob that changed from one that is not there: an If-Match on nothing may be answered 412, too.
func (s originals) gone(ctx context.Context, path string, err error) error {
	if !errors.Is(err, evidence.Conflict) {
		return err
	}
	if _, missing := s.Stat(ctx, path); errors.Is(missing, evidence.NotFound) {
		return missing
	}
	return err
}

// List implements evidence.Originals.
func (s originals) List(ctx context.Context) iter.Seq2[evidence.Original, error] {
	return func(yield func(evidence.Original, error) bool) {
		pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Metadata: true}})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(evidence.Original{}, fmt.Errorf("listing originals: %w", withKind(err)))
				return
			}
			for _, item := range page.Segment.BlobItems {
				p := item.Properties
				if !yield(describe(*item.Name, p.ETag, p.ContentLength, p.ContentType, p.CreationTime, item.Metadata), nil) {
					return
				}
			}
		}
	}
}

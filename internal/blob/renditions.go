package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"bwv/internal/evidence"
)

type renditions struct{ container *container.Client }

// folder is what everything of one record lies below. An ID that is not one could lead anywhere.
func folder(id evidence.ID) (string, error) {
	if _, err := evidence.ParseID(string(id)); err != nil {
		return "", err
	}
	return string(id) + "/", nil
}

// place is the blob name of a rendition: never outside the record's folder.
func place(id evidence.ID, name string) (string, error) {
	below, err := folder(id)
	if err != nil {
		return "", err
	}
	if len(name) > 200 || !fs.ValidPath(name) || !regexp.MustCompile(`^[A-Za-z0-9._/-]*[A-Za-z0-9_-]$`).MatchString(name) {
		return "", fmt.Errorf("%.200q is not a rendition's name: %w", name, evidence.Invalid)
	}
	return below + name, nil
}

const (
	blockSize   = 4 << 20
	concurrency = 2 // a Put holds this many blocks in memory
)

// Put implements evidence.Renditions. Of several writers at once the first one wins; another is told Conflict, or wins after it.
func (s renditions) Put(ctx context.Context, id evidence.ID, r evidence.Rendition, body io.Reader) error {
	path, err := place(id, r.Name)
	if err != nil {
		return fmt.Errorf("storing a rendition of %.80s: %w", id, err)
	}
	source := &source{Reader: body}
	_, err = s.container.NewBlockBlobClient(path).UploadStream(ctx, source, &blockblob.UploadStreamOptions{
		BlockSize: blockSize, Concurrency: concurrency,
		HTTPHeaders: headers(r), Metadata: metadata(r.Provenance),
	})
	// Blocks that were staged before an error are never committed: the service drops them after a week.
	switch {
	case err == nil:
		return nil
	case source.err != nil:
		return fmt.Errorf("storing %s: reading what to store: %w", path, source.err)
	default:
		return fmt.Errorf("storing %s: %w", path, withKind(err))
	}
}

func headers(r evidence.Rendition) *azblob.HTTPHeaders {
	if r.ContentType == "" {
		return nil
	}
	return &azblob.HTTPHeaders{BlobContentType: to.Ptr(r.ContentType)}
}

// source remembers the error of what is being stored, so that it is not taken for one of the service.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// metadata makes what the service takes: names that are C# identifiers, values of one line of ASCII.
func metadata(provenance map[string]string) map[string]*string {
	m := map[string]*string{}
	for name, value := range provenance {
		name = strings.Map(func(r rune) rune {
			if r == '_' || r < 0x80 && (r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z') {
				return r
			}
			return '_'
		}, name)
		if name == "" || name[0] >= '0' && name[0] <= '9' {
			name = "_" + name
		}
		value = strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < 0x20 || r > 0x7e {
				return '?'
			}
			return r
		}, value))
		if value == "" { // an empty header does not survive every proxy
			continue
		}
		m[name] = to.Ptr(value)
	}
	return m
}

// Get implements evidence.Renditions. A dropped connection is resumed; a Read says Conflict when the rendition was replaced meanwhile.
func (s renditions) Get(ctx context.Context, id evidence.ID, name string) (io.ReadCloser, error) {
	path, err := place(id, name)
	if err != nil {
		return nil, fmt.Errorf("opening a rendition of %.80s: %w", id, err)
	}
	answer, err := s.container.NewBlobClient(path).DownloadStream(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, withKind(err))
	}
	return reader{answer.NewRetryReader(ctx, &azblob.RetryReaderOptions{MaxRetries: readRetries, EarlyCloseAsError: true}), path}, nil
}

// List implements evidence.Renditions.
func (s renditions) List(ctx context.Context, id evidence.ID) ([]string, error) {
	below, err := folder(id)
	if err != nil {
		return nil, fmt.Errorf("listing renditions: %w", err)
	}
	var names []string
	pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: to.Ptr(below)})
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", below, withKind(err))
		}
		for _, item := range page.Segment.BlobItems {
			names = append(names, strings.TrimPrefix(*item.Name, below))
		}
	}
	slices.Sort(names)
	return names, nil
}

// DeleteAll implements evidence.Renditions. After an error some may be gone; asking again takes the rest.
func (s renditions) DeleteAll(ctx context.Context, id evidence.ID, prefix string) error {
	names, err := s.List(ctx, id)
	if err != nil {
		return fmt.Errorf("deleting all: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		path := string(id) + "/" + name // as the service lists it, whoever wrote it
		_, err := s.container.NewBlobClient(path).Delete(ctx, &azblob.DeleteOptions{DeleteSnapshots: to.Ptr(azblob.DeleteSnapshotsOptionTypeInclude)})
		if err == nil {
			continue
		}
		if err = withKind(err); !errors.Is(err, evidence.NotFound) {
			return fmt.Errorf("deleting %s: %w", path, err)
		}
	}
	return nil
}

const maxPage = 64 << 20 // of a page: a playlist of 12 hours has under 1 MB

// Load implements evidence.Pages.
func (s renditions) Load(ctx context.Context, id evidence.ID, name string) ([]byte, string, error) {
	path, err := place(id, name)
	if err != nil {
		return nil, "", fmt.Errorf("loading a page of %.80s: %w", id, err)
	}
	answer, err := s.container.NewBlobClient(path).DownloadStream(ctx, nil)
	if err != nil {
		return nil, "", fmt.Errorf("loading %s: %w", path, withKind(err))
	}
	body := reader{answer.NewRetryReader(ctx, &azblob.RetryReaderOptions{MaxRetries: readRetries, EarlyCloseAsError: true}), path}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxPage+1))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("loading %s: %w", path, err)
	case len(text) > maxPage:
		return nil, "", fmt.Errorf("loading %s: more than %d bytes: %w", path, maxPage, evidence.TooLarge)
	case answer.ETag == nil:
		return nil, "", fmt.Errorf("loading %s: the answer has no ETag: %w", path, evidence.Unavailable)
	}
	return text, evidence.PlainETag(string(*answer.ETag)), nil
}

// Swap implements evidence.Pages: one Put Blob with If-Match, or If-None-Match where there is no version yet. A retry of the client whose
// first try was stored looks like somebody else's write: Conflict, and reading again shows one's own text.
func (s renditions) Swap(ctx context.Context, id evidence.ID, r evidence.Rendition, text []byte, version string) error {
	path, err := place(id, r.Name)
	if err != nil {
		return fmt.Errorf("storing a page of %.80s: %w", id, err)
	}
	condition := &azblob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}
	if version != "" {
		etag, err := ifMatch(version)
		if err != nil {
			return fmt.Errorf("storing %s: %w", path, err)
		}
		condition = &azblob.ModifiedAccessConditions{IfMatch: etag}
	}
	_, err = s.container.NewBlockBlobClient(path).Upload(ctx, streaming.NopCloser(bytes.NewReader(text)), &blockblob.UploadOptions{
		HTTPHeaders: headers(r), Metadata: metadata(r.Provenance), AccessConditions: &azblob.AccessConditions{ModifiedAccessConditions: condition},
	})
	if err == nil {
		return nil
	}
	if err = withKind(err); version != "" && errors.Is(err, evidence.NotFound) { // it was deleted: moved on, like any other
		err = fmt.Errorf("%w: %w", err, evidence.Conflict)
	}
	return fmt.Errorf("storing %s: %w", path, err)
}

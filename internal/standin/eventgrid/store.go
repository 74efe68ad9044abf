package eventgrid

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
)

// deadLetters is the container for events that were given up.
const deadLetters = "eventgrid-dead-letter"

// store looks at Azurite with the account's key, past the proxy.
type store struct{ client *azblob.Client }

// properties of a committed blob; exists is false, with no error, when there is none.
type properties struct {
	exists      bool
	block       bool
	size        int64
	contentType string
	etag        string
	requestID   string
	changed     time.Time // the later of creation and last modification, whole seconds
}

func newStore(o Options, transport http.RoundTripper) (*store, error) {
	key, err := azblob.NewSharedKeyCredential(o.Account, o.AccountKey)
	if err != nil {
		return nil, fmt.Errorf("using the key of account %s: %w", o.Account, err)
	}
	client, err := azblob.NewClientWithSharedKeyCredential(strings.TrimSuffix(o.Upstream, "/")+"/"+o.Account, key, &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{
			Transport: &http.Client{Transport: transport},
			Retry:     policy.RetryOptions{MaxRetries: 1, RetryDelay: 100 * time.Millisecond, TryTimeout: 10 * time.Second},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("reaching the store at %s: %w", o.Upstream, err)
	}
	return &store{client}, nil
}

func (s *store) look(ctx context.Context, container, name string) (properties, error) {
	p, err := s.client.ServiceClient().NewContainerClient(container).NewBlobClient(name).GetProperties(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound) {
		return properties{}, nil
	}
	if err != nil {
		return properties{}, fmt.Errorf("looking at blob %s: %w", name, err)
	}
	out := properties{
		exists:      true,
		block:       valueOf(p.BlobType) == blob.BlobTypeBlockBlob,
		size:        valueOf(p.ContentLength),
		contentType: valueOf(p.ContentType),
		etag:        string(valueOf(p.ETag)),
		requestID:   valueOf(p.RequestID),
		changed:     valueOf(p.LastModified),
	}
	if created := valueOf(p.CreationTime); created.After(out.changed) {
		out.changed = created
	}
	return out, nil
}

// bury writes a dead letter; writing the same one twice is harmless.
func (s *store) bury(ctx context.Context, name string, content []byte) error {
	if _, err := s.client.CreateContainer(ctx, deadLetters, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return fmt.Errorf("making container %s: %w", deadLetters, err)
	}
	if _, err := s.client.UploadBuffer(ctx, deadLetters, name, content, nil); err != nil {
		return fmt.Errorf("writing dead letter %s: %w", name, err)
	}
	return nil
}

func valueOf[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

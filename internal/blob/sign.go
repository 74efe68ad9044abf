package blob

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"bwv/internal/evidence"
)

const (
	clockSkew   = 5 * time.Minute  // by which the service's clock may be behind ours
	longestSign = 12 * time.Hour   // and the shortest is a second
	keyLife     = 24 * time.Hour   // of a user delegation key; Azure allows 7 days
	keyReserve  = 10 * time.Minute // a key that ends sooner after what it signs is renewed
)

// Sign makes a URL that reads one rendition for ttl (1 s to 12 h) and does nothing else: a service SAS when the store was opened by a
// connection string, a user delegation SAS otherwise. It does not look whether the rendition is there.
// Source: https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
func (s *Store) Sign(ctx context.Context, id evidence.ID, name string, ttl time.Duration) (string, error) {
	path, err := place(id, name)
	if err != nil {
		return "", fmt.Errorf("signing a rendition of %.80s: %w", id, err)
	}
	if ttl < time.Second || ttl > longestSign {
		return "", fmt.Errorf("signing %s for %s, not 1s to %s: %w", path, ttl, longestSign, evidence.Invalid)
	}
	now := time.Now()
	blob := s.renditions.NewBlobClient(path)
	values := sas.BlobSignatureValues{
		ContainerName: containerName(s.renditions), BlobName: path, Permissions: to.Ptr(sas.BlobPermissions{Read: true}).String(),
		StartTime: now.Add(-clockSkew).UTC(), ExpiryTime: now.Add(ttl).UTC(),
	}
	if strings.HasPrefix(blob.URL(), "https:") {
		values.Protocol = sas.ProtocolHTTPS
	}
	query, err := s.signer.sign(ctx, values)
	if err != nil {
		return "", fmt.Errorf("signing %s: %w", path, err)
	}
	return blob.URL() + "?" + query.Encode(), nil
}

// signer is one way to sign.
type signer interface {
	sign(ctx context.Context, values sas.BlobSignatureValues) (sas.QueryParameters, error)
}

type keySigner struct{ key *service.SharedKeyCredential }

func (s keySigner) sign(_ context.Context, values sas.BlobSignatureValues) (sas.QueryParameters, error) {
	return values.SignWithSharedKey(s.key)
}

// delegationSigner keeps one user delegation key until it would end before what is to be signed.
type delegationSigner struct {
	service *service.Client
	now     func() time.Time

	mu  sync.Mutex // held while a key is fetched: the others wait for that one
	key *service.UserDelegationCredential
	end time.Time
}

func (s *delegationSigner) sign(ctx context.Context, values sas.BlobSignatureValues) (sas.QueryParameters, error) {
	key, err := s.current(ctx, values.ExpiryTime)
	if err != nil {
		return sas.QueryParameters{}, err
	}
	return values.SignWithUserDelegation(key)
}

func (s *delegationSigner) current(ctx context.Context, until time.Time) (*service.UserDelegationCredential, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.key != nil && s.end.After(until.Add(keyReserve)) {
		return s.key, nil
	}
	now := s.now().UTC()
	end := now.Add(keyLife)
	key, err := s.service.GetUserDelegationCredential(ctx, service.KeyInfo{
		Start: to.Ptr(now.Add(-clockSkew).Format(sas.TimeFormat)), Expiry: to.Ptr(end.Format(sas.TimeFormat)),
	}, nil)
	if err != nil {
		return nil, fmt.Errorf("getting a user delegation key: %w", withKind(err))
	}
	s.key, s.end = key, end
	return key, nil
}

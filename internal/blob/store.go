package blob

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"bwv/internal/evidence"
)

// Config says which account and containers to use: a connection string with an account key (local only), or an account's URL and a
// credential.
type Config struct {
	ConnectionString string
	AccountURL       string // https://<account>.blob.core.windows.net/
	Credential       azcore.TokenCredential
	Footage          string // container of the originals
	Renditions       string // container of what is derived from them
}

// Store is both containers. It is safe for concurrent use.
type Store struct {
	service    *service.Client
	footage    *container.Client
	renditions *container.Client
	signer     signer
}

// Open makes a Store; it does not call the service.
func Open(cfg Config) (*Store, error) { return open(cfg, azcore.ClientOptions{}) }

func open(cfg Config, options azcore.ClientOptions) (*Store, error) {
	if cfg.Footage == "" || cfg.Renditions == "" {
		return nil, fmt.Errorf("opening blob storage: a container has no name: %w", evidence.Invalid)
	}
	// a stage is redelivered anyway, so retries here are few; no timeout for a try, since it would cut long downloads
	options.Retry = policy.RetryOptions{MaxRetries: 4, RetryDelay: 300 * time.Millisecond, MaxRetryDelay: 5 * time.Second}
	s := &Store{}
	var err error
	switch {
	case cfg.ConnectionString != "":
		err = s.withKey(cfg.ConnectionString, options)
	case cfg.Credential != nil && cfg.AccountURL != "":
		err = s.withCredential(cfg.AccountURL, cfg.Credential, options)
	default:
		err = fmt.Errorf("neither a connection string nor an account with a credential: %w", evidence.Invalid)
	}
	if err != nil {
		return nil, fmt.Errorf("opening blob storage: %w", err)
	}
	s.footage = s.service.NewContainerClient(cfg.Footage)
	s.renditions = s.service.NewContainerClient(cfg.Renditions)
	return s, nil
}

func (s *Store) withKey(connection string, options azcore.ClientOptions) (err error) {
	var account, key string
	for part := range strings.SplitSeq(connection, ";") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "AccountName":
			account = value
		case "AccountKey":
			key = value
		}
	}
	if account == "" || key == "" { // the SDK's own words would repeat the string
		return fmt.Errorf("the connection string has no account name or no account key: %w", evidence.Invalid)
	}
	credential, err := service.NewSharedKeyCredential(account, key)
	if err != nil {
		return fmt.Errorf("the account key is not base64: %w", evidence.Invalid)
	}
	s.service, err = service.NewClientFromConnectionString(connection, &service.ClientOptions{ClientOptions: options})
	if err != nil {
		return fmt.Errorf("the connection string does not name a service: %w", evidence.Invalid)
	}
	s.signer = keySigner{credential}
	return nil
}

func (s *Store) withCredential(account string, credential azcore.TokenCredential, options azcore.ClientOptions) error {
	u, err := url.Parse(account)
	if err != nil || u.Host == "" || u.Scheme != "https" {
		return fmt.Errorf("%q is not the https URL of an account: %w", account, evidence.Invalid)
	}
	s.service, err = service.NewClient(account, credential, &service.ClientOptions{ClientOptions: options})
	if err != nil {
		return err
	}
	s.signer = &delegationSigner{service: s.service, now: time.Now}
	return nil
}

// Ready tells whether both containers answer.
func (s *Store) Ready(ctx context.Context) error {
	for _, c := range []*container.Client{s.footage, s.renditions} {
		if _, err := c.GetProperties(ctx, nil); err != nil {
			return fmt.Errorf("reading container %s: %w", containerName(c), withKind(err))
		}
	}
	return nil
}

func containerName(c *container.Client) string {
	u := strings.TrimSuffix(c.URL(), "/")
	return u[strings.LastIndexByte(u, '/')+1:]
}

// Originals is container Footage.
func (s *Store) Originals() evidence.Originals { return originals{s.footage} }

// Renditions is container Renditions.
func (s *Store) Renditions() evidence.Renditions { return renditions{s.renditions} }

// Pages are the renditions that several writers bring forward together, in the same container.
func (s *Store) Pages() evidence.Pages { return renditions{s.renditions} }

var errETag = errors.New("not an ETag of the blob service")

// ifMatch is the ETag as the service wants it. What no blob can have never matches; the service might take it for a wildcard.
func ifMatch(etag string) (*azcore.ETag, error) {
	etag = evidence.PlainETag(etag)
	for _, r := range etag {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return nil, fmt.Errorf("%.40q: %w: %w", etag, errETag, evidence.Conflict)
		}
	}
	if etag == "" {
		return nil, fmt.Errorf("empty: %w: %w", errETag, evidence.Conflict)
	}
	quoted := azcore.ETag(`"` + etag + `"`)
	return &quoted, nil
}

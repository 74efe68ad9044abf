package cosmos

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"

	"bwv/internal/evidence"
)

// Config says which container holds the records. Credential is used when Key is empty.
type Config struct {
	Endpoint   string // https://<account>.documents.azure.com:443/
	Key        string // base64, local only
	Credential azcore.TokenCredential
	Database   string
	Container  string
}

// Store is an evidence.Ledger and an evidence.Catalogue. It is safe for concurrent use.
type Store struct {
	client    *azcosmos.Client
	container *azcosmos.ContainerClient
	shards    sync.Map // name -> struct{}: those that this process has registered
}

// Open makes a Store; it does not call the service.
func Open(cfg Config) (*Store, error) {
	options := &azcosmos.ClientOptions{ClientOptions: azcore.ClientOptions{
		// a stage is redelivered anyway, so retries here are few; 429 names its own delay
		Retry: policy.RetryOptions{MaxRetries: 4, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 5 * time.Second},
	}}
	client, err := newClient(cfg, options)
	if err != nil {
		return nil, fmt.Errorf("opening cosmos at %s: %w", cfg.Endpoint, err)
	}
	container, err := client.NewContainer(cfg.Database, cfg.Container)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("opening cosmos container %s/%s: %w", cfg.Database, cfg.Container, err)
	}
	return &Store{client: client, container: container}, nil
}

func newClient(cfg Config, options *azcosmos.ClientOptions) (*azcosmos.Client, error) {
	if cfg.Key == "" {
		if cfg.Credential == nil {
			return nil, fmt.Errorf("neither a key nor a credential: %w", evidence.Invalid)
		}
		return azcosmos.NewClient(cfg.Endpoint, cfg.Credential, options)
	}
	key, err := azcosmos.NewKeyCredential(cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("the key is not base64: %w", evidence.Invalid)
	}
	return azcosmos.NewClientWithKey(cfg.Endpoint, key, options)
}

// Close lets go of what the client caches.
func (s *Store) Close() { s.client.Close() }

// Ready tells whether the container answers.
func (s *Store) Ready(ctx context.Context) error {
	if _, err := s.container.Read(ctx, nil); err != nil {
		return fmt.Errorf("reading container %s: %w", s.container.ID(), withKind(err))
	}
	return nil
}

// query calls take with each document until take returns false. A page may be empty and yet not be the last.
func (s *Store) query(ctx context.Context, shard, text string, page int32, parameters []azcosmos.QueryParameter, take func([]byte) (bool, error)) error {
	// never across partitions: the gateway would refuse to order
	within := false
	pager := s.container.NewQueryItemsPager(text, azcosmos.NewPartitionKeyString(shard), &azcosmos.QueryOptions{
		PageSizeHint: page, QueryParameters: parameters, EnableCrossPartitionQuery: &within,
	})
	for pager.More() {
		result, err := pager.NextPage(ctx)
		if err != nil {
			return withKind(err)
		}
		for _, item := range result.Items {
			if more, err := take(item); err != nil || !more {
				return err
			}
		}
	}
	return nil
}

const shardsPartition = "shards"

// Shards implements evidence.Catalogue; the names are sorted.
func (s *Store) Shards(ctx context.Context) ([]string, error) {
	var names []string
	err := s.query(ctx, shardsPartition, "SELECT * FROM c WHERE c.type = 'shard' ORDER BY c.id", -1, nil, func(raw []byte) (bool, error) {
		var d shardDocument
		if err := json.Unmarshal(raw, &d); err != nil {
			return false, fmt.Errorf("decoding: %w", err)
		}
		names = append(names, d.Name)
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing shards: %w", err)
	}
	return names, nil
}

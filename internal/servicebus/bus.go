package servicebus

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/evidence"
)

// The entities of infra/servicebus.json.
const (
	ingestQueue    = "ingest"
	expireQueue    = "expire"
	reprocessQueue = "reprocess"
	segmentQueue   = "segment"
	footageTopic   = "footage"
)

// Config says which namespace to use: a connection string (local only), or a namespace and a credential.
type Config struct {
	ConnectionString string
	Namespace        string // <name>.servicebus.windows.net
	Credential       azcore.TokenCredential
}

// Bus is an evidence.Disposals, an evidence.Works, an evidence.Parts, an evidence.Requests and an evidence.Arrivals. It is safe for concurrent use.
// The client repeats what was not acknowledged, so that any message may be there twice.
type Bus struct {
	client *azservicebus.Client

	mu      sync.Mutex
	senders map[string]*azservicebus.Sender // by entity; made when first needed
	closed  bool
}

// longest is how long one operation may take with all its repetitions, where the caller does not say less.
const longest = time.Minute

// Open makes a Bus; it does not call the service.
func Open(cfg Config) (*Bus, error) {
	options := &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{
		MaxRetries: 4, RetryDelay: 250 * time.Millisecond, MaxRetryDelay: 5 * time.Second,
	}}
	var client *azservicebus.Client
	var err error
	switch {
	case cfg.ConnectionString != "":
		if client, err = azservicebus.NewClientFromConnectionString(cfg.ConnectionString, options); err != nil {
			// the client's own words may repeat the string
			err = fmt.Errorf("the connection string is not one of a namespace: %w", evidence.Invalid)
		}
	case cfg.Namespace != "" && cfg.Credential != nil:
		client, err = azservicebus.NewClient(cfg.Namespace, cfg.Credential, options)
	default:
		err = fmt.Errorf("neither a connection string nor a namespace with a credential: %w", evidence.Invalid)
	}
	if err != nil {
		return nil, fmt.Errorf("opening the service bus: %w", err)
	}
	return &Bus{client: client, senders: map[string]*azservicebus.Sender{}}, nil
}

// Ready tells whether the queues that people's requests need take messages; it sends none. The others are not asked: in Azure the
// app that faces people may not send to them.
func (b *Bus) Ready(ctx context.Context) error {
	for _, entity := range []string{expireQueue, reprocessQueue} {
		err := b.do(ctx, entity, func(ctx context.Context, s *azservicebus.Sender) error {
			_, err := s.NewMessageBatch(ctx, nil) // asks the entity how large a message may be
			return err
		})
		if err != nil {
			return fmt.Errorf("attaching to %s: %w", entity, err)
		}
	}
	return nil
}

// Close ends the connection; what is being sent fails. A second Close does nothing.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	closed := b.closed
	b.closed = true
	clear(b.senders)
	b.mu.Unlock()
	if closed {
		return nil
	}
	if err := b.client.Close(ctx); err != nil {
		return fmt.Errorf("closing the service bus: %w", err)
	}
	return nil
}

// message makes one about evidence id, with a JSON body. The message ID is never used twice: a namespace that detects duplicates must
// not swallow what was sent again on purpose.
func message(id evidence.ID, body any) (*azservicebus.Message, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w: %w", err, evidence.Invalid)
	}
	m := &azservicebus.Message{Body: raw, ContentType: new("application/json"), MessageID: new(rand.Text())}
	if id != "" {
		m.CorrelationID = new(string(id)) // for people: the portal's explorer shows it
	}
	return m, nil
}

func (b *Bus) send(ctx context.Context, entity string, m *azservicebus.Message) error {
	return b.do(ctx, entity, func(ctx context.Context, s *azservicebus.Sender) error { return s.SendMessage(ctx, m, nil) })
}

// do calls f with the entity's sender. The client mends links and connections by itself; a sender that it gave up is replaced, at once
// if it was closed under us, else for the next call.
func (b *Bus) do(ctx context.Context, entity string, f func(context.Context, *azservicebus.Sender) error) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	for try := 1; ; try++ {
		sender, err := b.sender(entity)
		if err != nil {
			return err
		}
		err = f(ctx, sender)
		if err == nil {
			return nil
		}
		switch codeOf(err) {
		case azservicebus.CodeClosed:
			b.drop(entity, sender)
			if try == 1 {
				continue
			}
		case azservicebus.CodeConnectionLost:
			b.drop(entity, sender)
		}
		return withKind(err)
	}
}

func (b *Bus) sender(entity string) (*azservicebus.Sender, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, fmt.Errorf("the service bus is closed: %w", evidence.Unavailable)
	}
	if s, ok := b.senders[entity]; ok {
		return s, nil
	}
	s, err := b.client.NewSender(entity, nil) // no call yet
	if err != nil {
		return nil, fmt.Errorf("making a sender: %w", withKind(err))
	}
	b.senders[entity] = s
	return s, nil
}

// dropGrace is for the farewell of a link that is most likely dead.
const dropGrace = time.Second

func (b *Bus) drop(entity string, sender *azservicebus.Sender) {
	b.mu.Lock()
	mine := b.senders[entity] == sender
	if mine {
		delete(b.senders, entity)
	}
	b.mu.Unlock()
	if !mine {
		return // somebody else was faster
	}
	ctx, cancel := context.WithTimeout(context.Background(), dropGrace)
	defer cancel()
	_ = sender.Close(ctx) // it is given up either way
}

func codeOf(err error) azservicebus.Code {
	var known *azservicebus.Error
	if errors.As(err, &known) {
		return known.Code
	}
	return ""
}

// withKind wraps what the client said with the kind that callers act on. What is left is an outage, or an entity that an operator has to
// mend (full, disabled, missing): try again later. NotFound is Cancel's affair.
func withKind(err error) error {
	switch {
	case errors.Is(err, azservicebus.ErrMessageTooLarge):
		return fmt.Errorf("%w: %w", err, evidence.TooLarge)
	case codeOf(err) == azservicebus.CodeUnauthorizedAccess:
		return fmt.Errorf("%w: %w", err, evidence.Denied)
	case codeOf(err) == azservicebus.CodeNotFound:
		return fmt.Errorf("%w: %w", err, evidence.NotFound)
	}
	return fmt.Errorf("%w: %w", err, evidence.Unavailable)
}

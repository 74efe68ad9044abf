package eventgrid

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// bus sends with the real SDK. It is used by one worker, hence by one goroutine.
type bus struct {
	connection string
	client     *azservicebus.Client
	sender     *azservicebus.Sender
}

// send connects when there is no connection. After a failure it lets the connection go: the next
// attempt, a retry interval later, begins from scratch.
func (b *bus) send(ctx context.Context, queue string, m message) error {
	if b.sender == nil {
		if err := b.connect(queue); err != nil {
			return err
		}
	}
	contentType := "application/json"
	err := b.sender.SendMessage(ctx, &azservicebus.Message{
		MessageID: &m.ID, Body: m.Body, ContentType: &contentType, ApplicationProperties: m.Properties,
	}, nil)
	if err != nil {
		b.close()
		return fmt.Errorf("sending event %s to queue %s: %w", m.ID, queue, err)
	}
	return nil
}

func (b *bus) connect(queue string) error {
	client, err := azservicebus.NewClientFromConnectionString(b.connection, &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: 1, RetryDelay: 50 * time.Millisecond, MaxRetryDelay: time.Second},
	})
	if err != nil {
		return fmt.Errorf("reading the service bus connection string: %w", err)
	}
	if b.sender, err = client.NewSender(queue, nil); err != nil {
		return fmt.Errorf("making a sender for queue %s: %w", queue, err)
	}
	b.client = client
	return nil
}

func (b *bus) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if b.sender != nil {
		_ = b.sender.Close(ctx) // it is given up either way, and what it sent is acknowledged
		b.sender = nil
	}
	if b.client != nil {
		_ = b.client.Close(ctx) // as above
		b.client = nil
	}
}

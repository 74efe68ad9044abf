package functionshost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const deadLetterSuffix = "/$deadletterqueue"

// busSource is a source over azservicebus, in peek-lock mode.
type busSource struct {
	function  *function
	options   azservicebus.ClientOptions
	namespace string
	client    *azservicebus.Client
	receiver  *azservicebus.Receiver
}

// checkConnection reads the connection string without connecting.
func checkConnection(f *function) error {
	s, err := newBusSource(f, serviceBusConfig{})
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// newBusSource connects with the first receive.
func newBusSource(f *function, c serviceBusConfig) (*busSource, error) {
	s := &busSource{function: f, namespace: namespaceOf(f.bus.connectionString)}
	s.options.RetryOptions = azservicebus.RetryOptions{MaxRetries: int32(c.retries), RetryDelay: c.retryDelay, MaxRetryDelay: c.retryMax}
	if c.retries == 0 {
		s.options.RetryOptions.MaxRetries = -1 // the SDK reads 0 as its own default
	}
	client, err := azservicebus.NewClientFromConnectionString(f.bus.connectionString, &s.options)
	if err != nil {
		return nil, fmt.Errorf("connection %q: %w", f.bus.connection, err)
	}
	s.client = client
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

// open makes the receiver; nothing goes over the wire yet.
func (s *busSource) open() (err error) {
	b := s.function.bus
	options := &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModePeekLock}
	entity := func(name string) string {
		if strings.HasSuffix(strings.ToLower(name), deadLetterSuffix) {
			options.SubQueue = azservicebus.SubQueueDeadLetter
			return name[:len(name)-len(deadLetterSuffix)]
		}
		return name
	}
	if b.queue != "" {
		s.receiver, err = s.client.NewReceiverForQueue(entity(b.queue), options)
	} else {
		s.receiver, err = s.client.NewReceiverForSubscription(b.topic, entity(b.subscription), options)
	}
	if err != nil {
		return fmt.Errorf("receiving from %s: %w", b.path(), err)
	}
	return nil
}

// receive asks for one message at a time: with a single credit nothing is ever handed over that no call is
// ready for, so no lock runs out unseen and the SDK's releaser, which costs a delivery count, has no work.
func (s *busSource) receive(ctx context.Context) (m *message, err error) {
	defer func() {
		if r := recover(); r != nil { // the SDK panics on a DeadLetterReason that is not a string
			m, err = nil, fmt.Errorf("receiving from %s: the SDK gave up on a message: %v", s.function.bus.path(), r)
		}
	}()
	got, err := s.receiver.ReceiveMessages(ctx, 1, nil)
	if err != nil {
		return nil, fmt.Errorf("receiving from %s: %w", s.function.bus.path(), err)
	}
	if len(got) == 0 {
		return nil, nil
	}
	return s.wrap(got[0]), nil
}

func (s *busSource) wrap(native *azservicebus.ReceivedMessage) *message {
	m := &message{native: native}
	if native.SequenceNumber != nil {
		m.sequence = *native.SequenceNumber
	}
	if native.LockedUntil != nil {
		m.lockedUntil = *native.LockedUntil
	}
	m.payload = func() (payload, error) {
		body, err := bodyOf(native)
		if err != nil {
			return payload{}, err
		}
		return payload{data: s.function.value(body), metadata: s.metadata(native)}, nil
	}
	return m
}

// value is the body as the function's dataType wants it.
func (f *function) value(body []byte) any {
	if f.binary {
		return body
	}
	return strings.ToValidUTF8(string(body), "\uFFFD")
}

// bodyOf joins the data sections; .NET has no body for the other kinds either.
func bodyOf(m *azservicebus.ReceivedMessage) ([]byte, error) {
	if raw := m.RawAMQPMessage; raw != nil {
		if raw.Body.Value != nil || raw.Body.Sequence != nil {
			return nil, fmt.Errorf("its body is an AMQP value or sequence, not data")
		}
		return bytes.Join(raw.Body.Data, nil), nil
	}
	return m.Body, nil
}

func (s *busSource) renew(ctx context.Context, m *message) (time.Time, error) {
	native := m.native.(*azservicebus.ReceivedMessage)
	if err := s.receiver.RenewMessageLock(ctx, native, nil); err != nil {
		return time.Time{}, lockError(err)
	}
	return *native.LockedUntil, nil
}

func (s *busSource) settle(ctx context.Context, m *message, done bool) error {
	native := m.native.(*azservicebus.ReceivedMessage)
	if done {
		return lockError(s.receiver.CompleteMessage(ctx, native, nil))
	}
	return lockError(s.receiver.AbandonMessage(ctx, native, nil))
}

func lockError(err error) error {
	var bus *azservicebus.Error
	if errors.As(err, &bus) && bus.Code == azservicebus.CodeLockLost {
		return fmt.Errorf("%w: %w", errLockLost, err)
	}
	return err
}

func (s *busSource) close() {
	ctx, cancel := context.WithTimeout(context.Background(), settleAtClose)
	defer cancel()
	_ = s.receiver.Close(ctx) // the connection goes with the client
	_ = s.client.Close(ctx)   // nothing is left to lose
}

// namespaceOf is the host name of a connection string's endpoint.
func namespaceOf(connection string) string {
	for _, part := range strings.Split(connection, ";") {
		key, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(key), "endpoint") {
			if u, err := url.Parse(value); err == nil {
				return u.Hostname()
			}
		}
	}
	return ""
}

type clientInfo struct {
	FullyQualifiedNamespace string
	IsClosed                bool
	TransportType           int
	Identifier              string
}

// metadata is the binding data of ServiceBusTriggerBindingStrategy; what is null is absent.
func (s *busSource) metadata(m *azservicebus.ReceivedMessage) *bindingData {
	b := newBindingData()
	for _, name := range []string{"MessageReceiver", "MessageSession", "MessageActions", "SessionActions", "ReceiveActions"} {
		b.put(name, struct{}{})
	}
	b.put("Client", clientInfo{FullyQualifiedNamespace: s.namespace, Identifier: s.namespace + "-" + newID()})
	header := uint32(0)
	expires := endOfTime()
	if raw := m.RawAMQPMessage; raw != nil { // the SDK fills these two only beside properties, and reads no TTL as zero
		if raw.Header != nil {
			header = raw.Header.DeliveryCount
			if ttl := raw.Header.TTL; ttl > 0 && m.EnqueuedTime != nil {
				expires = m.EnqueuedTime.Add(ttl)
			}
		}
		if raw.Properties != nil && raw.Properties.AbsoluteExpiryTime != nil {
			expires = *raw.Properties.AbsoluteExpiryTime
		}
	}
	b.put("DeliveryCount", int64(header)+1)
	t := m.LockToken
	b.put("LockToken", fmt.Sprintf("%x-%x-%x-%x-%x", t[0:4], t[4:6], t[6:8], t[8:10], t[10:16]))
	enqueued := time.Time{}
	if m.EnqueuedTime != nil {
		enqueued = *m.EnqueuedTime
	}
	putTimes(b, expires, enqueued)
	if m.MessageID != "" {
		b.put("MessageId", m.MessageID)
	}
	b.putText("ContentType", m.ContentType)
	if m.SequenceNumber != nil {
		b.put("SequenceNumber", *m.SequenceNumber)
	}
	b.putText("Subject", m.Subject)
	b.putText("Label", m.Subject)
	b.putText("CorrelationId", m.CorrelationID)
	b.putText("ReplyTo", m.ReplyTo)
	b.putText("To", m.To)
	b.putText("SessionId", m.SessionID)
	b.putText("ReplyToSessionId", m.ReplyToSessionID)
	b.putText("PartitionKey", m.PartitionKey)
	b.putText("DeadLetterSource", m.DeadLetterSource)
	putProperties(b, m.ApplicationProperties)
	return b
}

func putTimes(b *bindingData, expires, enqueued time.Time) {
	if expires.After(endOfTime()) {
		expires = endOfTime()
	}
	expires, enqueued = expires.UTC(), enqueued.UTC()
	b.put("ExpiresAtUtc", dateTime(expires))
	b.put("ExpiresAt", dateTimeOffset(expires))
	b.put("EnqueuedTimeUtc", dateTime(enqueued))
	b.put("EnqueuedTime", dateTimeOffset(enqueued))
}

func putProperties(b *bindingData, bag map[string]any) {
	if bag == nil {
		bag = map[string]any{}
	}
	b.put("ApplicationProperties", bag)
	b.put("UserProperties", bag)
}

// handmade is the message that POST /admin/functions/{name} makes with ServiceBusModelFactory: nearly all of it
// is default or absent, and a handler must take it all the same.
func handmade(f *function, input string) payload {
	b := newBindingData()
	b.put("DeliveryCount", int64(0))
	b.put("LockToken", "00000000-0000-0000-0000-000000000000")
	putTimes(b, endOfTime(), time.Time{})
	b.put("SequenceNumber", int64(-1))
	putProperties(b, nil)
	return payload{data: f.value([]byte(input)), metadata: b}
}

package servicebus

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

func TestWrongKey(t *testing.T) {
	r := newRig(t)
	c := r.clientWithKey("wrong")
	err := newSender(t, c, "ingest").SendMessage(testContext(t), &azservicebus.Message{Body: []byte("x")}, nil)
	wantCode(t, err, azservicebus.CodeUnauthorizedAccess)
	_, err = newReceiver(t, c, "ingest", nil).ReceiveMessages(testContext(t), 1, nil)
	wantCode(t, err, azservicebus.CodeUnauthorizedAccess)
}

func TestUnknownEntities(t *testing.T) {
	r := newRig(t)
	c := r.client()
	err := newSender(t, c, "nowhere").SendMessage(testContext(t), &azservicebus.Message{Body: []byte("x")}, nil)
	wantCondition(t, err, amqp.ErrCondNotFound)
	for _, entity := range []string{"nowhere", "footage/nobody", "nowhere/all"} {
		_, err := newReceiver(t, c, entity, nil).ReceiveMessages(testContext(t), 1, nil)
		wantCondition(t, err, amqp.ErrCondNotFound)
	}
	_, err = newReceiver(t, c, "footage", nil).ReceiveMessages(testContext(t), 1, nil)
	wantCondition(t, err, amqp.ErrCondNotAllowed) // a topic
	err = newSender(t, c, "footage/Subscriptions/all").SendMessage(testContext(t), &azservicebus.Message{Body: []byte("x")}, nil)
	wantCondition(t, err, amqp.ErrCondNotAllowed)
	send(t, newSender(t, c, "ingest"), "the connection is still good")
}

func wantCondition(t *testing.T, err error, want amqp.ErrCond) {
	t.Helper()
	var e *amqp.Error
	if !errors.As(err, &e) || e.Condition != want {
		t.Fatalf("error %v, want %s", err, want)
	}
}

func TestMessageTooLarge(t *testing.T) {
	r := newRig(t)
	s := newSender(t, r.client(), "ingest")
	body := bytes.Repeat([]byte("x"), MaxMessageSize)
	err := s.SendMessage(testContext(t), &azservicebus.Message{Body: body}, nil)
	if !errors.Is(err, azservicebus.ErrMessageTooLarge) {
		t.Fatalf("error %v, want ErrMessageTooLarge", err)
	}
	send(t, s, "the link is still good")
}

func TestBatch(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	b, err := s.NewMessageBatch(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; ; n++ { // fills it: several frames
		err := b.AddMessage(&azservicebus.Message{Body: bytes.Repeat([]byte{byte(n)}, 10_000)}, nil)
		if errors.Is(err, azservicebus.ErrMessageTooLarge) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 90 {
		t.Fatalf("only %d messages fit", n)
	}
	if err := s.SendMessageBatch(testContext(t), b, nil); err != nil {
		t.Fatal(err)
	}
	for _, m := range receive(t, rc, n) {
		if len(m.Body) != 10_000 || int64(m.Body[0]) != *m.SequenceNumber-1 || m.MessageID == "" {
			t.Fatalf("message %d: %d bytes of %d, id %q", *m.SequenceNumber, len(m.Body), m.Body[0], m.MessageID)
		}
	}
}

func TestWhatIsNotImplementedIsRefused(t *testing.T) {
	r := newRig(t)
	if _, err := r.client().AcceptNextSessionForQueue(testContext(t), "ingest", nil); err == nil {
		t.Error("a session was accepted")
	}
	conn, session := r.raw(t)
	defer conn.Close()
	for _, filter := range []string{"com.microsoft:session-filter", "apache.org:selector-filter:string"} {
		_, err := session.NewReceiver(testContext(t), "ingest", &amqp.ReceiverOptions{
			Filters: []amqp.LinkFilter{amqp.NewLinkFilter(filter, 0x137000000c, "s")},
		})
		wantCondition(t, err, amqp.ErrCondNotImplemented)
	}
}

func TestMessagesThatCannotBeStoredAreRejected(t *testing.T) {
	r := newRig(t)
	conn, session := r.raw(t)
	defer conn.Close()
	s, err := session.NewSender(testContext(t), "ingest", nil)
	if err != nil {
		t.Fatal(err)
	}
	// A message over the limit never leaves go-amqp: TestLinkViolations sends one by hand. Here
	// a message that is exactly at the limit must pass.
	m := amqp.NewMessage(bytes.Repeat([]byte("x"), MaxMessageSize-8))
	if err := s.Send(testContext(t), m, nil); err != nil {
		t.Fatal(err)
	}
	m.Annotations = amqp.Annotations{annScheduled: "not a timestamp"}
	m.Data = [][]byte{[]byte("x")}
	err = s.Send(testContext(t), m, nil)
	wantCondition(t, err, amqp.ErrCondDecodeError)
	m.Annotations = nil
	m.Properties = &amqp.MessageProperties{MessageID: strings.Repeat("i", 129)}
	wantCondition(t, s.Send(testContext(t), m, nil), amqp.ErrCondDecodeError)
	m.Format = batchFormat
	m.Properties = nil
	wantCondition(t, s.Send(testContext(t), m, nil), amqp.ErrCondDecodeError) // "x" is not a message
}

// raw is a connection without the SDK, with the rights it needs.
func (r *rig) raw(t testing.TB) (*amqp.Conn, *amqp.Session) {
	t.Helper()
	conn, err := amqp.Dial(testContext(t), "amqp://"+r.addr, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: r.addr})
	if err != nil {
		t.Fatal(err)
	}
	session, err := conn.NewSession(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	status, err := call(t, session, "$cbs", map[string]any{
		"operation": "put-token", "type": tokenTypeSAS, "name": "amqp://" + r.addr + "/",
	}, sign("amqp://"+r.addr+"/", testKey, KeyName, time.Now().Add(time.Hour)))
	if err != nil || status != 202 {
		t.Fatalf("put-token: status %d, %v", status, err)
	}
	return conn, session
}

// call makes one request to a request-response node.
func call(t testing.TB, session *amqp.Session, address string, props map[string]any, body any) (int32, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := session.NewSender(ctx, address, nil)
	if err != nil {
		return 0, err
	}
	defer s.Close(ctx)
	replyTo := "reply-" + address
	rc, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{TargetAddress: replyTo, SettlementMode: amqp.ReceiverSettleModeFirst.Ptr(),
		RequestedSenderSettleMode: amqp.SenderSettleModeSettled.Ptr()})
	if err != nil {
		return 0, err
	}
	defer rc.Close(ctx)
	err = s.Send(ctx, &amqp.Message{
		Properties: &amqp.MessageProperties{MessageID: "q", ReplyTo: &replyTo}, ApplicationProperties: props, Value: body,
	}, nil)
	if err != nil {
		return 0, err
	}
	m, err := rc.Receive(ctx, nil)
	if err != nil {
		return 0, err
	}
	if m.Properties.CorrelationID != "q" {
		t.Errorf("correlation-id %v", m.Properties.CorrelationID)
	}
	for _, k := range []string{"status-code", "statusCode"} {
		if v, ok := m.ApplicationProperties[k].(int32); ok {
			return v, nil
		}
	}
	t.Fatalf("no status in %v", m.ApplicationProperties)
	return 0, nil
}

func TestUnsupportedOperationsAreNamed(t *testing.T) {
	r := newRig(t)
	conn, session := r.raw(t)
	defer conn.Close()
	for op, want := range map[string]amqp.ErrCond{
		"com.microsoft:get-message-sessions":       amqp.ErrCondNotImplemented,
		"com.microsoft:set-session-state":          amqp.ErrCondNotImplemented,
		"com.microsoft:peek-message":               amqp.ErrCondInvalidField,
		"com.microsoft:renew-lock":                 amqp.ErrCondInvalidField,
		"com.microsoft:receive-by-sequence-number": amqp.ErrCondInvalidField,
		"com.microsoft:update-disposition":         amqp.ErrCondInvalidField,
		"com.microsoft:schedule-message":           amqp.ErrCondInvalidField,
		"com.microsoft:cancel-scheduled-message":   amqp.ErrCondInvalidField,
	} {
		_, err := call(t, session, "ingest/$management", map[string]any{"operation": op}, map[string]any{"sequence-numbers": "x"})
		wantCondition(t, err, want)
	}
	_, err := call(t, session, "footage/Subscriptions/all/$management", map[string]any{"operation": "com.microsoft:schedule-message"}, map[string]any{})
	wantCondition(t, err, amqp.ErrCondNotAllowed)
}

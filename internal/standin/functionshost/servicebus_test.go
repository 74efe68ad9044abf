package functionshost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/standin/functionshost"
	"bwv/internal/standin/servicebus"
)

const entities = `{"UserConfig":{"Namespaces":[{"Name":"ns","Queues":[
 {"Name":"ingest","Properties":{"LockDuration":"PT1M","MaxDeliveryCount":10}},
 {"Name":"short","Properties":{"LockDuration":"PT1S","MaxDeliveryCount":10}},
 {"Name":"brief","Properties":{"LockDuration":"PT3S","MaxDeliveryCount":10}},
 {"Name":"poison","Properties":{"LockDuration":"PT1M","MaxDeliveryCount":3}}],
 "Topics":[{"Name":"footage","Properties":{},"Subscriptions":[{"Name":"metadata","Properties":{"MaxDeliveryCount":2},
  "Rules":[{"Name":"r","Properties":{"FilterType":"Correlation","CorrelationFilter":{"Label":"received"}}}]}]}]}],"Logging":{"Type":"File"}}}`

const key = "a2V5LW9mLXRoZS10ZXN0cw=="

// broker is a Service Bus namespace that can be stopped and started again on its port.
type broker struct {
	t       testing.TB
	dir     string
	address string
	server  *servicebus.Server
	served  chan error
}

func newBroker(t testing.TB) *broker {
	b := &broker{t: t, dir: t.TempDir(), address: "127.0.0.1:0"}
	b.start()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) start() {
	b.t.Helper()
	config, err := servicebus.ParseConfig(strings.NewReader(entities))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.server, err = servicebus.Open(config, servicebus.Options{Dir: b.dir, Key: key}); err != nil {
		b.t.Fatal(err)
	}
	l, err := net.Listen("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.address, b.served = l.Addr().String(), make(chan error, 1)
	go func() { b.served <- b.server.Serve(l) }()
}

func (b *broker) stop() {
	if b.server == nil {
		return
	}
	if err := b.server.Close(); err != nil {
		b.t.Error(err)
	}
	<-b.served
	b.server = nil
}

func (b *broker) connection() string { return servicebus.ConnectionString(b.address, key) }

// client is a client of its own for each step, so that a restart of the broker does not concern it.
func (b *broker) client() *azservicebus.Client {
	b.t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(b.connection(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *broker) send(entity string, messages ...*azservicebus.Message) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := b.client()
	defer c.Close(ctx)
	sender, err := c.NewSender(entity, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range messages {
		if err := sender.SendMessage(ctx, m, nil); err != nil {
			b.t.Fatal(err)
		}
	}
}

// left counts the messages of a queue that are not dead-lettered, locked or not.
func (b *broker) left(queue string) int {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c := b.client()
	defer c.Close(ctx)
	receiver, err := c.NewReceiverForQueue(queue, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	found, err := receiver.PeekMessages(ctx, 100, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(found)
}

func text(s string) *azservicebus.Message { return &azservicebus.Message{Body: []byte(s)} }

// queue is the function.json of a trigger with more members.
func queue(members string) string {
	return `{"bindings":[{"type":"serviceBusTrigger","direction":"in","name":"msg","connection":"SB","dataType":"binary",` + members + `}]}`
}

// hostJSON limits the calls and makes the SDK try again quickly.
func hostJSON(calls int, timeout string) string {
	return fmt.Sprintf(`{"version":"2.0","functionTimeout":%q,
 "customHandler":{"description":{"defaultExecutablePath":"handler"},"enableProxyingHttpRequest":true,"initializationTimeout":"00:00:10"},
 "extensions":{"serviceBus":{"maxConcurrentCalls":%d,"clientRetryOptions":{"delay":"00:00:00.10","maxDelay":"00:00:00.50","maxRetries":3}}},
 "extensionBundle":{"id":"Microsoft.Azure.Functions.ExtensionBundle","version":"[4.*, 5.0.0)"}}`, timeout, calls)
}

func root(t testing.TB, b *broker, files functionshost.Files) *functionshost.Root {
	if _, ok := files["host.json"]; !ok {
		files["host.json"] = hostJSON(16, "00:00:30")
	}
	r := functionshost.NewRoot(t, files)
	r.Settings["SB"] = b.connection()
	return r
}

func TestMessageReachesItsFunction(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": queue(`"queueName":"%QUEUE%"`)})
	r.Settings["QUEUE"] = "ingest"
	r.Start(t)
	id, subject, correlation, contentType := "upload-42", "bwv.upload", "c-1", "application/json"
	b.send("ingest", &azservicebus.Message{Body: []byte(`{"messageId":"evil"}`), MessageID: &id, Subject: &subject, CorrelationID: &correlation,
		ContentType: &contentType, ApplicationProperties: map[string]any{"tenant": "t1", "attempt": int64(3)}})
	functionshost.Until(t, "the call", func() bool { return len(r.Calls(t, "Ok")) == 1 })
	functionshost.Until(t, "its completion", func() bool { return b.left("ingest") == 0 })
	c := r.Calls(t, "Ok")[0]
	var body []byte
	if err := json.Unmarshal(c.Data["msg"], &body); err != nil || string(body) != `{"messageId":"evil"}` {
		t.Errorf("%s: %v", c.Data["msg"], err)
	}
	for name, want := range map[string]string{
		"MessageId": `"\"upload-42\""`, "Subject": `"\"bwv.upload\""`, "Label": `"\"bwv.upload\""`, "CorrelationId": `"\"c-1\""`,
		"ContentType": `"\"application/json\""`, "DeliveryCount": `"1"`, "SequenceNumber": `"1"`, "ApplicationProperties": `{"attempt":3,"tenant":"t1"}`,
		"UserProperties": `{"attempt":3,"tenant":"t1"}`, "MessageActions": `{}`, "ReplyTo": "", "SessionId": "", "DeadLetterSource": "",
	} {
		if got := string(c.Metadata[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	var enqueued time.Time
	if err := json.Unmarshal(c.Metadata["EnqueuedTime"], &enqueued); err != nil || time.Since(enqueued).Abs() > time.Minute {
		t.Errorf("EnqueuedTime %s: %v", c.Metadata["EnqueuedTime"], err)
	}
	if !strings.Contains(string(c.Metadata["Client"]), `"FullyQualifiedNamespace":"127.0.0.1"`) || len(c.Metadata["LockToken"]) != 42 {
		t.Errorf("%s %s", c.Metadata["Client"], c.Metadata["LockToken"])
	}
}

func TestTextModeIsPollutedByTheBody(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": strings.Replace(queue(`"queueName":"ingest"`), `"dataType":"binary",`, "", 1)})
	r.Start(t)
	id := "true-id"
	b.send("ingest", &azservicebus.Message{Body: []byte(`{"messageId":"evil"}`), MessageID: &id})
	functionshost.Until(t, "the call", func() bool { return len(r.Calls(t, "Ok")) == 1 })
	if c := r.Calls(t, "Ok")[0]; string(c.Metadata["MessageId"]) != `"\"evil\""` || string(c.Data["msg"]) != `"\"{\\\"messageId\\\":\\\"evil\\\"}\""` {
		t.Errorf("%s %s", c.Metadata["MessageId"], c.Data["msg"])
	}
}

func TestFailuresEndInTheDeadLetterQueue(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{
		"Fail/function.json":   queue(`"queueName":"poison"`),
		"Dead/function.json":   queue(`"queueName":"poison/$DeadLetterQueue"`),
		"Text/function.json":   queue(`"topicName":"%TOPIC%","subscriptionName":"metadata"`),
		"Buried/function.json": queue(`"topicName":"%TOPIC%","subscriptionName":"metadata/$DeadLetterQueue"`),
	})
	r.Settings["TOPIC"] = "footage"
	r.Start(t)
	received := "received"
	b.send("poison", text("p"))
	b.send("footage", &azservicebus.Message{Body: []byte("s"), Subject: &received}, text("not subscribed"))
	functionshost.Until(t, "both dead letters", func() bool { return len(r.Calls(t, "Dead")) == 1 && len(r.Calls(t, "Buried")) == 1 })
	calls := r.Calls(t, "Fail")
	if len(calls) != 3 || len(r.Calls(t, "Text")) != 2 {
		t.Fatalf("%d and %d deliveries, want 3 and 2", len(calls), len(r.Calls(t, "Text")))
	}
	for i, c := range calls {
		if want := fmt.Sprintf(`"%d"`, i+1); string(c.Metadata["DeliveryCount"]) != want {
			t.Errorf("DeliveryCount %s, want %s", c.Metadata["DeliveryCount"], want)
		}
	}
	if bag := string(r.Calls(t, "Dead")[0].Metadata["ApplicationProperties"]); !strings.Contains(bag, "DeadLetterReason") {
		t.Errorf("properties of a dead letter: %s", bag)
	}
}

func TestLockIsRenewedWhileTheCallIsOpen(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Long/function.json": queue(`"queueName":"brief"`)}) // 3 s of lock, 4.5 s of work
	r.Start(t)
	b.send("brief", text("a"), text("b"))
	functionshost.Until(t, "completion", func() bool { return len(r.Calls(t, "Long")) >= 2 && b.left("brief") == 0 })
	if n := len(r.Calls(t, "Long")); n != 2 {
		t.Errorf("%d deliveries", n)
	}
}

// With maxAutoLockRenewalDuration 0 a lock runs out under its function, and the message comes again.
func TestLockIsLostWithoutRenewal(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Slow/function.json": queue(`"queueName":"short"`), // 1 s of lock, 1.5 s of work
		"host.json": strings.Replace(hostJSON(2, "00:00:30"), `"maxConcurrentCalls"`, `"maxAutoLockRenewalDuration":"00:00:00","maxConcurrentCalls"`, 1)})
	r.Start(t)
	b.send("short", text("a"))
	functionshost.Until(t, "a second delivery", func() bool { return len(r.Calls(t, "Slow")) >= 2 })
	functionshost.Until(t, "words", func() bool { return r.Logs.Has("settling a message: it will be delivered again") })
	if got := string(r.Calls(t, "Slow")[1].Metadata["DeliveryCount"]); got != `"2"` {
		t.Errorf("the second delivery is number %s", got)
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Hang/function.json": queue(`"queueName":"ingest"`), "host.json": hostJSON(2, "00:00:20")})
	h := r.Start(t)
	b.send("ingest", text("1"), text("2"), text("3"), text("4"))
	functionshost.Until(t, "two calls", func() bool { return len(r.Calls(t, "Hang")) == 2 })
	// The next two arrive when the first two are done with, and not before: the kill ends them.
	first := h.HandlerPID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	functionshost.Until(t, "calls of the next process", func() bool { return len(r.Calls(t, "Hang")) >= 4 })
	for _, c := range r.Calls(t, "Hang")[:2] {
		if c.PID != first {
			t.Error("more than two calls at a time")
		}
	}
	if c := r.Calls(t, "Hang")[2]; c.PID == first {
		t.Error("a third call reached the first process")
	}
}

func TestMessagesSurviveTheHandler(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": queue(`"queueName":"ingest"`)})
	h := r.Start(t)
	pid := h.HandlerPID()
	messages := make([]*azservicebus.Message, 30)
	for i := range messages {
		messages[i] = text(fmt.Sprint(i))
	}
	b.send("ingest", messages...)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	functionshost.Until(t, "every message", func() bool { return b.left("ingest") == 0 })
	functionshost.Until(t, "another handler", func() bool { p := h.HandlerPID(); return p != 0 && p != pid })
	bodies := map[string]bool{}
	for _, c := range r.Calls(t, "Ok") {
		bodies[string(c.Data["msg"])] = true
	}
	if len(bodies) != 30 {
		t.Errorf("%d of 30 messages arrived", len(bodies))
	}
}

func TestBrokerRestart(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": queue(`"queueName":"ingest"`), "Slow/function.json": queue(`"queueName":"short"`)})
	h := r.Start(t)
	b.send("ingest", text("before"))
	functionshost.Until(t, "the first", func() bool { return len(r.Calls(t, "Ok")) == 1 })
	for i := range 3 {
		b.send("short", text("in flight"))
		functionshost.Until(t, "a call in flight", func() bool { return len(r.Calls(t, "Slow")) > i })
		b.stop()
		time.Sleep(300 * time.Millisecond) // long enough for a refused connection
		b.start()
		b.send("ingest", text(fmt.Sprint("after ", i)))
		functionshost.Until(t, "the message after the restart", func() bool { return len(r.Calls(t, "Ok")) >= 2+i })
		functionshost.Until(t, "completion", func() bool { return b.left("ingest") == 0 && b.left("short") == 0 })
	}
	if h.Err() != nil {
		t.Error(h.Err())
	}
}

func TestHostStartsBeforeItsBroker(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": queue(`"queueName":"ingest"`)})
	b.stop()
	r.Start(t)
	functionshost.Until(t, "words", func() bool { return r.Logs.Has("receiving messages; trying again") })
	b.start()
	b.send("ingest", text("x"))
	functionshost.Until(t, "the message", func() bool { return len(r.Calls(t, "Ok")) == 1 })
}

func TestNothingIsLostWhenTheHostStops(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Hang/function.json": queue(`"queueName":"ingest"`), "host.json": hostJSON(2, "00:00:20")})
	h := r.Start(t)
	b.send("ingest", text("1"), text("2"), text("3"))
	functionshost.Until(t, "calls in flight", func() bool { return len(r.Calls(t, "Hang")) == 2 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	r.Settings["MODE_Hang"] = "Ok"
	r.Start(t)
	functionshost.Until(t, "completion, without waiting for the locks of a minute", func() bool { return b.left("ingest") == 0 })
}

func TestMessageThatBreaksTheSDK(t *testing.T) {
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Ok/function.json": queue(`"queueName":"short"`)})
	r.Start(t)
	b.send("short", &azservicebus.Message{Body: []byte("x"), ApplicationProperties: map[string]any{"DeadLetterReason": int64(7)}}, text("sound"))
	functionshost.Until(t, "the sound one", func() bool { return len(r.Calls(t, "Ok")) == 1 })
	functionshost.Until(t, "words", func() bool { return r.Logs.Has("gave up on a message") })
}

func TestAdvancedClockOfTheBroker(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	r := root(t, b, functionshost.Files{"Slow/function.json": queue(`"queueName":"ingest"`)})
	r.Start(t)
	b.server.Advance(31 * 24 * time.Hour)
	b.send("ingest", text("x"))
	functionshost.Until(t, "completion", func() bool { return len(r.Calls(t, "Slow")) == 1 && b.left("ingest") == 0 })
}

package servicebus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if isChild() {
		childMain()
		return
	}
	goleak.VerifyTestMain(m)
}

const testKey = "c2VjcmV0LWtleS1vZi10aGUtdGVzdHM="

// testConfig has one entity for each behaviour.
const testConfig = `{"UserConfig":{"Namespaces":[{"Name":"sbemulatorns","Queues":[
 {"Name":"ingest","Properties":{"LockDuration":"PT1M","MaxDeliveryCount":10,"DefaultMessageTimeToLive":"P14D"}},
 {"Name":"short","Properties":{"LockDuration":"PT1S","MaxDeliveryCount":3}},
 {"Name":"dead","Properties":{"DefaultMessageTimeToLive":"PT1H","DeadLetteringOnMessageExpiration":true}},
 {"Name":"drop","Properties":{"DefaultMessageTimeToLive":"PT1H"}},
 {"Name":"once","Properties":{"RequiresDuplicateDetection":true,"DuplicateDetectionHistoryTimeWindow":"PT20S"}}],
 "Topics":[{"Name":"footage","Properties":{"DefaultMessageTimeToLive":"P14D"},"Subscriptions":[
  {"Name":"metadata","Properties":{},"Rules":[{"Name":"received","Properties":{"FilterType":"Correlation","CorrelationFilter":{"Label":"received"}}}]},
  {"Name":"proxy","Properties":{},"Rules":[
   {"Name":"a","Properties":{"FilterType":"Correlation","CorrelationFilter":{"Subject":"received"}}},
   {"Name":"b","Properties":{"FilterType":"Correlation","CorrelationFilter":{"Properties":{"kind":"video","part":2}}}}]},
  {"Name":"all","Properties":{}}]}]}],"Logging":{"Type":"Console"}}}`

func parseTestConfig(t testing.TB) Config {
	t.Helper()
	c, err := ParseConfig(strings.NewReader(testConfig))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// rig is a server on a port of its own.
type rig struct {
	t    testing.TB
	srv  *Server
	addr string
	dir  string
	done chan error
	once sync.Once
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return startRig(t, t.TempDir(), Options{})
}

func startRig(t testing.TB, dir string, o Options) *rig {
	t.Helper()
	o.Dir, o.Key = dir, testKey
	srv, err := Open(parseTestConfig(t), o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, srv: srv, addr: l.Addr().String(), dir: dir, done: make(chan error, 1)}
	go func() { r.done <- srv.Serve(l) }()
	t.Cleanup(r.stop)
	return r
}

func (r *rig) stop() { r.once.Do(r.stopOnce) }

func (r *rig) stopOnce() {
	if err := r.srv.Close(); err != nil {
		r.t.Error(err)
	}
	select {
	case err := <-r.done:
		if err != nil {
			r.t.Error(err)
		}
	case <-time.After(10 * time.Second):
		r.t.Error("Serve does not return")
	}
}

// restart opens the same state again.
func (r *rig) restart() *rig {
	r.t.Helper()
	r.stop()
	return startRig(r.t, r.dir, Options{})
}

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func (r *rig) client() *azservicebus.Client { return r.clientWithKey(testKey) }

func (r *rig) clientWithKey(key string) *azservicebus.Client {
	r.t.Helper()
	return newClient(r.t, r.addr, key)
}

func newClient(t testing.TB, addr, key string) *azservicebus.Client {
	t.Helper()
	c, err := azservicebus.NewClientFromConnectionString(ConnectionString(addr, key), &azservicebus.ClientOptions{
		RetryOptions: azservicebus.RetryOptions{MaxRetries: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = c.Close(ctx) // the server may be gone
	})
	return c
}

func newSender(t testing.TB, c *azservicebus.Client, entity string) *azservicebus.Sender {
	t.Helper()
	s, err := c.NewSender(entity, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newReceiver(t testing.TB, c *azservicebus.Client, entity string, o *azservicebus.ReceiverOptions) *azservicebus.Receiver {
	t.Helper()
	var r *azservicebus.Receiver
	var err error
	if topic, sub, ok := strings.Cut(entity, "/"); ok {
		r, err = c.NewReceiverForSubscription(topic, sub, o)
	} else {
		r, err = c.NewReceiverForQueue(entity, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func deadReceiver(t testing.TB, c *azservicebus.Client, entity string) *azservicebus.Receiver {
	t.Helper()
	return newReceiver(t, c, entity, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
}

func send(t testing.TB, s *azservicebus.Sender, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte(b)}, nil); err != nil {
			t.Fatalf("sending %q: %v", b, err)
		}
	}
}

// receive waits for exactly n messages.
func receive(t testing.TB, r *azservicebus.Receiver, n int) []*azservicebus.ReceivedMessage {
	t.Helper()
	ctx := testContext(t)
	var out []*azservicebus.ReceivedMessage
	for len(out) < n {
		list, err := r.ReceiveMessages(ctx, n-len(out), nil)
		if err != nil {
			t.Fatalf("receiving message %d of %d: %v", len(out)+1, n, err)
		}
		out = append(out, list...)
	}
	return out
}

// empty checks that nothing can be received for a moment.
func empty(t testing.TB, r *azservicebus.Receiver) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
	defer cancel()
	list, err := r.ReceiveMessages(ctx, 1, nil)
	if len(list) != 0 {
		t.Fatalf("received %q, want nothing", list[0].Body)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("receiving nothing: %v", err)
	}
}

func finish(t testing.TB, r *azservicebus.Receiver, list ...*azservicebus.ReceivedMessage) {
	t.Helper()
	for _, m := range list {
		if err := r.CompleteMessage(testContext(t), m, nil); err != nil {
			t.Fatalf("completing %q: %v", m.Body, err)
		}
	}
}

func wantBodies(t testing.TB, list []*azservicebus.ReceivedMessage, want ...string) {
	t.Helper()
	got := make([]string, len(list))
	for i, m := range list {
		got[i] = string(m.Body)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("bodies %q, want %q", got, want)
	}
}

func wantCode(t testing.TB, err error, code azservicebus.Code) {
	t.Helper()
	var sb *azservicebus.Error
	if !errors.As(err, &sb) || sb.Code != code {
		t.Fatalf("error %v, want code %s", err, code)
	}
}

// status is the line of GET /entities for one entity.
func (r *rig) status(name string) status {
	r.t.Helper()
	list, err := r.srv.broker.entities()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range list {
		if strings.EqualFold(s.Name, name) {
			return s
		}
	}
	r.t.Fatalf("no entity %s", name)
	return status{}
}

// eventually polls until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

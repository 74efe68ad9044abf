package eventgrid_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/standin/eventgrid"
	"bwv/internal/standin/servicebus"
)

const (
	busKey    = "c2VjcmV0LWtleS1vZi10aGUtdGVzdHM="
	busConfig = `{"UserConfig":{"Namespaces":[{"Name":"sbemulatorns","Queues":[{"Name":"ingest","Properties":{}}],"Topics":[]}],"Logging":{"Type":"Console"}}}`
)

// broker is a real Service Bus server that can be stopped and started again at the same address.
type broker struct {
	dir, addr string
	server    *servicebus.Server
	served    chan error
}

func (b *broker) start(t testing.TB) {
	t.Helper()
	cfg, err := servicebus.ParseConfig(strings.NewReader(busConfig))
	if err != nil {
		t.Fatal(err)
	}
	if b.server, err = servicebus.Open(cfg, servicebus.Options{Dir: b.dir, Key: busKey}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	b.addr, b.served = l.Addr().String(), make(chan error, 1)
	go func() { b.served <- b.server.Serve(l) }()
}

func (b *broker) stop(t testing.TB) {
	t.Helper()
	if err := b.server.Close(); err != nil {
		t.Error(err)
	}
	<-b.served
}

func receive(t *testing.T, b *broker) *azservicebus.ReceivedMessage {
	t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(servicebus.ConnectionString(b.addr, busKey), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close(context.WithoutCancel(t.Context()))
	receiver, err := client.NewReceiverForQueue("ingest", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close(context.WithoutCancel(t.Context()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		got, err := receiver.ReceiveMessages(ctx, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) > 0 {
			return got[0]
		}
	}
}

// The real SDK delivers over AMQP, before the broker goes away and after it has come back.
func TestDeliveryOverServiceBus(t *testing.T) {
	b := &broker{dir: t.TempDir(), addr: "127.0.0.1:0"}
	b.start(t)
	s := newStack(t, nil)
	s.close()
	s.options.ConnectionString = servicebus.ConnectionString(b.addr, busKey)
	s.options.MaxAttempts = 10_000
	s.openWith(eventgrid.Open)

	s.put("first.mp4", "hello")
	m := receive(t, b)
	e := decode(t, eventgrid.Message{Body: m.Body})
	if e.Subject != "/blobServices/default/containers/footage/blobs/first.mp4" || m.MessageID != e.ID ||
		m.ContentType == nil || *m.ContentType != "application/json" || e.Data.ContentLength != 5 {
		t.Fatalf("%s %v %s", m.MessageID, m.ContentType, m.Body)
	}
	for k, v := range map[string]string{"aeg-event-type": "Notification", "aeg-subscription-name": "INGEST",
		"aeg-delivery-count": "0", "aeg-data-version": "", "aeg-metadata-version": "1"} {
		if m.ApplicationProperties[k] != v {
			t.Errorf("property %s is %v, want %q", k, m.ApplicationProperties[k], v)
		}
	}
	s.drained()

	b.stop(t)
	s.put("second.mp4", "hello again")
	if s.server.Pending() != 1 {
		t.Fatal("the broker is away, but nothing waits")
	}
	b.start(t)
	if e := decode(t, eventgrid.Message{Body: receive(t, b).Body}); !strings.HasSuffix(e.Subject, "/second.mp4") {
		t.Fatalf("%+v", e)
	}
	s.drained()
	s.close()
	b.stop(t)
}

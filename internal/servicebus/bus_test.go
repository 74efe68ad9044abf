package servicebus_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"go.uber.org/goleak"

	"bwv/internal/evidence"
	"bwv/internal/evidence/evidencetest"
	"bwv/internal/servicebus"
	namespace "bwv/internal/standin/servicebus"
)

const key = "c2VjcmV0LWtleS1vZi10aGUtdGVzdHM="

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// repository is the folder of go.mod.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}

// broker is a namespace with the entities of infra/servicebus.json.
type broker struct {
	t      *testing.T
	dir    string
	addr   string
	server *namespace.Server
	served chan error
}

func start(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	b.start()
	t.Cleanup(b.stop)
	return b
}

// start begins, or begins again at the same address with what was stored.
func (b *broker) start() {
	b.t.Helper()
	file, err := os.Open(filepath.Join(repository(b.t), "infra", "servicebus.json"))
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	cfg, err := namespace.ParseConfig(file)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.server, err = namespace.Open(cfg, namespace.Options{Dir: b.dir, Key: key}); err != nil {
		b.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.addr = listener.Addr().String()
	b.served = make(chan error, 1)
	go func() { b.served <- b.server.Serve(listener) }()
}

func (b *broker) stop() {
	b.t.Helper()
	if err := b.server.Close(); err != nil {
		b.t.Error(err)
	}
	if err := <-b.served; err != nil {
		b.t.Error(err)
	}
	b.served <- nil // a second stop
}

func (b *broker) connection() string { return namespace.ConnectionString(b.addr, key) }

func (b *broker) open() *servicebus.Bus {
	b.t.Helper()
	bus, err := servicebus.Open(servicebus.Config{ConnectionString: b.connection()})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for range 2 {
			if err := bus.Close(ctx); err != nil {
				b.t.Error(err)
			}
		}
	})
	return bus
}

// receiver takes messages from a queue, or from a subscription of topic footage.
func (b *broker) receiver(entity ...string) func(deadline time.Time) *azservicebus.ReceivedMessage {
	b.t.Helper()
	client, err := azservicebus.NewClientFromConnectionString(b.connection(), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = client.Close(context.Background()) })
	var receiver *azservicebus.Receiver
	if len(entity) == 2 {
		receiver, err = client.NewReceiverForSubscription(entity[0], entity[1], nil)
	} else {
		receiver, err = client.NewReceiverForQueue(entity[0], nil)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return func(deadline time.Time) *azservicebus.ReceivedMessage {
		b.t.Helper()
		ctx, cancel := context.WithDeadline(b.t.Context(), deadline)
		defer cancel()
		for {
			messages, err := receiver.ReceiveMessages(ctx, 1, nil)
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				b.t.Fatal(err)
			}
			if len(messages) == 1 { // none and no error: the connection was mended
				if err := receiver.CompleteMessage(b.t.Context(), messages[0], nil); err != nil {
					b.t.Fatal(err)
				}
				return messages[0]
			}
		}
	}
}

func bodies[T any](t *testing.T, receive func(time.Time) *azservicebus.ReceivedMessage) evidencetest.Receive[T] {
	return func(deadline time.Time) (body T, ok bool) {
		t.Helper()
		m := receive(deadline)
		if m == nil {
			return body, false
		}
		if m.ContentType == nil || *m.ContentType != "application/json" || m.MessageID == "" {
			t.Fatalf("content type %v, message ID %q", m.ContentType, m.MessageID)
		}
		if err := json.Unmarshal(m.Body, &body); err != nil {
			t.Fatal(err)
		}
		return body, true
	}
}

func TestDisposals(t *testing.T) {
	evidencetest.Disposals(t, func(t *testing.T) (evidence.Disposals, evidencetest.Receive[evidence.Disposal]) {
		b := start(t)
		return b.open(), bodies[evidence.Disposal](t, b.receiver("expire"))
	})
}

func TestWorks(t *testing.T) {
	evidencetest.Works(t, func(t *testing.T) (evidence.Works, func(evidence.Subject) evidencetest.Receive[evidence.Work]) {
		b := start(t)
		return b.open(), func(stage evidence.Subject) evidencetest.Receive[evidence.Work] {
			return bodies[evidence.Work](t, b.receiver("footage", string(stage)))
		}
	})
}

func TestParts(t *testing.T) {
	evidencetest.Parts(t, func(t *testing.T) (evidence.Parts, evidencetest.Receive[evidence.Part]) {
		b := start(t)
		return b.open(), bodies[evidence.Part](t, b.receiver("segment"))
	})
}

// TestPartsBeyondABatch sends more than one batch holds.
func TestPartsBeyondABatch(t *testing.T) {
	b := start(t)
	const id = "lambeth-202611-aaaaaaaaaaaaaaaaaaaa"
	missing := map[int]bool{}
	var parts []evidence.Part
	for n := range 3000 {
		parts = append(parts, evidence.Part{Evidence: id, Chunk: n})
		missing[n] = true
	}
	if err := b.open().Dispatch(t.Context(), parts); err != nil {
		t.Fatal(err)
	}
	receive := bodies[evidence.Part](t, b.receiver("segment"))
	for len(missing) > 0 {
		p, ok := receive(time.Now().Add(20 * time.Second))
		if !ok || !missing[p.Chunk] {
			t.Fatalf("got %+v (%t), %d more expected", p, ok, len(missing))
		}
		delete(missing, p.Chunk)
	}
}

// TestPartTooLarge is no endless loop: a message that fits into no batch is refused.
func TestPartTooLarge(t *testing.T) {
	b := start(t)
	bus := b.open()
	huge := evidence.Part{Evidence: evidence.ID(strings.Repeat("x", 2<<20))}
	if err := bus.Dispatch(t.Context(), []evidence.Part{huge}); !errors.Is(err, evidence.TooLarge) {
		t.Fatal(err)
	}
	small := evidence.Part{Evidence: "lambeth-202611-aaaaaaaaaaaaaaaaaaaa", Chunk: 1}
	if err := bus.Dispatch(t.Context(), []evidence.Part{small, huge}); !errors.Is(err, evidence.TooLarge) {
		t.Fatal(err)
	}
	if p, ok := bodies[evidence.Part](t, b.receiver("segment"))(time.Now().Add(20 * time.Second)); !ok || p != small {
		t.Fatalf("got %+v (%t)", p, ok)
	}
}

func TestRequests(t *testing.T) {
	evidencetest.Requests(t, func(t *testing.T) (evidence.Requests, evidencetest.Receive[evidence.Reprocess]) {
		b := start(t)
		return b.open(), bodies[evidence.Reprocess](t, b.receiver("reprocess"))
	})
}

// event is what Event Grid documents of a BlobCreated event.
type event struct {
	Type    string    `json:"eventType"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"eventTime"`
	Data    struct {
		API    string `json:"api"`
		ETag   string `json:"eTag"`
		Length int64  `json:"contentLength"`
	} `json:"data"`
}

func TestArrivals(t *testing.T) {
	evidencetest.Arrivals(t, func(t *testing.T) (evidence.Arrivals, evidencetest.Receive[evidence.Original]) {
		b := start(t)
		events := bodies[event](t, b.receiver("ingest"))
		return b.open(), func(deadline time.Time) (evidence.Original, bool) {
			e, ok := events(deadline)
			if !ok {
				return evidence.Original{}, false
			}
			path, found := strings.CutPrefix(e.Subject, "/blobServices/default/containers/footage/blobs/")
			if !found || e.Type != "Microsoft.Storage.BlobCreated" || e.Data.API != "PutBlockList" {
				t.Fatalf("event %+v", e)
			}
			return evidence.Original{Path: path, ETag: e.Data.ETag, Size: e.Data.Length, Created: e.Time}, true
		}
	})
}

// TestRestart sends before and after the broker was away.
func TestRestart(t *testing.T) {
	b := start(t)
	bus := b.open()
	id := func(n int) evidence.ID {
		return evidence.ID(fmt.Sprintf("lambeth-202611-aaaaaaaaaaaaaaaaaaa%c", 'a'+n))
	}
	sequence, err := bus.Schedule(t.Context(), evidence.Disposal{Evidence: id(0), Epoch: 1}, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for round, patience := range []time.Duration{time.Minute, time.Second} { // the client gives up, and then the caller does
		b.stop()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := bus.Announce(ctx, evidence.SubjectProxy, evidence.Work{Evidence: id(9)}); !errors.Is(err, evidence.Unavailable) {
			t.Fatalf("round %d, nobody there: %v", round, err)
		}
		cancel()
		b.start()
		if err := bus.Announce(t.Context(), evidence.SubjectProxy, evidence.Work{Evidence: id(round)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := bus.Cancel(t.Context(), sequence); err != nil {
		t.Fatal(err)
	}
	receive := bodies[evidence.Work](t, b.receiver("footage", "proxy"))
	for round := range 2 {
		if w, ok := receive(time.Now().Add(20 * time.Second)); !ok || w.Evidence != id(round) {
			t.Fatalf("got %+v (%t), want %s", w, ok, id(round))
		}
	}
}

func TestReady(t *testing.T) {
	b := start(t)
	bus := b.open()
	if err := bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, queue := range []string{"ingest", "expire", "reprocess", "segment"} {
		if m := b.receiver(queue)(time.Now().Add(200 * time.Millisecond)); m != nil {
			t.Fatalf("a question put %s on %s", m.Body, queue)
		}
	}
	wrong, err := servicebus.Open(servicebus.Config{ConnectionString: namespace.ConnectionString(b.addr, "AAAA")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := wrong.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := wrong.Ready(t.Context()); !errors.Is(err, evidence.Denied) {
		t.Fatalf("with a wrong key: %v", err)
	}
}

func TestClosed(t *testing.T) {
	bus := start(t).open()
	if err := bus.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := bus.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := bus.Request(t.Context(), evidence.Reprocess{}); !errors.Is(err, evidence.Unavailable) {
		t.Fatal(err)
	}
}

func TestTooLarge(t *testing.T) {
	bus := start(t).open()
	err := bus.Request(t.Context(), evidence.Reprocess{Reason: strings.Repeat("x", 2<<20)})
	if !errors.Is(err, evidence.TooLarge) {
		t.Fatal(err)
	}
	if err := bus.Request(t.Context(), evidence.Reprocess{Reason: "small"}); err != nil {
		t.Fatal(err)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []servicebus.Config{{}, {Namespace: "a.servicebus.windows.net"}, {ConnectionString: "Endpoint=sb://secret"}} {
		_, err := servicebus.Open(cfg)
		if !errors.Is(err, evidence.Invalid) || strings.Contains(err.Error(), "secret") {
			t.Fatalf("%+v: %v", cfg, err)
		}
	}
}

// TestMessage pins what the subscriptions filter by and what people see.
func TestMessage(t *testing.T) {
	b := start(t)
	const id = "lambeth-202611-aaaaaaaaaaaaaaaaaaaa"
	if err := b.open().Announce(t.Context(), evidence.SubjectRetention, evidence.Work{Evidence: id, Again: true}); err != nil {
		t.Fatal(err)
	}
	m := b.receiver("footage", "retention")(time.Now().Add(20 * time.Second))
	if m == nil || m.Subject == nil || *m.Subject != "retention" || m.CorrelationID == nil || *m.CorrelationID != id {
		t.Fatalf("%+v", m)
	}
	if want := `{"evidence":"` + id + `","again":true}`; string(m.Body) != want {
		t.Fatalf("body %s, want %s", m.Body, want)
	}
}

package eventgrid_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"go.uber.org/goleak"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
)

func TestMain(m *testing.M) {
	if told := os.Getenv(proxySwitch); told != "" {
		os.Exit(runVictim(told))
	}
	goleak.VerifyTestMain(m)
}

const (
	topic     = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/devstoreaccount1"
	container = "footage"
)

var errAway = errors.New("the broker is away")

// queue is where events arrive: a stand-in for the broker that can be away.
type queue struct {
	mu       sync.Mutex
	away     bool
	attempts int
	got      []eventgrid.Message
}

func (q *queue) send(_ context.Context, _ string, m eventgrid.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.attempts++
	if q.away {
		return errAway
	}
	q.got = append(q.got, m)
	return nil
}

func (q *queue) setAway(away bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away = away
}

func (q *queue) messages() []eventgrid.Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]eventgrid.Message(nil), q.got...)
}

func (q *queue) tried() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.attempts
}

// body is the event as a consumer sees it.
type body struct {
	Topic, Subject, EventType, ID, EventTime, MetadataVersion string
	DataVersion                                               *string
	Data                                                      struct {
		API, ClientRequestID, RequestID, ETag, ContentType, BlobType, AccessTier, URL, Sequencer string
		ContentLength                                                                            int64
		StorageDiagnostics                                                                       struct{ BatchID string }
	}
}

func decode(t testing.TB, m eventgrid.Message) body {
	t.Helper()
	var b body
	if err := json.Unmarshal(m.Body, &b); err != nil {
		t.Fatalf("%s: %v", m.Body, err)
	}
	return b
}

// stack is Azurite, the proxy, and a client that goes through the proxy.
type stack struct {
	t       testing.TB
	azurite *azurite.Server
	queue   *queue
	options eventgrid.Options
	server  *eventgrid.Server
	front   *httptest.Server
	client  *azblob.Client // through the proxy
	direct  *azblob.Client // past it
}

func newStack(t testing.TB, change func(*eventgrid.Options)) *stack {
	t.Helper()
	script, err := azurite.Find("")
	if err != nil {
		t.Fatal(err)
	}
	az, err := azurite.Start(t.Context(), azurite.Options{Script: script, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := az.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &stack{t: t, azurite: az, queue: &queue{}}
	s.options = eventgrid.Options{
		Upstream: "http://" + az.Addr(), AccountKey: azurite.Key, Dir: t.TempDir(), Topic: topic,
		Subscriptions: []eventgrid.Subscription{{Name: "ingest", Container: container, Queue: "ingest",
			APIs: []string{"PutBlob", "PutBlockList", "CopyBlob"}}},
		Retry: []time.Duration{10 * time.Millisecond, 50 * time.Millisecond},
	}
	if change != nil {
		change(&s.options)
	}
	s.direct = newClient(t, az.Addr())
	if _, err := s.direct.CreateContainer(t.Context(), container, nil); err != nil {
		t.Fatal(err)
	}
	s.open()
	return s
}

// open starts the proxy, or starts it again on the same outbox.
func (s *stack) open() {
	s.t.Helper()
	s.openWith(func(o eventgrid.Options) (*eventgrid.Server, error) { return eventgrid.OpenTo(o, s.queue.send) })
}

func (s *stack) openWith(open func(eventgrid.Options) (*eventgrid.Server, error)) {
	s.t.Helper()
	var err error
	if s.server, err = open(s.options); err != nil {
		s.t.Fatal(err)
	}
	s.front = httptest.NewServer(s.server)
	s.client = newClient(s.t, strings.TrimPrefix(s.front.URL, "http://"))
	s.t.Cleanup(s.close)
}

func (s *stack) close() {
	s.front.Close()
	if err := s.server.Close(); err != nil {
		s.t.Error(err)
	}
}

// newClient never tries again, so that a test sees what happened.
func newClient(t testing.TB, addr string) *azblob.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(addr), &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: transport}, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s *stack) put(name, content string) {
	s.t.Helper()
	if _, err := s.client.UploadBuffer(s.t.Context(), container, name, []byte(content), nil); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) drained() {
	s.t.Helper()
	eventually(s.t, "everything is delivered", func() bool { return s.server.Pending() == 0 })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func chunk(n int) []byte { return bytes.Repeat([]byte("v"), n) }

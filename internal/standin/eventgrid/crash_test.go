package eventgrid_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	blobsas "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"bwv/internal/standin/eventgrid"
)

// faulty stands between the proxy and Azurite and breaks the next commit: "lost" before Azurite sees
// it, "ghost" after Azurite has made it.
type faulty struct {
	proxy *httputil.ReverseProxy
	next  atomic.Value // string
	held  chan struct{}
	free  chan struct{}
}

func newFaulty(t *testing.T, s *stack) *faulty {
	t.Helper()
	target, err := url.Parse("http://" + s.azurite.Addr())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	f := &faulty{held: make(chan struct{}), free: make(chan struct{})}
	f.next.Store("")
	f.proxy = &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
	}}
	return f
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		f.proxy.ServeHTTP(w, r)
		return
	}
	switch f.next.Swap("") {
	case "lost":
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	case "ghost":
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	case "held":
		f.proxy.ServeHTTP(httptest.NewRecorder(), r)
		f.held <- struct{}{}
		<-f.free
		panic(http.ErrAbortHandler)
	case "held before":
		f.held <- struct{}{}
		<-f.free
		panic(http.ErrAbortHandler)
	default:
		f.proxy.ServeHTTP(w, r)
	}
}

// newFaultyStack puts the fault between proxy and Azurite.
func newFaultyStack(t *testing.T) (*stack, *faulty) {
	t.Helper()
	s := newStack(t, nil)
	s.close()
	f := newFaulty(t, s)
	up := httptest.NewServer(f)
	t.Cleanup(up.Close)
	s.options.Upstream = up.URL
	s.open()
	t.Cleanup(s.close) // before the upstream's
	return s, f
}

func TestGhostCommitGetsItsEvent(t *testing.T) {
	s, f := newFaultyStack(t)
	f.next.Store("ghost")
	if _, err := s.client.UploadBuffer(t.Context(), container, "ghost", chunk(11), nil); err == nil {
		t.Fatal("the answer was lost, but the client got one")
	}
	s.drained()
	got := s.queue.messages()
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	if e := decode(t, got[0]); e.Data.ContentLength != 11 || !strings.HasSuffix(e.Subject, "/ghost") || !strings.HasPrefix(e.Data.ETag, "0x") {
		t.Fatalf("%+v", e)
	}
}

func TestLostCommitGetsNoEvent(t *testing.T) {
	s, f := newFaultyStack(t)
	f.next.Store("lost")
	if _, err := s.client.UploadBuffer(t.Context(), container, "lost", chunk(11), nil); err == nil {
		t.Fatal("the request was lost, but the client got an answer")
	}
	if s.server.Pending() != 1 {
		t.Fatal("the intent is gone before the store was asked")
	}
	s.drained()
	if got := s.queue.messages(); len(got) != 0 {
		t.Fatalf("%d events", len(got))
	}
}

// A proxy that is killed between the commit and its answer leaves on disk what this copies. The next
// one must find out by itself whether the blob was committed.
func TestKilledBetweenCommitAndAnswer(t *testing.T) {
	for when, events := range map[string]int{"held": 1, "held before": 0} {
		t.Run(when, func(t *testing.T) {
			s, f := newFaultyStack(t)
			f.next.Store(when)
			answered := make(chan error, 1)
			go func() {
				_, err := s.client.UploadBuffer(t.Context(), container, "x", chunk(11), nil)
				answered <- err
			}()
			<-f.held
			after := s.options
			after.Dir = copyOutbox(t, s.options.Dir)
			q := &queue{}
			second, err := eventgrid.OpenTo(after, q.send)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			eventually(t, "the second proxy has found out", func() bool { return second.Pending() == 0 })
			if got := q.messages(); len(got) != events {
				t.Errorf("%d events, want %d", len(got), events)
			}
			close(f.free)
			if err := <-answered; err == nil {
				t.Error("the client got an answer")
			}
		})
	}
}

// A kill loses nothing that is on disk, so the file as it is now is the file after a kill.
func copyOutbox(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "outbox.db"))
	if err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := os.WriteFile(filepath.Join(to, "outbox.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// The client going away during the commit costs no event.
func TestClientGoesAwayDuringTheCommit(t *testing.T) {
	s, f := newFaultyStack(t)
	f.next.Store("held")
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error, 1)
	go func() {
		_, err := s.client.UploadBuffer(ctx, container, "gone", chunk(11), nil)
		answered <- err
	}()
	<-f.held
	cancel()
	if err := <-answered; err == nil {
		t.Error("the client was cut off, but got an answer")
	}
	close(f.free)
	s.drained()
	if got := s.queue.messages(); len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
}

// An upload that ends in the middle commits nothing and leaves nothing behind.
func TestUploadThatEndsInTheMiddle(t *testing.T) {
	s := newStack(t, nil)
	body, feed := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.front.URL+"/devstoreaccount1/footage/half?"+sas(t, s), body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 1 << 20
	req.Header.Set("x-ms-blob-type", "BlockBlob")
	req.Header.Set("x-ms-version", "2025-11-05")
	go func() {
		_, _ = feed.Write(chunk(1000)) // the other end may be gone by now
		feed.CloseWithError(io.ErrUnexpectedEOF)
	}()
	if resp, err := dialTo(t, s.front.Listener.Addr().String()).Do(req); err == nil {
		resp.Body.Close()
		t.Fatalf("half an upload was answered %s", resp.Status)
	}
	s.drained()
	if got := s.queue.messages(); len(got) != 0 {
		t.Fatalf("%d events", len(got))
	}
	s.put("whole", "x")
	s.drained()
	if got := s.queue.messages(); len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
}

func sas(t *testing.T, s *stack) string {
	t.Helper()
	u, err := s.direct.ServiceClient().NewContainerClient(container).NewBlobClient("half").GetSASURL(
		blobsas.BlobPermissions{Create: true, Write: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(u, "?")
	return query
}

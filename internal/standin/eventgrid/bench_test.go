package eventgrid_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
	"bwv/internal/standin/servicebus"
)

// endless is n bytes that cost nothing to make.
type endless struct{ left int64 }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	e.left -= int64(n)
	return n, nil
}

// BenchmarkUpload sends 1 GiB in blocks of 8 MiB, four at a time, to Azurite itself and through the proxy.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 30
	s := newStack(b, nil)
	for _, way := range []struct {
		name   string
		client *azblob.Client
	}{{"direct", s.direct}, {"proxy", s.client}} {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(size)
			for n := range b.N {
				name := fmt.Sprint("big", n)
				if _, err := way.client.UploadStream(b.Context(), container, name, &endless{size}, &azblob.UploadStreamOptions{BlockSize: 8 << 20, Concurrency: 4}); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if _, err := s.direct.DeleteBlob(b.Context(), container, name, nil); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkEvents commits through the proxy to a store that answers at once, and waits until each event is on the
// queue of a Service Bus: what is measured is the outbox and the delivery.
func BenchmarkEvents(b *testing.B) {
	for _, n := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) {
			bus := &broker{dir: b.TempDir(), addr: "127.0.0.1:0"}
			bus.start(b)
			defer bus.stop(b)
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("ETag", `"0x1"`)
				w.WriteHeader(http.StatusCreated)
			}))
			defer up.Close()
			s, err := eventgrid.Open(eventgrid.Options{Upstream: up.URL, AccountKey: azurite.Key, Dir: b.TempDir(),
				ConnectionString: servicebus.ConnectionString(bus.addr, busKey),
				Subscriptions:    []eventgrid.Subscription{{Name: "ingest", Container: container, Queue: "ingest"}}})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			f := httptest.NewServer(s)
			defer f.Close()
			transport := &http.Transport{MaxIdleConnsPerHost: n}
			defer transport.CloseIdleConnections()
			var wait sync.WaitGroup
			work := make(chan int)
			for range n {
				wait.Go(func() {
					for i := range work {
						commitOne(b, transport, fmt.Sprintf("%s/devstoreaccount1/%s/%d", f.URL, container, i))
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				work <- i
			}
			close(work)
			wait.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			for s.Pending() > 0 {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func commitOne(b *testing.B, transport *http.Transport, url string) {
	request, err := http.NewRequest(http.MethodPut, url, strings.NewReader("hello"))
	if err != nil {
		b.Error(err)
		return
	}
	request.Header.Set("x-ms-blob-type", "BlockBlob")
	response, err := transport.RoundTrip(request)
	if err != nil {
		b.Error(err)
		return
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusCreated {
		b.Errorf("%s: %v", response.Status, err)
	}
}

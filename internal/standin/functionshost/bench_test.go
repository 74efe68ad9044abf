package functionshost_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/standin/functionshost"
)

// clients runs b.N calls from n goroutines.
func clients(b *testing.B, n int, call func() error) {
	b.Helper()
	var wait sync.WaitGroup
	work := make(chan struct{})
	for range n {
		wait.Go(func() {
			for range work {
				if err := call(); err != nil {
					b.Error(err)
				}
			}
		})
	}
	b.ResetTimer()
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	wait.Wait()
	b.StopTimer()
}

// handlerOf is the address of the handler itself.
func handlerOf(b *testing.B, r *functionshost.Root) string {
	b.Helper()
	for _, pair := range r.Calls(b, "")[0].Env {
		if port, ok := strings.CutPrefix(pair, "FUNCTIONS_CUSTOMHANDLER_PORT="); ok {
			return "http://127.0.0.1:" + port
		}
	}
	b.Fatal("the handler has no port")
	return ""
}

func sender(b *testing.B, method, url, contentType string, body []byte) func() error {
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	b.Cleanup(transport.CloseIdleConnections)
	return func() error {
		request, err := http.NewRequest(method, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Content-Type", contentType)
		response, err := transport.RoundTrip(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if _, err := io.Copy(io.Discard, response.Body); err != nil || response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %w", response.Status, err)
		}
		return nil
	}
}

// BenchmarkHTTP compares a request through the host, in proxy mode, with the same request to the handler itself.
func BenchmarkHTTP(b *testing.B) {
	r := functionshost.NewRoot(b, functionshost.Files{"Web/function.json": `{"bindings":[
		{"type":"httpTrigger","direction":"in","name":"req","route":"quick","authLevel":"anonymous"},{"type":"http","direction":"out","name":"res"}]}`})
	front := httptest.NewServer(r.Start(b))
	defer front.Close()
	handler := handlerOf(b, r)
	for _, c := range []struct {
		name, method string
		size         int
	}{{"GET", http.MethodGet, 0}, {"PUT-1MiB", http.MethodPut, 1 << 20}} {
		for _, n := range []int{1, 8} {
			for way, base := range map[string]string{"direct": handler, "host": front.URL} {
				b.Run(fmt.Sprintf("%s/clients=%d/%s", c.name, n, way), func(b *testing.B) {
					clients(b, n, sender(b, c.method, base+"/api/quick", "application/octet-stream", make([]byte, c.size)))
				})
			}
		}
	}
}

// BenchmarkMessage compares a message that the host takes from Service Bus, hands to the handler and completes with
// its two parts: the handler's call alone, and taking and completing alone.
func BenchmarkMessage(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("direct/calls=%d", n), func(b *testing.B) {
			r := root(b, newBroker(b), functionshost.Files{"Quick/function.json": queue(`"queueName":"ingest"`)})
			r.Start(b)
			body := `{"Data":{"msg":"aGVsbG8="},"Metadata":{"DeliveryCount":"1","sys":{"MethodName":"Quick"}}}`
			clients(b, n, sender(b, http.MethodPost, handlerOf(b, r)+"/Quick", "application/json", []byte(body)))
		})
		b.Run(fmt.Sprintf("bus/calls=%d", n), func(b *testing.B) {
			bus := newBroker(b)
			bus.fill(b)
			b.ResetTimer()
			bus.drain(b, n)
		})
		b.Run(fmt.Sprintf("host/calls=%d", n), func(b *testing.B) {
			bus := newBroker(b)
			bus.fill(b)
			r := root(b, bus, functionshost.Files{"Quick/function.json": queue(`"queueName":"ingest"`), "host.json": hostJSON(n, "00:00:30")})
			b.ResetTimer()
			r.Start(b)
			for bus.waiting(b) > 0 {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
		})
	}
}

// fill puts b.N messages into the queue.
func (b *broker) fill(tb *testing.B) {
	tb.Helper()
	client := b.client()
	defer client.Close(context.Background())
	s, err := client.NewSender("ingest", nil)
	if err != nil {
		tb.Fatal(err)
	}
	for left := tb.N; left > 0; {
		batch, err := s.NewMessageBatch(tb.Context(), nil)
		if err != nil {
			tb.Fatal(err)
		}
		for ; left > 0 && batch.NumMessages() < 500; left-- {
			if err := batch.AddMessage(text("hello"), nil); err != nil {
				tb.Fatal(err)
			}
		}
		if err := s.SendMessageBatch(tb.Context(), batch, nil); err != nil {
			tb.Fatal(err)
		}
	}
}

// drain takes the messages one by one, as the host does, and completes up to n at a time.
func (b *broker) drain(tb *testing.B, n int) {
	tb.Helper()
	client := b.client()
	defer client.Close(context.Background())
	receiver, err := client.NewReceiverForQueue("ingest", nil)
	if err != nil {
		tb.Fatal(err)
	}
	slots := make(chan struct{}, n)
	var completing sync.WaitGroup
	for taken := 0; taken < tb.N; {
		slots <- struct{}{}
		got, err := receiver.ReceiveMessages(tb.Context(), 1, nil)
		if err != nil {
			tb.Fatal(err)
		}
		taken += len(got)
		completing.Go(func() {
			defer func() { <-slots }()
			for _, m := range got {
				if err := receiver.CompleteMessage(tb.Context(), m, nil); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	completing.Wait()
	tb.StopTimer()
}

func (b *broker) waiting(tb testing.TB) int {
	tb.Helper()
	w := httptest.NewRecorder()
	b.server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/entities", nil))
	var list []struct {
		Name           string
		Active, Locked int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		tb.Fatal(err)
	}
	for _, e := range list {
		if e.Name == "ingest" {
			return e.Active + e.Locked
		}
	}
	tb.Fatal("no queue")
	return 0
}

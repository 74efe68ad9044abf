package eventgrid_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
)

// front puts the proxy before a handler that plays Azurite where the test needs to see the wire.
func front(t *testing.T, upstream http.Handler) *httptest.Server {
	t.Helper()
	up := httptest.NewServer(upstream)
	t.Cleanup(up.Close)
	s, err := eventgrid.OpenTo(eventgrid.Options{
		Upstream: up.URL, AccountKey: azurite.Key, Dir: t.TempDir(),
		Subscriptions: []eventgrid.Subscription{{Name: "ingest", Container: container, Queue: "ingest"}},
	}, (&queue{}).send)
	if err != nil {
		t.Fatal(err)
	}
	f := httptest.NewServer(s)
	t.Cleanup(func() {
		f.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func dialTo(t *testing.T, addr string) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Each chunk must be at the other end before the next one is sent, in both directions: whoever
// collects a body first stands still here.
func TestBodiesStream(t *testing.T) {
	const chunks, size = 8, 64 << 10
	arrived := make(chan struct{})
	f := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf := make([]byte, size)
		if r.Method == http.MethodPut {
			for range chunks {
				if _, err := io.ReadFull(r.Body, buf); err != nil {
					t.Error(err)
					return
				}
				arrived <- struct{}{}
			}
			w.WriteHeader(http.StatusCreated)
			return
		}
		for range chunks {
			if _, err := w.Write(buf); err != nil {
				t.Error(err)
				return
			}
			http.NewResponseController(w).Flush()
			<-arrived
		}
	}))
	client := dialTo(t, f.Listener.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	body, feed := io.Pipe()
	put, err := http.NewRequestWithContext(ctx, http.MethodPut, f.URL+"/devstoreaccount1/footage/big.mp4", body)
	if err != nil {
		t.Fatal(err)
	}
	put.ContentLength = chunks * size
	put.Header.Set("x-ms-blob-type", "BlockBlob")
	go func() {
		for range chunks {
			if _, err := feed.Write(chunk(size)); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-arrived:
			case <-ctx.Done():
				t.Error("the proxy holds the request's body back")
				return
			}
		}
		feed.Close()
	}()
	resp, err := client.Do(put)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Fatal(resp.Status)
	}

	get, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL+"/devstoreaccount1/footage/big.mp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err = client.Do(get); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	buf := make([]byte, size)
	for i := range chunks {
		if _, err := io.ReadFull(resp.Body, buf); err != nil {
			t.Fatalf("the proxy holds the answer's body back at chunk %d: %v", i, err)
		}
		arrived <- struct{}{}
	}
}

// What shared key and SAS sign, and what they compare with, reaches Azurite as it was sent.
func TestSignedPartsPassUntouched(t *testing.T) {
	var got *http.Request
	f := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("x-ms-error-code", "AuthenticationFailed")
		w.WriteHeader(http.StatusForbidden)
	}))
	target := "/devstoreaccount1/footage/a%2Fb%20c%2B.mp4?sig=a%2Bb%2F%3D&se=2026-11-22T10%3A00%3A00Z&sp=rw;x"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://store.example:1"+target, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Authorization": "SharedKey devstoreaccount1:x=", "x-ms-blob-type": "BlockBlob",
		"Content-MD5": "XUFAKrxLKna5cZ2REBfFkg==", "If-None-Match": "*", "x-ms-date": "Mon, 23 Nov 2026 09:00:00 GMT", "Connection": "x-hop", "X-Hop": "1"} {
		req.Header.Set(k, v)
	}
	resp, err := dialTo(t, f.Listener.Addr().String()).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden || resp.Header.Get("x-ms-error-code") != "AuthenticationFailed" {
		t.Errorf("answer %s %v", resp.Status, resp.Header)
	}
	if got.RequestURI != target || got.Host != "store.example:1" || got.ContentLength != 5 {
		t.Errorf("azurite got %s of %s, %d bytes", got.RequestURI, got.Host, got.ContentLength)
	}
	for _, k := range []string{"Authorization", "x-ms-blob-type", "Content-MD5", "If-None-Match", "x-ms-date"} {
		if got.Header.Get(k) != req.Header.Get(k) {
			t.Errorf("header %s is %q, want %q", k, got.Header.Get(k), req.Header.Get(k))
		}
	}
	for _, k := range []string{"X-Hop", "X-Forwarded-For"} {
		if got.Header.Get(k) != "" {
			t.Errorf("header %s reached azurite", k)
		}
	}
}

// A client that asks first is answered before it sends: with 100 and then the result, or with the
// refusal alone.
func TestExpectContinue(t *testing.T) {
	f := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != 5 {
			t.Errorf("%d bytes, %v", n, err)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	for auth, want := range map[string][]string{"": {"403"}, "Authorization: x\r\n": {"100", "201"}} {
		conn, err := net.Dial("tcp", f.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "PUT /devstoreaccount1/footage/x HTTP/1.1\r\nHost: h\r\n%sx-ms-blob-type: BlockBlob\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", auth)
		in := bufio.NewReader(conn)
		for i, status := range want {
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(resp.Status, status) {
				t.Fatalf("answer %d is %s, want %s", i, resp.Status, status)
			}
			if status == "100" {
				fmt.Fprint(conn, "hello")
			}
		}
	}
}

func TestUpstreamAwayIsAnAnswerTheSDKsRead(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	s, err := eventgrid.OpenTo(eventgrid.Options{Upstream: dead.URL, AccountKey: azurite.Key, Dir: t.TempDir()}, (&queue{}).send)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/devstoreaccount1/footage/x", nil))
	if w.Code != http.StatusBadGateway || w.Header().Get("x-ms-error-code") == "" || !strings.Contains(w.Body.String(), "<Code>InternalError</Code>") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

package cosmos_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bwv/internal/cosmos"
	"bwv/internal/evidence"
)

func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 500_000_000, time.UTC) }

func cause() evidence.Cause {
	return evidence.Cause{By: evidence.Stage("test"), At: noon(), Reason: "why"}
}

func received(t *testing.T) (evidence.Record, evidence.Entry) {
	t.Helper()
	o := evidence.Original{Path: "lambeth/P1/X1/2026/11/22/20261122T101500Z-1.mp4", ETag: "0x1", Size: 5, Created: noon()}
	name, err := evidence.ParseName(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	r, e, err := evidence.Receive(evidence.NewID(name.Unit, o.Created, o.Path, o.ETag), o, name, nil, cause())
	if err != nil {
		t.Fatal(err)
	}
	return r, e
}

// between puts a proxy before the account; spoil may answer a request itself and then returns true, and sees every answer.
func between(t *testing.T, before func(http.ResponseWriter, *http.Request) bool, after func(*http.Response) error) string {
	t.Helper()
	target, err := url.Parse(stands.url)
	if err != nil {
		t.Fatal(err)
	}
	var self string
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(answer *http.Response) error { return after(answer) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" { // the account names itself, so that the client would go there directly
			answer := httptest.NewRecorder()
			proxy.ServeHTTP(answer, r)
			_, _ = io.WriteString(w, strings.ReplaceAll(answer.Body.String(), stands.url, self))
			return
		}
		if !before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	self = web.URL
	t.Cleanup(web.Close)
	return web.URL
}

func isBatch(r *http.Request) bool { return r.Header.Get("x-ms-cosmos-is-batch-request") != "" }

func pass(http.ResponseWriter, *http.Request) bool { return false }

// TestLostReply stores the batch and drops the connection before the answer.
func TestLostReply(t *testing.T) {
	database := stands.declare(t)
	var lost atomic.Int32
	address := between(t, pass, func(answer *http.Response) error {
		if isBatch(answer.Request) && lost.CompareAndSwap(0, 1) {
			return errors.New("dropped")
		}
		return nil
	})
	s := open(t, address, database)
	r, e := received(t)
	_, err := s.Commit(t.Context(), r, e)
	if !errors.Is(err, evidence.Unavailable) && !errors.Is(err, evidence.Conflict) {
		t.Fatalf("after a lost reply: %v", err)
	}
	if lost.Load() != 1 {
		t.Fatal("no reply was lost")
	}
	stored, err := s.Get(t.Context(), r.ID)
	if err != nil {
		t.Fatalf("it was stored: %v", err)
	}
	next, e, err := stored.Consult(evidence.OpView, nil, cause())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), next, e); err != nil {
		t.Fatal(err)
	}
}

// TestShardFirst stops between the registration of the shard and the record.
func TestShardFirst(t *testing.T) {
	database := stands.declare(t)
	address := between(t, func(w http.ResponseWriter, r *http.Request) bool {
		if isBatch(r) {
			w.WriteHeader(http.StatusBadRequest)
		}
		return isBatch(r)
	}, func(*http.Response) error { return nil })
	r, e := received(t)
	_, err := open(t, address, database).Commit(t.Context(), r, e)
	var kind evidence.Kind
	if err == nil || errors.As(err, &kind) {
		t.Fatalf("a request that the service calls wrong is a fault of this program, not %v", err)
	}
	s := open(t, stands.url, database)
	if names, err := s.Shards(t.Context()); err != nil || !slices.Equal(names, []string{"lambeth/2026-11"}) {
		t.Fatalf("shards %v, %v", names, err)
	}
	if _, err := s.Get(t.Context(), r.ID); !errors.Is(err, evidence.NotFound) {
		t.Fatal(err)
	}
}

// TestShardOnce registers a shard once in the life of a process.
func TestShardOnce(t *testing.T) {
	database := stands.declare(t)
	var upserts atomic.Int32
	address := between(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("x-ms-documentdb-is-upsert") != "" {
			upserts.Add(1)
		}
		return false
	}, func(*http.Response) error { return nil })
	s := open(t, address, database)
	r, e := received(t)
	stored, err := s.Commit(t.Context(), r, e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), r, e); !errors.Is(err, evidence.Conflict) {
		t.Fatal(err)
	}
	next, e, err := stored.Consult(evidence.OpView, nil, cause())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), next, e); err != nil {
		t.Fatal(err)
	}
	if n := upserts.Load(); n != 1 {
		t.Fatalf("%d registrations", n)
	}
}

func TestKinds(t *testing.T) {
	for status, want := range map[int]evidence.Kind{
		http.StatusNotFound: evidence.NotFound, http.StatusConflict: evidence.Conflict, http.StatusPreconditionFailed: evidence.Conflict,
		http.StatusForbidden: evidence.Denied, http.StatusUnauthorized: evidence.Denied, http.StatusRequestEntityTooLarge: evidence.TooLarge,
		http.StatusGone: evidence.Unavailable, 449: evidence.Unavailable, http.StatusServiceUnavailable: evidence.Unavailable,
		http.StatusInternalServerError: evidence.Unavailable, http.StatusTooManyRequests: evidence.Unavailable,
	} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			address := between(t, func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("x-ms-retry-after-ms", "1")
				w.WriteHeader(status)
				return true
			}, func(*http.Response) error { return nil })
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var kind evidence.Kind
			r, _ := received(t)
			if _, err := open(t, address, "any").Get(ctx, r.ID); !errors.As(err, &kind) || kind != want {
				t.Fatalf("status %d: %v, want %q", status, err, want)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	web.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	s := open(t, web.URL, "any")
	r, e := received(t)
	if _, err := s.Get(ctx, r.ID); !errors.Is(err, evidence.Unavailable) {
		t.Fatal(err)
	}
	if _, err := s.Commit(ctx, r, e); !errors.Is(err, evidence.Unavailable) {
		t.Fatal(err)
	}
	if err := s.Ready(ctx); !errors.Is(err, evidence.Unavailable) {
		t.Fatal(err)
	}
}

func TestTooLarge(t *testing.T) {
	s := fresh(t)
	r, e := received(t)
	stored, err := s.Commit(t.Context(), r, e)
	if err != nil {
		t.Fatal(err)
	}
	next, e, err := stored.Attend(evidence.Attention{Stage: "metadata", Detail: strings.Repeat("x", 3<<20)}, cause())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), next, e); !errors.Is(err, evidence.TooLarge) {
		t.Fatal(err)
	}
	if same, err := s.Get(t.Context(), r.ID); err != nil || same.Version != stored.Version {
		t.Fatal(same.Version, err)
	}
}

func TestConfig(t *testing.T) {
	for _, cfg := range []cosmos.Config{
		{Endpoint: "http://127.0.0.1:1", Database: "a", Container: "b"},
		{Endpoint: "http://127.0.0.1:1", Key: "not base64!", Database: "a", Container: "b"},
		{Endpoint: "http://127.0.0.1:1", Key: key, Container: "b"},
		{Endpoint: "http://127.0.0.1:1", Key: key, Database: "a"},
		{Endpoint: "://", Key: key, Database: "a", Container: "b"},
	} {
		if s, err := cosmos.Open(cfg); err == nil {
			s.Close()
			t.Fatalf("opened %+v", cfg)
		}
	}
	wrong, err := cosmos.Open(cosmos.Config{Endpoint: stands.url, Key: "AAAA", Database: stands.declare(t), Container: "evidence"})
	if err != nil {
		t.Fatal(err)
	}
	defer wrong.Close()
	if err := wrong.Ready(t.Context()); !errors.Is(err, evidence.Denied) {
		t.Fatal(err)
	}
}

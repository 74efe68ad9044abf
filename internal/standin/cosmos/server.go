package cosmos

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options configure a Server.
type Options struct {
	// Dir holds the state, in one bbolt file, locked while the server is open.
	// Each write request is one bbolt transaction: an answered write is fsynced.
	Dir string
	// Key is the account key, base64, as clients are given it.
	Key string
	// Now is the clock of _ts and time to live; nil means time.Now. Signatures
	// are always checked against the wall clock.
	Now func() time.Time
	// Logger may be nil.
	Logger *slog.Logger
	// PageScan is how many items one page of a query may look at before it is
	// cut short and answered with a continuation token, perhaps empty, as
	// Azure does when a page's budget is spent; 0 means 20000.
	PageScan int

	slow time.Duration // how long a client may take to send or take a body; 0 means 30 s
}

const (
	defaultScan   = 20000
	sweepInterval = time.Minute
	lockWait      = 5 * time.Second
)

// Limits of what clients can make the server hold. Connections, idle ones and headers are bounded by the http.Server.
const (
	maxRequests = 512 // at a time; 429 beyond
	defaultSlow = 30 * time.Second
	maxEntities = 500 // databases and containers, as in a serverless account
)

// Server is a Cosmos DB account; it is an http.Handler for plain HTTP.
type Server struct {
	db   *bolt.DB
	key  []byte
	now  func() time.Time
	log  *slog.Logger
	scan int
	slow time.Duration

	// mu guards cat, and is held for reading as long as a request works on
	// items: an indexing policy never changes under a write.
	mu  sync.RWMutex
	cat catalog

	slots  chan struct{} // one for each request that is being served
	faults faults
	closed atomic.Bool
	stop   chan struct{}
	swept  chan struct{}
	close  func() error
}

// faults are the answers FailNext has queued.
type faults struct {
	mu     sync.Mutex
	left   int
	status int
}

// Open opens or creates the state in o.Dir.
func Open(o Options) (*Server, error) {
	key, err := base64.StdEncoding.DecodeString(o.Key)
	if err != nil || len(key) == 0 {
		return nil, errors.New("opening cosmos stand-in: the account key is not base64")
	}
	s := &Server{key: key, now: o.Now, log: o.Logger, scan: o.PageScan, slow: o.slow, slots: make(chan struct{}, maxRequests), stop: make(chan struct{}), swept: make(chan struct{})}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.scan <= 0 {
		s.scan = defaultScan
	}
	if s.slow <= 0 {
		s.slow = defaultSlow
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("opening cosmos stand-in: %w", err)
	}
	s.db, err = bolt.Open(filepath.Join(o.Dir, "cosmos.db"), 0o600, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("opening cosmos stand-in in %s: %w", o.Dir, err)
	}
	if s.cat, err = load(s.db); err != nil {
		_ = s.db.Close()
		return nil, fmt.Errorf("reading cosmos stand-in in %s: %w", o.Dir, err)
	}
	s.close = sync.OnceValue(s.shut)
	go s.sweeper()
	return s, nil
}

// Close waits for running requests and closes the store. Later requests are
// answered 503. It may be called more than once.
func (s *Server) Close() error { return s.close() }

func (s *Server) shut() error {
	s.closed.Store(true)
	close(s.stop)
	<-s.swept
	s.mu.Lock() // waits for the requests that hold it for reading
	defer s.mu.Unlock()
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing cosmos stand-in: %w", err)
	}
	return nil
}

// FailNext makes the next n requests on items and queries fail with the
// status, without touching the store: 429 (with x-ms-retry-after-ms), 449,
// 503, or any other.
func (s *Server) FailNext(n int, status int) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.left, s.faults.status = n, status
}

func (f *faults) take() *apiError {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left <= 0 {
		return nil
	}
	f.left--
	switch f.status {
	case http.StatusTooManyRequests:
		return errBusy()
	case 449:
		return backError(f.status, "RetryWith", "Conflicting request to resource has been attempted. Retry to avoid conflicts.")
	case http.StatusServiceUnavailable:
		return backError(f.status, "ServiceUnavailable", "Service is currently unavailable. Please retry after a while.")
	}
	return backError(f.status, http.StatusText(f.status), "An injected fault.")
}

// internal logs what the client cannot be told.
func (s *Server) internal(doing string, err error) *apiError {
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return errClosing()
	}
	s.log.Error("cosmos stand-in: "+doing, "error", err)
	return errInternal()
}

func errClosing() *apiError {
	return backError(http.StatusServiceUnavailable, "ServiceUnavailable", "The account is closing.")
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rq := newRequest(w, r)
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		errBusy().write(w, rq.activity)
		return
	}
	if s.closed.Load() {
		errClosing().write(w, rq.activity)
		return
	}
	// Errors mean that w is no connection: a test's recorder.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.slow))
	err := s.serve(rq)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.slow))
	if err != nil {
		s.log.Debug("cosmos stand-in: refused", "method", r.Method, "path", r.URL.Path, "status", err.status, "reason", err.message)
		rq.charge(1)
		err.write(w, rq.activity)
		return
	}
	rq.send()
}

func (s *Server) serve(rq *request) *apiError {
	path, aerr := rq.path()
	if aerr != nil {
		return aerr
	}
	typ, link := path.signed()
	if aerr := s.authorize(rq.r, typ, link); aerr != nil {
		return aerr
	}
	if rq.body, aerr = readBody(rq.w, rq.r); aerr != nil {
		return aerr
	}
	return s.route(rq, path)
}

// readBody reads a request body up to the size of the largest item.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, *apiError) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxItem))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge()
	}
	if err != nil {
		return nil, badRequest("The request body could not be read.")
	}
	return body, nil
}

package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Subscription is one event subscription of the system topic, with the filters that Azure would
// have: included event type BlobCreated, subject begins with the container, data.api in APIs.
type Subscription struct {
	Name      string   // goes into aeg-subscription-name
	Container string   // only blobs of this container
	APIs      []string // PutBlob, PutBlockList, CopyBlob; empty means all
	Queue     string   // the Service Bus queue that gets the events
}

// Options says what the proxy stands between. Upstream, AccountKey and Dir are required, and
// ConnectionString where there are subscriptions.
type Options struct {
	Upstream         string // Azurite, http://127.0.0.1:port
	ConnectionString string // of the Service Bus namespace
	Account          string // default "devstoreaccount1"
	AccountKey       string // shared key, for looking at committed blobs and for dead letters
	Dir              string // the durable outbox; one server at a time
	Subscriptions    []Subscription
	Topic            string           // resource id of the storage account
	Now              func() time.Time // of event times and of the retry schedule; default time.Now
	Logger           *slog.Logger     // default discards
	// Retry holds the waits after the first, second, ... failed attempt; the last one repeats.
	// Default 10s, 30s, 1m, 5m, 10m, 30m, 1h, 3h, 6h, 12h.
	// Source: https://learn.microsoft.com/azure/event-grid/delivery-and-retry
	Retry       []time.Duration
	MaxAttempts int           // default 30; then the event is dead-lettered
	TimeToLive  time.Duration // default 24 h; checked after a failed attempt only, and the last one is made at its end
	MaxPending  int           // default 1,000,000; beyond it commits are answered 503
}

// Server proxies to Azurite and delivers events; it is an http.Handler.
type Server struct {
	o        Options
	log      *slog.Logger
	proxy    *httputil.ReverseProxy
	upstream *http.Transport
	outbox   *outbox
	store    *store
	workers  []*worker
	resolver *resolver

	cancel  context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
	err     error
}

// Open opens the outbox, starts the delivery of what waits in it, and begins to check commits whose
// outcome a crash left unknown.
func Open(o Options) (*Server, error) { return open(o, nil) }

// open lets tests deliver elsewhere than to a Service Bus.
func open(o Options, to sender) (*Server, error) {
	target, err := withDefaults(&o)
	if err != nil {
		return nil, fmt.Errorf("opening event grid: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("opening event grid: %w", err)
	}
	box, err := openOutbox(filepath.Join(o.Dir, "outbox.db"), o.Subscriptions, o.MaxPending)
	if err != nil {
		return nil, err
	}
	transport := newTransport()
	st, err := newStore(o, transport)
	if err != nil {
		return nil, errors.Join(err, box.close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &Server{o: o, log: o.Logger, upstream: transport, outbox: box, store: st, cancel: cancel}
	s.proxy = s.newProxy(target)
	for _, sub := range o.Subscriptions {
		w := newWorker(s, sub, to)
		s.workers = append(s.workers, w)
		s.running.Go(func() { w.run(ctx) })
	}
	s.resolver = newResolver(s)
	old, err := box.intents()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.resolver.add(old...)
	s.running.Go(func() { s.resolver.run(ctx) })
	return s, nil
}

func withDefaults(o *Options) (*url.URL, error) {
	target, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", o.Upstream, err)
	}
	if target.Host == "" || target.Scheme == "" || (target.Path != "" && target.Path != "/") {
		return nil, fmt.Errorf("upstream %q: want scheme://host:port", o.Upstream)
	}
	if o.Dir == "" {
		return nil, errors.New("no directory for the outbox")
	}
	names := map[string]bool{}
	for _, sub := range o.Subscriptions {
		if sub.Name == "" || sub.Container == "" || sub.Queue == "" || names[sub.Name] {
			return nil, fmt.Errorf("subscription %+v: want a name of its own, a container and a queue", sub)
		}
		names[sub.Name] = true
		for _, api := range sub.APIs { // one that never comes would silently filter everything out
			if !slices.Contains([]string{apiPutBlob, apiPutBlockList, apiCopyBlob}, api) {
				return nil, fmt.Errorf("subscription %s: data.api %q is not covered: %s, %s or %s", sub.Name, api, apiPutBlob, apiPutBlockList, apiCopyBlob)
			}
		}
	}
	if o.Account == "" {
		o.Account = "devstoreaccount1"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if len(o.Retry) == 0 {
		o.Retry = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute,
			10 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = 30
	}
	if o.TimeToLive <= 0 {
		o.TimeToLive = 24 * time.Hour
	}
	if o.MaxPending <= 0 {
		o.MaxPending = 1_000_000
	}
	return target, nil
}

// Pending returns how many events wait for their delivery, with those of commits under way or of
// unknown outcome. It is 0 when everything committed has been delivered to every subscription.
func (s *Server) Pending() int { return s.outbox.pending() }

// Duplicate delivers the next n events of each subscription twice, for tests: Event Grid delivers
// at least once.
func (s *Server) Duplicate(n int) {
	for _, w := range s.workers {
		w.duplicate.Add(int64(n))
	}
}

// Swap delivers the next two events of each subscription in reverse order, for tests: Event Grid
// keeps no order. The first one waits for the second, as long as it takes.
func (s *Server) Swap() {
	for _, w := range s.workers {
		w.swap.Store(true)
	}
}

// Close stops the delivery, waits for it, and closes the outbox; what waits is delivered after the
// next Open. Stop serving requests first: a commit during Close is answered 503.
func (s *Server) Close() error {
	s.closing.Do(func() {
		s.cancel()
		s.running.Wait()
		s.upstream.CloseIdleConnections()
		s.err = s.outbox.close()
	})
	return s.err
}

// wants returns the names of the subscriptions that get an event of this commit.
func (s *Server) wants(c commit) []string {
	var names []string
	for _, sub := range s.o.Subscriptions {
		if sub.Container == c.Container && (len(sub.APIs) == 0 || slices.Contains(sub.APIs, c.API)) {
			names = append(names, sub.Name)
		}
	}
	return names
}

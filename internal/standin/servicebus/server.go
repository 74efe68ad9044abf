package servicebus

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// KeyName is the only SharedAccessKeyName there is.
const KeyName = "RootManageSharedAccessKey"

// MaxMessageSize is the largest encoded message in bytes, Premium's default.
const MaxMessageSize = 1 << 20

// Limits of what clients can make the server hold.
const (
	maxConnections = 1000
	inFlightBytes  = 64 << 20 // of messages received and not yet on disk, over all connections
)

// Options of Open.
type Options struct {
	Dir    string           // where the state is kept; created if it is not there
	Key    string           // the SharedAccessKey
	Now    func() time.Time // the clock of locks, schedules and expiry; default time.Now. Tokens always expire by the real one
	Logger *slog.Logger     // default: discards

	heartbeat time.Duration // longest silence of ours on a connection; default 20 s
	idle      time.Duration // longest silence of a client that it is told of; twice that ends the connection; default 2 min

	connections int   // at a time; default 1000
	entitySize  int64 // bytes that a queue or topic may hold; default 5 GiB, Azure's largest without partitions
}

// Server is one namespace.
type Server struct {
	broker    *broker
	key       []byte
	log       *slog.Logger
	heartbeat time.Duration
	idle      time.Duration
	budget    *budget
	room      int // for connections

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	closed    bool
	serving   sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// Open declares the entities of cfg and loads their state from o.Dir. Entities that were declared earlier and are not
// any more keep their messages on disk, out of reach, until they are declared again.
func Open(cfg Config, o Options) (*Server, error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("checking the service bus config: %w", err)
	}
	if o.Dir == "" || o.Key == "" {
		return nil, errors.New("opening the service bus: a directory and a key are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.heartbeat == 0 {
		o.heartbeat = 20 * time.Second
	}
	if o.idle == 0 {
		o.idle = 2 * time.Minute
	}
	if o.connections == 0 {
		o.connections = maxConnections
	}
	if o.entitySize == 0 {
		o.entitySize = 5 << 30
	}
	st, err := openStore(o.Dir)
	if err != nil {
		return nil, err
	}
	br, err := newBroker(cfg, st, o)
	if err != nil {
		return nil, errors.Join(err, st.close())
	}
	br.workers.Add(1)
	go br.schedulerLoop()
	return &Server{
		broker: br, key: []byte(o.Key), log: o.Logger, heartbeat: o.heartbeat, idle: o.idle,
		budget: newBudget(inFlightBytes), room: o.connections,
		listeners: map[net.Listener]struct{}{},
		conns:     map[*conn]struct{}{},
	}, nil
}

// Serve accepts connections until l fails or the server is closed, when it returns nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		_ = l.Close() // as if it had been closed while serving
		return nil
	}
	s.listeners[l] = struct{}{}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.listeners, l)
			if s.closed {
				return nil
			}
			return errors.Join(fmt.Errorf("accepting a connection: %w", err), l.Close())
		}
		s.start(nc)
	}
}

func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.room {
		s.log.Warn("connection refused", "remote", nc.RemoteAddr().String(), "connections", len(s.conns))
		_ = nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.serving.Add(1)
	go func() {
		defer s.serving.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Advance moves the server's clock forward by d, for good: what becomes due fires within a second. A negative d is
// ignored.
func (s *Server) Advance(d time.Duration) {
	if d <= 0 {
		return
	}
	if err := s.broker.advance(d); err != nil {
		s.log.Error("the clock could not be advanced", "by", d.String(), "error", err)
	}
}

// Close ends every connection, writes what is pending and waits for everything the server started.
func (s *Server) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.shutdown() })
	return s.closeErr
}

func (s *Server) shutdown() error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		_ = l.Close() // Serve reports
	}
	for c := range s.conns {
		c.fail(&wireError{condForced, "the server is shutting down"})
	}
	s.mu.Unlock()
	s.serving.Wait()
	close(s.broker.stop)
	s.broker.workers.Wait()
	return s.broker.store.close()
}

// ConnectionString is what azservicebus.NewClientFromConnectionString takes to reach a server at addr, host:port.
func ConnectionString(addr, key string) string {
	return fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true", addr, KeyName, key)
}

// budget bounds the bytes that are received but not yet stored. What it lets in is always on its way to the disk, so
// waiting for it ends.
type budget struct {
	mu   sync.Mutex
	room *sync.Cond
	left int
}

func newBudget(n int) *budget {
	b := &budget{left: n}
	b.room = sync.NewCond(&b.mu)
	return b
}

func (b *budget) acquire(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.left < n {
		b.room.Wait()
	}
	b.left -= n
}

func (b *budget) release(n int) {
	b.mu.Lock()
	b.left += n
	b.mu.Unlock()
	b.room.Broadcast()
}

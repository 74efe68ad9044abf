package ffmpeg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// loopback hands what is in originals to children over HTTP on 127.0.0.1: each under a path that nobody can guess, as long as its call lasts.
type loopback struct {
	server  *http.Server
	address string
	done    chan struct{}
	mu      sync.Mutex
	open    map[string]*session
}

// session is one content being read by one call. ctx ends with the call, or at once when the original cannot be read.
type session struct {
	content content
	ctx     context.Context
	cancel  context.CancelCauseFunc
	url     string
	readers sync.WaitGroup
	asked   atomic.Int64 // requests: a child that asked for nothing has judged nothing
	mu      sync.Mutex
	err     error // the first failure of the source: it outranks whatever the child makes of it
}

// Buffers of a connection, in bytes, are small: what a child asked for and then seeks away from is in them, and the store has sent it all. Smaller ones
// make reading slow.
const (
	sendBuffer    = 8 << 10
	receiveBuffer = 32 << 10
	copyBuffer    = 32 << 10
)

func listen(logger *slog.Logger) (*loopback, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &loopback{address: l.Addr().String(), done: make(chan struct{}), open: map[string]*session{}}
	b.server = &http.Server{
		Handler:           http.HandlerFunc(b.serve),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		ConnState: func(c net.Conn, state http.ConnState) {
			if t, ok := c.(*net.TCPConn); ok && state == http.StateNew {
				_ = t.SetWriteBuffer(sendBuffer) // without it there is only more to read
			}
		},
		MaxHeaderBytes: 16 << 10,
		ErrorLog:       log.New(io.Discard, "", 0), // aborted connections are how a failure is told
	}
	go func() {
		defer close(b.done)
		if err := b.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("loopback server ended", "error", err)
		}
	}()
	return b, nil
}

func (b *loopback) close() error {
	err := b.server.Close()
	<-b.done
	return err
}

// register makes c readable under a new URL until release is called, which waits for the last reader.
func (b *loopback) register(ctx context.Context, c content) (s *session, release func()) {
	token := rand.Text() // 130 bits
	s = &session{content: c, url: "http://" + b.address + "/" + token}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	b.mu.Lock()
	b.open[token] = s
	b.mu.Unlock()
	return s, func() {
		b.mu.Lock()
		delete(b.open, token)
		b.mu.Unlock()
		s.cancel(nil)
		s.readers.Wait()
	}
}

// find counts a reader in.
func (b *loopback) find(token string) *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.open[token]
	if s != nil {
		s.readers.Add(1)
	}
	return s
}

// fail remembers the source's first failure and ends the call.
func (s *session) fail(err error) {
	if s.ctx.Err() != nil { // the call is over: its readers are cut off, which is no failure of the source
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.cancel(err)
	}
}

func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (b *loopback) serve(w http.ResponseWriter, r *http.Request) {
	s := b.find(strings.TrimPrefix(r.URL.Path, "/"))
	if s == nil {
		http.NotFound(w, r)
		return
	}
	defer s.readers.Done()
	s.asked.Add(1)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	size := s.content.size()
	from, to, status := span(r.Header.Get("Range"), size)
	h := w.Header()
	h.Set("Accept-Ranges", "bytes")
	h.Set("Content-Type", "application/octet-stream")
	switch status {
	case http.StatusRequestedRangeNotSatisfiable:
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		w.WriteHeader(status)
		return
	case http.StatusPartialContent:
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to-1, size))
	}
	h.Set("Content-Length", strconv.FormatInt(to-from, 10))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if err := s.copy(r.Context(), w, from, to); err != nil {
		panic(http.ErrAbortHandler) // cuts the connection: the reader must not take what it has for the whole
	}
}

// copy sends [from, to) and reports a failure of the source to the session; a reader that went away is no failure.
func (s *session) copy(ctx context.Context, w io.Writer, from, to int64) error {
	// The body's context is the session's, which carries the call's values, and ends with the reader too.
	inner, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
	body := s.content.open(inner, from, to)
	defer body.Close()
	source := &watched{r: body}
	buffer := make([]byte, copyBuffer)
	// Only Write of w: its ReadFrom would hide which side failed.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, source, buffer); err != nil {
		if source.err != nil && ctx.Err() == nil {
			s.fail(source.err)
		}
		return err
	}
	return nil
}

// watched remembers that reading failed.
type watched struct {
	r   io.Reader
	err error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}

// span reads a single byte range (RFC 9110 section 14.1.2). What it does not understand, and several ranges, it ignores, as it may.
func span(header string, size int64) (from, to int64, status int) {
	value, ok := strings.CutPrefix(header, "bytes=")
	first, end, dash := strings.Cut(value, "-")
	if !ok || !dash || strings.Contains(value, ",") {
		return 0, size, http.StatusOK
	}
	if first == "" { // the last so many
		n, err := strconv.ParseInt(end, 10, 64)
		if err != nil || n < 0 {
			return 0, size, http.StatusOK
		}
		if n == 0 || size == 0 {
			return 0, 0, http.StatusRequestedRangeNotSatisfiable
		}
		return max(size-n, 0), size, http.StatusPartialContent
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil || from < 0 {
		return 0, size, http.StatusOK
	}
	to = size
	if end != "" {
		until, err := strconv.ParseInt(end, 10, 64)
		if err != nil || until < from {
			return 0, size, http.StatusOK
		}
		if until < size-1 {
			to = until + 1
		}
	}
	if from >= size {
		return 0, 0, http.StatusRequestedRangeNotSatisfiable
	}
	return from, to, http.StatusPartialContent
}

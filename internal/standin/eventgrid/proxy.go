package eventgrid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// commitKey carries the commit under way through the reverse proxy.
type commitKey struct{}

// inFlight is a commit between its intent and its outcome.
type inFlight struct {
	commit
	intent  uint64   // its key in the outbox
	subs    []string // who gets the event
	settled bool     // the outcome is in the outbox
}

func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       30 * time.Second,
		ExpectContinueTimeout: 2 * time.Second,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		DisableCompression:    true, // bytes pass as they are
	}
}

func (s *Server) newProxy(target *url.URL) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			// Only where it goes changes: Host, Authorization, path encoding and query stay, since
			// the shared key and SAS sign them.
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery
		},
		Transport:      s.upstream,
		FlushInterval:  -1,
		ModifyResponse: s.answered,
		ErrorHandler:   s.unanswered,
	}
}

// ServeHTTP passes the request on. The order for a commit: intent to disk, request to Azurite,
// event to disk, answer to the client. A crash before the second leaves an intent that the store
// refutes; a crash before the third, an intent that the store confirms; so a client that got its
// answer has its event, and one that got none may have it as well.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w = ownContinue{w}
	c, ok := classify(r, s.o.Account)
	if !ok {
		s.proxy.ServeHTTP(w, r)
		return
	}
	subs := s.wants(c)
	if len(subs) == 0 {
		s.proxy.ServeHTTP(w, r)
		return
	}
	if c.outOfRange() {
		storageError(w, http.StatusBadRequest, "OutOfRangeInput", "One of the request inputs is out of range.")
		return
	}
	key, err := s.outbox.begin(c, subs)
	if err != nil {
		s.log.WarnContext(r.Context(), "commit refused", "blob", c.Blob, "err", err)
		refuse(w)
		return
	}
	f := &inFlight{commit: c, intent: key, subs: subs}
	defer func() {
		// Reached without an outcome when Azurite did not answer, and also when the proxy panics
		// because the client went away: the store is asked what became of the commit.
		if !f.settled {
			s.resolver.add(intent{Key: key, Commit: c, Subs: subs})
		}
	}()
	// The client's going away must not cut off a commit that Azurite may be about to make.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	s.proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, commitKey{}, f)))
}

// ownContinue keeps Azurite's 100 from the client: the server sends one itself when the body is read, which
// happens after Azurite's, and a client that asked once is answered once.
type ownContinue struct{ http.ResponseWriter }

func (w ownContinue) WriteHeader(status int) {
	if status != http.StatusContinue {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap lets http.ResponseController flush.
func (w ownContinue) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// answered sees Azurite's answer before the client does.
func (s *Server) answered(resp *http.Response) error {
	f, ok := resp.Request.Context().Value(commitKey{}).(*inFlight)
	if !ok {
		return nil
	}
	switch {
	case f.succeeded(resp.StatusCode):
		return s.committed(resp, f)
	case resp.StatusCode < http.StatusInternalServerError:
		if err := s.outbox.drop(f.intent); err != nil {
			return err // the resolver will find that nothing was committed
		}
		f.settled = true
	}
	return nil // 5xx: unknown whether it was committed, the resolver finds out
}

func (s *Server) committed(resp *http.Response, f *inFlight) error {
	c := f.commit
	if c.ContentLength < 0 {
		// The size of a block list is known to the store only. If it cannot be had now, the event
		// is made by the resolver, which asks until it gets an answer.
		ctx, cancel := context.WithTimeout(resp.Request.Context(), 5*time.Second)
		defer cancel()
		props, err := s.store.look(ctx, c.Container, c.Blob)
		if err != nil {
			s.log.WarnContext(ctx, "committed size unknown, asking again later", "blob", c.Blob, "err", err)
			return nil
		}
		if props.exists && !props.block { // a copy of an append or page blob
			if err := s.outbox.drop(f.intent); err != nil {
				return err
			}
			f.settled = true
			return nil
		}
		c.ContentLength, c.ContentType = props.size, props.contentType // zero if it is deleted already
	}
	e := newEvent(s.o.Topic, c, resp.Header.Get("ETag"), resp.Header.Get("x-ms-request-id"), s.o.Now())
	if err := s.settle(f.intent, e, f.subs); err != nil {
		return err // no answer for the client without the event on disk
	}
	f.settled = true
	return nil
}

// settle replaces an intent by its events and wakes the delivery.
func (s *Server) settle(key uint64, e event, subs []string) error {
	if err := s.outbox.settle(key, e, subs, s.o.Now()); err != nil {
		return err
	}
	for _, w := range s.workers {
		w.wake()
	}
	return nil
}

func (s *Server) unanswered(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, context.Canceled) {
		s.log.WarnContext(r.Context(), "azurite did not answer", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	storageError(w, http.StatusBadGateway, "InternalError", "The blob service did not answer.")
}

func refuse(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "1")
	storageError(w, http.StatusServiceUnavailable, "ServerBusy", "Too many events wait for their delivery.")
}

// storageError answers in the form that the storage SDKs read and retry by.
func storageError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, fmt.Sprintf( // the client may be gone, which changes nothing
		`<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message))
}

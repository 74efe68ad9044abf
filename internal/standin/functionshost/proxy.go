package functionshost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"
)

const (
	connectAttempts = 10
	connectDelay    = 50 * time.Millisecond
	connectDelayMax = 250 * time.Millisecond
)

var errSilent = errors.New("nothing moved in either direction for too long")

// proxy hands one HTTP request to the handler as YARP does: streamed both ways, path, query and headers intact.
// Whatever the handler answers, 5xx too, is a success; only a failure to forward makes a 500.
func (h *Host) proxy(w http.ResponseWriter, r *http.Request, f *function) {
	id := newID()
	log := h.log.With("function", f.name, "invocation", id)
	h.outstanding.Add(1)
	defer h.outstanding.Add(-1)
	started := time.Now()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	process, err := h.worker.acquire(ctx)
	if err != nil {
		log.Error("Executed 'Functions."+f.name+"' (Failed)", "error", err.Error())
		http.Error(w, "", http.StatusServiceUnavailable)
		return
	}
	if limit := h.config.functionTimeout; limit > 0 {
		t := time.AfterFunc(limit, func() {
			log.Error("Timeout value of " + limit.String() + " exceeded by function 'Functions." + f.name + "': the handler is killed with every call in it")
			h.worker.expire()
			cancel(errTimeout)
		})
		defer t.Stop()
	}
	silence := time.AfterFunc(h.tuning.activity, func() { cancel(errSilent) })
	defer silence.Stop()
	moved := func() { silence.Reset(h.tuning.activity) }

	failed := true // also when copying the answer breaks off, which panics with ErrAbortHandler
	defer func() {
		took := time.Since(started).Milliseconds()
		if failed {
			log.Error("Executed 'Functions."+f.name+"' (Failed)", "ms", took, "cause", fmt.Sprint(context.Cause(ctx)))
			return
		}
		log.Info("Executed 'Functions."+f.name+"' (Succeeded)", "ms", took)
	}()
	_ = http.NewResponseController(w).EnableFullDuplex() // a writer that cannot is a recorder, which never waits
	r = r.WithContext(ctx)
	sent := r.Body
	if r.ContentLength != 0 && r.Body != nil {
		r.Body = watched{http.MaxBytesReader(w, r.Body, h.bodyLimit), moved}
	}
	broken := h.reverseProxy(process, id, moved).forward(ownContinue{w}, r)
	if broken != nil {
		log.Error("forwarding to the handler", "error", broken.Error())
	}
	var large *http.MaxBytesError
	if errors.As(broken, &large) {
		drainBody(sent)
	}
	failed = broken != nil
}

// ownContinue keeps the handler's 100 from the client: the server sends one itself when the body is read, as
// Kestrel does, and a client that asked once is answered once.
type ownContinue struct{ http.ResponseWriter }

func (w ownContinue) WriteHeader(status int) {
	if status != http.StatusContinue {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Unwrap lets http.ResponseController flush.
func (w ownContinue) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// forwarder is a reverse proxy that tells its caller how it went.
type forwarder struct {
	httputil.ReverseProxy
	err error
}

func (f *forwarder) forward(w http.ResponseWriter, r *http.Request) error {
	f.ServeHTTP(w, r)
	return f.err
}

func (h *Host) reverseProxy(p *process, id string, moved func()) *forwarder {
	f := &forwarder{}
	f.ReverseProxy = httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { rewrite(pr, h.worker.address, id) },
		Transport:     connecting{p.transport},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // the caller logs
		ModifyResponse: func(response *http.Response) error {
			moved()
			if response.Body != nil && response.StatusCode != http.StatusSwitchingProtocols {
				response.Body = watched{response.Body, moved}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var large *http.MaxBytesError
			status := http.StatusInternalServerError
			if errors.As(err, &large) {
				status = http.StatusRequestEntityTooLarge
			}
			if cause := context.Cause(r.Context()); cause != nil {
				err = cause
			} else if status == http.StatusInternalServerError {
				p.awaitEnd()
			}
			f.err = err
			w.WriteHeader(status)
		},
	}
	return f
}

// rewrite points the request at the handler and plays the platform's front end: it says who called, and what
// only the platform may say is gone (see strip). Values a client sent for the host's own headers are overwritten.
func rewrite(pr *httputil.ProxyRequest, address, id string) {
	in, out := pr.In, pr.Out
	out.URL.Scheme, out.URL.Host = "http", address
	out.URL.RawQuery = in.URL.RawQuery // ReverseProxy drops what it cannot parse; YARP does not
	out.Host = in.Host
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if v, ok := in.Header[name]; ok { // ReverseProxy takes them out
			out.Header[name] = v
		}
	}
	before := strings.Join(in.Header["X-Forwarded-For"], ", ")
	if before != "" {
		before += ", "
	}
	out.Header.Set("X-Forwarded-For", before+in.RemoteAddr)
	out.Header.Set("X-Forwarded-Proto", "http")
	out.Header.Set(headerInvocation, id)
	out.Header.Set(headerVersion, hostVersion)
	out.Header.Set(headerCorrelation, id)
}

// strip removes the headers by which App Service authentication names the caller: in Azure no client can send
// them, so the stand-in for the platform must not let them pass.
func strip(header http.Header) {
	for name := range header {
		upper := strings.ToUpper(strings.ReplaceAll(name, "_", "-"))
		if strings.HasPrefix(upper, "X-MS-CLIENT-PRINCIPAL") || strings.HasPrefix(upper, "X-MS-TOKEN-") {
			delete(header, name)
		}
	}
}

// connecting tries again when the handler does not accept connections (RetryProxyHandler).
type connecting struct{ inner http.RoundTripper }

func (c connecting) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	delay := connectDelay
	for attempt := 1; ; attempt++ {
		try := r.WithContext(r.Context())
		if body != nil {
			try.Body = io.NopCloser(body) // a refused connection must not close it
		}
		response, err := c.inner.RoundTrip(try)
		var socket *net.OpError
		if err == nil || attempt == connectAttempts || !errors.As(err, &socket) || socket.Op != "dial" {
			if err != nil && body != nil {
				_ = body.Close()
			}
			return response, err
		}
		t := time.NewTimer(delay)
		select {
		case <-r.Context().Done():
			t.Stop()
			return nil, context.Cause(r.Context())
		case <-t.C:
		}
		delay = min(2*delay, connectDelayMax)
	}
}

// watched tells when bytes moved.
type watched struct {
	io.ReadCloser
	moved func()
}

func (w watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.moved()
	}
	return n, err
}

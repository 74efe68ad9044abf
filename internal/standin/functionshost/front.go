package functionshost

import (
	"io"
	"net/http"
	"strings"
)

// ServeHTTP is the host's front: its home page, /admin, and the routes of the HTTP functions.
//
// It answers 404 with no body where no route matches path and method together, 401 without the key that the
// function's authLevel asks for, 413 above the body limit, 503 while the host does not run, and 500 where the
// request could not be forwarded; everything else is the handler's own answer.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	normalPath(r.URL)
	path, ok := pathSegments(r.URL)
	if !ok {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if len(path) > 0 && strings.EqualFold(path[0], "admin") {
		h.serveAdmin(w, r, path)
		return
	}
	if r.ContentLength > h.bodyLimit {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		drainBody(r.Body)
		return
	}
	if len(path) == 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("Your Functions 4.0 app is up and running\n")) // nobody is left to tell
		return
	}
	f := h.router.find(r.Method, path)
	switch {
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case !h.serving():
		http.Error(w, "Function host is not running.", http.StatusServiceUnavailable)
	case !h.keys.allows(r, f):
		w.WriteHeader(http.StatusUnauthorized)
	default:
		strip(r.Header)
		h.proxy(w, r, f)
	}
}

// drainBody reads a little of a refused body, so that a client that is nearly done finds the answer and not a
// reset connection.
func drainBody(body io.Reader) {
	const most = 1 << 20
	_, _ = io.CopyN(io.Discard, body, most) // a client that goes away is no loss
}

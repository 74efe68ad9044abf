package azfunc

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

func signedIn(*http.Request) (evidence.Actor, error) { return evidence.Actor{ID: "o-1"}, nil }

func TestRequest(t *testing.T) {
	for name, c := range map[string]struct {
		who    Identify
		err    error
		panics any
		status int
		event  string
		level  string
	}{
		"granted":       {signedIn, nil, nil, 202, "invocation.done", "INFO"},
		"anybody":       {nil, nil, nil, 202, "invocation.done", "INFO"},
		"nobody":        {Nobody, nil, nil, 401, "invocation.refused", "WARN"},
		"refused":       {signedIn, fmt.Errorf("x: %w", evidence.Refused), nil, 409, "invocation.refused", "WARN"},
		"not found":     {signedIn, fmt.Errorf("x: %w", evidence.NotFound), nil, 404, "invocation.refused", "WARN"},
		"fails for now": {signedIn, fmt.Errorf("x: %w", evidence.Unavailable), nil, 503, "invocation.failed", "ERROR"},
		"fails":         {signedIn, errors.New("x"), nil, 500, "invocation.failed", "ERROR"},
		"panics":        {signedIn, nil, "x", 500, "invocation.failed", "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := logged(t)
			ran := false
			h := Request("flag", c.who, clock(), func(w http.ResponseWriter, r *http.Request, cause evidence.Cause) (evidence.Result, error) {
				ran = true
				if cause.Correlation != "inv-1" || cause.At.IsZero() || (cause.By.ID == "o-1") != (c.who != nil) {
					t.Errorf("cause %+v", cause)
				}
				if c.panics != nil {
					panic(c.panics)
				}
				if c.err == nil {
					w.WriteHeader(http.StatusAccepted)
				}
				return evidence.Result{Evidence: "ev-1", Outcome: "flagged"}, c.err
			})
			w := call(h, "/api/evidence/ev-1/flag", "{}")
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if ran != (name != "nobody") {
				t.Errorf("ran: %v", ran)
			}
			if got := lines(); len(got) != 1 || got[0]["msg"] != c.event || got[0]["level"] != c.level || got[0]["function"] != "flag" || got[0]["invocation"] != "inv-1" {
				t.Errorf("log %v", got)
			}
		})
	}
}

// The host's proxy fails the exchange if the handler answers without having read the body: azure-functions-host issue 10623.
func TestRequestDrainsTheBody(t *testing.T) {
	logged(t)
	body := strings.NewReader(strings.Repeat("x", 1<<20))
	h := Request("flag", signedIn, clock(), func(http.ResponseWriter, *http.Request, evidence.Cause) (evidence.Result, error) {
		return evidence.Result{}, evidence.TooLarge
	})
	w := httptest.NewRecorder()
	answer := answered{ResponseWriter: w, left: body.Len, at: -1}
	h.ServeHTTP(&answer, httptest.NewRequest(http.MethodPost, "/api/evidence/ev-1/flag", io.NopCloser(body)))
	if w.Code != http.StatusRequestEntityTooLarge || answer.at != 0 {
		t.Errorf("status %d when %d bytes of the body were left", w.Code, answer.at)
	}
}

// answered notes how much of the body was left when the answer began.
type answered struct {
	http.ResponseWriter
	left func() int
	at   int
}

func (a *answered) WriteHeader(status int) {
	a.at = a.left()
	a.ResponseWriter.WriteHeader(status)
}

// A body without end is read to a limit only.
func TestRequestDrainsNotForEver(t *testing.T) {
	logged(t)
	endless := &zeros{}
	h := Request("flag", Nobody, clock(), nil)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", endless))
	if endless.read < maxEnvelope || endless.read > 2*maxEnvelope {
		t.Errorf("%d bytes were read", endless.read)
	}
}

type zeros struct{ read int }

func (z *zeros) Read(b []byte) (int, error) {
	z.read += len(b)
	return len(b), nil
}

package azfunc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// logged makes the default logger write to a buffer, and returns what reads the lines.
func logged(t *testing.T) func() []map[string]any {
	t.Helper()
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(NewLogger(&out, slog.LevelInfo))
	t.Cleanup(func() { slog.SetDefault(before) })
	return func() []map[string]any {
		var lines []map[string]any
		for decoder := json.NewDecoder(&out); ; {
			line := map[string]any{}
			err := decoder.Decode(&line)
			if err == io.EOF {
				return lines
			}
			if err != nil {
				t.Fatal(err)
			}
			delete(line, "time")
			lines = append(lines, line)
		}
	}
}

// clock goes on by 250 ms at every question.
func clock() func() time.Time {
	at := time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(250 * time.Millisecond)
		return at
	}
}

func call(h http.Handler, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("X-Azure-Functions-InvocationId", "inv-1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type outcome struct {
	result evidence.Result
	err    error
	panics any
}

func (o outcome) trigger(t *testing.T) http.Handler {
	t.Helper()
	return Trigger("metadata", "work", clock(), func(_ context.Context, m message, c evidence.Cause) (evidence.Result, error) {
		if want := (evidence.Cause{By: evidence.Stage("metadata"), At: c.At, Correlation: "m-7"}); !reflect.DeepEqual(c, want) || c.At.IsZero() {
			t.Errorf("cause %+v", c)
		}
		if m.Evidence != "ev-1" {
			t.Errorf("message %+v", m)
		}
		if o.panics != nil {
			panic(o.panics)
		}
		return o.result, o.err
	})
}

func TestTrigger(t *testing.T) {
	done := evidence.Result{Evidence: "ev-1", Outcome: "done"}
	for name, c := range map[string]struct {
		outcome outcome
		body    string
		status  int
		event   string
		level   string
		kind    string
	}{
		"done":              {outcome{result: done}, wrap(binary(plainMessage)), 200, "invocation.done", "INFO", ""},
		"fails for now":     {outcome{result: done, err: fmt.Errorf("x: %w", evidence.Unavailable)}, wrap(binary(plainMessage)), 503, "invocation.failed", "ERROR", "unavailable for now"},
		"fails for good":    {outcome{result: done, err: fmt.Errorf("x: %w", evidence.NotFound)}, wrap(binary(plainMessage)), 404, "invocation.failed", "ERROR", "not found"},
		"fails somehow":     {outcome{result: done, err: errors.New("x")}, wrap(binary(plainMessage)), 500, "invocation.failed", "ERROR", ""},
		"panics":            {outcome{panics: "index out of range"}, wrap(binary(plainMessage)), 500, "invocation.failed", "ERROR", ""},
		"panics with error": {outcome{panics: evidence.Invalid}, wrap(binary(plainMessage)), 500, "invocation.failed", "ERROR", ""},
		"bad message":       {outcome{}, wrap(binary("x")), 400, "invocation.failed", "ERROR", "invalid"},
		"no envelope":       {outcome{}, "x", 400, "invocation.failed", "ERROR", "invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			lines := logged(t)
			w := call(c.outcome.trigger(t), "/metadata", c.body)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if c.status == http.StatusOK {
				answers(t, w)
			}
			all := lines()
			if len(all) != 1 {
				t.Fatalf("%d lines: %v", len(all), all)
			}
			line := all[0]
			for name, want := range map[string]any{"msg": c.event, "level": c.level, "function": "metadata", "invocation": "inv-1"} {
				if line[name] != want {
					t.Errorf("%s is %v, want %v", name, line[name], want)
				}
			}
			if c.status != http.StatusOK && (line["kind"] != c.kind || line["error"] == "") {
				t.Errorf("kind %q, error %q", line["kind"], line["error"])
			}
		})
	}
}

// answers checks what the host needs to take an invocation for done: JSON, an object, and not empty.
func answers(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("content type %q", got)
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body == nil {
		t.Errorf("body %q: %v", w.Body, err)
	}
	if out, ok := body["Outputs"].(map[string]any); !ok || len(out) > 0 || body["ReturnValue"] != nil {
		t.Errorf("body %q has outputs", w.Body)
	}
}

func TestLogLine(t *testing.T) {
	lines := logged(t)
	call(outcome{result: evidence.Result{Evidence: "ev-1", Outcome: "done"}}.trigger(t), "/metadata", wrap(binary(plainMessage)))
	want := []map[string]any{{"level": "INFO", "msg": "invocation.done", "function": "metadata", "invocation": "inv-1",
		"evidence": "ev-1", "delivery": 2.0, "milliseconds": 500.0, "outcome": "done"}}
	if got := lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A timer has no message and no delivery count: its failure is one all the same.
func TestTimerFails(t *testing.T) {
	lines := logged(t)
	h := Trigger("reconcile", "timer", clock(), func(_ context.Context, _ struct{}, c evidence.Cause) (evidence.Result, error) {
		if c.Correlation != "inv-1" {
			t.Errorf("correlation %q", c.Correlation)
		}
		return evidence.Result{Outcome: "repaired"}, fmt.Errorf("x: %w", evidence.NotFound)
	})
	w := call(h, "/reconcile", `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"sys":{}}}`)
	if got := lines(); w.Code != 404 || len(got) != 1 || got[0]["msg"] != "invocation.failed" || got[0]["level"] != "ERROR" || got[0]["delivery"] != 0.0 {
		t.Errorf("status %d, log %v", w.Code, got)
	}
}

// Whatever a stage logs belongs to its invocation, below With and WithGroup too.
func TestLinesBelongToTheInvocation(t *testing.T) {
	lines := logged(t)
	h := Trigger("metadata", "work", clock(), func(ctx context.Context, _ message, _ evidence.Cause) (evidence.Result, error) {
		slog.InfoContext(ctx, "plain")
		slog.With("a", 1).InfoContext(ctx, "with")
		slog.Default().WithGroup("g").InfoContext(ctx, "group")
		slog.DebugContext(ctx, "too quiet")
		slog.Info("of nobody")
		return evidence.Result{}, nil
	})
	call(h, "/metadata", wrap(plainMessage))
	got := lines()
	if len(got) != 5 {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	if got[0]["invocation"] != "inv-1" || got[1]["invocation"] != "inv-1" || got[1]["a"] != 1.0 {
		t.Errorf("%v", got[:2])
	}
	if g, ok := got[2]["g"].(map[string]any); !ok || g["invocation"] != "inv-1" {
		t.Errorf("%v", got[2])
	}
	if _, ok := got[3]["invocation"]; ok {
		t.Errorf("%v", got[3])
	}
}

package functionshost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sort"
	"strings"
	"time"
)

const (
	hostVersion = "4.1045.200.1"

	headerInvocation  = "X-Azure-Functions-InvocationId"
	headerVersion     = "X-Azure-Functions-HostVersion"
	headerCorrelation = "X-Ms-Invocation-Id"

	maxAnswer = 16 << 20 // bytes of a handler's JSON answer
)

var (
	errStopped = errors.New("the host is stopped")
	errTimeout = errors.New("the function timeout was exceeded")
)

// payload is what a trigger hands to the handler.
type payload struct {
	data     any // encoded by encodeValue
	metadata *bindingData
}

// invoke runs one function in JSON mode and waits for its outcome; nil is success. Who calls it decides what a
// failure means: abandon, or wait for the next tick.
func (h *Host) invoke(ctx context.Context, f *function, p payload) error {
	id := newID()
	log := h.log.With("function", f.name, "invocation", id)
	h.outstanding.Add(1)
	defer h.outstanding.Add(-1)
	started := time.Now()
	log.Info("Executing 'Functions." + f.name + "'")
	err := h.call(ctx, log, f, id, p)
	took := time.Since(started).Milliseconds()
	if err != nil {
		log.Error("Executed 'Functions."+f.name+"' (Failed)", "ms", took, "error", err.Error())
		return err
	}
	log.Info("Executed 'Functions."+f.name+"' (Succeeded)", "ms", took)
	return nil
}

func (h *Host) call(ctx context.Context, log *slog.Logger, f *function, id string, p payload) error {
	body, err := h.envelope(f, p)
	if err != nil {
		return err
	}
	process, err := h.worker.acquire(ctx)
	if err != nil {
		return err
	}
	var expired <-chan time.Time
	if limit := h.config.functionTimeout; limit > 0 {
		t := time.NewTimer(limit)
		defer t.Stop()
		expired = t.C
	}
	// The handler is never told that a call is over: only the kill ends it.
	posting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	type outcome struct {
		answer *answer
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		a, err := h.post(posting, process, f, id, body)
		done <- outcome{a, err}
	}()
	for {
		select {
		case o := <-done:
			if o.err != nil {
				return o.err
			}
			if o.answer != nil {
				o.answer.write(log)
				return nil
			}
			// Azure never completes this call: it stays open until the timeout kills the handler.
			log.Error("EMPTY ANSWER: function " + f.name + " answered 2xx without a JSON object; this invocation hangs until functionTimeout, then the handler is killed. Answer application/json with at least {}.")
			done = nil
		case <-expired:
			log.Error("Timeout value of " + h.config.functionTimeout.String() + " exceeded by function 'Functions." + f.name + "': the handler is killed with every call in it")
			h.worker.expire()
			cancel()
			if done != nil {
				<-done
			}
			return fmt.Errorf("function %s: %w", f.name, errTimeout)
		case <-h.worker.stop:
			cancel()
			if done != nil {
				<-done
			}
			return errStopped
		}
	}
}

// envelope is {"Data":{...},"Metadata":{...}} with the metadata's sys and, in string mode, its pollution.
func (h *Host) envelope(f *function, p payload) ([]byte, error) {
	p.metadata.put("sys", newSystem(f.name, h.now()))
	if text, ok := p.data.(string); ok {
		p.metadata.pollute(text)
	}
	data, err := encodeValue(p.data)
	if err != nil {
		return nil, fmt.Errorf("writing the data of %s: %w", f.name, err)
	}
	metadata, err := p.metadata.encode()
	if err != nil {
		return nil, err
	}
	return marshal(struct {
		Data     map[string]json.RawMessage
		Metadata json.RawMessage
	}{map[string]json.RawMessage{f.binding: data}, metadata})
}

// answer is a handler's JSON answer; names match in any case, unknown ones are ignored.
type answer struct {
	Outputs     map[string]any `json:"Outputs"`
	Logs        []logLine      `json:"Logs"`
	ReturnValue any            `json:"ReturnValue"`
	trailing    bool
}

// logLine takes what Newtonsoft would turn into a string.
type logLine string

func (l *logLine) UnmarshalJSON(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	switch t := v.(type) {
	case nil:
	case string:
		*l = logLine(t)
	case map[string]any, []any:
		return fmt.Errorf("a log line is neither an object nor a list")
	default:
		*l = logLine(strings.Trim(string(raw), `"`))
	}
	return nil
}

// write puts the answer's lines into the log of the invocation.
func (a *answer) write(log *slog.Logger) {
	for _, line := range a.Logs {
		log.Info(string(line), "category", "Function.User")
	}
	if len(a.Outputs) > 0 || a.ReturnValue != nil {
		log.Debug("outputs are ignored: the function has no output bindings", "names", sortedKeys(a.Outputs))
	}
	if a.trailing {
		log.Warn("the handler's answer goes on after its JSON object; Azure ignores the rest")
	}
}

// post sends the call; a nil answer without an error is the empty one that hangs.
func (h *Host) post(ctx context.Context, p *process, f *function, id string, body []byte) (*answer, error) {
	// A reader of unknown length makes the request chunked, as ObjectContent does.
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.worker.address+"/"+f.name, struct{ io.Reader }{bytes.NewReader(body)})
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", f.name, err)
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	request.Header.Set("User-Agent", "Azure-Functions-Host/"+hostVersion)
	request.Header.Set(headerVersion, hostVersion)
	request.Header.Set(headerInvocation, id)
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		p.awaitEnd()
		return nil, fmt.Errorf("calling %s: %w", f.name, err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		p.awaitEnd()
		return nil, fmt.Errorf("reading the answer of %s: %w", f.name, err)
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("the answer of %s is larger than %d bytes", f.name, maxAnswer)
	case response.StatusCode/100 != 2:
		return nil, fmt.Errorf("the handler answered %d to %s, success is 2xx: %q", response.StatusCode, f.name, clip(raw))
	case len(raw) == 0:
		return nil, nil
	}
	if err := jsonContent(response.Header.Get("Content-Type")); err != nil {
		return nil, fmt.Errorf("the answer of %s: %w: %q", f.name, err, clip(raw))
	}
	a, err := parseAnswer(raw)
	if err != nil {
		return nil, fmt.Errorf("the answer of %s: %w: %q", f.name, err, clip(raw))
	}
	return a, nil
}

func jsonContent(contentType string) error {
	media, _, err := mime.ParseMediaType(contentType)
	if err == nil && (media == "application/json" || media == "text/json") {
		return nil
	}
	return fmt.Errorf("no MediaTypeFormatter reads content type %q, it must be application/json", contentType)
}

// parseAnswer reads the handler's object. A body of null is no answer at all.
func parseAnswer(raw []byte) (*answer, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	var first json.RawMessage
	if err := d.Decode(&first); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	switch {
	case string(first) == "null":
		return nil, nil
	case first[0] != '{':
		return nil, fmt.Errorf("it is not a JSON object")
	}
	a := &answer{}
	if err := json.Unmarshal(first, a); err != nil {
		return nil, fmt.Errorf("it has the wrong shape: %w", err)
	}
	_, err := d.Token()
	a.trailing = !errors.Is(err, io.EOF)
	return a, nil
}

// clip keeps an answer short enough for a log line.
func clip(raw []byte) string {
	const most = 256
	if len(raw) > most {
		return string(raw[:most]) + "…"
	}
	return string(raw)
}

// newID is a random UUID (RFC 9562 section 5.4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

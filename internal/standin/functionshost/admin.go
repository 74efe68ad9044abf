package functionshost

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const (
	maxAdminBody = 8 << 20 // bytes of POST /admin/functions/{name}
	maxDetached  = 1000    // admin runs at a time
)

// serveAdmin is the part of the host's management API that tools and the portal's Test/Run use.
func (h *Host) serveAdmin(w http.ResponseWriter, r *http.Request, path []string) {
	what := strings.ToLower(strings.Join(path[1:], "/"))
	if what == "host/ping" { // the one without a key
		w.WriteHeader(http.StatusOK)
		return
	}
	if !h.keys.admin(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	read := r.Method == http.MethodGet
	switch {
	case what == "host/status" && read:
		reply(w, http.StatusOK, h.status())
	case what == "host/drain" && r.Method == http.MethodPost:
		h.drain()
		reply(w, http.StatusAccepted, h.drainStatus())
	case what == "host/drain/status" && read:
		reply(w, http.StatusOK, h.drainStatus())
	case what == "functions" && read:
		all := make([]map[string]any, 0, len(h.functions))
		for _, f := range h.functions {
			all = append(all, h.describe(r, f))
		}
		reply(w, http.StatusOK, all)
	case len(path) >= 3 && strings.EqualFold(path[1], "functions"):
		h.serveAdminFunction(w, r, path[2:])
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *Host) serveAdminFunction(w http.ResponseWriter, r *http.Request, path []string) {
	f := h.named(path[0])
	switch {
	case f == nil:
		w.WriteHeader(http.StatusNotFound)
	case len(path) == 1 && r.Method == http.MethodGet:
		reply(w, http.StatusOK, h.describe(r, f))
	case len(path) == 1 && r.Method == http.MethodPost:
		h.runByHand(w, r, f)
	case len(path) == 2 && strings.EqualFold(path[1], "status") && r.Method == http.MethodGet:
		reply(w, http.StatusOK, map[string]any{"isDisabled": f.disabled, "errors": nil})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (h *Host) named(name string) *function {
	for _, f := range h.functions {
		if strings.EqualFold(f.name, name) {
			return f
		}
	}
	return nil
}

// runByHand starts a function and answers 202 at once; the outcome is in the log only. A disabled function runs
// too, as with the master key in Azure.
func (h *Host) runByHand(w http.ResponseWriter, r *http.Request, f *function) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdminBody))
	if err != nil {
		http.Error(w, "the body is too large", http.StatusRequestEntityTooLarge)
		return
	}
	var body map[string]json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &body) != nil || body == nil {
		http.Error(w, `the body must be {"input":"<string>"}`, http.StatusBadRequest)
		return
	}
	var input string
	for name, value := range body {
		if strings.EqualFold(name, "input") && json.Unmarshal(value, &input) != nil {
			http.Error(w, "input must be a string", http.StatusBadRequest)
			return
		}
	}
	if f.http != nil {
		http.Error(w, "an HTTP function is run through its own URL", http.StatusBadRequest)
		return
	}
	if !h.detach(func(ctx context.Context) {
		p := payload{data: h.timerInfo(f, false), metadata: newBindingData()}
		if f.bus != nil {
			p = handmade(f, input)
		}
		_ = h.invoke(ctx, f, p) // invoke has logged it; nobody is left to tell
	}) {
		http.Error(w, "too many runs at once", http.StatusTooManyRequests)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// detach runs work in the background until the host closes; false when there is too much of it.
func (h *Host) detach(work func(context.Context)) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.detached >= maxDetached || h.closed || !h.started {
		return false
	}
	h.detached++
	h.running.Go(func() {
		work(h.life)
		h.mu.Lock()
		h.detached--
		h.mu.Unlock()
	})
	return true
}

// describe is the metadata of one function (FunctionMetadataResponse).
func (h *Host) describe(r *http.Request, f *function) map[string]any {
	base := "http://" + r.Host
	d := map[string]any{
		"name": f.name, "config": f.config, "language": "Custom", "isDisabled": f.disabled, "test_data": f.testData,
		"href": base + "/admin/functions/" + f.name, "isDirect": false, "isProxy": false,
	}
	if f.http != nil {
		d["invoke_url_template"] = base + "/" + f.http.route.template
	}
	return d
}

func (h *Host) status() map[string]any {
	s := map[string]any{"id": h.id, "state": h.state(), "version": hostVersion, "instanceId": h.id,
		"processUptime": time.Since(h.born).Milliseconds()}
	if name, err := os.Hostname(); err == nil {
		s["computerName"] = name
	}
	if err := h.Err(); err != nil {
		s["errors"] = []string{err.Error()}
	}
	return s
}

func (h *Host) drainStatus() map[string]any {
	n := h.outstanding.Load()
	state := "Disabled"
	if h.isDraining() {
		state = "InProgress"
		if n == 0 {
			state = "Completed"
		}
	}
	return map[string]any{"state": state, "outstandingInvocations": n}
}

func reply(w http.ResponseWriter, status int, v any) {
	raw, err := marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client has gone: nobody is left to tell
}

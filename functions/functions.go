// Package functions says what runs where: each Azure Function has a folder with its function.json, and a Go file of the same name.
package functions

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"bwv/internal/api"
	"bwv/internal/azfunc"
	"bwv/internal/pipeline"
)

// Functions is everything the function app can do.
type Functions struct {
	Ingest    *pipeline.Ingest
	Metadata  *pipeline.Metadata
	Digest    *pipeline.Digest
	Proxy     *pipeline.Proxy
	Segment   *pipeline.Segment
	Retention *pipeline.Retention
	Expire    *pipeline.Expire
	Reprocess *pipeline.Reprocess
	Reconcile *pipeline.Reconcile
	API       *api.API
	Who       azfunc.Identify
	Now       func() time.Time
}

// Function is one Azure Function: its name, the pattern under which the host calls it, and what answers.
type Function struct {
	Name    string
	Pattern string
	Handler http.Handler
}

// All lists the functions: a trigger is called as POST /<name>, an HTTP function by its own route (proxy mode).
func (f *Functions) All() []Function {
	return []Function{
		{"ingest", "POST /ingest", f.ingest()},
		{"metadata", "POST /metadata", f.metadata()},
		{"digest", "POST /digest", f.digest()},
		{"proxy", "POST /proxy", f.proxy()},
		{"segment", "POST /segment", f.segment()},
		{"retention", "POST /retention", f.retention()},
		{"expire", "POST /expire", f.expire()},
		{"reprocess", "POST /reprocess", f.reprocess()},
		{"reconcile", "POST /reconcile", f.reconcile()},
		{"flag", "POST /api/evidence/{id}/flag", f.flag()},
		{"unflag", "POST /api/evidence/{id}/unflag", f.unflag()},
		{"search", "GET /api/evidence", f.search()},
		{"detail", "GET /api/evidence/{id}", f.detail()},
		{"playback", "GET /api/evidence/{id}/playback", f.playback()},
		{"playlist", "GET /api/evidence/{id}/playback/{file}", f.playlist()},
		{"audit", "GET /api/evidence/{id}/custody", f.audit()},
		{"resubmit", "POST /api/evidence/{id}/reprocess", f.resubmit()},
		{"release", "POST /api/disposals/release", f.release()},
		{"health", "GET /api/health", f.health()},
	}
}

// Mux serves all functions, and GET / for the host's readiness probe.
func (f *Functions) Mux() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for _, function := range f.All() {
		mux.Handle(function.Pattern, function.Handler)
	}
	return mux
}

// Check refuses functions that could be called by outsiders as triggers: in proxy mode the handler serves the host's POST /<name> and the
// outside's paths on one port, so no HTTP route may begin with the name of any function.
func Check(all []Function) error {
	names := map[string]bool{}
	for _, f := range all {
		names[f.Name] = true
	}
	for _, f := range all {
		_, path, _ := strings.Cut(f.Pattern, " /")
		first, _, deeper := strings.Cut(path, "/")
		if f.Pattern == "POST /"+f.Name {
			continue // the host's own call
		}
		if names[first] || !deeper || strings.HasPrefix(first, "{") {
			return fmt.Errorf("function %s: its route %s could be taken for a trigger's call", f.Name, path)
		}
	}
	return nil
}

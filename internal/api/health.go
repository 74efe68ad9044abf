package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"bwv/internal/evidence"
)

// Health asks what the handler depends on whether it answers, by name.
type Health map[string]func(context.Context) error

// Check serves GET /api/health: 200 when everything answers, else 503. It tells names and no reasons, since anybody may ask.
func (h Health) Check(w http.ResponseWriter, r *http.Request, _ evidence.Cause) (evidence.Result, error) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	var mu sync.Mutex
	var wait sync.WaitGroup
	checks, status, outcome := map[string]string{}, http.StatusOK, "healthy"
	for name, ask := range h {
		wait.Go(func() {
			word := "ok"
			if ask(ctx) != nil {
				word = "no answer"
			}
			mu.Lock()
			defer mu.Unlock()
			if checks[name] = word; word != "ok" {
				status, outcome = http.StatusServiceUnavailable, "unhealthy"
			}
		})
	}
	wait.Wait()
	encode(w, status, map[string]any{"status": outcome, "checks": checks})
	return evidence.Result{Outcome: outcome}, nil
}

package functions

import (
	"context"
	"net/http"

	"bwv/internal/azfunc"
	"bwv/internal/evidence"
)

// tick is the timer's value: when it runs does not matter to what it does.
type tick struct{}

// reconcile compares store, ledger and pending disposals at every tick.
func (f *Functions) reconcile() http.Handler {
	return azfunc.Trigger("reconcile", "timer", f.Now, func(ctx context.Context, _ tick, c evidence.Cause) (evidence.Result, error) {
		return f.Reconcile.Run(ctx, c)
	})
}

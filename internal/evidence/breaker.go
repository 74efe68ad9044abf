package evidence

import (
	"context"
	"time"
)

// Breaker stops disposals that come faster than anybody planned, over all instances, until a person releases it.
type Breaker interface {
	// Admit counts one disposal in the clock hour of at. False: the hour has more than limit, or the breaker tripped before and
	// was not released. A disposal may be counted twice after a crash: it trips sooner, never later.
	Admit(ctx context.Context, at time.Time, limit int) (bool, error)
	// Release closes the breaker again and starts the hour's count anew.
	Release(ctx context.Context, c Cause) error
	// Tripped tells whether it waits for a release.
	Tripped(ctx context.Context) (bool, error)
}

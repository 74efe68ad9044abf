package memory

import (
	"context"
	"fmt"

	"bwv/internal/evidence"
)

// Fault is how a mutating call goes wrong; the caller sees Unavailable both times and cannot tell which it was.
type Fault int

// The faults; the zero value is none.
const (
	None  Fault = iota
	Lost        // nothing was stored
	Ghost       // it was stored, but the reply was lost
)

// Faults makes the mutating calls of a store fail. Both fields are read under the store's lock and set by the test, between calls.
type Faults struct {
	// Next befalls the next mutating call, and only that.
	Next Fault
	// Plan is asked at every mutating call for which Next is None. It is called under the store's lock, so that calls come one at
	// a time; it must not call the store. The operations: commit; delete; put, delete all, swap; schedule, cancel; announce; request; arrive;
	// dispatch; admit, release.
	Plan func(op string) Fault
}

// apply runs do as the fault of this call will have it. The outcome of do is lost with the reply.
func (f *Faults) apply(op string, do func() error) error {
	fault := f.Next
	f.Next = None
	if fault == None && f.Plan != nil {
		fault = f.Plan(op)
	}
	switch fault {
	case Lost:
		return fmt.Errorf("%s: the request was lost: %w", op, evidence.Unavailable)
	case Ghost:
		_ = do() // the reply is what gets lost, whatever it says
		return fmt.Errorf("%s: the reply was lost: %w", op, evidence.Unavailable)
	default:
		return do()
	}
}

// alive refuses a call whose caller has gone, as a service that is never reached.
func alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", err, evidence.Unavailable)
	}
	return nil
}

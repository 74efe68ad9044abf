// Package pipeline is what events do to a recording: one file a stage, each idempotent, each resuming after a crash.
package pipeline

import "bwv/internal/evidence"

// Outcomes that several stages share; each stage's own are in its file.
const (
	outcomeDone    = "done"    // the stage did its part
	outcomeAlready = "already" // it was done before: this delivery changed nothing
	outcomeGone    = "gone"    // the recording is erased or being erased
)

func result(id evidence.ID, outcome string) evidence.Result {
	return evidence.Result{Evidence: id, Outcome: outcome}
}

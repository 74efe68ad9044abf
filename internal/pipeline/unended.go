package pipeline

import (
	"context"
	"fmt"
	"time"

	"bwv/internal/evidence"
)

const (
	patience  = 24 * time.Hour // what is younger may wait in a queue: evenings fill them for hours
	mostAsked = 7              // times, a day apart each; then it is a person's affair
)

// processing has the stages do again what they never ended, because a message of theirs was lost or ended as a dead letter. It comes after everything
// that has to do with retention, and takes what is left of the run's repairs: a proxy can wait. What is asked for twice, because it was only late,
// finds itself done, and costs little.
func (s *Reconcile) processing(ctx context.Context, c evidence.Cause, report *Report) error {
	old := s.Now().Add(-patience)
	waits := func(r evidence.Record) bool { // what was never scheduled is asked for as a whole
		return r.Original.Created.Before(old) && r.Retention.State != evidence.Received
	}
	return s.everywhere(ctx, []check{{evidence.Query{Unended: true}, waits, s.unended, "a stage of its processing did not end", &report.Unended}}, c, report)
}

// unended asks the stages that did not end once more, at most once a day. Order: the custody entry, then the messages; a crash between has them sent
// a day later.
func (s *Reconcile) unended(ctx context.Context, r evidence.Record, c evidence.Cause) error {
	chain, err := s.Protocol.Ledger.Chain(ctx, r.ID)
	if err != nil {
		return err
	}
	asked := 0
	for _, e := range chain {
		if e.Operation != evidence.OpReconcile || e.Reason != c.Reason {
			continue
		}
		if asked++; c.At.Sub(e.At) < patience {
			return evidence.ErrUnchanged
		}
	}
	if asked >= mostAsked {
		return s.handOver(ctx, r.ID, c)
	}
	if err := s.entry(ctx, r.ID, c); err != nil {
		return err
	}
	for _, stage := range r.Unended() {
		if err := s.Works.Announce(ctx, stage, evidence.Work{Evidence: r.ID}); err != nil {
			return err
		}
	}
	return nil
}

// handOver makes a work item of a stage that did not end however often it was asked, once. It goes when that stage ends after all.
func (s *Reconcile) handOver(ctx context.Context, id evidence.ID, c evidence.Cause) error {
	given := false
	_, err := evidence.Update(ctx, s.Protocol.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		stages := r.Unended()
		if given = len(stages) == 0; given {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		for _, a := range r.Attention {
			if given = a.Problem == evidence.ProblemUnended; given {
				return r, evidence.Entry{}, evidence.ErrUnchanged
			}
		}
		words := fmt.Sprintf("it was asked %d times, a day apart; %v did not end", mostAsked, stages)
		return r.Attend(attention(string(stages[0]), evidence.ProblemUnended, words, c), c)
	})
	if given && err == nil {
		err = evidence.ErrUnchanged
	}
	return err
}

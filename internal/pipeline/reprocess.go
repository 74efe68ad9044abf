package pipeline

import (
	"context"
	"fmt"
	"slices"

	"bwv/internal/evidence"
)

// Reprocess has stages done again for one record: asked by a person through the API, or from the Azure portal's Test/Run.
type Reprocess struct {
	Ledger evidence.Ledger
	Works  evidence.Works
}

// Run sends the stages their messages. Order: the custody entry first, then the messages; delivered twice it finds its entry by the
// correlation and sends the messages again, which the stages bear.
func (s *Reprocess) Run(ctx context.Context, q evidence.Reprocess, c evidence.Cause) (evidence.Result, error) {
	id, err := evidence.ParseID(string(q.Evidence))
	if err != nil {
		return evidence.Result{}, err
	}
	stages, err := q.Again()
	if err != nil {
		return result(id, ""), err
	}
	if q.By.ID != "" {
		c.By = q.By
	}
	c.Reason = q.Reason
	chain, err := s.Ledger.Chain(ctx, id)
	if err != nil {
		return result(id, ""), err
	}
	noted := slices.ContainsFunc(chain, func(e evidence.Entry) bool {
		return e.Operation == evidence.OpReprocess && e.Correlation == c.Correlation && c.Correlation != ""
	})
	r, err := evidence.Update(ctx, s.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() || noted {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		return r.Consult(evidence.OpReprocess, map[string]string{"stages": fmt.Sprint(stages)}, c)
	})
	if err != nil {
		return result(id, ""), err
	}
	if r.Gone() {
		return result(id, outcomeGone), nil
	}
	for _, stage := range stages {
		if err := s.Works.Announce(ctx, stage, evidence.Work{Evidence: id, Again: true}); err != nil {
			return result(id, ""), fmt.Errorf("asking %s again for %s: %w", stage, id, err)
		}
	}
	return result(id, outcomeDone), nil
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
	"bwv/internal/retention"
)

// Reconcile compares store, ledger and pending disposals, and has what was lost done again. It deletes no original and decides nothing
// about retention: it sends the stage's message again, with a custody entry each time.
type Reconcile struct {
	Protocol  *retention.Protocol
	Catalogue evidence.Catalogue
	Originals evidence.Originals
	Works     evidence.Works
	Arrivals  evidence.Arrivals
	Grace     time.Duration // what is younger is still on its way
	Most      int           // repairs in one run; the next run goes on
	Now       func() time.Time
}

// Report counts what a run repaired, by cause.
type Report struct {
	Records, Originals                              int
	Overdue, Unscheduled, Unsent, Uncancelled, Half int
	Uncatalogued, Unended                           int
	Complete                                        bool // every original was looked at
}

func (p Report) repairs() int {
	return p.Overdue + p.Unscheduled + p.Unsent + p.Uncancelled + p.Half + p.Uncatalogued + p.Unended
}

// Run looks at everything once. One record that cannot be repaired does not stop the others; their errors come back joined, so that the
// run is seen to have failed.
func (s *Reconcile) Run(ctx context.Context, c evidence.Cause) (evidence.Result, error) {
	var report Report
	err := errors.Join(s.records(ctx, c, &report), s.uploads(ctx, &report), s.processing(ctx, c, &report))
	slog.InfoContext(ctx, "reconcile.report", "records", report.Records, "originals", report.Originals,
		"overdue", report.Overdue, "unscheduled", report.Unscheduled, "unsent", report.Unsent,
		"uncancelled", report.Uncancelled, "half-erased", report.Half, "uncatalogued", report.Uncatalogued, "unended", report.Unended, "complete", report.Complete)
	if report.repairs() > 0 {
		return evidence.Result{Outcome: "repaired"}, err
	}
	return evidence.Result{Outcome: "consistent"}, err
}

// check is one kind of thing that can have been lost: which records may have it, and the repair.
type check struct {
	query   evidence.Query
	applies func(evidence.Record) bool
	repair  func(context.Context, evidence.Record, evidence.Cause) error
	reason  string
	count   *int
}

func (s *Reconcile) checks(ctx context.Context, report *Report) ([]check, error) {
	old := s.Now().Add(-s.Grace)
	without, with := false, true
	waits := func(r evidence.Record) bool { return r.Original.Created.Before(old) }
	late := func(r evidence.Record) bool { return r.Retention.Fires.Before(old) }
	list := []check{
		{evidence.Query{State: evidence.Received}, waits, s.unsent, "catalogued, but no disposal was ever scheduled", &report.Unsent},
		{evidence.Query{State: evidence.Scheduled, Sequence: &without}, waits, s.resend, "scheduled, but no message is on record", &report.Unscheduled},
		{evidence.Query{State: evidence.Flagged, Sequence: &with}, waits, s.uncancelled, "flagged, but its disposal is still pending", &report.Uncancelled},
		{evidence.Query{State: evidence.Expiring}, late, s.half, "its erasure began and did not end", &report.Half},
	}
	stopped, err := s.Protocol.Breaker.Tripped(ctx)
	if err != nil {
		return list, fmt.Errorf("asking the breaker: %w", err)
	}
	if !stopped && !s.Protocol.Policy.Paused { // else what is overdue is so on purpose, and has a message pending
		list = append(list, check{evidence.Query{State: evidence.Scheduled, FiresUntil: old}, late, s.resend,
			"due, but its message did not come", &report.Overdue})
	}
	return list, nil
}

func (s *Reconcile) records(ctx context.Context, c evidence.Cause, report *Report) error {
	checks, err := s.checks(ctx, report)
	if err != nil {
		return err
	}
	return s.everywhere(ctx, checks, c, report)
}

// everywhere applies checks to every shard.
func (s *Reconcile) everywhere(ctx context.Context, checks []check, c evidence.Cause, report *Report) error {
	shards, err := s.Catalogue.Shards(ctx)
	if err != nil {
		return fmt.Errorf("listing the shards: %w", err)
	}
	var failed []error
	for _, shard := range shards {
		for _, k := range checks {
			failed = append(failed, s.shard(ctx, shard, k, c, report))
		}
	}
	return errors.Join(failed...)
}

// shard applies one check to one shard, page by page.
func (s *Reconcile) shard(ctx context.Context, shard string, k check, c evidence.Cause, report *Report) error {
	const page = 100
	var failed []error
	for q := k.query; report.repairs() < s.Most; {
		q.Limit = page
		found, err := s.Catalogue.Find(ctx, shard, q)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("searching shard %s: %w", shard, err))...)
		}
		report.Records += len(found)
		for _, r := range found {
			if !k.applies(r) {
				continue
			}
			c.Reason = k.reason
			err := k.repair(ctx, r, c)
			if errors.Is(err, evidence.ErrUnchanged) {
				continue
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("%s (%s): %w", r.ID, k.reason, err))
				continue
			}
			*k.count++
		}
		if len(found) < page {
			break
		}
		q.After = found[len(found)-1].Key()
	}
	return errors.Join(failed...)
}

func (s *Reconcile) unsent(ctx context.Context, r evidence.Record, c evidence.Cause) error {
	if err := s.entry(ctx, r.ID, c); err != nil {
		return err
	}
	return s.Works.Announce(ctx, evidence.SubjectReceived, evidence.Work{Evidence: r.ID})
}

func (s *Reconcile) resend(ctx context.Context, r evidence.Record, c evidence.Cause) error {
	_, err := s.Protocol.Defer(ctx, r.ID, r.Retention.Epoch, s.Now(), c)
	return err
}

func (s *Reconcile) uncancelled(ctx context.Context, r evidence.Record, c evidence.Cause) error {
	_, err := s.Protocol.Cancel(ctx, r.ID, c)
	return err
}

func (s *Reconcile) half(ctx context.Context, r evidence.Record, c evidence.Cause) error {
	if err := s.entry(ctx, r.ID, c); err != nil {
		return err
	}
	_, err := s.Protocol.Disposals.Schedule(ctx, evidence.Disposal{Evidence: r.ID, Epoch: r.Retention.Epoch}, s.Now())
	return err
}

func (s *Reconcile) entry(ctx context.Context, id evidence.ID, c evidence.Cause) error {
	_, err := evidence.Update(ctx, s.Protocol.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		return r.Consult(evidence.OpReconcile, nil, c)
	})
	return err
}

const (
	// uploadsAtOnce reads of the ledger go on side by side: 2.7 million originals at 3 ms a read are minutes then, and not hours.
	uploadsAtOnce = 16
	// longestRun ends a run before the host would (functionTimeout), which would kill every other invocation with it.
	longestRun = 90 * time.Minute
)

// uploads announces every upload that has no record, as Event Grid should have done; ingest writes its first custody entry. A run that
// takes too long, or has repaired enough, says that it is not complete; the next one begins anew.
func (s *Reconcile) uploads(ctx context.Context, report *Report) error {
	old, start := s.Now().Add(-s.Grace), s.Now()
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(uploadsAtOnce)
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return report.repairs() >= s.Most || s.Now().Sub(start) > longestRun
	}
	for o, err := range s.Originals.List(ctx) {
		if err != nil {
			return errors.Join(fmt.Errorf("listing the originals: %w", err), group.Wait())
		}
		if enough() {
			return group.Wait()
		}
		report.Originals++
		if o.Created.After(old) {
			continue
		}
		group.Go(func() error {
			known, err := s.catalogued(ctx, o)
			if known || err != nil {
				return err
			}
			if err := s.Arrivals.Arrive(ctx, o); err != nil {
				return fmt.Errorf("announcing %s: %w", o.Path, err)
			}
			mu.Lock()
			defer mu.Unlock()
			report.Uncatalogued++
			return nil
		})
	}
	err := group.Wait()
	report.Complete = err == nil
	return err
}

func (s *Reconcile) catalogued(ctx context.Context, o evidence.Original) (bool, error) {
	name, _ := evidence.ParseName(o.Path)
	_, err := s.Protocol.Ledger.Get(ctx, evidence.NewID(name.Unit, o.Created, o.Path, o.ETag))
	if !errors.Is(err, evidence.NotFound) {
		return err == nil, err
	}
	_, known, err := recordOf(ctx, s.Catalogue, o)
	return known, err
}

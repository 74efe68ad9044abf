package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"bwv/internal/evidence"
)

// finding collects what a stage wants a person to look at.
type finding struct {
	cause evidence.Cause
	stage string
	list  []evidence.Attention
}

func (f *finding) add(problem, detail string) {
	f.list = append(f.list, attention(f.stage, problem, detail, f.cause))
}

// begin reads the record that w is about. An outcome says that there is nothing to do: it was done before, or the recording is going;
// then what a late delivery may have left among the renditions goes too.
func begin(ctx context.Context, l evidence.Ledger, renditions evidence.Renditions, w evidence.Work, done func(evidence.Record) bool) (evidence.Record, string, error) {
	r, err := l.Get(ctx, w.Evidence)
	switch {
	case err != nil:
		return r, "", err
	case r.Gone():
		return r, outcomeGone, renditions.DeleteAll(ctx, r.ID, "")
	case done(r) && !w.Again:
		return r, outcomeAlready, nil
	}
	return r, "", nil
}

// original opens the way to the recording's bytes. The ETag may have moved since the upload; a blob that is gone, or another upload of
// the same name, is an entry on the record and not ok.
func original(ctx context.Context, store evidence.Originals, r evidence.Record, found *finding) (evidence.Source, bool, error) {
	o, err := store.Stat(ctx, r.Original.Path)
	switch {
	case errors.Is(err, evidence.NotFound):
		found.add(evidence.ProblemMissing, "the original is not in the store")
		return evidence.Source{}, false, nil
	case err != nil:
		return evidence.Source{}, false, fmt.Errorf("looking at the original of %s: %w", r.ID, err)
	case !o.SameUpload(r.Original):
		found.add(evidence.ProblemReplaced, "another upload has taken the original's name")
		return evidence.Source{}, false, nil
	}
	return evidence.Source{Original: o, Store: store}, true, nil
}

// sameBut tells whether b says of the recording what a said, times of looking and the chain apart: then there is nothing to commit, and a
// message that was delivered twice leaves one custody entry.
func sameBut(a, b evidence.Record) bool {
	plain := func(r evidence.Record) string {
		r.Head, r.Version = evidence.Head{}, ""
		r.Digest.At, r.Proxy.At = r.Original.Created, r.Original.Created
		list := make([]evidence.Attention, len(r.Attention))
		for i, n := range r.Attention {
			n.At = r.Original.Created
			list[i] = n
		}
		r.Attention = list
		text, err := json.Marshal(r)
		if err != nil {
			return err.Error() // never equal: floats that JSON cannot say are refused by the commit
		}
		return string(text)
	}
	return plain(a) == plain(b)
}

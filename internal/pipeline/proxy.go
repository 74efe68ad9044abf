package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"

	"bwv/internal/evidence"
)

// Transcoder makes the copy that people watch.
type Transcoder interface {
	// Transcode gives each rendition to put, the playlist last: its presence implies the rest. It returns warnings for people.
	// Unreadable: nothing playable can be made of it, ever. Kinds of the source's reads come back as they are.
	Transcode(ctx context.Context, s evidence.Source, put func(context.Context, evidence.Rendition, io.Reader) error) (evidence.Proxy, []string, error)
}

// Proxy makes the copy that people watch, and a poster frame.
type Proxy struct {
	Ledger     evidence.Ledger
	Originals  evidence.Originals
	Renditions evidence.Renditions
	Transcoder Transcoder
}

// Run makes one recording's proxy. Order: the renditions, playlist last, then the commit that says they are there. A crash between has them
// made again under the same names. A recording that goes meanwhile takes them with it: see begin and the end of Run.
func (s *Proxy) Run(ctx context.Context, w evidence.Work, c evidence.Cause) (evidence.Result, error) {
	r, outcome, err := begin(ctx, s.Ledger, s.Renditions, w, func(r evidence.Record) bool { return r.Proxy.State != "" })
	if outcome != "" || err != nil {
		return result(w.Evidence, outcome), err
	}
	found := finding{cause: c, stage: "proxy"}
	proxy := evidence.Proxy{State: evidence.ProxyFailed}
	source, ok, err := original(ctx, s.Originals, r, &found)
	if err != nil {
		return result(r.ID, ""), err
	}
	if ok {
		if proxy, err = s.transcode(ctx, source, r.ID, &found); err != nil {
			return result(r.ID, ""), err
		}
	}
	proxy.At = c.At.UTC()
	r, err = evidence.Update(ctx, s.Ledger, r.ID, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		n, e, err := r.Render(proxy, found.list, c)
		if err == nil && sameBut(r, n) {
			err = evidence.ErrUnchanged
		}
		return n, e, err
	})
	switch {
	case err != nil:
		return result(w.Evidence, ""), err
	case r.Gone():
		return result(r.ID, outcomeGone), s.Renditions.DeleteAll(ctx, r.ID)
	case proxy.State == evidence.ProxyFailed:
		return result(r.ID, "unreadable"), nil
	}
	return result(r.ID, outcomeDone), nil
}

func (s *Proxy) transcode(ctx context.Context, source evidence.Source, id evidence.ID, found *finding) (evidence.Proxy, error) {
	put := func(ctx context.Context, rendition evidence.Rendition, body io.Reader) error {
		return s.Renditions.Put(ctx, id, rendition, body)
	}
	proxy, warnings, err := s.Transcoder.Transcode(ctx, source, put)
	if errors.Is(err, evidence.Unreadable) {
		found.add(evidence.ProblemProxy, err.Error())
		return evidence.Proxy{State: evidence.ProxyFailed}, nil
	}
	if err != nil {
		return proxy, fmt.Errorf("making the proxy of %s: %w", id, err)
	}
	for _, warning := range warnings {
		found.add(evidence.ProblemMedia, warning)
	}
	proxy.State = evidence.ProxyReady
	return proxy, nil
}

package pipeline

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
)

// Cutter makes the pictures of proxies.
type Cutter interface {
	// Cut reads a recording's index, or goes through a recording that has none, and hands out its chunks: always the same ones, so that doing it
	// again is harmless. It reads no pictures that it need not. Unreadable: there is nothing to cut, ever; chunks that were handed out before stay
	// good. Kinds of the source's reads and of out come back as they are.
	Cut(ctx context.Context, s evidence.Source, out evidence.Cutting) (evidence.Outline, error)
	// Make makes one chunk; aside has its pictures where the chunk says so, and is nil else. The same chunk always comes out the same, to the byte, of the same
	// version of the tool. Unreadable: nothing can be made of it, ever.
	Make(ctx context.Context, s evidence.Source, c evidence.Chunk, aside evidence.Opener) (evidence.Clip, error)
}

// Proxy plans the copy that people watch: it cuts the recording into chunks, makes the first one at once, and has the others made side by side.
type Proxy struct {
	Segment   *Segment // makes the first chunk
	Parts     evidence.Parts
	Catalogue evidence.Catalogue // where the siblings of a recording without an index are found
}

// Run plans one recording's proxy.
//
// Order: a page of the plan, then the messages of its chunks; at last the plan as a whole, which says how many there are. A crash anywhere before has
// all of it done again: the pages are the same, and chunks that are there are not made again. Once the plan is whole, a delivery asks only for what
// is missing: the first chunk, whose making may have failed meanwhile, or one whose message ended as a dead letter.
func (s *Proxy) Run(ctx context.Context, w evidence.Work, c evidence.Cause) (evidence.Result, error) {
	a := s.Segment.Assembly
	r, outcome, err := begin(ctx, a.Ledger, a.Renditions, w, func(r evidence.Record) bool {
		return r.Proxy.State == evidence.ProxyReady || r.Proxy.State == evidence.ProxyFailed
	})
	if outcome != "" || err != nil {
		return result(w.Evidence, outcome), err
	}
	if w.Again {
		if err := s.anew(ctx, r.ID, c.Correlation); err != nil {
			return result(r.ID, ""), err
		}
	}
	switch n, err := a.total(ctx, r.ID); {
	case err != nil:
		return result(r.ID, ""), err
	case n >= 0:
		return s.resume(ctx, r.ID, n, c)
	}
	found := finding{cause: c, stage: "proxy"}
	source, ok, err := original(ctx, s.Segment.Originals, r, &found)
	if err != nil {
		return result(r.ID, ""), err
	}
	if !ok {
		return s.fail(ctx, r.ID, found)
	}
	source.Siblings = func(ctx context.Context) ([]evidence.Original, error) { return s.siblings(ctx, r, c.At) }
	err = s.plan(ctx, r, source, c)
	if errors.Is(err, evidence.Unreadable) {
		found.add(evidence.ProblemProxy, err.Error())
		return s.fail(ctx, r.ID, found)
	}
	if err != nil {
		return result(r.ID, ""), fmt.Errorf("planning the proxy of %s: %w", r.ID, err)
	}
	return s.Segment.land(ctx, r.ID, outcomeDone, c)
}

const proxyWish = "video-wish.json" // the message that had the proxy made anew

// anew takes an earlier proxy away, once for each wish: a delivery that was killed goes on with what it began.
func (s *Proxy) anew(ctx context.Context, id evidence.ID, wish string) error {
	last, err := s.Segment.Assembly.wish(ctx, id, proxyWish)
	if err != nil || last == wish && wish != "" {
		return err
	}
	return s.remove(ctx, id, wish)
}

// remove takes what there is of a proxy away. Order: the plan, so that messages of the earlier run find nothing to make; then the parts; then the
// playlist, which one of those messages may have brought forward until here, and which must not name what is gone.
func (s *Proxy) remove(ctx context.Context, id evidence.ID, wish string) error {
	a := s.Segment.Assembly
	first, err := a.chunk(ctx, id, 0)
	if err != nil && !errors.Is(err, evidence.NotFound) {
		return err
	}
	prefixes := []string{videoPrefix + "-", planFolder, videoPrefix + "/", videoPrefix}
	if first.Aside != "" { // whoever goes through the recording for its pictures makes its sound, too
		prefixes = append([]string{soundPrefix}, prefixes...)
	}
	for _, prefix := range prefixes {
		if err := a.Renditions.DeleteAll(ctx, id, prefix); err != nil {
			return err
		}
	}
	return a.write(ctx, id, proxyWish, wish)
}

// resume has made what is missing of a proxy that was planned to its end.
func (s *Proxy) resume(ctx context.Context, id evidence.ID, total int, c evidence.Cause) (evidence.Result, error) {
	missing, err := s.Segment.Assembly.missing(ctx, id, total)
	if err != nil {
		return result(id, ""), err
	}
	if len(missing) > 0 && missing[0].Chunk == 0 { // somebody may be waiting to watch
		missing = missing[1:]
	}
	if len(missing) > 0 {
		if err := s.Parts.Dispatch(ctx, missing); err != nil {
			return result(id, ""), err
		}
	}
	return s.Segment.Run(ctx, evidence.Part{Evidence: id, Chunk: 0}, c)
}

// plan cuts the recording. The first chunk is made at once, since somebody may be waiting to watch; where that fails, or takes long, the plan is made
// all the same, and the next delivery makes that chunk.
func (s *Proxy) plan(ctx context.Context, r evidence.Record, source evidence.Source, c evidence.Cause) error {
	var group errgroup.Group
	b := &book{assembly: s.Segment.Assembly, parts: s.Parts, id: r.ID, etag: r.Original.ETag, cause: c}
	b.first = func() {
		b.watchable = make(chan struct{})
		group.Go(func() error {
			defer close(b.watchable)
			_, err := s.Segment.Run(ctx, evidence.Part{Evidence: r.ID, Chunk: 0}, c)
			return err
		})
	}
	outline, err := s.Segment.Cutter.Cut(ctx, source, b)
	if errors.Is(err, evidence.Unreadable) && len(b.plan.Borders) > 0 { // what was handed out stays good
		outline, err = evidence.Outline{Warnings: []string{"only a part could be cut: " + err.Error()}}, nil
	}
	if err == nil {
		err = b.close(ctx, outline)
	}
	return errors.Join(err, group.Wait())
}

// fail records that there will be no proxy, and why. Order: what an earlier delivery began goes first, so that nothing of it can grow afterwards.
func (s *Proxy) fail(ctx context.Context, id evidence.ID, found finding) (evidence.Result, error) {
	a := s.Segment.Assembly
	if err := a.Renditions.DeleteAll(ctx, id, videoPrefix); err != nil {
		return result(id, ""), err
	}
	r, err := evidence.Update(ctx, a.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		n, e, err := r.Render(evidence.Proxy{State: evidence.ProxyFailed, At: found.cause.At.UTC()}, found.list, found.cause)
		if err == nil && sameBut(r, n) {
			err = evidence.ErrUnchanged
		}
		return n, e, err
	})
	if err == nil && r.Gone() {
		return result(id, outcomeGone), a.Renditions.DeleteAll(ctx, id, "")
	}
	return result(id, "unreadable"), err
}

package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
	"bwv/internal/reclaim"
)

// The last way: an MP4 whose index was never written, since the battery was pulled. Its pictures are found by what another recording of the same
// camera knows, in one reading. Whether that was the right one, the decoder says of the first pictures: only then are chunks handed out. What is
// found goes into the recipes, so that making a chunk needs the other recording no more.

const (
	mostSiblings  = 3
	proofBytes    = 64 << 20 // within which the first pictures must lie
	proofPictures = 100
)

// reclaiming is one recording being searched with the help of another.
type reclaiming struct {
	tools     *Tools
	src       evidence.Source
	sibling   evidence.Original
	reference *reclaim.Reference
	from      int64 // where the media begins
}

// reclaim cuts a recording without an index, with the help of the first sibling that proves itself.
func (t *Tools) reclaim(ctx context.Context, src evidence.Source, out evidence.Cutting) (evidence.Outline, error) {
	w, err := newWindow(ctx, src)
	if err != nil {
		return evidence.Outline{}, err
	}
	from, err := reclaim.Media(w)
	if err != nil {
		return evidence.Outline{}, err
	}
	siblings, err := src.Siblings(ctx)
	if err != nil {
		return evidence.Outline{}, err
	}
	none := errNoIndex
	for _, sibling := range siblings[:min(len(siblings), mostSiblings)] {
		r := &reclaiming{tools: t, src: src, sibling: sibling, from: from}
		why, err := r.prove(ctx)
		switch {
		case errors.Is(err, evidence.NotFound): // erased since it was offered: whoever asks again is offered others
			none, why = err, err.Error()
		case err != nil:
			return evidence.Outline{}, err
		case why == "":
			return r.cut(ctx, out)
		}
		t.log.DebugContext(ctx, "a sibling does not help", "path", src.Original.Path, "sibling", sibling.Path, "why", why)
	}
	return evidence.Outline{}, none
}

// prove tells why the sibling does not help; empty when it does.
func (r *reclaiming) prove(ctx context.Context) (why string, err error) {
	if why, err = r.learn(ctx); why != "" || err != nil {
		return why, err
	}
	samples, err := r.first(ctx)
	if err != nil {
		return "", err
	}
	if len(samples) == 0 {
		return "no picture was found", nil
	}
	recipe := r.cutter(nil).base
	recipe.Samples = samples
	for _, s := range samples {
		recipe.Frames = append(recipe.Frames, s.PTS())
	}
	slices.Sort(recipe.Frames)
	last := samples[len(samples)-1]
	chunk := evidence.Chunk{Number: 1, Timescale: recipe.Timescale, End: last.DTS + last.Duration, Frames: len(samples)}
	clip, _, err := r.tools.from(ctx, r.src, recipe, chunk, false, nil)
	if errors.Is(err, evidence.Unreadable) {
		return err.Error(), nil
	}
	return clip.Note, err // a picture that is missing is noted, too
}

// learn asks the sibling.
func (r *reclaiming) learn(ctx context.Context) (why string, err error) {
	other, err := open(ctx, evidence.Source{Original: r.sibling, Store: r.src.Store})
	switch {
	case errors.Is(err, evidence.Unreadable), errors.Is(err, evidence.Conflict):
		return err.Error(), nil
	case err != nil:
		return "", err
	case !other.indexed():
		return "its own index is not plain", nil
	}
	r.reference, err = reclaim.Learn(other.window, other.movie)
	switch {
	case errors.Is(err, reclaim.ErrUseless), errors.Is(err, evidence.Conflict), isobmff.Damaged(err):
		return err.Error(), nil
	case err != nil:
		return "", err
	}
	return "", nil
}

// first are the pictures up to the second keyframe.
func (r *reclaiming) first(ctx context.Context) (samples []isobmff.Sample, err error) {
	walk, body := r.walk(ctx, min(r.src.Original.Size, r.from+proofBytes))
	defer body.Close()
	for len(samples) < proofPictures {
		s, err := walk.Next()
		if errors.Is(err, io.EOF) || err == nil && s.Sync && len(samples) > 0 {
			return samples, nil
		}
		if err != nil {
			return nil, err
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// walk searches the media up to a place. The reading is one, from front to back.
func (r *reclaiming) walk(ctx context.Context, to int64) (*reclaim.Walk, io.Closer) {
	body := &stream{ctx: ctx, src: r.src, offset: r.from, end: to}
	return r.reference.Walk(body, r.from, to), body
}

func (r *reclaiming) cutter(emit func(context.Context, evidence.Chunk, recipe) error) *cutter {
	return newCutter(r.reference.Track, 0, math.MaxInt64, emit)
}

// cut hands the chunks out.
func (r *reclaiming) cut(ctx context.Context, out evidence.Cutting) (evidence.Outline, error) {
	c := r.cutter(func(ctx context.Context, chunk evidence.Chunk, recipe recipe) (err error) {
		if chunk.Recipe, err = recipe.pack(); err != nil {
			return err
		}
		chunk.Reference = &r.sibling
		return out.Chunk(ctx, chunk)
	})
	walk, body := r.walk(ctx, r.src.Original.Size)
	defer body.Close()
	for {
		s, err := walk.Next()
		switch {
		case errors.Is(err, io.EOF):
			return c.outline(ctx, r.words(walk))
		case err != nil:
			return evidence.Outline{}, err
		}
		if err := c.add(ctx, s); err != nil {
			return evidence.Outline{}, err
		}
	}
}

// words say how the pictures were found, and what was not.
func (r *reclaiming) words(walk *reclaim.Walk) []string {
	media := r.src.Original.Size - r.from
	left := fmt.Sprintf("%d of %d bytes were not understood", media-walk.Taken(), media)
	if r.reference.Sound {
		left = fmt.Sprintf("%d of %d bytes are none of them: sound, which is not recovered, and what was not understood", media-walk.Taken(), media)
	}
	words := []string{fmt.Sprintf("the index (moov) is missing: the pictures were found without it, with the help of %s, and their times assume %.4g a second; %s",
		r.sibling.Path, r.reference.Rate(), left)}
	if n := walk.Holes(); n > 0 {
		words = append(words, fmt.Sprintf("holes: %d; behind one the times may be wrong, and the pictures an older recording's", n))
	}
	return words
}

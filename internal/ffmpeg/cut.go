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
)

// The first chunks are short, so that somebody can begin to watch, and each is twice as long as the one before, which keeps a player supplied even
// where pictures are made no faster than they are watched; small pictures are made faster, and their chunks grow faster. The others cost the encoder
// about what 60 s of 1080p30 cost: half a minute of one core, far from what a host grants an invocation, and little to lose when an instance is taken
// away. Each costs a tenth of a second of CPU before its child has begun: so those of small pictures are longer, as far as their size allows.
const (
	firstSeconds   = 4
	usualSeconds   = 60 // of the reference
	longestSeconds = 240
	leastSeconds   = 6
	reference      = 1920 * 1080 * 30.0 // pixels a second
	mostGrowth     = 8
)

// Cut implements pipeline.Cutter for a recording with an index: each chunk begins with a source keyframe. A recording without one is gone through,
// see aside.go; one whose index was never written is searched for pictures, see reclaim.go.
func (t *Tools) Cut(ctx context.Context, src evidence.Source, out evidence.Cutting) (evidence.Outline, error) {
	o, err := t.cut(ctx, src, out)
	if err != nil {
		return o, fmt.Errorf("cutting %s: %w", src.Original.Path, err)
	}
	return o, nil
}

func (t *Tools) cut(ctx context.Context, src evidence.Source, out evidence.Cutting) (evidence.Outline, error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return evidence.Outline{}, err
	}
	defer leave()
	r, err := open(ctx, src)
	if errors.Is(err, errNoIndex) && src.Siblings != nil {
		return t.reclaim(ctx, src, out)
	}
	if err != nil {
		return evidence.Outline{}, err
	}
	if !r.indexed() {
		return t.goThrough(ctx, r, out)
	}
	track := r.pictures()
	shift, end, _ := r.movie.Shift(track)
	c := newCutter(track, shift, end, func(ctx context.Context, chunk evidence.Chunk, r recipe) error {
		if chunk.Recipe, err = r.pack(); err != nil {
			return err
		}
		return out.Chunk(ctx, chunk)
	})
	samples := r.movie.Samples(track)
	warnings := r.oddities()
	for {
		s, err := samples.Next()
		switch {
		case errors.Is(err, io.EOF):
		case isobmff.Damaged(err):
			warnings = append(warnings, "the index is damaged from "+at(c.latest, track.Timescale)+" on: what comes before is here")
		case err != nil:
			return evidence.Outline{}, err
		case s.Offset+s.Size > src.Original.Size:
			warnings = append(warnings, "the file ends at "+at(c.latest, track.Timescale)+", before its index does: what comes before is here")
		default:
			if err := c.add(ctx, s); err != nil {
				return evidence.Outline{}, err
			}
			continue
		}
		return c.outline(ctx, warnings)
	}
}

// at says when something happens in a recording.
func at(ticks, timescale int64) string {
	return fmt.Sprintf("%.1f s", float64(ticks)/float64(timescale))
}

// cutter gathers samples to chunks. It holds one chunk, and of what follows only the pictures that still belong to it.
type cutter struct {
	emit       func(context.Context, evidence.Chunk, recipe) error
	base       recipe
	shift, end int64   // presentation = media - shift, and nothing is shown from end on
	longest    float64 // seconds of a chunk
	growth     float64 // from one chunk to the next
	hasty      bool    // the next keyframe ends the chunk
	number     int
	start      int64            // of the chunk being gathered
	samples    []isobmff.Sample // of it, in decode order
	border     int64            // PTS of the keyframe that may begin the next chunk
	after      []isobmff.Sample // from that keyframe on; pictures due before it still belong to this chunk
	lead       []isobmff.Sample // from the last keyframe of the chunk before to this chunk's
	next       []isobmff.Sample // the same, of the next chunk
	open       bool             // the chunk began with a keyframe that others, due before it, follow
	latest     int64            // PTS that was seen
	dropped    int              // pictures before the first keyframe
	frames     int64
}

func newCutter(t *isobmff.Track, shift, end int64, emit func(context.Context, evidence.Chunk, recipe) error) *cutter {
	rate := 30.0
	if t.Samples > 1 && t.Duration > 0 {
		rate = float64(t.Samples) / (float64(t.Duration) / float64(t.Timescale))
	}
	load := max(0.01, float64(t.Width)*float64(t.Height)*min(rate, 240)/reference)
	return &cutter{emit: emit, shift: shift, end: end, longest: min(longestSeconds, max(leastSeconds, usualSeconds/load)), growth: min(mostGrowth, max(2, 2/load)),
		base: recipe{Demuxer: "mov", Timescale: t.Timescale, Width: t.Width, Height: t.Height, Matrix: t.Matrix, Entries: t.Entries, Shift: shift}}
}

// target is how long the chunk should become, in ticks.
func (c *cutter) target() int64 {
	seconds := c.longest
	if c.number < 10 {
		seconds = min(seconds, firstSeconds*math.Pow(c.growth, float64(c.number)))
	}
	return int64(seconds * float64(c.base.Timescale))
}

// most is how many samples a chunk may have: a recording with keyframes far apart has few chunks, and one without any is refused before it is too large.
const most = 500_000

func (c *cutter) add(ctx context.Context, s isobmff.Sample) error {
	if s.Size == 0 { // nothing was coded: the picture before goes on
		return nil
	}
	pts := s.PTS() - c.shift
	c.latest = max(c.latest, pts)
	if len(c.samples) == 0 && !s.Sync {
		c.dropped++
		return nil
	}
	if len(c.samples)+len(c.after) >= most {
		return unreadable(fmt.Sprintf("there is no keyframe among %d pictures from %s on", most, at(c.start, c.base.Timescale)))
	}
	if c.number == 0 && s.Sync && pts <= 0 { // nothing before it is shown
		c.samples = c.samples[:0]
	}
	switch {
	case len(c.samples) == 0:
		if c.number > 0 { // what is shown late is late: the first segment lasts from the recording's beginning
			c.start = pts
		}
		c.samples = append(c.samples, s)
		return nil
	case len(c.after) > 0 && pts < c.border: // follows the keyframe and is shown before it
		c.after = append(c.after, s)
		return nil
	case len(c.after) > 0:
		if err := c.close(ctx); err != nil {
			return err
		}
	}
	if s.Sync && (pts-c.start >= c.target() || c.hasty && pts > c.start) && pts < c.end {
		c.border, c.after = pts, append(c.after[:0], s)
		return nil
	}
	c.samples = append(c.samples, s)
	return nil
}

// close ends the chunk at the border and begins the next one.
func (c *cutter) close(ctx context.Context) error {
	leading := len(c.after) > 1
	c.next = slices.Clone(c.samples[lastSync(c.samples):])
	samples := c.samples
	if leading { // they need that keyframe, and what came before it
		samples = append(samples, c.after...)
	}
	if err := c.hand(ctx, samples, c.border); err != nil {
		return err
	}
	c.start, c.open, c.lead = c.border, leading, c.next
	c.samples = append(c.samples[:0], c.after...)
	c.after = c.after[:0]
	return nil
}

// lastSync is where the last keyframe lies; a chunk begins with one.
func lastSync(samples []isobmff.Sample) int {
	for i := len(samples) - 1; i > 0; i-- {
		if samples[i].Sync {
			return i
		}
	}
	return 0
}

// hand emits a chunk of the samples that are shown from its start to end.
func (c *cutter) hand(ctx context.Context, samples []isobmff.Sample, end int64) error {
	r := c.base
	r.Samples, r.Lead, r.Open = samples, c.lead, c.open
	for _, s := range samples {
		if pts := s.PTS() - c.shift; pts >= c.start && pts < end && pts >= 0 && pts < c.end {
			r.Frames = append(r.Frames, pts)
		}
	}
	if len(r.Frames) == 0 { // all of it lies outside the edit
		return nil
	}
	slices.Sort(r.Frames)
	chunk := evidence.Chunk{Number: c.number, Timescale: c.base.Timescale, Start: c.start, End: end, Frames: len(r.Frames)}
	c.number++
	c.frames += int64(len(r.Frames))
	return c.emit(ctx, chunk, r)
}

// outline hands the last chunk out and sums up.
func (c *cutter) outline(ctx context.Context, warnings []string) (evidence.Outline, error) {
	if len(c.after) > 0 {
		if err := c.close(ctx); err != nil {
			return evidence.Outline{}, err
		}
	}
	c.next = nil
	if len(c.samples) > 0 {
		if err := c.hand(ctx, c.samples, c.last()); err != nil {
			return evidence.Outline{}, err
		}
	}
	if c.number == 0 {
		return evidence.Outline{}, unreadable("there is no picture that can be decoded by itself")
	}
	if c.dropped > 0 {
		warnings = append(warnings, fmt.Sprintf("%d pictures come before the first keyframe: nobody can decode them", c.dropped))
	}
	return evidence.Outline{Chunks: c.number, Frames: c.frames, Warnings: warnings}, nil
}

// last is where the last picture ends.
func (c *cutter) last() int64 {
	end := c.start + 1
	for _, s := range c.samples {
		if pts := s.PTS() - c.shift; pts < c.end {
			end = max(end, pts+max(s.Duration, 1))
		}
	}
	return min(end, c.end)
}

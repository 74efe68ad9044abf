package isobmff

import (
	"math"
	"math/bits"
)

// Edit is one entry of an edit list. Duration is in the movie's timescale. MediaTime is in the track's: -1 is an empty edit, which only
// takes time. Rate is 16.16.
type Edit struct {
	Duration, MediaTime int64
	Rate                int32
}

// Shift is what turns a track's media time into presentation time: presentation = media - shift. ok is false when the edit list is more than
// optional empty edits followed by one plain edit: then this package does not know. end is the presentation time, in the track's timescale,
// where the edit ends, or math.MaxInt64 where it covers the rest: what is due from there on, or before 0, is not shown. In a fragmented film the
// edit always covers the rest, since the list was written before the end was known. (Where an edit begins inside of a picture, ffmpeg shows the
// next one at once, up to a picture early: its times then differ by so much, for pictures only. The standard and browsers don't do that.)
func (m *Movie) Shift(t *Track) (shift, end int64, ok bool) {
	if len(t.Edits) == 0 {
		return 0, math.MaxInt64, true
	}
	var empty int64 // in the movie's timescale
	for i, e := range t.Edits {
		if e.MediaTime == -1 {
			if empty += e.Duration; empty < 0 {
				return 0, 0, false
			}
			continue
		}
		if i != len(t.Edits)-1 || e.MediaTime < 0 || e.Rate != 1<<16 {
			return 0, 0, false
		}
		late, ok := rescale(empty, t.Timescale, m.Timescale)
		if !ok {
			return 0, 0, false
		}
		return m.plain(t, e, late)
	}
	return 0, 0, false // nothing but empty edits: nothing is to be seen
}

// plain is what one plain edit after so much emptiness makes.
func (m *Movie) plain(t *Track, e Edit, late int64) (shift, end int64, ok bool) {
	shift = e.MediaTime - late
	if e.Duration == 0 || m.Fragmented {
		return shift, math.MaxInt64, true
	}
	length, ok := rescale(e.Duration, t.Timescale, m.Timescale)
	if !ok || length > math.MaxInt64-late || e.MediaTime > math.MaxInt64-length {
		return 0, 0, false
	}
	tick, _ := rescale(1, t.Timescale, m.Timescale) // the movie's clock may be too coarse for the track's last sample
	if e.MediaTime+length >= t.Duration-max(tick, 0) {
		return shift, math.MaxInt64, true
	}
	return shift, late + length, true
}

// rescale is n × to / from, rounded to the nearest; all three are at least 0.
func rescale(n, to, from int64) (int64, bool) {
	if n == 0 {
		return 0, true
	}
	if from <= 0 || to < 0 || n < 0 {
		return 0, false
	}
	high, low := bits.Mul64(uint64(n), uint64(to))
	low, carry := bits.Add64(low, uint64(from)/2, 0)
	if high += carry; high >= uint64(from) {
		return 0, false
	}
	q, _ := bits.Div64(high, low, uint64(from))
	return int64(q), q <= math.MaxInt64 //nolint:gosec // compared
}

package isobmff

import (
	"bytes"
	"encoding/binary"
)

// filmWriter writes the moov of a small film.
type filmWriter struct {
	writer
	wide   bool  // places need 64 bits
	scale  int64 // of the movie
	next   int64 // number of a track to come
	places []placed
}

// placed is a table of places in the data, to be completed when it is known where the data begins.
type placed struct {
	at     int // where the rows are
	chunks []chunk
}

// place completes the tables of places: the data begins where the writer is now.
func (f *filmWriter) place() {
	base := int64(len(f.b))
	for _, p := range f.places {
		for i, c := range p.chunks {
			if f.wide {
				binary.BigEndian.PutUint64(f.b[p.at+8*i:], uint64(base+c.at)) //nolint:gosec // not negative
			} else {
				binary.BigEndian.PutUint32(f.b[p.at+4*i:], uint32(base+c.at)) //nolint:gosec // else it is wide
			}
		}
	}
}

func (f *filmWriter) movie(m *Movie, tracks []FilmTrack) {
	var most int64
	for _, t := range tracks {
		if d, ok := rescale(lasting(t.Samples), f.scale, t.Timescale); ok {
			most = max(most, d)
		}
	}
	if m != nil {
		if _, _, ok := timing(m.header); ok {
			f.bytes(lastingFor(m.header, 16, 24, most))
			return
		}
	}
	f.movieHeader(f.scale, most, f.next)
}

func (f *filmWriter) track(t FilmTrack, chunks []chunk) {
	duration := lasting(t.Samples)
	shown, _ := rescale(duration, f.scale, t.Timescale)
	if _, _, ok := placing(t.Header); ok {
		header := lastingFor(t.Header, 20, 28, shown)
		header[11] |= 3 // enabled, and part of the film
		f.bytes(header)
	} else {
		f.trackHeader(InitTrack{ID: t.ID, Handler: t.Handler, Width: t.Width, Height: t.Height, Matrix: t.Matrix}, shown)
	}
	f.box("mdia", func() {
		if scale, _, ok := timing(t.MediaHeader); ok && scale == t.Timescale {
			f.bytes(lastingFor(t.MediaHeader, 16, 24, duration))
		} else {
			f.mediaHeader(t.Timescale, duration)
		}
		if f.bytes(t.handling); t.handling == nil {
			f.handler(t.Handler)
		}
		f.box("minf", func() {
			f.information(t.Handler)
			f.box("stbl", func() {
				f.bytes(t.Entries)
				f.times(t.Samples)
				f.syncs(t.Samples)
				f.sizes(t.Samples)
				f.chunks(chunks)
			})
		})
	})
}

// lastingFor is a header with another duration, which is so far in it in version 0 and so far in version 1.
func lastingFor(header []byte, narrow, wide int, duration int64) []byte {
	header = bytes.Clone(header)
	if p := header[8:]; p[0] == 1 {
		binary.BigEndian.PutUint64(p[wide:], uint64(duration)) //nolint:gosec // not negative
	} else {
		binary.BigEndian.PutUint32(p[narrow:], uint32(min(duration, maxU32-1))) //nolint:gosec // clamped
	}
	return header
}

// lasts is how long the i-th sample lasts in a film: up to the next one, since there may be holes in a fragmented original, or between picked
// samples.
func lasts(samples []Sample, i int) int64 {
	if i+1 < len(samples) {
		return clamp(samples[i+1].DTS-samples[i].DTS, 0, maxU32)
	}
	return clamp(samples[i].Duration, 0, maxU32)
}

func lasting(samples []Sample) (all int64) {
	for i := range samples {
		all += lasts(samples, i)
	}
	return all
}

// rows writes a table of values and how many samples each counts for.
type rows struct {
	f            *filmWriter
	count, value int64
	at           int // where the number of rows is
	written      int64
}

func (r *rows) add(count, value int64) {
	if count == 0 {
		return
	}
	if value == r.value && r.count > 0 && r.count+count <= maxU32 {
		r.count += count
		return
	}
	r.flush()
	r.count, r.value = count, value
}

func (r *rows) flush() {
	if r.count > 0 {
		r.f.u32(r.count, r.value)
		r.written++
	}
	binary.BigEndian.PutUint32(r.f.b[r.at:], uint32(r.written)) //nolint:gosec // as many as samples at most
	r.count = 0
}

// times writes stts, and ctts where any sample is shown at another time than it is decoded.
func (f *filmWriter) times(samples []Sample) {
	table := func(kind string, fill func(r *rows)) {
		f.full(kind, 0, 0, func() {
			f.u32(0)
			r := &rows{f: f, at: len(f.b) - 4}
			fill(r)
			r.flush()
		})
	}
	raised, shifted := Raised(samples), false
	table("stts", func(r *rows) {
		for i, s := range samples {
			shifted = shifted || s.Composition+raised != 0
			n, all := int64(s.Count), lasts(samples, i)
			each := all / max(n, 1)
			r.add(n-1, each)
			r.add(1, all-each*(n-1))
		}
	})
	if shifted {
		table("ctts", func(r *rows) {
			for _, s := range samples {
				r.add(int64(s.Count), clamp(s.Composition+raised, 0, 1<<31-1))
			}
		})
	}
}

// syncs writes stss, unless decoding can start anywhere.
func (f *filmWriter) syncs(samples []Sample) {
	all := true
	for _, s := range samples {
		all = all && s.Sync
	}
	if all {
		return
	}
	f.full("stss", 0, 0, func() {
		at, n, number := len(f.b), int64(0), int64(1)
		f.u32(0)
		for _, s := range samples {
			if s.Sync {
				f.u32(number)
				n++
			}
			number += int64(s.Count)
		}
		binary.BigEndian.PutUint32(f.b[at:], uint32(n)) //nolint:gosec // as many as samples at most
	})
}

// sizes writes stsz: one size for all where they are equal, as they must be where a Sample is many.
func (f *filmWriter) sizes(samples []Sample) {
	equal, one, many := true, int64(0), int64(0)
	for _, s := range samples {
		many += int64(s.Count)
		if s.Count > 1 {
			one = max(one, s.Size/int64(s.Count), 1)
		}
		equal = equal && s.Size == samples[0].Size
	}
	if one == 0 && equal && len(samples) > 0 {
		one = samples[0].Size
	}
	f.full("stsz", 0, 0, func() {
		f.u32(clamp(one, 0, maxU32), clamp(many, 0, maxU32))
		if one == 0 {
			for _, s := range samples {
				f.u32(clamp(s.Size, 0, maxU32))
			}
		}
	})
}

func (f *filmWriter) chunks(chunks []chunk) {
	f.full("stsc", 0, 0, func() {
		at, n := len(f.b), int64(0)
		f.u32(0)
		for i, c := range chunks {
			if i == 0 || c.samples != chunks[i-1].samples || c.entry != chunks[i-1].entry {
				f.u32(int64(i)+1, c.samples, int64(c.entry)+1)
				n++
			}
		}
		binary.BigEndian.PutUint32(f.b[at:], uint32(n)) //nolint:gosec // as many as samples at most
	})
	kind, width := "stco", 4
	if f.wide {
		kind, width = "co64", 8
	}
	f.full(kind, 0, 0, func() {
		f.u32(int64(len(chunks)))
		f.places = append(f.places, placed{len(f.b), chunks})
		f.zero(width * len(chunks))
	})
}

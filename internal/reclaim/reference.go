package reclaim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"bwv/internal/isobmff"
)

// ErrUseless is what errors about the reference itself wrap: it cannot help. Every other error is the file's and comes back as it is.
var ErrUseless = errors.New("this recording is no reference")

// Reference is what a recording knows of another one of the same camera.
type Reference struct {
	Track *isobmff.Track // of its pictures: sample entries, size, timescale
	Sound bool           // it has sound

	ticks, pictures int64 // so many ticks for so many pictures
	length          int   // bytes of the length in front of each unit
	sets            sets
	first           *[128]bool // what samples of its sound begin with: the first byte but for its last bit; nil where that says nothing
	others          []pattern
	telemetry       bool // GoPro's
}

// Rate is how many pictures a second has.
func (r *Reference) Rate() float64 {
	return float64(r.Track.Timescale) * float64(r.pictures) / float64(r.ticks)
}

// at is when picture n is due. Frame rates are constant: the sum says more than a single duration, where durations are rounded.
func (r *Reference) at(n int64) int64 {
	return n/r.pictures*r.ticks + (n%r.pictures*r.ticks+r.pictures/2)/r.pictures
}

const (
	mostTimed  = 5_000 // samples that tell the frame rate
	mostListed = 20_000
	stretch    = 2 << 20 // read in two places for each other track
	mostTracks = 4
)

// Learn asks a recording with an index. It reads the beginnings of its tables and a few stretches of its media.
func Learn(f isobmff.File, m *isobmff.Movie) (*Reference, error) {
	r := &Reference{sets: newSets()}
	for _, t := range m.Tracks {
		if t.Handler == "vide" {
			r.Track = t
			break
		}
	}
	if r.Track == nil || r.Track.Format != "avc1" && r.Track.Format != "avc3" {
		return nil, fmt.Errorf("its pictures are not H.264: %w", ErrUseless)
	}
	i := bytes.Index(r.Track.Entries, []byte("avcC"))
	if i < 4 {
		return nil, fmt.Errorf("it has no parameter sets: %w", ErrUseless)
	}
	box := r.Track.Entries[i-4:]
	if size := number(box[:4]); size > 8 && size <= int64(len(box)) {
		r.length = r.sets.config(box[8:size])
	}
	if r.length == 0 {
		return nil, fmt.Errorf("its parameter sets are not understood: %w", ErrUseless)
	}
	if err := r.time(m); err != nil {
		return nil, err
	}
	others := 0
	for _, t := range m.Tracks {
		r.Sound = r.Sound || t.Handler == "soun"
		if t == r.Track || others == mostTracks {
			continue
		}
		others++
		if err := r.listen(f, m, t); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// list is the beginning of a track, as far as it can be read.
func list(m *isobmff.Movie, t *isobmff.Track, most int) (found []isobmff.Sample, err error) {
	for samples := m.Samples(t); len(found) < most; {
		s, err := samples.Next()
		if errors.Is(err, io.EOF) || isobmff.Damaged(err) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

// time finds the frame rate. The last sample's duration may be anything, and so may the first's.
func (r *Reference) time(m *isobmff.Movie) error {
	samples, err := list(m, r.Track, mostTimed)
	if err != nil {
		return err
	}
	if len(samples) > 4 {
		samples = samples[1 : len(samples)-1]
	}
	alike := true
	for _, s := range samples {
		alike = alike && s.Duration == samples[0].Duration
		r.ticks += s.Duration
	}
	if r.pictures = int64(len(samples)); alike && len(samples) > 0 {
		r.ticks, r.pictures = samples[0].Duration, 1
	}
	if r.pictures == 0 || r.ticks < 1 || r.Track.Timescale > 1<<30 || r.Rate() < 0.1 || r.Rate() > 1000 {
		return fmt.Errorf("it does not tell how many pictures a second has: %w", ErrUseless)
	}
	return nil
}

// listen looks at how the samples of another track begin, where the track does and further on: for a while there may be only silence.
func (r *Reference) listen(f isobmff.File, m *isobmff.Movie, t *isobmff.Track) error {
	if t.Format == "gpmd" {
		r.telemetry = true
	}
	if t.Handler == "soun" && t.Format != "mp4a" { // uncompressed: anything
		return nil
	}
	samples, err := list(m, t, mostListed)
	if err != nil || len(samples) == 0 {
		return err
	}
	var bodies [][]byte
	for _, from := range []int64{samples[0].Offset, max(samples[0].Offset, samples[len(samples)-1].Offset-stretch)} {
		b := make([]byte, max(0, min(stretch, f.Size()-from)))
		if _, err := f.ReadAt(b, from); err != nil {
			return err
		}
		for _, s := range samples {
			if s.Size > 0 && s.Offset >= from && s.Offset-from <= int64(len(b))-s.Size {
				bodies = append(bodies, b[s.Offset-from:][:s.Size])
			}
		}
	}
	if t.Handler != "soun" {
		r.others = append(r.others, common(bodies)...)
		return nil
	}
	if r.first == nil {
		r.first = &[128]bool{} // AAC's element and its number; the bit behind them changes
	}
	for _, b := range bodies {
		r.first[b[0]>>1] = true
	}
	return nil
}

// pattern is what small samples of one size have in common.
type pattern struct {
	b     []byte
	fixed []bool
}

const (
	maxPattern   = 64
	leastPattern = 10 // samples
	leastFixed   = 4  // bytes
)

// common finds the pattern of a track, if it has one: one sample in ten may be of another size.
func common(bodies [][]byte) []pattern {
	sizes := map[int]int{}
	for _, b := range bodies {
		sizes[len(b)]++
	}
	bodies = slices.DeleteFunc(bodies, func(b []byte) bool { return len(b) > maxPattern || sizes[len(b)]*10 < len(bodies)*9 })
	if len(bodies) < leastPattern {
		return nil
	}
	p := pattern{bytes.Clone(bodies[0]), make([]bool, len(bodies[0]))}
	fixed := 0
	for i := range p.b {
		p.fixed[i] = !slices.ContainsFunc(bodies, func(b []byte) bool { return b[i] != p.b[i] })
		if p.fixed[i] {
			fixed++
		}
	}
	if fixed < leastFixed {
		return nil
	}
	return []pattern{p}
}

// begins tells whether bytes begin with something of this pattern.
func (p pattern) begins(b []byte) bool {
	if len(b) < len(p.b) {
		return false
	}
	for i, fixed := range p.fixed {
		if fixed && b[i] != p.b[i] {
			return false
		}
	}
	return true
}

// Media is where the media of an MP4 without an index begins: behind the header of its mdat, or where its boxes end.
func Media(f isobmff.File) (at int64, err error) {
	head := make([]byte, 16)
	for range mostBoxes {
		if at > f.Size()-int64(len(head)) {
			return at, nil
		}
		if _, err := f.ReadAt(head, at); err != nil {
			return at, err
		}
		size, content := number(head[:4]), int64(8)
		if size == 1 {
			size, content = number(head[8:]), 16
		}
		if string(head[4:8]) == "mdat" {
			return at + content, nil
		}
		if size < content || size > f.Size()-at {
			return at, nil
		}
		at += size
	}
	return at, nil
}

const mostBoxes = 16 // before the mdat

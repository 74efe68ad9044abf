package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"bwv/internal/isobmff"
)

// place is where a piece of a sound is described: enough to find it again in a later invocation.
type place struct {
	Box    int64 `json:"box,omitempty"`    // offset of its moof; 0 in a file with tables
	Number int64 `json:"number,omitempty"` // of the piece: in its moof, or in all
	Decode int64 `json:"decode,omitempty"` // where that moof begins, if it doesn't say
}

// nowhere is behind everything.
const nowhere = 1 << 62

func (p place) before(q place) bool { return p.Box < q.Box || p.Box == q.Box && p.Number < q.Number }

// piece is one sample of a sound, or a part of a chunk of uncompressed sound.
type piece struct {
	isobmff.Sample
	sound int
	place place
}

const (
	pieceFrames = 4096    // of uncompressed sound
	pieceBytes  = 1 << 20 // nothing honest is larger
	mostPieces  = 1 << 26 // of a sound
)

// cursor goes through one sound's pieces.
type cursor struct {
	sound   int
	samples *isobmff.Samples
	from    place // what comes before was dealt with
	place   place // of the piece to come
	shift   int64 // of its decode time, in a fragment that doesn't say
	rest    isobmff.Sample
	next    *piece
	end     int64 // where the last piece ended that was found
	done    bool
	broke   bool // by what is wrong with the file
}

// ready finds the next piece, if it isn't there already. What is wrong with the file is its end: the pieces before are good.
func (c *cursor) ready() error {
	for c.next == nil && !c.done {
		if c.rest.Size == 0 {
			s, err := c.samples.Next()
			if errors.Is(err, io.EOF) || isobmff.Damaged(err) || c.place.Number >= mostPieces {
				c.done, c.broke = true, isobmff.Damaged(err)
				return nil
			}
			if err != nil {
				return err
			}
			if c.place.Number == 0 && c.place.Box > 0 && s.DTS == 0 {
				c.shift = c.place.Decode
			}
			s.DTS += c.shift
			c.rest = s
		}
		p := piece{c.part(), c.sound, c.place}
		c.place.Number++
		c.end = p.DTS + p.Duration
		if p.Size > 0 && p.Size <= pieceBytes && !p.place.before(c.from) {
			c.next = &p
		}
	}
	return nil
}

// part splits off what is handed out at once.
func (c *cursor) part() isobmff.Sample {
	s := c.rest
	n := int64(s.Count)
	if n <= 1 || s.Size%n != 0 || s.Duration != n {
		c.rest = isobmff.Sample{}
		return s
	}
	each := s.Size / n
	n = min(n, max(1, min(pieceFrames, pieceBytes/4/each)))
	s.Count, s.Size, s.Duration = int(n), n*each, n
	c.rest.Count -= int(n)
	c.rest.Size -= s.Size
	c.rest.Offset += s.Size
	c.rest.Duration -= n
	c.rest.DTS += n
	return s
}

// feed hands out the pieces of all sounds in the order in which they lie in the file.
type feed interface {
	// peek is the next piece; nil at the end.
	peek() (*piece, error)
	// pop goes on behind it.
	pop()
	// here is where a sound goes on of which everything was popped.
	here(sound int) place
	// ended tells whether nothing more comes of a sound.
	ended(sound int) bool
	// broken tells whether something of a sound could not be found.
	broken(sound int) bool
}

// merge is the pieces of several cursors.
type merge []*cursor

func (m merge) first() (*cursor, error) {
	var first *cursor
	for _, c := range m {
		if err := c.ready(); err != nil {
			return nil, err
		}
		if c.next != nil && (first == nil || c.next.Offset < first.next.Offset) {
			first = c
		}
	}
	return first, nil
}

// tables is the feed of a file whose moov lists the samples, and of odd ones whose fragments are better asked for.
type tables struct{ merge }

func newTables(m *isobmff.Movie, tracks []*isobmff.Track, from []place) *tables {
	t := &tables{}
	for i, track := range tracks {
		t.merge = append(t.merge, &cursor{sound: i, samples: m.Samples(track), from: from[i], done: from[i].Box == nowhere})
	}
	return t
}

func (t *tables) peek() (*piece, error) {
	c, err := t.first()
	if c == nil {
		return nil, err
	}
	return c.next, err
}

func (t *tables) pop() {
	if c, err := t.first(); err == nil && c != nil {
		c.next = nil
	}
}

func (t *tables) here(sound int) place {
	c := t.merge[sound]
	if c.next != nil {
		return c.next.place
	}
	return c.place
}

func (t *tables) ended(sound int) bool { return t.merge[sound].done }

func (t *tables) broken(sound int) bool { return t.merge[sound].broke }

// fragments is the feed of a fragmented file: its moofs are picked up in passing, since asking for each would be thousands of requests.
type fragments struct {
	merge
	read   func(p []byte, offset int64) error
	tracks []*isobmff.Track
	moov   []byte
	size   int64 // of the file
	at     int64 // of the box to come
	box    int64 // of the moof whose pieces these are
	from   []place
	decode []int64 // of each sound: where its next fragment begins, if that doesn't say
	over   bool
	broke  []bool // of each sound: whether a fragment was
}

const (
	maxMoofBytes = 32 << 20
	maxMoovBytes = 1 << 20
	maxMoovPlace = 16 // boxes before it
)

// newFragments is nil where the file has to be read by tables: sound in the moov, or a moov that is not at the beginning.
func newFragments(w *window, m *isobmff.Movie, tracks []*isobmff.Track, from []place, read func([]byte, int64) error) (*fragments, error) {
	f := &fragments{read: read, tracks: tracks, size: w.Size(), from: from}
	if !m.Fragmented {
		return nil, nil
	}
	first := int64(-1)
	f.broke = make([]bool, len(tracks))
	for i, t := range tracks {
		if t.Samples > 0 {
			return nil, nil
		}
		f.decode = append(f.decode, from[i].Decode)
		if first < 0 || from[i].Box < first {
			first = from[i].Box
		}
	}
	for range maxMoovPlace {
		kind, size, err := f.header(f.at, func(p []byte, offset int64) error { _, err := w.ReadAt(p, offset); return err })
		if err != nil || kind == "moof" || kind == "moov" && size > maxMoovBytes || kind == "" {
			return nil, err
		}
		if kind == "moov" {
			f.moov = make([]byte, size)
			if _, err := w.ReadAt(f.moov, f.at); err != nil {
				return nil, err
			}
			f.at = max(f.at+size, first)
			return f, nil
		}
		f.at += size
	}
	return nil, nil
}

// header reads the header of the box at an offset; kind is "" where there is none.
func (f *fragments) header(offset int64, read func([]byte, int64) error) (kind string, size int64, err error) {
	var p [16]byte
	if f.size-offset < 8 {
		return "", 0, nil
	}
	if err := read(p[:min(16, f.size-offset)], offset); err != nil {
		return "", 0, err
	}
	size = int64(binary.BigEndian.Uint32(p[:]))
	switch size {
	case 0:
		size = f.size - offset
	case 1:
		size = int64(binary.BigEndian.Uint64(p[8:])) //nolint:gosec // negative is refused below
		if size < 16 {
			return "", 0, nil
		}
	}
	if size < 8 || size > f.size-offset && string(p[4:8]) != "mdat" {
		return "", 0, nil
	}
	return string(p[4:8]), min(size, f.size-offset), nil
}

func (f *fragments) peek() (*piece, error) {
	for {
		if c, err := f.first(); c != nil || err != nil {
			if err != nil {
				return nil, err
			}
			return c.next, nil
		}
		f.leave()
		if f.over {
			return nil, nil
		}
		kind, size, err := f.header(f.at, f.read)
		if err != nil {
			return nil, err
		}
		if kind == "moof" && size <= maxMoofBytes {
			if err := f.moof(size); err != nil {
				return nil, err
			}
		}
		f.over = kind == ""
		f.at += size
	}
}

// leave is done with a moof. The next one begins where the last piece ended, if it doesn't say.
func (f *fragments) leave() {
	for _, c := range f.merge {
		f.decode[c.sound] = max(c.end, c.place.Decode)
		f.broke[c.sound] = f.broke[c.sound] || c.broke
	}
	f.merge = nil
}

func (f *fragments) pop() {
	if c, err := f.first(); err == nil && c != nil {
		c.next = nil
	}
}

// moof opens cursors over a moof alone: a file of nothing but the moov and this one, at its place.
func (f *fragments) moof(size int64) error {
	body := make([]byte, size)
	if err := f.read(body, f.at); err != nil {
		return err
	}
	if !bytes.Contains(body, []byte("traf")) {
		return nil
	}
	alone := &sparse{size: f.size}
	alone.put(0, f.moov)
	alone.skip(int64(len(f.moov)), f.at)
	alone.put(f.at, body)
	alone.skip(f.at+size, f.size)
	m, err := isobmff.Read(alone)
	if err != nil {
		return fmt.Errorf("the fragment at %d: %w", f.at, err)
	}
	f.box = f.at
	for i, t := range f.tracks {
		here := place{Box: f.at, Decode: f.decode[i]}
		if own := m.Track(t.ID); own != nil && !(place{Box: here.Box, Number: nowhere}).before(f.from[i]) {
			f.merge = append(f.merge, &cursor{sound: i, samples: m.Samples(own), from: f.from[i], place: here})
		}
	}
	return nil
}

func (f *fragments) here(sound int) place {
	for _, c := range f.merge {
		switch {
		case c.sound != sound:
		case c.next != nil:
			return c.next.place
		case !c.done:
			return c.place
		default:
			return place{Box: f.at, Decode: max(c.end, c.place.Decode)}
		}
	}
	return place{Box: f.at, Decode: f.decode[sound]}
}

func (f *fragments) ended(int) bool { return f.over }

func (f *fragments) broken(sound int) bool { return f.broke[sound] }

// sparse is a file of a few parts, with nothing between them.
type sparse struct {
	size  int64
	parts []block
}

func (s *sparse) put(at int64, p []byte) { s.parts = append(s.parts, block{at, p}) }

// skip puts a box over what is between.
func (s *sparse) skip(from, to int64) {
	switch n := to - from; {
	case n >= 16:
		p := binary.BigEndian.AppendUint64([]byte("\x00\x00\x00\x01skip"), uint64(n))
		s.put(from, p)
	case n >= 8:
		s.put(from, []byte{0, 0, 0, byte(n), 's', 'k', 'i', 'p'})
	}
}

// Size implements isobmff.File.
func (s *sparse) Size() int64 { return s.size }

// ReadAt implements isobmff.File.
func (s *sparse) ReadAt(p []byte, offset int64) (int, error) {
	clear(p)
	end := offset + int64(len(p))
	for _, b := range s.parts {
		if from, to := max(offset, b.from), min(end, b.from+int64(len(b.data))); from < to {
			copy(p[from-offset:], b.data[from-b.from:to-b.from])
		}
	}
	return len(p), nil
}

package isobmff

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Stream reads a fragmented film as it comes: from a tool of ours, but made of hostile input.
type Stream struct {
	in     *bufio.Reader
	limit  int64
	at     int64
	movie  *Movie
	decode map[int64]int64
	queue  []Chunk
	err    error
}

// Chunk is what a fragment has of one track.
type Chunk struct {
	Track   int64
	Samples []Sample // Offset is where the sample lies in the stream
	Data    [][]byte // of each sample
}

const maxChunk = 1 << 17 // samples of a fragment

// NewStream reads from r. limit is the most bytes that the moov, a moof or an mdat may have.
func NewStream(r io.Reader, limit int64) *Stream {
	return &Stream{in: bufio.NewReaderSize(r, 64<<10), limit: limit, decode: map[int64]int64{}}
}

// Tracks reads up to the end of the moov.
func (s *Stream) Tracks() ([]*Track, error) {
	if s.movie == nil && s.err == nil {
		s.err = s.begin()
	}
	if s.movie == nil {
		return nil, s.err
	}
	return s.movie.Tracks, nil
}

func (s *Stream) begin() error {
	var head []byte // ftyp and moov
	for {
		kind, size, err := s.box()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: the stream ends before its moov", ErrShort)
		}
		if err != nil {
			return err
		}
		if kind != "ftyp" && kind != "moov" {
			if err := s.skip(size); err != nil {
				return err
			}
			continue
		}
		if int64(len(head))+size > s.limit {
			return fmt.Errorf("%w: box %q of %d bytes", ErrDamaged, kind, size)
		}
		p, err := s.read(size)
		if err != nil {
			return err
		}
		w := &writer{b: head}
		w.box(kind, func() { w.bytes(p) })
		if head = w.b; kind == "moov" {
			break
		}
	}
	m, err := Read(memory(head))
	if err != nil {
		return err
	}
	if m.Damaged || !m.Found {
		return fmt.Errorf("%w: the moov of a stream", ErrDamaged)
	}
	s.movie = m
	return nil
}

// Next is the samples that the next fragment has of one track; io.EOF at the end. What was given stays good. Every call after an error says
// the same.
func (s *Stream) Next() (Chunk, error) {
	if _, err := s.Tracks(); err != nil {
		return Chunk{}, err
	}
	for len(s.queue) == 0 {
		if s.err == nil {
			s.err = s.fragment()
		}
		if s.err != nil {
			return Chunk{}, s.err
		}
	}
	c := s.queue[0]
	s.queue = s.queue[1:]
	return c, nil
}

// fragment reads the next moof and its mdat.
func (s *Stream) fragment() error {
	for {
		start := s.at
		kind, size, err := s.box()
		if err != nil {
			return err
		}
		if kind != "moof" {
			if err := s.skip(size); err != nil {
				return err
			}
			continue
		}
		p, err := s.read(size)
		if err != nil {
			return err
		}
		trafs, err := parseMoof(p, start, s.movie.extend)
		if err != nil {
			return err
		}
		return s.data(trafs)
	}
}

func (s *Stream) data(trafs []traf) error {
	for {
		kind, size, err := s.box()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: a fragment without data", ErrShort)
		}
		if err != nil {
			return err
		}
		if kind == "moof" || kind == "moov" {
			return fmt.Errorf("%w: a fragment without data", ErrDamaged)
		}
		if kind != "mdat" {
			if err := s.skip(size); err != nil {
				return err
			}
			continue
		}
		from := s.at
		data, err := s.read(size)
		if err != nil {
			return err
		}
		return s.chunks(trafs, data, from)
	}
}

// chunks gives each sample its bytes. One that points outside of its own mdat is an error.
func (s *Stream) chunks(trafs []traf, data []byte, from int64) error {
	number := 0
	var queue []Chunk
	for _, t := range trafs {
		track := s.movie.Track(t.track)
		if track == nil {
			return fmt.Errorf("%w: a fragment of track %d", ErrDamaged, t.track)
		}
		if t.decode >= 0 {
			s.decode[t.track] = t.decode
		}
		c, f := Chunk{Track: t.track}, &fragment{traf: t, sound: track.Handler == "soun"}
		for {
			sample, ok, err := f.next(s.decode[t.track])
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if number++; number > maxChunk {
				return fmt.Errorf("%w: a fragment of more than %d samples", ErrDamaged, maxChunk)
			}
			at := sample.Offset - from
			if at < 0 || at > int64(len(data)) || sample.Size > int64(len(data))-at {
				return fmt.Errorf("%w: a sample of %d bytes at %d, in an mdat of %d bytes at %d", ErrDamaged, sample.Size, sample.Offset, len(data), from)
			}
			s.decode[t.track] += sample.Duration
			c.Samples = append(c.Samples, sample)
			c.Data = append(c.Data, data[at:at+sample.Size:at+sample.Size])
		}
		if len(c.Samples) > 0 {
			queue = append(queue, c)
		}
	}
	s.queue = queue
	return nil
}

// box reads a header and returns how many bytes of content follow; io.EOF when there is no more box.
func (s *Stream) box() (kind string, size int64, err error) {
	var p [16]byte
	if n, err := io.ReadFull(s.in, p[:8]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return "", 0, fmt.Errorf("%w: %d bytes of a header at %d", ErrShort, n, s.at)
		}
		return "", 0, err
	}
	s.at += 8
	kind, size = string(p[4:8]), u32(p[:])-8
	switch size {
	case 0 - 8:
		return "", 0, fmt.Errorf("%w: box %q without a size, at %d", ErrDamaged, kind, s.at-8)
	case 1 - 8:
		if _, err := io.ReadFull(s.in, p[8:]); err != nil {
			return "", 0, short(err)
		}
		s.at += 8
		size = u64(p[8:]) - 16
	}
	if size < 0 || s.at > maxTime-size {
		return "", 0, fmt.Errorf("%w: box %q of %d bytes at %d", ErrDamaged, kind, size, s.at-8)
	}
	return kind, size, nil
}

// read reads a box's content into memory that grows with what really comes.
func (s *Stream) read(size int64) ([]byte, error) {
	if size > s.limit {
		return nil, fmt.Errorf("%w: a box of %d bytes, and %d are the most", ErrDamaged, size, s.limit)
	}
	if size <= 1<<20 {
		p := make([]byte, size)
		n, err := io.ReadFull(s.in, p)
		s.at += int64(n)
		return p, short(err)
	}
	var b bytes.Buffer
	n, err := io.CopyN(&b, s.in, size)
	s.at += n
	return b.Bytes(), short(err)
}

func (s *Stream) skip(size int64) error {
	n, err := io.CopyN(io.Discard, s.in, size)
	s.at += n
	return short(err)
}

// short says that the stream ended inside a box.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: the stream ends inside a box", ErrShort)
	}
	return err
}

package isobmff

import (
	"fmt"
	"io"
)

// parts goes through the fragments of a file. The place of each follows from the size of the mdat before, and each comes in one request
// whose length is guessed from what came before; a second one is made only where that was too little.
type parts struct {
	src    *source
	t      *Track
	extend map[int64]defaults
	at     int64  // where the next box begins
	group  int64  // what one request should bring begins here: behind an mdat
	from   int64  // of what is in buf
	buf    []byte // what was read last
	queue  []fragment
	decode int64 // where a fragment begins that doesn't say
	taken  int64 // bytes of samples that no row speaks for
	moofs  int64
	others int // boxes of other kinds since the last moof
	guess  guess
}

const (
	maxMoofs  = 4 << 20 // of a file
	maxOthers = 4096    // boxes between two of them
)

func newParts(m *Movie, t *Track) *parts {
	at := max(m.moofs, 0)
	return &parts{src: m.src, t: t, extend: m.extend, at: at, group: at, guess: guess{after: map[int64]int64{}, first: -1}}
}

func (p *parts) next() (Sample, error) {
	for {
		if len(p.queue) == 0 {
			if err := p.fragment(); err != nil {
				return Sample{}, err
			}
			continue
		}
		f := &p.queue[0]
		if f.run == 0 && f.index == 0 && f.traf.decode >= 0 {
			p.decode = f.traf.decode
		}
		s, ok, err := f.next(p.decode)
		if err != nil {
			return s, err
		}
		if !ok {
			p.queue = p.queue[1:]
			continue
		}
		if s.Size > p.src.size || s.Offset > p.src.size-s.Size {
			return s, fmt.Errorf("%w: a sample of %d bytes at %d of %d", ErrShort, s.Size, s.Offset, p.src.size)
		}
		if f.traf.runs[f.run].width == 0 { // their number is only a claim
			if p.taken += s.Size + 1; p.taken > 2*p.src.size {
				return s, fmt.Errorf("%w: the samples take more than the whole file", ErrDamaged)
			}
		}
		p.decode += s.Duration
		return s, nil
	}
}

// fragment goes on to the next moof with samples of the track.
func (p *parts) fragment() error {
	for len(p.queue) == 0 {
		if p.at+8 > p.src.size {
			return io.EOF
		}
		head, err := p.bytes(8, p.guess.length())
		if err == nil && u32(head) == 1 && p.at+16 <= p.src.size {
			head, err = p.bytes(16, 16)
		}
		if err != nil {
			return err
		}
		b, err := header(head, p.at, p.src.size)
		if err != nil {
			return err
		}
		if b.cut && b.kind != "mdat" {
			return fmt.Errorf("%w: box %q at %d", ErrShort, b.kind, b.start)
		}
		switch p.others++; b.kind {
		case "moof":
			if err := p.moof(b); err != nil {
				return err
			}
		case "mdat":
			p.guess.was(b.from - p.group)
			p.group = b.to
		}
		if p.others > maxOthers {
			return fmt.Errorf("%w: more than %d boxes between fragments", ErrDamaged, maxOthers)
		}
		p.at = b.to
	}
	return nil
}

func (p *parts) moof(b box) error {
	size := b.to - b.start
	p.others = 0
	if p.moofs++; p.moofs > maxMoofs || size > maxMoof {
		return fmt.Errorf("%w: fragment %d has a moof of %d bytes", ErrDamaged, p.moofs, size)
	}
	whole, err := p.bytes(size, size+8) // and the header of the mdat behind it
	if err != nil {
		return err
	}
	trafs, err := parseMoof(whole[b.from-b.start:], b.start, p.extend)
	if err != nil {
		return err
	}
	p.guess.saw(trafs)
	for _, t := range trafs {
		if t.track == p.t.ID {
			p.queue = append(p.queue, fragment{traf: t, sound: p.t.Handler == "soun"})
		}
	}
	return nil
}

// bytes returns n bytes from p.at on. Where they are not there yet, one request gets them, and what is ahead of them. They are good until the
// next request, which comes when the queue is empty.
func (p *parts) bytes(n, ahead int64) ([]byte, error) {
	have := p.src.known(p.at)
	if len(have) == 0 && p.at >= p.from && p.at < p.from+int64(len(p.buf)) {
		have = p.buf[p.at-p.from:]
	}
	if int64(len(have)) >= n {
		return have[:n], nil
	}
	carried := int64(len(have))
	total := max(n, min(ahead, p.src.size-p.at))
	if int64(cap(p.buf)) < total {
		own := make([]byte, total)
		copy(own, have)
		p.buf = own
	} else {
		copy(p.buf[:carried], have)
	}
	p.buf, p.from = p.buf[:total], p.at
	p.guess.read += total - carried
	if err := p.src.fill(p.buf[carried:], p.at+carried); err != nil {
		return nil, err
	}
	return p.buf[:n], nil
}

// guess foretells how long a moof will be, with the boxes around it and the header of its mdat. Fragments of sound and pictures
// often take turns, so what counts is what came the last time after one of this track.
type guess struct {
	after      map[int64]int64
	last       int64 // first track of the fragment before
	first      int64 // of this one; -1 before it is known
	recent     [8]int64
	number     int
	read, used int64
}

func (g *guess) length() int64 {
	length := g.after[g.last]
	if length == 0 {
		return 1024
	}
	if g.read-g.used > g.used/8+4096 { // they vary too much: rather a second request than bytes for nothing
		for _, r := range g.recent {
			if r > 0 {
				length = min(length, r)
			}
		}
		return length
	}
	return length + length/16 + 2
}

func (g *guess) saw(trafs []traf) {
	if g.first < 0 && len(trafs) > 0 {
		g.first = trafs[0].track
	}
}

func (g *guess) was(length int64) {
	g.used += length
	if _, known := g.after[g.last]; known || len(g.after) < maxTracks {
		g.after[g.last] = length
	}
	g.recent[g.number%len(g.recent)] = length
	g.number++
	g.last, g.first = max(g.first, 0), -1
}

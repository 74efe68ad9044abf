package isobmff

import (
	"errors"
	"fmt"
	"io"
)

// Sample is where one sample lies, and when it is due.
type Sample struct {
	Offset, Size  int64
	DTS, Duration int64 // track's timescale, media time
	Composition   int64 // PTS = DTS + Composition
	Sync          bool
	Entry         int // index into the sample entries, from 0
	Count         int // how many equal samples lie here one behind the other: 1, but for uncompressed sound, where a chunk is one Sample of Count frames
}

// PTS is when the sample is shown or heard, in media time.
func (s Sample) PTS() int64 { return s.DTS + s.Composition }

const maxTime = 1 << 62 // of a decode time: sums of two never overflow

// Samples goes through one track's samples in decode order: those of the tables first, then those of the fragments. Its memory does not
// depend on the length of the film.
type Samples struct {
	plain *plain
	parts *parts
	err   error
}

// Samples begins at the first sample of a track of this movie. Cursors don't disturb each other.
func (m *Movie) Samples(t *Track) *Samples {
	s := &Samples{}
	if m.Fragmented {
		s.parts = newParts(m, t)
	}
	s.plain, s.err = newPlain(m.src, t)
	return s
}

// Next is the next sample; io.EOF behind the last one. A Damaged error means: the samples before are good. Every further call says the same.
func (s *Samples) Next() (Sample, error) {
	if s.err != nil {
		return Sample{}, s.err
	}
	sample, err := s.next()
	if err != nil {
		s.err = err
		return Sample{}, err
	}
	return sample, nil
}

func (s *Samples) next() (Sample, error) {
	if s.plain != nil {
		sample, err := s.plain.next()
		if !errors.Is(err, io.EOF) || s.parts == nil {
			return sample, err
		}
		s.parts.decode, s.plain = s.plain.decode, nil
	}
	if s.parts == nil {
		return Sample{}, io.EOF
	}
	return s.parts.next()
}

// plain goes through the tables of a moov (sections 8.6 and 8.7).
type plain struct {
	t      *Track
	size   int64 // of the file
	sizes  *sizes
	times  *runs
	shifts *runs
	groups *runs
	marks  [2]*marks // stss and stps
	chunks *chunks
	number int64 // of the sample to come, from 1
	decode int64
	taken  int64 // bytes of samples that no table row speaks for
	whole  bool  // a chunk is one Sample
}

func newPlain(src *source, t *Track) (p *plain, err error) {
	p = &plain{t: t, size: src.size, number: 1}
	if p.sizes, err = t.sizes(src); err != nil || p.sizes == nil {
		return nil, err
	}
	for _, r := range []struct {
		into **runs
		kind string
		skip int64
	}{{&p.times, "stts", 4}, {&p.shifts, "ctts", 4}, {&p.groups, "sbgp", 8}} {
		b, ok := t.tables[r.kind]
		if *r.into, err = newRuns(src, b, ok, r.skip); err != nil {
			return nil, err
		}
	}
	p.times.last = true
	for i, kind := range []string{"stss", "stps"} {
		if b, ok := t.tables[kind]; ok {
			if p.marks[i], err = newMarks(src, b); err != nil {
				return nil, err
			}
		}
	}
	if p.chunks, err = newChunks(src, t); err != nil {
		return nil, err
	}
	p.whole = t.Handler == "soun" && p.sizes.each > 0 && t.unit
	return p, nil
}

func (p *plain) next() (Sample, error) {
	if p.sizes.left == 0 {
		return Sample{}, io.EOF
	}
	if err := p.chunks.open(); err != nil {
		return Sample{}, p.ended("the chunks", err)
	}
	s := Sample{Offset: p.chunks.at, Entry: p.chunks.entry, Count: 1}
	if p.whole {
		return p.chunk(s)
	}
	size, ok, err := p.sizes.next()
	if err == nil && !ok {
		err = errStop
	}
	if err != nil {
		return s, p.ended("the sizes", err)
	}
	s.Size = size
	duration, err := p.times.next()
	if err != nil {
		return s, err
	}
	s.Duration = duration & maxU32 // not signed
	if s.Composition, err = p.shifts.next(); err != nil {
		return s, err
	}
	if s.Sync, err = p.sync(); err != nil {
		return s, err
	}
	return p.took(s)
}

// chunk is a chunk of uncompressed sound. Where frames are not whole in it, what is left over belongs to nobody.
func (p *plain) chunk(s Sample) (Sample, error) {
	n := min(p.chunks.left, p.sizes.left)
	bytes, per := p.sizes.each, int64(1)
	if p.t.frame.bytes > 0 {
		bytes, per = p.t.frame.bytes, p.t.frame.samples
	}
	if n/per > p.size/bytes+1 {
		return s, fmt.Errorf("%w: a chunk of %d samples at %d of %d", ErrShort, n, s.Offset, p.size)
	}
	s.Size, s.Count, s.Duration, s.Sync = n/per*bytes, int(n), n, true
	return p.took(s)
}

// took looks whether a sample can be, and moves on behind it.
func (p *plain) took(s Sample) (Sample, error) {
	if s.Offset < 0 {
		return s, fmt.Errorf("%w: sample %d lies at %d", ErrDamaged, p.number, s.Offset)
	}
	if s.Offset > p.size || s.Size > p.size-s.Offset {
		return s, fmt.Errorf("%w: sample %d of %d bytes at %d of %d", ErrShort, p.number, s.Size, s.Offset, p.size)
	}
	if p.sizes.each > 0 { // their number is only a claim: a small table could keep somebody busy for ever
		if p.taken += s.Size; p.taken > 2*p.size {
			return s, fmt.Errorf("%w: %d samples take more than the whole file", ErrDamaged, p.number)
		}
	}
	s.DTS = p.decode
	if p.decode += s.Duration; p.decode > maxTime {
		return s, fmt.Errorf("%w: a decode time of %d", ErrDamaged, p.decode)
	}
	n := int64(s.Count)
	p.number += n
	p.sizes.left -= n
	p.chunks.at += s.Size
	p.chunks.left -= n
	return s, nil
}

// ended says which table is at its end before the samples are.
func (p *plain) ended(table string, err error) error {
	if err != errStop { //nolint:errorlint // never wrapped
		return err
	}
	return fmt.Errorf("%w: %s end %d samples too early, before sample %d", ErrDamaged, table, p.sizes.left, p.number)
}

// sync tells whether decoding can start at the sample to come: every sample of a track without stss, else those that stss lists, those that
// QuickTime's stps lists (partial sync: the first picture of an open group), and those in a random access group.
func (p *plain) sync() (bool, error) {
	if p.marks[0] == nil {
		return true, nil
	}
	found := false
	for _, m := range p.marks {
		if m != nil {
			ok, err := m.has(p.number)
			if err != nil {
				return false, err
			}
			found = found || ok
		}
	}
	group, err := p.groups.next()
	return found || group > 0, err
}

// marks is a list of sample numbers.
type marks struct {
	rows  *column
	next  int64
	begun bool
	base  int64 // 1 where a broken writer counts from 0
}

func newMarks(src *source, b box) (*marks, error) {
	rows, err := newColumn(src, b, 4, 4)
	return &marks{rows: rows}, err
}

// has tells whether a sample is in the list; samples are asked for in order.
func (m *marks) has(number int64) (bool, error) {
	for m.next < number {
		p, err := m.rows.next()
		if err != nil {
			return false, err
		}
		if p == nil {
			m.next = 1 << 62
			break
		}
		if !m.begun && u32(p) == 0 {
			m.base = 1
		}
		m.begun = true
		m.next = u32(p) + m.base
	}
	return m.next == number, nil
}

// chunks goes through the runs of samples that lie one behind the other.
type chunks struct {
	offsets    *column
	spread     *column // stsc: from this chunk on so many samples in each
	wide       bool
	number     int64 // of the chunk that is open
	at, left   int64
	entry      int
	per, first int64 // per chunk; the first chunk of the row to come, 0 when there is none
	nextPer    int64
	nextEntry  int
}

func newChunks(src *source, t *Track) (c *chunks, err error) {
	c = &chunks{}
	stsc := t.tables["stsc"]
	if c.spread, err = newColumn(src, stsc, 4, 12); err != nil {
		return nil, err
	}
	offsets, width := t.tables["stco"], int64(4)
	if co64, ok := t.tables["co64"]; ok {
		offsets, width, c.wide = co64, 8, true
	}
	if c.offsets, err = newColumn(src, offsets, 4, width); err != nil {
		return nil, err
	}
	return c, c.row()
}

// row loads the next row of stsc.
func (c *chunks) row() error {
	p, err := c.spread.next()
	if err != nil {
		return err
	}
	if c.first = 0; p != nil {
		c.first, c.nextPer, c.nextEntry = max(u32(p), 1), u32(p[4:]), int(max(u32(p[8:]), 1)-1)
	}
	return nil
}

// open goes to the next chunk when the present one has no more samples; errStop behind the last chunk.
func (c *chunks) open() error {
	for c.left == 0 {
		p, err := c.offsets.next()
		if err != nil {
			return err
		}
		if p == nil {
			return errStop
		}
		c.number++
		for c.first != 0 && c.number >= c.first {
			c.per, c.entry = c.nextPer, c.nextEntry
			if err := c.row(); err != nil {
				return err
			}
		}
		c.at, c.left = u32(p), c.per
		if c.wide {
			c.at = u64(p)
		}
	}
	return nil
}

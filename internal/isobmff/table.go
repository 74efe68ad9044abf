package isobmff

import "fmt"

// column goes through the rows of a table in the file. It holds one block, whatever the table claims, and ends where its box ends.
type column struct {
	src   *source
	at    int64 // the next byte to load
	to    int64 // where the rows end that are claimed and there
	width int64
	block int64
	rest  []byte // loaded and not gone through
	own   []byte
	kind  string
	short bool // more rows are claimed than are there
}

// newColumn is over a full box: skip bytes (version, flags and what else is before the count), a count, then rows of width bytes.
func newColumn(src *source, b box, skip, width int64) (*column, error) {
	c := &column{src: src, kind: b.kind, width: 4, block: blockSize, at: b.from + skip, to: b.from + skip + 4}
	if c.to > b.to { // it is not there, or too small to say anything
		return &column{src: src, kind: b.kind, width: width, short: b.kind != ""}, nil
	}
	p, err := c.next()
	if err != nil {
		return nil, err
	}
	claimed, there := u32(p), (b.to-c.to)/width
	c.short, c.width = claimed > there, width
	c.to += min(claimed, there) * width
	return c, nil
}

// next is the next row, or nil behind the last one. It is good until the next call. Where the box ends too early that is an error, behind the
// rows that are there.
func (c *column) next() ([]byte, error) {
	if int64(len(c.rest)) < c.width {
		if err := c.load(); err != nil {
			return nil, err
		}
		if int64(len(c.rest)) >= c.width {
			return c.next()
		}
		if c.short {
			return nil, fmt.Errorf("%w: box %q ends before its rows do", ErrDamaged, c.kind)
		}
		return nil, nil
	}
	row := c.rest[:c.width]
	c.rest = c.rest[c.width:]
	return row, nil
}

// load gets the next block: from what is held, or by one request, each larger than the one before.
func (c *column) load() error {
	if c.at >= c.to {
		return nil
	}
	if have := c.src.known(c.at); len(have) > 0 {
		have = have[:min(int64(len(have)), c.to-c.at)]
		c.at += int64(len(have))
		if len(c.rest) > 0 {
			have = append(append([]byte(nil), c.rest...), have...)
		}
		c.rest = have
		return nil
	}
	n, carried := int(min(c.block, c.to-c.at)), len(c.rest)
	c.block = min(2*c.block, max(c.block, maxBlock))
	if cap(c.own) < carried+n {
		own := make([]byte, carried+n)
		copy(own, c.rest)
		c.own = own
	} else {
		copy(c.own[:carried], c.rest)
	}
	c.own = c.own[:carried+n]
	if err := c.src.fill(c.own[carried:], c.at); err != nil {
		return err
	}
	c.at += int64(n)
	c.rest = c.own
	return nil
}

// runs is a table of values with the number of samples that each counts for: stts, ctts, sbgp.
type runs struct {
	rows  *column
	left  int64
	value int64
	last  bool // the value of the last row counts for all samples behind it
	ended bool
}

func newRuns(src *source, b box, ok bool, skip int64) (*runs, error) {
	if !ok {
		return &runs{ended: true}, nil
	}
	rows, err := newColumn(src, b, skip, 8)
	return &runs{rows: rows}, err
}

// next is the value for the next sample.
func (r *runs) next() (int64, error) {
	for r.left == 0 && !r.ended {
		p, err := r.rows.next()
		if err != nil {
			return 0, err
		}
		if r.ended = p == nil; !r.ended {
			r.left, r.value = u32(p), i32(p[4:])
		} else if !r.last {
			r.value = 0
		}
	}
	if !r.ended {
		r.left--
	}
	return r.value, nil
}

// sizes is the samples' sizes: one for all, or a table (section 8.7.3).
type sizes struct {
	each   int64 // of all samples, if above 0
	left   int64 // samples to come, as claimed
	rows   *column
	bits   int64 // of one size
	nibble int64 // the second of two 4-bit sizes, or -1
}

func (t *Track) sizes(src *source) (*sizes, error) {
	b, ok := t.tables["stsz"]
	compact, ok2 := t.tables["stz2"]
	if !ok && !ok2 {
		return nil, nil
	}
	if !ok {
		b = compact
	}
	// Both have two numbers after version and flags; the second is the count.
	head, err := newColumn(src, box{from: b.from, to: b.from}, 0, 4)
	if err != nil {
		return nil, err
	}
	head.at, head.to = b.from+4, min(b.from+12, b.to)
	first, err := head.next()
	if err != nil || first == nil {
		return nil, err
	}
	s := &sizes{bits: 32, nibble: -1}
	if ok {
		s.each = u32(first)
	} else {
		s.bits = int64(first[3])
	}
	second, err := head.next()
	if err != nil || second == nil {
		return nil, err
	}
	s.left = u32(second)
	if s.each > 0 {
		return s, nil
	}
	switch s.bits {
	case 4, 8, 16, 32:
	default:
		return nil, fmt.Errorf("%w: sizes of %d bits", ErrDamaged, s.bits)
	}
	s.rows = &column{src: src, kind: b.kind, width: max(1, s.bits/8), block: blockSize, at: b.from + 12}
	bytes := (s.left*s.bits + 7) / 8
	s.rows.short = bytes > b.to-s.rows.at
	s.rows.to = s.rows.at + min(bytes, (b.to-s.rows.at)/s.rows.width*s.rows.width)
	return s, nil
}

// there is how many samples have a size.
func (s *sizes) there() int64 {
	if s.rows == nil {
		return s.left
	}
	return min(s.left, (s.rows.to-s.rows.at)*8/s.bits)
}

// next is the size of the next sample; ok is false where the table ends.
func (s *sizes) next() (size int64, ok bool, err error) {
	if s.rows == nil {
		return s.each, true, nil
	}
	if s.nibble >= 0 {
		size, s.nibble = s.nibble, -1
		return size, true, nil
	}
	p, err := s.rows.next()
	if err != nil || p == nil {
		return 0, false, err
	}
	switch s.bits {
	case 4:
		size, s.nibble = int64(p[0]>>4), int64(p[0]&15)
	case 8:
		size = int64(p[0])
	case 16:
		size = u16(p)
	default:
		size = u32(p)
	}
	return size, true, nil
}

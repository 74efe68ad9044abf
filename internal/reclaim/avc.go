package reclaim

import "encoding/binary"

// Kinds of NAL units (table 7-1).
const (
	unitSlice     = 1
	unitIDR       = 5
	unitSEI       = 6
	unitSPS       = 7
	unitPPS       = 8
	unitDelimiter = 9
	unitEnd       = 10
	unitEndStream = 11
	unitFiller    = 12
)

// bits reads a unit's payload bit by bit; behind its end it reads zeros and remembers that.
type bits struct {
	b     []byte
	at    int
	short bool
}

func (r *bits) u(n int) (v int) {
	for range n {
		if r.at>>3 >= len(r.b) {
			r.short = true
			return 0
		}
		v = v<<1 | int(r.b[r.at>>3]>>(7-r.at&7)&1)
		r.at++
	}
	return v
}

func (r *bits) flag() bool { return r.u(1) == 1 }

// ue is an Exp-Golomb number (9.1).
func (r *bits) ue() int {
	n := 0
	for r.u(1) == 0 {
		if n++; n > 31 || r.short {
			r.short = true
			return 0
		}
	}
	return 1<<n - 1 + r.u(n)
}

func (r *bits) se() int {
	v := r.ue()
	if v&1 == 1 {
		return (v + 1) / 2
	}
	return -v / 2
}

// plain appends a unit's bytes to out without the emulation prevention, as far as out has room.
func plain(out, nal []byte) []byte {
	zeros := 0
	for _, c := range nal {
		if len(out) == cap(out) {
			break
		}
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		out = append(out, c)
		if zeros++; c != 0 {
			zeros = 0
		}
	}
	return out
}

// sps is what of a sequence parameter set says how slice headers are read.
type sps struct {
	frameNum, pocType, pocLSB int // the first and the last in bits
	separate, frames          bool
	blocks                    int // of a picture
}

const (
	maxSet  = 1 << 10 // of a parameter set
	maxSide = 1 << 10 // of a picture, in blocks of 16 pixels
)

// readSPS reads 7.3.2.1.1 up to the picture's size.
func readSPS(nal []byte) (id int, s sps, ok bool) {
	r := &bits{b: plain(make([]byte, 0, maxSet), nal[1:])}
	profile := r.u(8)
	r.u(16)
	id = r.ue()
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		s.separate = r.chroma()
	}
	s.frameNum = r.ue() + 4
	switch s.pocType = r.ue(); s.pocType {
	case 0:
		s.pocLSB = r.ue() + 4
	case 1:
		r.flag()
		r.se()
		r.se()
		for range min(r.ue(), 255) {
			r.se()
		}
	}
	r.ue()
	r.flag()
	width, height := r.ue()+1, r.ue()+1
	if s.frames = r.flag(); !s.frames {
		height *= 2
	}
	s.blocks = width * height
	return id, s, !r.short && id < 32 && s.frameNum <= 16 && s.pocType <= 2 && s.pocLSB <= 16 && width <= maxSide && height <= maxSide
}

// chroma passes over what the higher profiles say of colours, and tells whether they are coded as pictures of their own.
func (r *bits) chroma() (separate bool) {
	lists := 8
	if r.ue() == 3 {
		separate, lists = r.flag(), 12
	}
	r.ue()
	r.ue()
	r.flag()
	if !r.flag() {
		return separate
	}
	for i := range lists {
		if !r.flag() {
			continue
		}
		size, last, next := 16, 8, 8
		if i >= 6 {
			size = 64
		}
		for range size { // 7.3.2.1.1.1
			if next != 0 {
				next = (last + r.se()) & 255
			}
			if next != 0 {
				last = next
			}
		}
	}
	return separate
}

// sets are the parameter sets of a recording: the pictures' name a sequence's.
type sets struct {
	sequences map[int]sps
	pictures  map[int]int
}

func newSets() sets { return sets{map[int]sps{}, map[int]int{}} }

// add takes a parameter set; false where it is none, or one that this package does not understand.
func (s sets) add(nal []byte) bool {
	if len(nal) < 2 || len(nal) > maxSet {
		return false
	}
	switch nal[0] & 31 {
	case unitSPS:
		id, set, ok := readSPS(nal)
		if ok {
			s.sequences[id] = set
		}
		return ok
	case unitPPS:
		r := &bits{b: plain(make([]byte, 0, maxSet), nal[1:])}
		id, sequence := r.ue(), r.ue()
		r.u(2)
		if groups := r.ue(); r.short || groups != 0 || id > 255 {
			return false
		}
		s.pictures[id] = sequence
		return true
	}
	return false
}

// config takes the parameter sets of an avcC, and tells how many bytes the length in front of each unit has; 0 where the avcC makes no sense.
func (s sets) config(avcC []byte) (length int) {
	if len(avcC) < 6 || avcC[0] != 1 {
		return 0
	}
	length = int(avcC[4]&3) + 1
	p := avcC[5:]
	for _, mask := range []byte{31, 255} {
		if len(p) < 1 {
			return 0
		}
		n := int(p[0] & mask)
		p = p[1:]
		for range n {
			if len(p) < 2 || len(p)-2 < int(binary.BigEndian.Uint16(p)) {
				return 0
			}
			size := 2 + int(binary.BigEndian.Uint16(p))
			if !s.add(p[2:size]) {
				return 0
			}
			p = p[size:]
		}
	}
	if len(s.sequences) == 0 || len(s.pictures) == 0 {
		return 0
	}
	return length
}

// slice is what the header of a slice says (7.3.3).
type slice struct {
	typ, ref      int // of the unit
	first, kind   int // block; P, B, I
	set           int
	frameNum      int
	field, bottom bool
	idr, lsb      int
}

const sliceHead = 40 // bytes that the fields above lie within

func (s sets) slice(nal []byte) (h slice, ok bool) {
	var room [sliceHead]byte
	r := &bits{b: plain(room[:0], nal)}
	r.u(1)
	h.ref, h.typ = r.u(2), r.u(5)
	h.first, h.kind, h.set = r.ue(), r.ue(), r.ue()
	sequence, named := s.pictures[h.set]
	q, there := s.sequences[sequence]
	if r.short || !named || !there || h.kind > 9 {
		return h, false
	}
	if q.separate {
		r.u(2)
	}
	h.frameNum = r.u(q.frameNum)
	if !q.frames {
		if h.field = r.flag(); h.field {
			h.bottom = r.flag()
		}
	}
	if h.typ == unitIDR {
		h.idr = r.ue()
	}
	if q.pocType == 0 {
		h.lsb = r.u(q.pocLSB)
	}
	if h.typ == unitIDR && (h.frameNum != 0 || !h.intra() || h.idr > 1<<16-1) {
		return h, false
	}
	return h, !r.short && h.first < q.blocks
}

func (h slice) intra() bool { return h.kind%5 == 2 }

// of is the sequence that a slice belongs to.
func (s sets) of(h slice) sps { return s.sequences[s.pictures[h.set]] }

// apart tells whether b is of another picture than a (7.4.1.2.4); the second field of a frame is of the same sample.
func apart(a, b slice) bool {
	if a.field && b.field && a.bottom != b.bottom && a.frameNum == b.frameNum {
		return false
	}
	return b.first == 0 || a.frameNum != b.frameNum || a.set != b.set || (a.ref == 0) != (b.ref == 0) || a.typ != b.typ || a.lsb != b.lsb || a.idr != b.idr
}

// possible tells whether a unit may begin with a byte.
func possible(first byte) bool {
	if first&0x80 != 0 {
		return false
	}
	switch ref := first >> 5; first & 31 {
	case unitSlice:
		return true
	case unitIDR, unitSPS, unitPPS:
		return ref != 0
	case unitSEI, unitDelimiter, unitEnd, unitEndStream, unitFiller:
		return ref == 0
	}
	return false
}

const maxMessages = 64 << 10 // of an SEI unit

// messages goes through the payloads of an SEI unit (7.3.2.3.1), and tells whether decoding can start behind it (D.1.8, without a picture's delay).
func messages(nal []byte) (recovers, ok bool) {
	if len(nal) > maxMessages {
		return false, false
	}
	b := plain(make([]byte, 0, len(nal)), nal[1:])
	for len(b) > 1 {
		typ, size := 0, 0
		for _, v := range []*int{&typ, &size} {
			for len(b) > 0 && b[0] == 255 {
				*v += 255
				b = b[1:]
			}
			if len(b) == 0 {
				return false, false
			}
			*v += int(b[0])
			b = b[1:]
		}
		if typ > 250 || size > len(b) {
			return false, false
		}
		recovers = recovers || typ == 6 && size > 0 && b[0]&0x80 != 0
		b = b[size:]
	}
	return recovers, len(b) == 1 && b[0] == 0x80
}

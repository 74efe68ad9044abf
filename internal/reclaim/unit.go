package reclaim

import (
	"bytes"
)

// unit is one NAL unit with the length in front of it.
type unit struct {
	size     int64 // with its length; 0 where there is none
	typ      int
	slice    slice
	recovers bool // an SEI that says that decoding can start here
}

// picture is one access unit.
type picture struct {
	at, size int64
	sync     bool // decoding can start with it
	slice    slice
}

// number reads a length in front of a unit.
func number(b []byte) (n int64) {
	for _, c := range b {
		n = n<<8 | int64(c)
	}
	return n
}

// unit reads the unit at a place. It tells up to where it has looked.
func (w *Walk) unit(at int64) (u unit, far int64) {
	if w.known.at == at && w.known.far > 0 {
		return w.known.unit, w.known.far
	}
	head := w.win.look(at, int64(w.ref.length)+1)
	if len(head) <= w.ref.length {
		return u, at
	}
	size := number(head[:w.ref.length])
	body := at + int64(w.ref.length)
	if size < 1 || size > farthest || size > w.win.end-body || !possible(head[w.ref.length]) {
		return u, at
	}
	n := w.win.look(body, min(size, sliceHead*2)) // the head tells most of what is none
	if typ := int(n[0] & 31); typ == unitSlice || typ == unitIDR {
		var ok bool
		if u.slice, ok = w.ref.sets.slice(n); !ok || size < 2 {
			return unit{}, at
		}
	}
	if n = w.win.look(body, size); int64(len(n)) < size {
		return unit{}, at
	}
	dirty := stain(n)
	if far = body + size; dirty >= 0 {
		return unit{}, body + int64(dirty)
	}
	if u.typ = int(n[0] & 31); !u.fits(n) {
		return unit{}, far
	}
	u.size = int64(w.ref.length) + size
	w.known.at, w.known.unit, w.known.far = at, u, far
	return u, far
}

// fits looks at what is in a unit that is no slice.
func (u *unit) fits(n []byte) bool {
	switch u.typ {
	case unitSEI:
		var ok bool
		u.recovers, ok = messages(n)
		return ok
	case unitSPS, unitPPS:
		return newSets().add(n)
	case unitDelimiter:
		return len(n) == 2 && n[1]&0x1f == 0x10
	case unitEnd, unitEndStream:
		return len(n) == 1
	case unitFiller:
		return len(n) > 1
	}
	return true
}

// stain is the first place in a unit whose bytes no unit has (7.4.1: 00 00 00, 00 00 01, 00 00 02, and a zero at its end); -1 where it is clean.
func stain(n []byte) int {
	n = bytes.TrimSuffix(n, []byte{0, 0, 0, 1, unitEnd}) // some writers end a recording so
	if len(n) == 0 {
		return 0
	}
	for at := 0; ; {
		i := bytes.Index(n[at:], []byte{0, 0})
		if i < 0 {
			break
		}
		at += i
		if at+2 >= len(n) || n[at+2] < 3 {
			return at
		}
		at += 3
	}
	if n[len(n)-1] == 0 {
		return len(n) - 1
	}
	return -1
}

// picture reads the units at a place up to where another picture begins. It tells up to where it has looked.
func (w *Walk) picture(at int64) (p picture, far int64, ok bool) {
	p.at = at
	begun, recovers := false, false
	for {
		u, looked := w.unit(at + p.size)
		far = max(far, looked)
		if u.size == 0 || p.size+u.size > farthest {
			return p, far, begun && !w.torn(at+p.size, p.slice)
		}
		switch u.typ {
		case unitSlice, unitIDR:
			if !begun && u.slice.first != 0 {
				return p, far, false
			}
			if begun && apart(p.slice, u.slice) {
				return p, far, true
			}
			if !begun {
				p.slice, p.sync = u.slice, u.typ == unitIDR || recovers && u.slice.intra()
			}
			begun = true
		case unitSEI, unitSPS, unitPPS, unitDelimiter:
			if begun {
				return p, far, true
			}
			recovers = recovers || u.recovers
		}
		p.size += u.size
	}
}

// torn tells whether the recording ends within another slice of the same picture: what there is of that picture is a part.
func (w *Walk) torn(at int64, of slice) bool {
	b := w.win.look(at, int64(w.ref.length)+sliceHead*2)
	if len(b) <= w.ref.length || !possible(b[w.ref.length]) || number(b[:w.ref.length]) <= w.win.end-at-int64(w.ref.length) {
		return false
	}
	next, ok := w.ref.sets.slice(b[w.ref.length:])
	return ok && next.typ == of.typ && !apart(of, next)
}

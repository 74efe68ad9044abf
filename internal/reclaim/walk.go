package reclaim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"bwv/internal/isobmff"
)

// Walk goes through a recording without an index and finds its pictures.
type Walk struct {
	ref  *Reference
	win  window
	last slice // of the last picture
	seen bool  // there was one
	at   int64
	debt int64 // bytes that were looked at in vain
	next *picture
	err  error

	group  []picture // from one IDR to the next
	places []int32   // of its pictures in the order in which they are shown
	length int64     // of the group in pictures, with those that are missing
	given  int       // of the group
	before int64     // the groups' before it
	step   int       // of the picture order count
	taken  int64     // bytes of pictures
	holes  int

	known struct { // the unit that was looked at last
		at, far int64
		unit    unit
	}
}

const (
	longest = 100_000 // pictures of a group: a longer one is ordered in parts
	patient = 16 << 20
	pace    = 16 // times as many bytes may be looked at as are passed
)

// Walk begins where the reader does, at from, and ends at the recording's end.
func (r *Reference) Walk(in io.Reader, from, end int64) *Walk {
	return &Walk{ref: r, win: window{in: in, from: from, low: from, end: max(from, end)}, at: from}
}

// Next is the next picture, as a table of samples would have it; io.EOF behind the last one, and else the reader's error. The first picture is
// shown at 0.
func (w *Walk) Next() (isobmff.Sample, error) {
	if w.given == len(w.group) {
		if err := w.gather(); err != nil {
			return isobmff.Sample{}, err
		}
	}
	p, n := w.group[w.given], w.before+int64(w.given)
	s := isobmff.Sample{Offset: p.at, Size: p.size, DTS: w.ref.at(n), Sync: p.sync, Count: 1}
	s.Duration = w.ref.at(n+1) - s.DTS
	s.Composition = w.ref.at(w.before+int64(w.places[w.given])) - s.DTS
	w.given++
	w.taken += p.size
	return s, nil
}

// Taken is how many bytes the pictures so far have.
func (w *Walk) Taken() int64 { return w.taken }

// Holes are the stretches between pictures so far that are longer than sound and telemetry are. Nobody knows how many pictures are lost in one; what
// comes behind it may even be an older recording's, on whose place this one was being written.
func (w *Walk) Holes() int { return w.holes }

const leastHole = 256 << 10 // a second of uncompressed sound has 192 KB

// gather finds the pictures up to the next IDR and puts them in order.
func (w *Walk) gather() error {
	w.before += w.length
	w.group, w.length, w.given = w.group[:0], 0, 0
	if w.next != nil {
		w.group, w.next = append(w.group, *w.next), nil
	}
	for w.err == nil && len(w.group) < longest {
		p, err := w.find()
		if err != nil {
			w.err = err
			break
		}
		if p.slice.typ == unitIDR && len(w.group) > 0 {
			w.next = &p
			break
		}
		w.group = append(w.group, p)
	}
	if w.err != nil && (len(w.group) == 0 || !errors.Is(w.err, io.EOF)) {
		return w.err
	}
	w.order()
	return nil
}

// order finds the pictures' places (8.2.1).
func (w *Walk) order() {
	counts := w.counts()
	by := make([]int32, len(counts))
	for i := range by {
		by[i] = int32(i) //nolint:gosec // up to longest
	}
	slices.SortStableFunc(by, func(a, b int32) int { return cmp.Compare(counts[a], counts[b]) })
	sorted := make([]int, len(by))
	for n, i := range by {
		sorted[n] = counts[i]
	}
	// Where pictures are missing, the counts say so. Where they do not go on in even steps, the pictures' order is all that they say.
	even := w.even(sorted)
	w.length = int64(len(by))
	w.places = slices.Grow(w.places[:0], len(by))[:len(by)]
	for n, i := range by {
		if place := n; even {
			place = (sorted[n] - sorted[0]) / w.step
			w.places[i], w.length = int32(place), int64(place+1) //nolint:gosec // bounded above
		} else {
			w.places[i] = int32(place) //nolint:gosec // up to longest
		}
	}
}

// even tells whether counts go on in steps of one size, and few are missing. A group of some pictures says what that size is; the end of a recording,
// where some of those between are lost, does not.
func (w *Walk) even(sorted []int) bool {
	sizes, common := map[int]int{}, 0
	for n := 1; n < len(sorted); n++ {
		size := sorted[n] - sorted[n-1]
		if sizes[size]++; sizes[size] > sizes[common] || sizes[size] == sizes[common] && size < common {
			common = size
		}
	}
	if len(sorted) >= leastGroup || w.step == 0 {
		w.step = common
	}
	if w.step == 0 || (sorted[len(sorted)-1]-sorted[0])/w.step >= 2*len(sorted)+maxOrdered {
		return false
	}
	for size := range sizes {
		if size == 0 || size%w.step != 0 {
			return false
		}
	}
	return true
}

const leastGroup = 8

// maxOrdered is how many pictures a decoder may hold back.
const maxOrdered = 16

// counts are the picture order counts of the group (8.2.1.1); of the other types, its order.
func (w *Walk) counts() []int {
	list := make([]int, len(w.group))
	q := w.ref.sets.of(w.group[0].slice)
	wrap, high, last := 1<<q.pocLSB, 0, 0
	for i, p := range w.group {
		if list[i] = i; q.pocType != 0 {
			continue
		}
		now, lsb := high, p.slice.lsb
		if lsb < last && last-lsb >= wrap/2 {
			now += wrap
		} else if lsb > last && lsb-last > wrap/2 {
			now -= wrap
		}
		if list[i] = now + lsb; p.slice.ref != 0 {
			high, last = now, lsb
		}
	}
	return list
}

// find goes on to the next picture. Right behind another one, a picture need only be one; behind anything else it has to go on where the pictures
// before ended, or to be an IDR, and something has to follow that is known.
func (w *Walk) find() (picture, error) {
	from := w.at
	for lost := false; w.at < w.win.end; lost = true {
		if lost {
			w.seek()
		}
		p, far, ok := w.picture(w.at)
		ok = ok && (w.seen || p.slice.typ == unitIDR) && (!lost || w.follows(p.slice) && w.familiar(w.at+p.size))
		if w.win.err != nil {
			return p, w.win.err
		}
		if ok {
			if w.seen && w.at-from > leastHole {
				w.holes++
			}
			w.last, w.seen = p.slice, true
			w.pass(w.at + p.size)
			return p, nil
		}
		w.debt += far - w.at
		step := w.at + 1
		if w.ref.telemetry {
			step = max(step, w.at+device(w.win.look(w.at, 8)))
		}
		if w.debt > patient { // somebody made this to keep us busy
			step = max(step, far)
		}
		w.pass(min(step, w.win.end))
	}
	return picture{}, io.EOF
}

// pass leaves everything before a place behind.
func (w *Walk) pass(to int64) {
	w.debt = max(0, w.debt-pace*(to-w.at))
	w.at, w.win.low = to, to
}

// follows tells whether a picture goes on where the last one ended: frame numbers count the pictures that others refer to (7.4.3).
func (w *Walk) follows(h slice) bool {
	if h.typ == unitIDR || !w.seen {
		return true
	}
	wrap := 1 << w.ref.sets.of(h).frameNum
	return (h.frameNum-w.last.frameNum+wrap)%wrap == min(w.last.ref, 1)
}

// familiar tells whether something that is known begins at a place, or nothing comes any more.
func (w *Walk) familiar(at int64) bool {
	b := w.win.look(at, maxPattern)
	if len(b) <= w.ref.length || len(bytes.Trim(b, "\x00")) == 0 {
		return true
	}
	for _, p := range w.ref.others {
		if p.begins(b) {
			return true
		}
	}
	if w.ref.first == nil || w.ref.first[b[0]>>1] || w.ref.telemetry && device(b) > 0 {
		return true
	}
	u, _ := w.unit(at)
	return u.size > 0
}

// seek moves on to where a unit may begin, judging by its length and first byte alone.
func (w *Walk) seek() {
	length := w.ref.length
	for {
		b := w.win.look(w.at, block)
		last := len(b) - length
		if last <= 0 || w.win.err != nil {
			w.pass(w.win.end)
			return
		}
		for i := range last {
			if length == 4 && b[i] != 0 && b[i] != 'D' {
				continue
			}
			if w.ref.telemetry && b[i] == 'D' {
				if n := device(b[i:]); n > 0 {
					w.pass(min(w.at+int64(i)+n, w.win.end))
					return
				}
			}
			if size := number(b[i : i+length]); size > 0 && size <= farthest && possible(b[i+length]) {
				w.pass(w.at + int64(i))
				return
			}
		}
		w.pass(w.at + int64(last))
	}
}

// device is how long a sample of GoPro's telemetry is that begins here: key, type, size and repetition of its one structure (GPMF).
func device(b []byte) int64 {
	if len(b) < 8 || string(b[:4]) != "DEVC" || b[4] != 0 {
		return 0
	}
	n := int64(b[5]) * int64(binary.BigEndian.Uint16(b[6:]))
	if n > block {
		return 0
	}
	return 8 + (n+3)/4*4
}

package isobmff

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// box is one box (ISO/IEC 14496-12, section 4.2): it begins at start, and [from, to) is what is in it.
type box struct {
	kind            string
	start, from, to int64
	cut             bool // it claims more than its container has
}

func (b box) content() int64 { return b.to - b.from }

// errStop ends a walk without being an error.
var errStop = errors.New("stop")

const (
	maxBoxes = 20_000 // of one moov or moof
	maxTop   = 4096   // of a file's top level, up to the moov
	maxNest  = 10
)

// walker goes through boxes and gives up on a file that has too many.
type walker struct {
	src   *source
	ahead int64 // how much to ask for where a header is not known yet
	end   int64 // of what may be asked for
	seen  int
	limit int
}

// each calls visit for every box in [from, to), in order.
func (w *walker) each(from, to int64, depth int, visit func(box) error) error {
	if depth > maxNest {
		return fmt.Errorf("%w: boxes nested deeper than %d", ErrDamaged, maxNest)
	}
	for from+8 <= to {
		if w.seen++; w.seen > w.limit {
			return fmt.Errorf("%w: more than %d boxes", ErrDamaged, w.limit)
		}
		p, err := w.src.hold(from, int(min(16, to-from)), w.ahead, w.end)
		if err != nil {
			return err
		}
		b, err := header(p, from, to)
		if err != nil {
			return err
		}
		if err := visit(b); err != nil {
			return err
		}
		from = b.to
	}
	return nil
}

// header reads the header of the box at from, in a container that ends at to; p has its first 16 bytes, or all of the container.
func header(p []byte, from, to int64) (box, error) {
	if len(p) < 8 {
		return box{}, fmt.Errorf("%w: a box of %d bytes at %d", ErrDamaged, len(p), from)
	}
	b := box{kind: string(p[4:8]), start: from, from: from + 8}
	size := u32(p)
	switch {
	case size == 1 && len(p) >= 16:
		size = u64(p[8:]) // negative is caught below
		b.from += 8
	case size == 0: // to the end
		size = to - from
	}
	if size < b.from-from {
		return box{}, fmt.Errorf("%w: box %q of %d bytes at %d", ErrDamaged, b.kind, size, from)
	}
	if size > to-from {
		size, b.cut = to-from, true
	}
	b.to = from + size
	return b, nil
}

// inside calls visit for every box of p, which is in memory, with what is in it. Boxes that run past the end are the end.
func inside(p []byte, visit func(kind string, content []byte) error) error {
	for at, seen := int64(0), 0; at+8 <= int64(len(p)); seen++ {
		if seen > maxBoxes {
			return fmt.Errorf("%w: more than %d boxes", ErrDamaged, maxBoxes)
		}
		b, err := header(p[at:], at, int64(len(p)))
		if err != nil {
			return err
		}
		if b.cut {
			return fmt.Errorf("%w: box %q is larger than what it is in", ErrDamaged, b.kind)
		}
		if err := visit(b.kind, p[b.from:b.to]); err != nil {
			return err
		}
		at = b.to
	}
	return nil
}

// small reads the content of a box that may not be larger than limit. The bytes must not be changed.
func (w *walker) small(b box, limit int64) ([]byte, error) {
	if b.content() > limit {
		return nil, fmt.Errorf("%w: box %q of %d bytes", ErrDamaged, b.kind, b.content())
	}
	return w.src.hold(b.from, int(b.content()), w.ahead, w.end)
}

// whole reads a box with its header, as a copy. The header is made anew, since one that says "to the end" makes no sense elsewhere.
func (w *walker) whole(b box, limit int64) ([]byte, error) {
	if b.cut {
		return nil, fmt.Errorf("%w: box %q is larger than what it is in", ErrDamaged, b.kind)
	}
	p, err := w.small(b, limit)
	if err != nil {
		return nil, err
	}
	head := binary.BigEndian.AppendUint32(make([]byte, 0, 8+len(p)), uint32(8+len(p))) //nolint:gosec // below limit
	return append(append(head, b.kind...), p...), nil
}

// past takes the end of a walk for what it is.
func past(err error) error {
	if err == errStop { //nolint:errorlint // never wrapped
		return nil
	}
	return err
}

func u16(p []byte) int64 { return int64(binary.BigEndian.Uint16(p)) }
func u32(p []byte) int64 { return int64(binary.BigEndian.Uint32(p)) }
func i32(p []byte) int64 { return int64(int32(binary.BigEndian.Uint32(p))) } //nolint:gosec // signed in the file
func u64(p []byte) int64 { return int64(binary.BigEndian.Uint64(p)) }        //nolint:gosec // callers refuse negative values

package ffmpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// box is one box of an ISO base media file (ISO/IEC 14496-12, section 4.2): [from, to) is what is in it.
type box struct {
	kind     string
	from, to int64
	cut      bool // it claims more than its container has
}

// at reads a file of any size; ReadAt fills p or fails.
type at interface {
	io.ReaderAt
	size() int64
}

// errIndex is what errors about the boxes themselves wrap, beside those of reading.
var errIndex = errors.New("damaged index")

// errStop ends a walk without being an error.
var errStop = errors.New("stop")

const (
	maxBoxes = 20_000 // of one file
	maxNest  = 10
)

// walker goes through boxes and gives up on a file that has too many.
type walker struct {
	file      at
	seen      int
	unlimited bool // a file of our own
}

// each calls visit for every box in [from, to), in order.
func (w *walker) each(from, to int64, depth int, visit func(box) error) error {
	if depth > maxNest {
		return fmt.Errorf("%w: boxes nested deeper than %d", errIndex, maxNest)
	}
	var header [16]byte
	for from+8 <= to {
		if w.seen++; w.seen > maxBoxes && !w.unlimited {
			return fmt.Errorf("%w: more than %d boxes", errIndex, maxBoxes)
		}
		if _, err := w.file.ReadAt(header[:8], from); err != nil {
			return err
		}
		b := box{kind: string(header[4:8]), from: from + 8}
		size := int64(binary.BigEndian.Uint32(header[:4]))
		switch {
		case size == 1 && from+16 <= to:
			if _, err := w.file.ReadAt(header[8:], from+8); err != nil {
				return err
			}
			size = int64(binary.BigEndian.Uint64(header[8:])) //nolint:gosec // negative is caught below
			b.from += 8
		case size == 0: // to the end
			size = to - from
		}
		if size < b.from-from {
			return fmt.Errorf("%w: box %q of %d bytes at %d", errIndex, b.kind, size, from)
		}
		if size > to-from {
			size, b.cut = to-from, true
		}
		b.to = from + size
		if err := visit(b); err != nil {
			return err
		}
		from = b.to
	}
	return nil
}

// small reads a whole box that may not be larger than limit.
func (w *walker) small(b box, limit int64) ([]byte, error) {
	if b.to-b.from > limit {
		return nil, fmt.Errorf("%w: box %q of %d bytes", errIndex, b.kind, b.to-b.from)
	}
	p := make([]byte, b.to-b.from)
	_, err := w.file.ReadAt(p, b.from)
	return p, err
}

// table goes through the rows of a full box: a version, flags, a count, then rows of width bytes. It holds one buffer, whatever the
// box claims, and ends where the box ends.
func (w *walker) table(b box, skip, width int64, row func(i int64, p []byte) error) error {
	from := b.from + skip
	if from+4 > b.to {
		return fmt.Errorf("%w: box %q of %d bytes", errIndex, b.kind, b.to-b.from)
	}
	var n [4]byte
	if _, err := w.file.ReadAt(n[:], from); err != nil {
		return err
	}
	from += 4
	rows := min(int64(binary.BigEndian.Uint32(n[:])), (b.to-from)/width)
	p := make([]byte, 256*width)
	for i := int64(0); i < rows; {
		take := min(256, rows-i)
		if _, err := w.file.ReadAt(p[:take*width], from+i*width); err != nil {
			return err
		}
		for k := range take {
			if err := row(i+k, p[k*width:(k+1)*width]); err != nil {
				return err
			}
		}
		i += take
	}
	return nil
}

func u32(p []byte) int64 { return int64(binary.BigEndian.Uint32(p)) }
func u64(p []byte) int64 { return int64(binary.BigEndian.Uint64(p)) } //nolint:gosec // callers refuse negative values

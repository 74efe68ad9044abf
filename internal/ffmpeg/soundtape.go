package ffmpeg

import (
	"context"
	"encoding"
	"fmt"
	"hash"
	"io"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// tape is an original that is read once, from one place to its end, and hashed on the way. What went by last stays at hand, so that what lies a
// little behind costs nothing; what lies further back is asked for again, in blocks.
type tape struct {
	in     *stream
	window *window
	sum    hash.Hash
	hashed int64  // bytes that are in sum: reading may begin before, for the sake of what is to be picked up
	begin  int64  // where reading began
	at     int64  // up to where it has come
	ring   []byte // the byte of offset n is at n modulo its length
	far    map[int]block
	asked  int
}

// block is what was asked for again, for one of those who ask.
type block struct {
	from int64
	data []byte
}

const (
	ringSize = 4 << 20
	gulp     = 256 << 10 // of one read
	farBlock = 256 << 10
	farLimit = 20_000 // blocks: a recording whose sound lies apart from its pictures takes a tenth of it
	rewind   = 512 << 20
)

// errScattered is sound that cannot be had by reading the original once.
var errScattered = fmt.Errorf("its pieces lie all over the file: %w", isobmff.ErrDamaged)

// newTape goes on behind the bytes that from has, or from first on where that is not much further back.
func newTape(ctx context.Context, src evidence.Source, w *window, sum hash.Hash, hashed, first int64) *tape {
	begin := hashed
	if first < hashed && hashed-first <= rewind {
		begin = max(first, 0)
	}
	return &tape{in: &stream{ctx: ctx, src: src, offset: begin, end: src.Original.Size}, window: w, sum: sum, hashed: hashed, begin: begin, at: begin,
		ring: make([]byte, ringSize), far: map[int]block{}}
}

func (t *tape) close() error { return t.in.Close() }

// state is the sum as it can be kept.
func (t *tape) state() ([]byte, error) {
	return t.sum.(encoding.BinaryMarshaler).MarshalBinary() //nolint:forcetypeassert // documented of crypto/sha256
}

// forward reads on a little; io.EOF at the original's end.
func (t *tape) forward() error {
	place := t.at % ringSize
	n, err := t.in.Read(t.ring[place:min(place+gulp, ringSize)])
	if n == 0 {
		return err
	}
	if fresh := t.at + int64(n) - t.hashed; fresh > 0 {
		t.sum.Write(t.ring[place+int64(n)-min(fresh, int64(n)) : place+int64(n)])
		t.hashed = t.at + int64(n)
	}
	t.at += int64(n)
	return nil
}

// behind tells whether an offset has gone by for good.
func (t *tape) behind(offset int64) bool { return offset < max(t.begin, t.at-ringSize) }

// recent copies what is at hand from an offset on.
func (t *tape) recent(p []byte, offset int64) int {
	place := offset % ringSize
	return copy(p[:min(int64(len(p)), t.at-offset)], t.ring[place:])
}

// again reads what has gone by. who says for whom: each has a block of his own.
func (t *tape) again(p []byte, offset int64, who int) error {
	if b := t.far[who]; offset >= b.from && offset+int64(len(p)) <= b.from+int64(len(b.data)) {
		copy(p, b.data[offset-b.from:])
		return nil
	}
	if t.asked++; t.asked > farLimit {
		return errScattered
	}
	b := block{offset, make([]byte, min(max(farBlock, int64(len(p))), t.window.Size()-offset))}
	if len(b.data) < len(p) {
		return isobmff.ErrShort
	}
	if _, err := t.window.ReadAt(b.data, offset); err != nil {
		return err
	}
	t.far[who] = b
	copy(p, b.data)
	return nil
}

// reader reads [offset, offset+len(p)) of the tape; meanwhile is called for each stretch read on the way.
func (t *tape) read(p []byte, offset int64, who int, meanwhile func() error) error {
	if t.behind(offset) {
		return t.again(p, offset, who)
	}
	for len(p) > 0 {
		if offset < t.at {
			n := t.recent(p, offset)
			p, offset = p[n:], offset+int64(n)
			continue
		}
		if err := t.forward(); err == io.EOF {
			return isobmff.ErrShort
		} else if err != nil {
			return err
		}
		if err := meanwhile(); err != nil {
			return err
		}
	}
	return nil
}

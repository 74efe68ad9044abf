package ffmpeg

import (
	"context"
	"io"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// window is an original as isobmff.File: each ReadAt is one ranged request of exactly as many bytes.
type window struct {
	ctx  context.Context
	src  evidence.Source
	head []byte // read once, and kept: it tells the container
	asks int
}

const headSize = 4 << 10

// newWindow reads the head.
func newWindow(ctx context.Context, src evidence.Source) (*window, error) {
	w := &window{ctx: ctx, src: src}
	head := make([]byte, min(headSize, src.Original.Size))
	if _, err := w.ReadAt(head, 0); err != nil {
		return nil, err
	}
	w.head = head
	return w, nil
}

// Size implements isobmff.File.
func (w *window) Size() int64 { return w.src.Original.Size }

// ReadAt fills p or fails: isobmff.ErrShort where the original ends before.
func (w *window) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || int64(len(p)) > w.Size()-offset {
		return 0, isobmff.ErrShort
	}
	if offset+int64(len(p)) <= int64(len(w.head)) {
		return copy(p, w.head[offset:]), nil
	}
	w.asks++
	s := &stream{ctx: w.ctx, src: w.src, offset: offset, end: offset + int64(len(p))}
	defer s.Close()
	return io.ReadFull(s, p)
}

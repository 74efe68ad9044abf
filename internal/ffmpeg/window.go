package ffmpeg

import (
	"bufio"
	"errors"
	"io"
)

const (
	headSize = 64 << 10  // read once, and kept: it holds what tells the container, and often the whole index
	skipOver = 256 << 10 // gaps up to here are read over, since asking for another range costs more
	ahead    = 16 << 10
)

// errShort is asking for bytes beyond the original's end: the index points past it.
var errShort = errors.New("beyond the end of the file")

// window reads an original at any offset, over one connection as long as offsets only grow; it holds no more than headSize and a buffer.
type window struct {
	s     *session
	head  []byte
	in    *bufio.Reader
	at    int64 // offset of the next byte of in
	done  func()
	opens int
}

// newWindow reads the head.
func newWindow(s *session) (*window, error) {
	w := &window{s: s}
	head := make([]byte, min(headSize, s.src.Original.Size))
	if len(head) == 0 {
		return w, nil
	}
	w.seek(0)
	n, err := io.ReadFull(w.in, head)
	w.at += int64(n)
	if err != nil {
		w.close()
		return nil, err
	}
	w.head = head
	return w, nil
}

func (w *window) size() int64 { return w.s.src.Original.Size }

// ReadAt fills p or fails: errShort where the original ends before.
func (w *window) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 || offset > w.size() || int64(len(p)) > w.size()-offset {
		return 0, errShort
	}
	if offset+int64(len(p)) <= int64(len(w.head)) {
		return copy(p, w.head[offset:]), nil
	}
	if w.in == nil || offset < w.at || offset-w.at > skipOver {
		w.seek(offset)
	}
	if gap := offset - w.at; gap > 0 {
		n, err := w.in.Discard(int(gap))
		w.at += int64(n)
		if err != nil {
			return 0, w.failed(err)
		}
	}
	n, err := io.ReadFull(w.in, p)
	w.at += int64(n)
	if err != nil {
		return n, w.failed(err)
	}
	return n, nil
}

// failed keeps the end of the stream from passing for the end of the file: ReadAt has checked the size before.
func (w *window) failed(err error) error {
	w.close()
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (w *window) seek(offset int64) {
	w.close()
	body, done := w.s.stream(w.s.ctx, offset)
	w.in, w.at, w.done = bufio.NewReaderSize(body, ahead), offset, done
	w.opens++
}

func (w *window) close() {
	if w.done != nil {
		w.done()
	}
	w.in, w.done = nil, nil
}

package reclaim

import (
	"errors"
	"io"
)

// window is the stretch of a recording that is held: what was read and not left behind.
type window struct {
	in   io.Reader
	b    []byte
	from int64 // where b lies
	low  int64 // what is before it is not needed any more
	end  int64
	err  error // of the reader; then what is there passes for all
}

const (
	block    = 1 << 20 // read at once, at least
	farthest = 8 << 20 // anything looks ahead
)

// look returns up to n bytes, fewer at the end. They are good until the next call.
func (w *window) look(at, n int64) []byte {
	n = max(0, min(n, w.end-at))
	if missing := at + n - w.from - int64(len(w.b)); missing > 0 && w.err == nil {
		w.fill(missing)
	}
	p := w.b[min(at-w.from, int64(len(w.b))):]
	return p[:min(n, int64(len(p)))]
}

// fill reads at least so many bytes more. What was left behind makes room for them, half of the buffer at a time.
func (w *window) fill(missing int64) {
	missing = min(max(missing, block), w.end-w.from-int64(len(w.b)))
	if int64(cap(w.b)-len(w.b)) < missing {
		left := min(w.low-w.from, int64(len(w.b)))
		kept, room := w.b[left:], w.b[:0]
		if enough := (int64(len(kept)) + missing) * 2; enough > int64(cap(w.b)) {
			room = make([]byte, 0, enough)
		}
		w.b, w.from = append(room, kept...), w.from+left
	}
	n := len(w.b)
	got, err := io.ReadFull(w.in, w.b[n:n+int(missing)])
	w.b = w.b[:n+got]
	if errors.Is(err, io.EOF) { // the reader ends before the recording does
		err = io.ErrUnexpectedEOF
	}
	w.err = err
}

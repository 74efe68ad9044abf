package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// content is what the loopback server hands to a child: a whole original, or a small film of some of its pictures.
type content interface {
	size() int64
	// open reads [from, to); the reader resumes after drops.
	open(ctx context.Context, from, to int64) io.ReadCloser
}

// entire is an original as it is.
type entire struct{ src evidence.Source }

func (w entire) size() int64 { return w.src.Original.Size }

func (w entire) open(ctx context.Context, from, to int64) io.ReadCloser {
	return &stream{ctx: ctx, src: w.src, offset: from, end: to}
}

// looked is an original of which what was read first is kept: who has no index of a file looks at its beginning and at its end before going through
// it from the beginning, and so does the next child.
type looked struct {
	entire
	mu   sync.Mutex
	runs []run
	kept int
}

// run is what was read from an offset on.
type run struct {
	from int64
	data []byte
}

const (
	mostKept = 8 << 20 // bytes: ffmpeg looks at 5 MB of a beginning
	mostRuns = 16
)

func (l *looked) open(ctx context.Context, from, to int64) io.ReadCloser {
	return &looking{looked: l, rest: stream{ctx: ctx, src: l.src, offset: from, end: to}}
}

// recall copies what is kept from an offset on. Where that is nothing, it says how much of p lies before anything that is.
func (l *looked) recall(p []byte, offset int64) (n, missing int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing = len(p)
	for _, r := range l.runs {
		if offset >= r.from && offset < r.from+int64(len(r.data)) {
			return copy(p, r.data[offset-r.from:]), 0
		}
		if r.from > offset {
			missing = int(min(int64(missing), r.from-offset))
		}
	}
	return 0, missing
}

func (l *looked) keep(p []byte, offset int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.kept += len(p); l.kept > mostKept {
		return
	}
	for i, r := range l.runs {
		if r.from+int64(len(r.data)) == offset {
			l.runs[i].data = append(r.data, p...)
			return
		}
	}
	if len(l.runs) < mostRuns {
		l.runs = append(l.runs, run{offset, slices.Clone(p)})
	}
}

// looking reads what is kept, and the rest from the original.
type looking struct {
	looked *looked
	rest   stream
}

func (l *looking) Read(p []byte) (int, error) {
	s := &l.rest
	at := s.offset
	n, missing := l.looked.recall(p[:min(int64(len(p)), s.end-at)], at)
	if n > 0 || len(p) == 0 {
		_ = s.Close() // only ever read
		s.offset += int64(n)
		return n, nil
	}
	n, err := s.Read(p[:max(missing, 1)]) // which says when it ends
	l.looked.keep(p[:n], at)
	return n, err
}

func (l *looking) Close() error { return l.rest.Close() }

// film is a head of our own and, behind it, stretches of an original: what a child reads is no byte more than the pictures it is to work on.
type film struct {
	src     evidence.Source
	head    []byte
	extents []isobmff.Extent
}

func (f film) size() int64 {
	n := int64(len(f.head))
	for _, e := range f.extents {
		n += e.Size
	}
	return n
}

func (f film) open(ctx context.Context, from, to int64) io.ReadCloser {
	var parts joined
	at := int64(0)
	// take adds the part of a stretch of n bytes at position at that lies in [from, to).
	take := func(n int64, part func(from, to int64) io.ReadCloser) {
		if first, last := max(from, at), min(to, at+n); first < last {
			parts = append(parts, part(first-at, last-at))
		}
		at += n
	}
	take(int64(len(f.head)), func(from, to int64) io.ReadCloser { return io.NopCloser(bytes.NewReader(f.head[from:to])) })
	for _, e := range f.extents {
		take(e.Size, func(from, to int64) io.ReadCloser {
			return &stream{ctx: ctx, src: f.src, offset: e.Offset + from, end: e.Offset + to}
		})
	}
	if len(parts) == 0 {
		return http.NoBody
	}
	return &parts
}

// joined reads one after the other; a stream opens nothing before it is read.
type joined []io.ReadCloser

func (j *joined) Read(p []byte) (int, error) {
	for len(*j) > 0 {
		n, err := (*j)[0].Read(p)
		if errors.Is(err, io.EOF) {
			_ = (*j)[0].Close() // only ever read
			*j = (*j)[1:]
			err = nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

func (j *joined) Close() error {
	for _, part := range *j {
		_ = part.Close() // only ever read
	}
	return nil
}

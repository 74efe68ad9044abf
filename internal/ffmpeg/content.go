package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"

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

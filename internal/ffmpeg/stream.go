package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"bwv/internal/evidence"
)

const (
	tries = 4                      // in a row without a byte read
	pause = 100 * time.Millisecond // before the second try; doubled for each further one
)

// stream reads [offset, end) of an original and opens it anew where a read fails, a few times.
type stream struct {
	ctx         context.Context
	src         evidence.Source
	offset, end int64
	body        io.ReadCloser
	failed      int
}

// Read ends with io.EOF at end and nowhere else: a connection that just ends is a failure, and one that stays is evidence.Unavailable.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		left := s.end - s.offset
		if left <= 0 {
			return 0, io.EOF
		}
		n, err := s.once(p[:min(int64(len(p)), left)])
		if n > 0 {
			s.offset += int64(n)
			s.failed = 0
			return n, nil
		}
		if err == nil {
			continue
		}
		s.failed++
		if s.failed >= tries || permanent(err) || s.ctx.Err() != nil {
			return 0, fmt.Errorf("reading %s at %d: %w", s.src.Original.Path, s.offset, err)
		}
		wait := time.NewTimer(pause << (s.failed - 1))
		select {
		case <-wait.C:
		case <-s.ctx.Done():
			wait.Stop()
			return 0, context.Cause(s.ctx)
		}
	}
}

func (s *stream) once(p []byte) (int, error) {
	if s.body == nil {
		body, err := s.src.OpenAt(s.ctx, s.offset, s.end-s.offset)
		if err != nil {
			return 0, err
		}
		s.body = body
	}
	n, err := s.body.Read(p)
	if err != nil {
		_ = s.Close() // a body that failed: its first error is the one that counts
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w: the original ended before its size: %w", io.ErrUnexpectedEOF, evidence.Unavailable)
		}
	}
	return n, err
}

// Close ends the connection.
func (s *stream) Close() error {
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}

// permanent tells whether opening again can change nothing: every kind but Unavailable.
func permanent(err error) bool {
	var kind evidence.Kind
	return errors.As(err, &kind) && kind != evidence.Unavailable
}

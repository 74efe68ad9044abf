package isobmff

import (
	"errors"
	"fmt"
	"io"
)

// File is a file of any size in a store: every ReadAt is one request there, of exactly len(p) bytes. ReadAt fills p or fails. Several
// cursors over one Movie may ask at the same time.
type File interface {
	io.ReaderAt
	Size() int64
}

var (
	// ErrDamaged is what errors about the file itself wrap: boxes that make no sense.
	ErrDamaged = errors.New("damaged index")
	// ErrShort is what they wrap where something points beyond the end of the file.
	ErrShort = errors.New("beyond the end of the file")
)

// Damaged tells whether an error is the file's own fault. Every other error is the File's and comes back as it is.
func Damaged(err error) bool { return errors.Is(err, ErrDamaged) || errors.Is(err, ErrShort) }

const (
	headSize  = 264 << 10 // the first request: a moov of 256 KB that follows its ftyp is whole in it
	headShare = 64        // of a small file it asks for one in so many bytes, which is still more than a moov usually is
	leastHead = 16 << 10
	tailSize  = 256 << 10 // asked for where a moov may begin that is not in the head
	blockSize = 64 << 10  // of a table; a cursor's blocks grow up to maxBlock as it goes on
	maxBlock  = 512 << 10
	maxHeld   = 8 << 20 // what is kept of all that was read on the way through a moov
)

// source is a File of which the parts that were read on the way through the moov are kept: they have the beginnings of the tables, where
// cursors start. It doesn't change any more once Read is done.
type source struct {
	file  File
	size  int64
	spans []span
	held  int
}

type span struct {
	from int64
	data []byte
}

func newSource(f File) *source { return &source{file: f, size: max(f.Size(), 0)} }

// known is what is held from an offset on; nothing when it was never read.
func (s *source) known(at int64) []byte {
	for i := range s.spans {
		if p := &s.spans[i]; at >= p.from && at < p.from+int64(len(p.data)) {
			return p.data[at-p.from:]
		}
	}
	return nil
}

// hold returns n bytes at an offset. Where they are not known it asks for more in the same request, up to ahead bytes but not beyond to,
// and keeps them. The bytes must not be changed.
func (s *source) hold(at int64, n int, ahead, to int64) ([]byte, error) {
	have := s.known(at)
	if len(have) >= n {
		return have[:n], nil
	}
	from := at + int64(len(have))
	room := int64(maxHeld - s.held)
	p := make([]byte, max(int64(n-len(have)), min(ahead, to-from, room)))
	if err := s.fill(p, from); err != nil {
		return nil, err
	}
	if int64(len(p)) <= room {
		s.keep(from, p)
	}
	if len(have) == 0 {
		return p[:n], nil
	}
	return append(append(make([]byte, 0, n), have...), p[:n-len(have)]...), nil
}

func (s *source) keep(from int64, p []byte) {
	s.held += len(p)
	for i := range s.spans {
		if b := &s.spans[i]; b.from+int64(len(b.data)) == from {
			b.data = append(b.data, p...)
			return
		}
	}
	s.spans = append(s.spans, span{from, p})
}

// fill is one request. The end of the store's stream never passes for the end of a table: the size has been compared before.
func (s *source) fill(p []byte, at int64) error {
	if at < 0 || at > s.size || int64(len(p)) > s.size-at {
		return fmt.Errorf("%w: %d bytes at %d of %d", ErrShort, len(p), at, s.size)
	}
	n, err := s.file.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// memory is a file in memory.
type memory []byte

func (m memory) Size() int64 { return int64(len(m)) }
func (m memory) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at > m.Size() {
		return 0, io.EOF
	}
	n := copy(p, m[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

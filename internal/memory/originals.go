package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"bwv/internal/evidence"
)

// Originals is an evidence.Originals; the zero value is empty and ready.
type Originals struct {
	Faults

	mu    sync.Mutex
	blobs map[string]original
	etags int
}

type original struct {
	evidence.Original
	body []byte // never changed, so readers may share it
}

// Upload stores an original as a dock would, once: Conflict when the path is taken. As in the blob service, created counts in
// whole seconds.
func (s *Originals) Upload(path string, body []byte, claims evidence.Claims, created time.Time) (evidence.Original, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.blobs[path]; taken {
		return evidence.Original{}, fmt.Errorf("uploading %s: it is there already: %w", path, evidence.Conflict)
	}
	if s.blobs == nil {
		s.blobs = map[string]original{}
	}
	o := evidence.Original{
		Path: path, ETag: s.etag(), Size: int64(len(body)), ContentType: "video/mp4",
		Created: created.UTC().Truncate(time.Second), Claims: claims,
	}
	s.blobs[path] = original{Original: o, body: bytes.Clone(body)}
	return o, nil
}

func (s *Originals) etag() string {
	s.etags++
	return fmt.Sprintf("0x8DE%012X", s.etags)
}

// Touch moves the ETag of an original without changing it, as a change of tier, hold or metadata does; false when there is none.
func (s *Originals) Touch(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.blobs[path]
	if ok {
		o.ETag = s.etag()
		s.blobs[path] = o
	}
	return ok
}

// Remove deletes an original behind the pipeline's back; false when there is none.
func (s *Originals) Remove(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.blobs[path]
	delete(s.blobs, path)
	return ok
}

// Paths names every original, in order.
func (s *Originals) Paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.blobs))
}

// Stat implements evidence.Originals.
func (s *Originals) Stat(ctx context.Context, path string) (evidence.Original, error) {
	if err := alive(ctx); err != nil {
		return evidence.Original{}, fmt.Errorf("looking at %s: %w", path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.blobs[path]
	if !ok {
		return evidence.Original{}, fmt.Errorf("original %s: %w", path, evidence.NotFound)
	}
	return o.Original, nil
}

// Open implements evidence.Originals; an offset outside the file is Invalid.
func (s *Originals) Open(ctx context.Context, o evidence.Original, offset, length int64) (io.ReadCloser, error) {
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Path, err)
	}
	if offset < 0 || length < 0 || offset > o.Size || length > o.Size-offset {
		return nil, fmt.Errorf("opening %s: %d bytes at %d of %d: %w", o.Path, length, offset, o.Size, evidence.Invalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.same(o)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.Path, err)
	}
	have := int64(len(b.body))
	return io.NopCloser(bytes.NewReader(b.body[min(offset, have):min(offset+length, have)])), nil
}

func (s *Originals) same(o evidence.Original) (original, error) {
	b, ok := s.blobs[o.Path]
	if !ok {
		return b, evidence.NotFound
	}
	if b.ETag != evidence.PlainETag(o.ETag) {
		return b, fmt.Errorf("its ETag is not %s: %w", o.ETag, evidence.Conflict)
	}
	return b, nil
}

// Delete implements evidence.Originals.
func (s *Originals) Delete(ctx context.Context, o evidence.Original) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("deleting %s: %w", o.Path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.apply("delete", func() error {
		if _, err := s.same(o); err != nil {
			return err
		}
		delete(s.blobs, o.Path)
		return nil
	})
	if err != nil {
		return fmt.Errorf("deleting %s: %w", o.Path, err)
	}
	return nil
}

// List implements evidence.Originals, over what was there when it began.
func (s *Originals) List(ctx context.Context) iter.Seq2[evidence.Original, error] {
	return func(yield func(evidence.Original, error) bool) {
		s.mu.Lock()
		blobs := maps.Clone(s.blobs)
		s.mu.Unlock()
		for _, path := range slices.Sorted(maps.Keys(blobs)) {
			if err := alive(ctx); err != nil {
				yield(evidence.Original{}, fmt.Errorf("listing originals: %w", err))
				return
			}
			if !yield(blobs[path].Original, nil) {
				return
			}
		}
	}
}

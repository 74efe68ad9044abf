package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bwv/internal/evidence"
)

// Renditions is an evidence.Renditions and an evidence.Pages; the zero value is empty and ready.
type Renditions struct {
	Faults

	mu     sync.Mutex
	files  map[evidence.ID]map[string]rendition
	writes int
}

type rendition struct {
	evidence.Rendition
	body  []byte
	write int // which of the store's writes made it
}

func (r rendition) version() string { return strconv.Itoa(r.write) }

func checkRendition(id evidence.ID, name string) error {
	if _, err := evidence.ParseID(string(id)); err != nil {
		return err
	}
	odd := func(r rune) bool {
		return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-", r)
	}
	if len(name) > 200 || !fs.ValidPath(name) || strings.ContainsFunc(name, odd) || strings.HasSuffix(name, ".") {
		return fmt.Errorf("%.200q is not a rendition's name: %w", name, evidence.Invalid)
	}
	return nil
}

// Put implements evidence.Renditions.
func (s *Renditions) Put(ctx context.Context, id evidence.ID, r evidence.Rendition, body io.Reader) error {
	if err := checkRendition(id, r.Name); err != nil {
		return fmt.Errorf("storing a rendition of %s: %w", id, err)
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("storing %s of %s: %w", r.Name, id, err)
	}
	if err := alive(ctx); err != nil {
		return fmt.Errorf("storing %s of %s: %w", r.Name, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apply("put", func() error {
		s.store(id, r, content)
		return nil
	})
}

// Get implements evidence.Renditions.
func (s *Renditions) Get(ctx context.Context, id evidence.ID, name string) (io.ReadCloser, error) {
	if err := checkRendition(id, name); err != nil {
		return nil, fmt.Errorf("opening a rendition of %s: %w", id, err)
	}
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("opening %s of %s: %w", name, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[id][name]
	if !ok {
		return nil, fmt.Errorf("%s of %s: %w", name, id, evidence.NotFound)
	}
	return io.NopCloser(bytes.NewReader(f.body)), nil
}

// Described returns what was given to Put with a rendition, without its body; false when there is none.
func (s *Renditions) Described(id evidence.ID, name string) (evidence.Rendition, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[id][name]
	f.Provenance = maps.Clone(f.Provenance)
	return f.Rendition, ok
}

// List implements evidence.Renditions.
func (s *Renditions) List(ctx context.Context, id evidence.ID) ([]string, error) {
	if _, err := evidence.ParseID(string(id)); err != nil {
		return nil, fmt.Errorf("listing renditions: %w", err)
	}
	if err := alive(ctx); err != nil {
		return nil, fmt.Errorf("listing renditions of %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.files[id])), nil
}

// DeleteAll implements evidence.Renditions.
func (s *Renditions) DeleteAll(ctx context.Context, id evidence.ID, prefix string) error {
	if _, err := evidence.ParseID(string(id)); err != nil {
		return fmt.Errorf("deleting renditions: %w", err)
	}
	if err := alive(ctx); err != nil {
		return fmt.Errorf("deleting renditions of %s: %w", id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apply("delete all", func() error {
		maps.DeleteFunc(s.files[id], func(name string, _ rendition) bool { return strings.HasPrefix(name, prefix) })
		return nil
	})
}

// Load implements evidence.Pages.
func (s *Renditions) Load(ctx context.Context, id evidence.ID, name string) ([]byte, string, error) {
	if err := checkRendition(id, name); err != nil {
		return nil, "", fmt.Errorf("loading a page of %s: %w", id, err)
	}
	if err := alive(ctx); err != nil {
		return nil, "", fmt.Errorf("loading %s of %s: %w", name, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.files[id][name]
	if !ok {
		return nil, "", fmt.Errorf("%s of %s: %w", name, id, evidence.NotFound)
	}
	return slices.Clone(f.body), f.version(), nil
}

// Swap implements evidence.Pages.
func (s *Renditions) Swap(ctx context.Context, id evidence.ID, r evidence.Rendition, text []byte, version string) error {
	if err := checkRendition(id, r.Name); err != nil {
		return fmt.Errorf("storing a page of %s: %w", id, err)
	}
	if err := alive(ctx); err != nil {
		return fmt.Errorf("storing %s of %s: %w", r.Name, id, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apply("swap", func() error {
		now := ""
		if f, ok := s.files[id][r.Name]; ok {
			now = f.version()
		}
		if now != version {
			return fmt.Errorf("%s of %s moved on: %w", r.Name, id, evidence.Conflict)
		}
		s.store(id, r, slices.Clone(text))
		return nil
	})
}

// store keeps a rendition under the lock.
func (s *Renditions) store(id evidence.ID, r evidence.Rendition, body []byte) {
	if s.files == nil {
		s.files = map[evidence.ID]map[string]rendition{}
	}
	if s.files[id] == nil {
		s.files[id] = map[string]rendition{}
	}
	s.writes++
	r.Provenance = maps.Clone(r.Provenance)
	s.files[id][r.Name] = rendition{Rendition: r, body: body, write: s.writes}
}

package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// shelf is a store of several recordings: the first is to be read, the others are its siblings.
type shelf []*disk

func (s shelf) of(path string) (*disk, error) {
	for _, d := range s {
		if filepath.Base(d.file) == path {
			return d, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", path, evidence.NotFound)
}

func (s shelf) Stat(ctx context.Context, path string) (evidence.Original, error) {
	d, err := s.of(path)
	if err != nil {
		return evidence.Original{}, err
	}
	return d.Stat(ctx, path)
}

func (s shelf) Open(ctx context.Context, o evidence.Original, offset, length int64) (io.ReadCloser, error) {
	d, err := s.of(o.Path)
	if err != nil {
		return nil, err
	}
	return d.Open(ctx, o, offset, length)
}

func (shelf) Delete(context.Context, evidence.Original) error { return evidence.Denied }

func (shelf) List(context.Context) iter.Seq2[evidence.Original, error] {
	return func(func(evidence.Original, error) bool) {}
}

// source is the first recording, and the others are offered.
func (s shelf) source(t *testing.T) evidence.Source {
	t.Helper()
	src := evidence.Source{Original: s[0].source(t).Original, Store: s}
	var offered []evidence.Original
	for _, d := range s[1:] {
		offered = append(offered, d.source(t).Original)
	}
	src.Siblings = func(context.Context) ([]evidence.Original, error) { return offered, nil }
	return src
}

// unfinished is a recording without its index: the clip up to its moov.
func unfinished(t *testing.T, name string) *disk {
	t.Helper()
	b, err := os.ReadFile(clip(name))
	if err != nil {
		t.Fatal(err)
	}
	i := strings.LastIndex(string(b), "moov")
	file := filepath.Join(t.TempDir(), "unfinished-"+name)
	if err := os.WriteFile(file, b[:i-4], 0o600); err != nil {
		t.Fatal(err)
	}
	return &disk{file: file}
}

const (
	unfinishedClip = "gopro_max_heromode_10s_gps5.mp4"
	strangerClip   = "gopro_hero5_karma_12s.mp4"
)

// TestReclaim takes the first sibling that proves itself, and says so with each chunk.
func TestReclaim(t *testing.T) {
	tools := start(t, Config{})
	d := unfinished(t, unfinishedClip)
	for name, s := range map[string]shelf{
		"its camera's":                   {d, {file: clip(unfinishedClip)}},
		"another camera's comes first":   {d, {file: clip(strangerClip)}, {file: clip(unfinishedClip)}},
		"one without index comes first":  {d, unfinished(t, strangerClip), {file: clip(unfinishedClip)}},
		"what is no recording is passed": {d, {file: clip("LICENSES.md")}, {file: clip("hostile/evil_hls.mp4")}, {file: clip(unfinishedClip)}},
	} {
		t.Run(name, func(t *testing.T) {
			src, before := s.source(t), d.reads.Load()
			m := &made{}
			var err error
			if m.outline, err = tools.Cut(t.Context(), src, m); err != nil {
				t.Fatal(err)
			}
			words := "the help of " + unfinishedClip + ", and their times assume 29.97 a second"
			if m.outline.Frames != 315 || len(m.outline.Warnings) != 1 || !strings.Contains(m.outline.Warnings[0], words) {
				t.Errorf("%d pictures, %q", m.outline.Frames, m.outline.Warnings)
			}
			for _, c := range m.chunks {
				if c.Reference == nil || c.Reference.Path != unfinishedClip || c.Reference.ETag == "" {
					t.Errorf("chunk %d was found by %+v", c.Number, c.Reference)
				}
			}
			if n := d.reads.Load() - before; n > d.whole()*int64(len(s))*11/10 { // once, and for each proof at most that much: it is short
				t.Errorf("read %d bytes of %d", n, d.whole())
			}
		})
	}
	if n := d.live.Load(); n != 0 {
		t.Errorf("%d bodies are still open", n)
	}
}

// TestReclaimAgain: a second delivery finds the same chunks, and what was planned is made when the sibling is erased.
func TestReclaimAgain(t *testing.T) {
	tools := start(t, Config{})
	d := unfinished(t, unfinishedClip)
	src := shelf{d, {file: clip(unfinishedClip)}}.source(t)
	var cuts [2]made
	for i := range cuts {
		if _, err := tools.Cut(t.Context(), src, &cuts[i]); err != nil {
			t.Fatal(err)
		}
	}
	if len(cuts[0].chunks) == 0 || !reflect.DeepEqual(cuts[0].chunks, cuts[1].chunks) {
		t.Errorf("%d chunks, then %d others", len(cuts[0].chunks), len(cuts[1].chunks))
	}
	src.Store, src.Siblings = shelf{d}, nil
	if clip, err := tools.Make(t.Context(), src, cuts[0].chunks[0], nil); err != nil || clip.Note != "" || len(clip.Media) == 0 {
		t.Errorf("its sibling is erased: %v %s", err, clip.Note)
	}
}

// TestReclaimHole: what lies behind a hole is shown, and people are warned.
func TestReclaimHole(t *testing.T) {
	tools := start(t, Config{})
	d := unfinished(t, unfinishedClip)
	b, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	clear(b[len(b)/2:][:400<<10])
	if err := os.WriteFile(d.file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := tools.Cut(t.Context(), shelf{d, {file: clip(unfinishedClip)}}.source(t), &made{})
	if err != nil || o.Frames < 250 || o.Frames > 300 || len(o.Warnings) != 2 || !strings.HasPrefix(o.Warnings[1], "holes: 1; ") {
		t.Errorf("%d pictures, %q, %v", o.Frames, o.Warnings, err)
	}
}

// TestNotReclaimed: without a sibling that proves itself all is as without any; a store that is away is asked again later.
func TestNotReclaimed(t *testing.T) {
	tools := start(t, Config{})
	d := unfinished(t, unfinishedClip)
	stranger := &disk{file: clip(strangerClip)}
	for name, s := range map[string]shelf{
		"none":             {d},
		"another camera's": {d, stranger},
		"the fourth":       {d, stranger, stranger, stranger, {file: clip(unfinishedClip)}},
	} {
		m := &made{}
		if _, err := tools.Cut(t.Context(), s.source(t), m); !errors.Is(err, errNoIndex) || len(m.chunks) > 0 {
			t.Errorf("%s: %v, %d chunks", name, err, len(m.chunks))
		}
	}
	src := shelf{d, {file: clip(unfinishedClip)}}.source(t)
	src.Store = shelf{d}
	if _, err := tools.Cut(t.Context(), src, &made{}); !errors.Is(err, evidence.NotFound) || errors.Is(err, evidence.Unreadable) {
		t.Errorf("erased since it was offered: %v", err)
	}
	away := &disk{file: clip(unfinishedClip), fail: 1, err: evidence.Denied}
	if _, err := tools.Cut(t.Context(), shelf{d, away}.source(t), &made{}); !errors.Is(err, evidence.Denied) {
		t.Errorf("a sibling that may not be read: %v", err)
	}
	src.Siblings = func(context.Context) ([]evidence.Original, error) { return nil, evidence.Unavailable }
	if _, err := tools.Cut(t.Context(), src, &made{}); !errors.Is(err, evidence.Unavailable) {
		t.Errorf("a catalogue that is away: %v", err)
	}
}

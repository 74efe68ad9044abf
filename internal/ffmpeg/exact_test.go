package ffmpeg

import (
	"errors"
	"testing"

	"bwv/internal/kinds"
)

// TestExact has each kind of recording made into a proxy: it must show the pictures that the recording shows, all of them and each at its time; of
// a damaged recording none that it does not show.
func TestExact(t *testing.T) {
	tools := start(t, Config{})
	for _, kind := range kinds.List() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel() // a child has one thread
			file := recordingOf(t, kind)
			d := &disk{file: file}
			src := d.source(t)
			if kind.Sibling != nil {
				if _, err := tools.film(t.Context(), src); !errors.Is(err, errNoIndex) {
					t.Fatalf("without another recording of its camera: %v", err)
				}
				other, err := kind.Sibling(t.Context(), t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				src = shelf{d, &disk{file: other}}.source(t)
			}
			m, err := tools.film(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			var proxy []kinds.Frame
			for _, file := range m.write(t) {
				part, err := kinds.Frames(t.Context(), file)
				if err != nil {
					t.Fatal(err)
				}
				proxy = append(proxy, part...)
			}
			if n := d.live.Load(); n != 0 {
				t.Errorf("%d bodies are still open", n)
			}
			if kind.Damage != kinds.Whole {
				if file, err = kind.Intact(t.Context(), t.TempDir()); err != nil {
					t.Fatal(err)
				}
			}
			source, err := kinds.Frames(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			if kind.Damage == kinds.Whole {
				if err := kinds.Compare(source, proxy); err != nil {
					t.Error(err)
				}
				if words := m.notes(); len(words) > 0 {
					t.Errorf("complaints: %q", words)
				}
				if !t.Failed() {
					t.Logf("%d pictures in %d chunks, every time exact", len(proxy), len(m.clips))
				}
				return
			}
			missing, err := kinds.Subset(source, proxy)
			if err != nil || len(m.notes()) == 0 {
				t.Errorf("%v; notes %q", err, m.notes())
			}
			t.Logf("%d of %d pictures in %d chunks, each at its time", len(source)-missing, len(source), len(m.clips))
		})
	}
}

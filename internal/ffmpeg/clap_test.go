package ffmpeg

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/kinds"
)

// TestClap makes recordings in which something is seen and heard at the same moments into proxies: the sound keeps its distance to the picture, in
// the whole pipeline, within 5 ms.
func TestClap(t *testing.T) {
	tools := start(t, Config{})
	for _, kind := range kinds.Claps() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			file := recordingOf(t, kind)
			src := (&disk{file: file}).source(t)
			m, err := tools.film(t.Context(), src)
			if err != nil {
				t.Fatal(err)
			}
			takes := m.takes
			reading, err := tools.Read(t.Context(), src, evidence.Reading{}, func(_ context.Context, _ evidence.Reading, more []evidence.Take) error {
				takes = append(takes, more...)
				return nil
			})
			if err != nil || reading.Offset != src.Original.Size {
				t.Fatalf("read %d of %d: %v", reading.Offset, src.Original.Size, err)
			}
			claps, err := kinds.Offsets(t.Context(), m.write(t)[0], sound(t, takes, 0))
			if err != nil || len(claps) < 3 {
				t.Fatalf("%d claps: %v", len(claps), err)
			}
			worst := 0.0
			for _, c := range claps {
				worst = max(worst, math.Abs(c.Offset()))
			}
			if worst >= 0.005 {
				t.Errorf("%.2f ms off: %+v", worst*1000, claps)
			}
			t.Logf("%d claps, the sound at most %.2f ms off", len(claps), worst*1000)
		})
	}
}

// sound puts the takes of one sound behind each other, as a player does.
func sound(t *testing.T, takes []evidence.Take, number int) string {
	t.Helper()
	var b bytes.Buffer
	n := 0
	for _, take := range takes {
		if take.Sound != number {
			continue
		}
		if take.Number != n {
			t.Fatalf("take %d came where %d was due", take.Number, n)
		}
		if n == 0 {
			b.Write(take.Init)
		}
		b.Write(take.Media)
		n++
	}
	file := filepath.Join(t.TempDir(), "sound.mp4")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

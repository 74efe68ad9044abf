package isobmff

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fragments writes a track's samples as a fragmented film, n samples a fragment.
func fragmented(t testing.TB, m *Movie, d *disk, track *Track, samples []Sample, n int) string {
	t.Helper()
	out := Init(InitTrack{ID: track.ID, Handler: track.Handler, Timescale: track.Timescale, Width: track.Width, Height: track.Height, Matrix: track.Matrix, Entries: track.Entries})
	for i := 0; i < len(samples); i += n {
		part := samples[i:min(i+n, len(samples))]
		var pieces []Piece
		for _, s := range part {
			pieces = append(pieces, Piece{s.Size, s.Duration, s.Composition, s.Sync})
		}
		out = append(out, Fragment(uint32(i/n+1), track.ID, part[0].DTS, pieces)...)
		for _, s := range part {
			p := make([]byte, s.Size)
			if _, err := d.ReadAt(p, s.Offset); err != nil {
				t.Fatal(err)
			}
			out = append(out, p...)
		}
	}
	file := filepath.Join(t.TempDir(), "fragments.mp4")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestFragment writes samples of real films as fragments: ffprobe finds them as they were given, and ffmpeg the same pictures.
func TestFragment(t *testing.T) {
	closed := encoded(t, "closed.mp4")
	negative := encode(t, "negative.mp4", "-i", closed, "-map", "0", "-c", "copy", "-movflags", "+negative_cts_offsets")
	for name, file := range map[string]string{street: encode(t, "street.mp4", "-t", "2", "-i", clip(street), "-c", "copy"), "closed": closed, "negative": negative, "late": encoded(t, "hevc.mp4")} {
		m, d := read(t, file)
		for i, track := range m.Tracks {
			samples := all(t, m, track)
			if by := Raised(samples); (by > 0) != (name == "negative" && i == 0) {
				t.Errorf("%s: compositions down to %d", name, -by)
			}
			if i > 0 && name != street {
				continue
			}
			if name == "late" {
				for i := range samples {
					samples[i].DTS += 1 << 40
				}
			}
			for _, n := range []int{1, 25, 1000} {
				t.Run(fmt.Sprintf("%s %s %d", name, track.Format, n), func(t *testing.T) {
					written := fragmented(t, m, d, track, samples, n)
					again := compare(t, written)
					found := all(t, again, again.Tracks[0])
					if len(found) != len(samples) {
						t.Fatalf("%d samples of %d", len(found), len(samples))
					}
					for i, s := range found {
						want := samples[i]
						if s.Offset = want.Offset; s != want {
							t.Fatalf("sample %d: %+v, not %+v", i, s, want)
						}
					}
					if track.Handler == "vide" && n == 25 && name != "late" {
						got, want := pictures(t, written), pictures(t, file)
						if len(got) != len(want) || len(got) == 0 {
							t.Fatalf("%d pictures of %d", len(got), len(want))
						}
						for i := range got {
							got[i].pts -= Raised(samples)
						}
						if !slices.Equal(got, want) {
							t.Error("other pictures")
						}
					}
				})
			}
		}
	}
}

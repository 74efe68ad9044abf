package kinds

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// TestClaps measures the recordings themselves: with nothing done to them, a clap is seen and heard at its instant.
func TestClaps(t *testing.T) {
	for _, k := range Claps() {
		t.Run(k.Name, func(t *testing.T) {
			path, err := k.Make(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			claps, err := Offsets(t.Context(), path, path)
			if err != nil {
				t.Fatal(err)
			}
			instants, most := Instants(), 0.005
			if strings.HasSuffix(k.Name, "late") {
				instants = instants[7:]
			}
			if strings.HasSuffix(k.Name, "pcm") {
				most = 0.001
			}
			if len(claps) != len(instants) {
				t.Fatalf("%d claps, not %d", len(claps), len(instants))
			}
			var worst float64
			for i, c := range claps {
				worst = max(worst, math.Abs(c.Offset()))
				if math.Abs(c.Offset()) > most {
					t.Errorf("clap %d is seen at %.6f and heard at %.6f", i, c.Flash, c.Click)
				}
				if shift := c.Flash - claps[0].Flash - (instants[i].Seconds() - instants[0].Seconds()); math.Abs(shift) > 0.0011 { // Matroska rounds to milliseconds
					t.Errorf("clap %d is %.6f s from its instant", i, shift)
				}
			}
			t.Logf("at most %.6f s between the two", worst)
		})
	}
}

// TestOffsetsOfParts measures a picture and a sound in two fragmented files, and notices when one of them is moved.
func TestOffsetsOfParts(t *testing.T) {
	for _, name := range []string{"clap-mp4-late"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := made(t, name)
			whole, err := Offsets(t.Context(), source, source)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range []struct{ moved, want float64 }{{0, 0}, {0.02, 0.02}, {-0.0213, -0.0213}} {
				sound := filepath.Join(t.TempDir(), "sound.mp4")
				err := encode(t.Context(), sound, "-itsoffset", fmt.Sprint(row.moved), "-i", source, "-map", "0:a", "-c", "copy", "-copyts", "-avoid_negative_ts", "disabled",
					"-bsf:a", "noise=drop=lt(pts\\,0)", "-movflags", "+empty_moov+default_base_moof+frag_discont", "-frag_duration", "6000000")
				if err != nil {
					t.Fatal(err)
				}
				parts, err := Offsets(t.Context(), good(t, source), sound)
				if err != nil {
					t.Fatal(err)
				}
				if len(parts) != len(whole) {
					t.Fatalf("%d claps, not %d", len(parts), len(whole))
				}
				for i, c := range parts {
					if moved := c.Offset() - whole[i].Offset(); math.Abs(moved-row.want) > 0.0001 {
						t.Errorf("moved by %.4f s: clap %d by %.6f", row.moved, i, moved)
					}
				}
			}
		})
	}
}

// TestOffsetsNeedClaps wants an error where there is nothing to measure.
func TestOffsetsNeedClaps(t *testing.T) {
	path := made(t, "rate-25")
	if claps, err := Offsets(t.Context(), path, path); err == nil {
		t.Errorf("%v", claps)
	}
}

package ffmpeg

import (
	"strings"
	"testing"
)

// TestCap has a recording of noise, which would take many times what a proxy may: its chunks are held to the cap, all pictures there, whether the
// recording has an index or not. A calm one is made in one go.
func TestCap(t *testing.T) {
	tools := start(t, Config{})
	noise := []string{"-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=3", "-vf", "noise=alls=100:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "20", "-g", "50"}
	for _, row := range []struct {
		name, file string
		frames     int
		held       bool
	}{
		{"index", record(t, "a.mp4", noise...), 75, true}, {"no index", record(t, "a.mkv", noise...), 75, true}, {"calm", clip("samplelib_street_1080p30_5s.mp4"), 171, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := tools.film(t.Context(), (&disk{file: row.file}).source(t))
			if err != nil {
				t.Fatal(err)
			}
			if words := m.notes(); len(words) > 0 {
				t.Errorf("complaints: %q", words)
			}
			frames := 0
			for i, c := range m.clips {
				from, to := m.chunks[i].Seconds()
				frames += m.chunks[i].Frames
				if held := strings.Contains(c.Profile, "-maxrate 2000k"); held != row.held {
					t.Errorf("chunk %d: %s", i, c.Profile)
				}
				if rate := float64(len(c.Media)) * 8 / 1000 / (to - from + 2); rate > 2100 {
					t.Errorf("chunk %d takes %.0f kbit/s", i, rate)
				}
			}
			if frames != row.frames {
				t.Errorf("%d pictures", frames)
			}
		})
	}
}

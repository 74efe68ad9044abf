package browser_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"
	"time"
)

// tolerance is a microsecond, which Chromium counts in, and what ffprobe rounds.
const tolerance = 2e-6

// TestFramesAreThoseOfTheClip stops at each frame of two chunks: what Chromium shows there has the time of the clip's frame.
func TestFramesAreThoseOfTheClip(t *testing.T) {
	_, f := shared.open(t)
	var source, middles []float64
	for _, at := range probe(t, clip) {
		if at > f.chunks[2].from-0.1 && at < f.chunks[4].from+0.1 {
			source, middles = append(source, at), append(middles, at+0.5/29.97)
		}
	}
	p := watch(t, show(t, f))
	stills, err := p.Stills(limit(t, 2*time.Minute), middles)
	if err != nil {
		t.Fatal(err)
	}
	if len(source) < 60 || len(stills.Frames) != len(source) {
		t.Fatalf("%d frames for %d of the clip's", len(stills.Frames), len(source))
	}
	for i, at := range stills.Times() {
		if math.Abs(at-source[i]) > tolerance {
			t.Errorf("frame %d is at %.6f, in the clip at %.6f", i, at, source[i])
		}
	}
	untroubled(t, state(t, p))
}

// TestFramesArePresentedInOrder plays across a border at a quarter of the rate.
func TestFramesArePresentedInOrder(t *testing.T) {
	_, f := shared.open(t)
	p := watch(t, show(t, f))
	if _, err := p.SeekTo(limit(t, 20*time.Second), f.chunks[2].from-1.5); err != nil {
		t.Fatal(err)
	}
	frames, err := p.Frames(limit(t, time.Minute), 2*time.Second, 0.25)
	if err != nil {
		t.Fatal(err)
	}
	times, source := frames.Times(), probe(t, clip)
	if len(times) < 20 { // of 60: a busy machine passes over some
		t.Errorf("only %d frames were presented, %d missed", len(times), frames.Missed)
	}
	for i, at := range times {
		near := math.Inf(1)
		for _, s := range source {
			near = min(near, math.Abs(s-at))
		}
		if near > tolerance {
			t.Errorf("a frame at %.6f is %.6f s off any of the clip's", at, near)
		}
		if i > 0 && at <= times[i-1] {
			t.Errorf("a frame at %.6f after one at %.6f", at, times[i-1])
		}
	}
	untroubled(t, state(t, p))
	t.Logf("%d frames, %d missed", len(times), frames.Missed)
}

// TestClapIsSeenAndHeard measures how far the sound is from the picture as Chromium plays them: in a clip where they go together, and in one where the
// sound is late, so that the measure is known to measure.
func TestClapIsSeenAndHeard(t *testing.T) {
	for _, late := range []float64{0, 0.12} {
		t.Run(fmt.Sprintf("%.0f ms", late*1000), func(t *testing.T) {
			dir := t.TempDir()
			source := filepath.Join(dir, "clap.mp4")
			// At 1, 3 and 5 s: a tenth of a second of white, and 20 ms of sound.
			ffmpeg(t, "-f", "lavfi", "-i", "color=c=black:s=320x240:r=25:d=6,drawbox=c=white:t=fill:enable='lt(mod(t+1,2),0.099)'",
				"-f", "lavfi", "-i", fmt.Sprintf("aevalsrc='if(lt(mod(t+1-%f,2),0.02),0.8*cos(2*PI*1000*t),0)':s=48000:d=6", late),
				"-c:v", "libx264", "-bf", "0", "-g", "25", "-c:a", "aac", "-b:a", "128k", source)
			p := watch(t, show(t, develop(t, dir, source, []float64{0, 2, 4, 6})))
			heard, err := p.Claps(limit(t, time.Minute), 0.5, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if len(heard) != 3 {
				t.Fatalf("heard %v", heard)
			}
			for i, at := range heard {
				clap := float64(1 + 2*i)
				var middles []float64
				for at := clap - 0.2; at < clap+0.2; at += 0.04 {
					middles = append(middles, at+0.02)
				}
				stills, err := p.Stills(limit(t, time.Minute), middles)
				if err != nil {
					t.Fatal(err)
				}
				flashes := stills.Flashes()
				if len(flashes) != 1 || flashes[0] != clap {
					t.Fatalf("seen %v: %v", flashes, stills.Frames)
				}
				if off := at - flashes[0] - late; math.Abs(off) > 0.005 {
					t.Errorf("the clap at %.0f s is seen at %.4f and heard at %.4f: %.1f ms off", clap, flashes[0], at, off*1000)
				}
				t.Logf("seen at %.6f, heard at %.6f", flashes[0], at)
			}
		})
	}
}

package kinds

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// good is a transcode that is known to keep every picture at its time.
func good(t *testing.T, source string, filters ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.mp4")
	chain := strings.Join(append(filters, "scale=160:90:flags=fast_bilinear,format=yuv420p"), ",")
	err := encode(t.Context(), path, "-i", source, "-map", "0:V:0", "-vf", chain, "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0",
		"-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-video_track_timescale", "90000", "-avoid_negative_ts", "disabled", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+frag_discont")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func named(t *testing.T, name string) Kind {
	t.Helper()
	list := append(List(), Claps()...)
	i := slices.IndexFunc(list, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return list[i]
}

func made(t *testing.T, name string) string {
	t.Helper()
	path, err := named(t, name).Make(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func shown(t *testing.T, path string) []Frame {
	t.Helper()
	f, err := Frames(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestJudgeAccepts judges what plain ffmpeg makes of kinds whose times are hard: the times are those of the source, on another clock.
func TestJudgeAccepts(t *testing.T) {
	for _, name := range []string{"mp4-telemetry", "rate-variable-mkv", "edit-late", "edit-several", "ts-wrap", "hevc-open-gop"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := made(t, name)
			if err := Compare(shown(t, source), shown(t, good(t, source))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestEdits has the judge hold an edit to its media time, where ffmpeg moves the picture by up to a frame: the sound, which both cut to the sample, says who is right.
func TestEdits(t *testing.T) {
	source := made(t, "clap-mp4")
	path := filepath.Join(t.TempDir(), "trimmed.mp4")
	if err := encode(t.Context(), path, "-ss", "4.51", "-i", source, "-c", "copy"); err != nil {
		t.Fatal(err)
	}
	claps, err := Offsets(t.Context(), path, path)
	if err != nil || len(claps) != 11 {
		t.Fatalf("%d claps, %v", len(claps), err)
	}
	for _, c := range claps {
		if math.Abs(c.Offset()) > 0.001 {
			t.Errorf("a clap is seen at %.6f and heard at %.6f", c.Flash, c.Click)
		}
	}
	moved, err := decode(t.Context(), path, "V:0")
	if err != nil {
		t.Fatal(err)
	}
	ffmpegs, err := moved.shown(Time{})
	if first := shown(t, path)[0].At.Seconds(); err != nil || ffmpegs[0].At.Ticks != 0 || first < 0.005 || first > 0.034 {
		t.Errorf("the first picture is at %f s, for ffmpeg at %v; %v", first, ffmpegs[0].At, err)
	}
}

// TestJudgeRejects spoils transcodes.
func TestJudgeRejects(t *testing.T) {
	source := made(t, "rate-29.97")
	was := shown(t, source)
	for name, row := range map[string]struct{ filter, words string }{
		"a frame dropped":  {"select='not(eq(n,17))'", "picture 17 at 0.567233 s (51051/90000) is missing;"},
		"the last dropped": {"select='lt(n,361)'", "picture 361 at 12.045367 s (1084083/90000) is missing, with all after it"},
		"one shifted":      {"settb=1/90000,setpts='PTS+9*eq(N,42)'", "picture 42 at 1.401400 s (126126/90000) is at 1.401500 s (126135/90000), +0.000100 s off"},
		"one late by one":  {"settb=1/90000,setpts='PTS+eq(N,42)'", "+0.000011 s off"},
		"frames doubled":   {"fps=60000/1001", "at 0.016689 s (1502/90000) is a picture that the source does not have, before its picture 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Compare(was, shown(t, good(t, source, row.filter)))
			if err == nil || !strings.Contains(err.Error(), row.words) {
				t.Errorf("%v", err)
			}
		})
	}
	twice := slices.Insert(slices.Clone(was), 18, was[17])
	if err := Compare(was, twice); err == nil || !strings.Contains(err.Error(), "picture 17 at 0.567233 s (51051/90000) is there twice") {
		t.Errorf("a frame twice: %v", err)
	}
	if err := Compare(was, append(slices.Clone(was), Frame{At: Time{1087086, 90000}})); err == nil || !strings.Contains(err.Error(), "after the source's end") {
		t.Errorf("a frame more: %v", err)
	}
}

// TestTolerance holds the rule to its edges: the nearest tick passes, the one beside it does not, and a coarse clock is not forgiven.
func TestTolerance(t *testing.T) {
	for _, row := range []struct {
		source, proxy Time
		want          bool
	}{
		{Time{1001, 30000}, Time{3003, 90000}, true},
		{Time{1001, 30000}, Time{3004, 90000}, false},
		{Time{1, 200000}, Time{0, 90000}, true},
		{Time{1, 200000}, Time{1, 90000}, false},
		{Time{7, 12800}, Time{49, 90000}, true},
		{Time{7, 12800}, Time{50, 90000}, false},
		{Time{33, 1000}, Time{2970, 90000}, true},
		{Time{1001, 30000}, Time{33, 1000}, false},
		{Time{1, 25}, Time{40, 1000}, true},
		{Time{0, 25}, Time{0, 0}, false},
	} {
		if got := same(row.source, row.proxy); got != row.want {
			t.Errorf("%v of %v: %t", row.proxy, row.source, got)
		}
	}
}

// TestSubset judges damaged recordings: what is left of each lies at the times of what there was.
func TestSubset(t *testing.T) {
	for name, row := range map[string]struct{ least, most int }{
		"cut-faststart": {100, 130}, "cut-fragmented": {100, 130}, "cut-ts": {100, 130}, "cut-mkv": {100, 130}, "cut-avi": {60, 80}, "corrupt-sectors": {1, 60},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			whole, err := named(t, name).Intact(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			damaged := made(t, name)
			missing, err := Subset(shown(t, whole), shown(t, damaged))
			if err != nil || missing < row.least || missing > row.most {
				t.Errorf("%d are missing, %v", missing, err)
			}
			if cut, err := os.Stat(damaged); err != nil || strings.HasPrefix(name, "cut") && cut.Size() != int64(len(content(t, whole))*2/3) {
				t.Errorf("%d bytes are left, %v", cut.Size(), err)
			}
		})
	}
	if _, err := Subset([]Frame{{At: Time{0, 25}}, {At: Time{1, 25}}}, []Frame{{At: Time{1, 25}}, {At: Time{0, 25}}}); err == nil {
		t.Error("order does not count")
	}
	if _, err := Subset([]Frame{{At: Time{0, 25}}}, []Frame{{At: Time{0, 25}}, {At: Time{0, 25}}}); err == nil {
		t.Error("a frame passes twice")
	}
}

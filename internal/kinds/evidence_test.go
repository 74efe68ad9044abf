package kinds

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// more is what else a kind must show, where its claim does not say it.
func more() map[string]func(t *testing.T, path string) {
	list := func(want ...[]uint32) func(*testing.T, string) {
		return func(t *testing.T, path string) { editList(t, path, want) }
	}
	return map[string]func(*testing.T, string){
		"mp4-fragmented-by-duration": func(t *testing.T, path string) {
			if n := bytes.Count(content(t, path), []byte("moof")); n < 25 { // seven keyframes: most fragments begin with none
				t.Errorf("%d fragments", n)
			}
		},
		"mp4-fragmented-moov": func(t *testing.T, path string) {
			if n := len(tables(t, path).in("stts").table(2)); n == 0 {
				t.Error("no samples in the moov")
			}
		},
		"mp4-telemetry": holds(func(b []byte) bool { return bytes.Contains(b, []byte("gpmd")) && bytes.Contains(b, []byte("GPS5")) }),
		"mp4-co64":      holds(func(b []byte) bool { return bytes.Count(b, []byte("co64")) == 2 && !bytes.Contains(b, []byte("stco")) }),
		"mp4-cover":     holds(func(b []byte) bool { return bytes.Contains(b, []byte("covr")) }),
		"mkv-streamed": holds(func(b []byte) bool {
			return !bytes.Contains(b, []byte{0x1c, 0x53, 0xbb, 0x6b}) && bytes.Contains(b, endless(0x18538067))
		}),
		"ts-high":                     clock(36000, 36002),
		"ts-wrap":                     wraps,
		"ts-m2ts":                     holds(func(b []byte) bool { return b[4] == 0x47 && b[4+192] == 0x47 }),
		"ts-begins-between-keyframes": func(t *testing.T, path string) { undecodable(t, path, 12) },
		"hevc":                        func(t *testing.T, path string) { units(t, path, "hevc", map[int]bool{21: false, 8: false, 9: false}) },
		"hevc-open-gop":               func(t *testing.T, path string) { units(t, path, "hevc", map[int]bool{21: true, 9: true}) },
		"h264-open-gop":               func(t *testing.T, path string) { leading(t, path, true) },
		"h264-pyramid":                pyramid,
		"h264-hidden-recovery":        func(t *testing.T, path string) { units(t, path, "h264", map[int]bool{6: true}) },
		"size-changes-ts":             changes,
		"size-changes-mp4": func(t *testing.T, path string) {
			changes(t, path)
			if entries := binary.BigEndian.Uint32(tables(t, path).in("stsd").body[4:]); entries != 2 {
				t.Errorf("%d sample entries", entries)
			}
		},
		"sound-with-hole": func(t *testing.T, path string) {
			s, err := Sound(t.Context(), path)
			if err != nil || len(s) != 1 || float64(s[0].Samples)/48000 > s[0].End.Seconds()-1.9 {
				t.Errorf("%+v %v", s, err)
			}
		},
		"rate-variable":          jitters,
		"rate-variable-b-frames": jitters,
		"rate-variable-mkv":      jitters,
		"edit-trimmed":           list([]uint32{27660, 62500, 1 << 16}),
		"edit-trimmed-b-frames":  list([]uint32{15130, 94000, 1 << 16}),
		"edit-late":              list([]uint32{2000, most, 1 << 16}, []uint32{8840, 0, 1 << 16}),
		"edit-several":           list([]uint32{6000, 0, 1 << 16}, []uint32{14000, 300000, 1 << 16}),
		"no-moov": holds(func(b []byte) bool {
			return bytes.Contains(b, []byte("\x00\x00\x00\x00mdat")) && !bytes.Contains(b, []byte("moov"))
		}),
		"no-moov-b-frames": holds(func(b []byte) bool {
			return bytes.Contains(b, []byte("\x00\x00\x00\x00mdat")) && !bytes.Contains(b, []byte("moov"))
		}),
	}
}

// holds looks at the bytes.
func holds(ok func(b []byte) bool) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		if !ok(content(t, path)) {
			t.Error("the file does not have it")
		}
	}
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// picture is the first track of video of an ISO base media file, tables its sample tables.
func picture(t *testing.T, path string) *box {
	t.Helper()
	all, err := boxes(content(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return all[first(all, "moov")].tracks("vide")[0]
}

func tables(t *testing.T, path string) *box { return picture(t, path).in("mdia", "minf", "stbl") }

func editList(t *testing.T, path string, want [][]uint32) {
	t.Helper()
	got := picture(t, path).in("edts", "elst").table(3)
	same := len(got) == len(want)
	for i := range want {
		same = same && got[i][0] == want[i][0] && got[i][1] == want[i][1]
	}
	if !same {
		t.Errorf("edits %v, not %v", got, want)
	}
}

type packets struct {
	Packets []struct {
		PTS, DTS int64
		Flags    string
	}
}

// read lists the packets of the picture, as they lie in the file.
func read(t *testing.T, path string, options ...string) packets {
	t.Helper()
	out, err := run(t.Context(), "ffprobe", append(options, "-v", "error", "-select_streams", "V:0", "-of", "json", "-show_entries", "packet=pts,dts,flags", path)...)
	if err != nil {
		t.Fatal(err)
	}
	var p packets
	if err := json.Unmarshal(out, &p); err != nil || len(p.Packets) == 0 {
		t.Fatalf("%d packets, %v", len(p.Packets), err)
	}
	return p
}

// clock looks where a transport stream's clock begins, in seconds.
func clock(from, to float64) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		if begin := float64(read(t, path).Packets[0].PTS) / 90000; begin < from || begin > to {
			t.Errorf("it begins at %f s", begin)
		}
	}
}

// wraps looks for times that go back by the whole clock, when nobody corrects them.
func wraps(t *testing.T, path string) {
	p := read(t, path, "-correct_ts_overflow", "0").Packets
	for i := 1; i < len(p); i++ {
		if p[i-1].PTS-p[i].PTS > 1<<32 {
			return
		}
	}
	t.Error("it does not wrap")
}

// undecodable looks for packets before the first keyframe.
func undecodable(t *testing.T, path string, n int) {
	p := read(t, path).Packets
	for i := range n {
		if strings.Contains(p[i].Flags, "K") {
			t.Fatalf("packet %d is a keyframe", i)
		}
	}
}

// leading tells whether there are pictures that are shown before the keyframe that they are stored behind: an open GOP.
func leading(t *testing.T, path string, want bool) {
	var keyframe int64
	var found bool
	for i, p := range read(t, path).Packets {
		if strings.Contains(p.Flags, "K") {
			keyframe = p.PTS
		}
		found = found || i > 0 && p.PTS < keyframe
	}
	if found != want {
		t.Errorf("pictures before their keyframe: %t", found)
	}
}

// pyramid wants pictures stored two places behind where they are shown, which takes B-frames that others refer to, and closed GOPs.
func pyramid(t *testing.T, path string) {
	leading(t, path, false)
	out, err := run(t.Context(), "ffprobe", "-v", "error", "-select_streams", "V:0", "-of", "csv=p=0", "-show_entries", "stream=has_b_frames", path)
	if err != nil || strings.TrimSpace(string(out)) != "2" {
		t.Errorf("reordered by %q pictures, %v", out, err)
	}
}

// units looks which types of NAL units there are, after the first keyframe's.
func units(t *testing.T, path, codec string, want map[int]bool) {
	raw := filepath.Join(t.TempDir(), "a."+codec)
	if err := encode(t.Context(), raw, "-i", path, "-map", "0:v", "-c", "copy"); err != nil {
		t.Fatal(err)
	}
	found := map[int]int{}
	for _, unit := range bytes.Split(content(t, raw), []byte{0, 0, 1})[1:] {
		switch {
		case len(unit) == 0:
		case codec == "hevc":
			found[int(unit[0]>>1&0x3f)]++
		case unit[0]&0x1f != 6 || len(unit) > 1 && unit[1] == 6: // of the supplemental messages, recovery points only
			found[int(unit[0]&0x1f)]++
		}
	}
	for kind, there := range want {
		if found[kind] > 3 != there {
			t.Errorf("units by type: %v", found)
		}
	}
}

// changes wants two sizes.
func changes(t *testing.T, path string) {
	f, err := Frames(t.Context(), path)
	if err != nil || f[0].Width != 480 || f[len(f)-1].Width != 320 || f[len(f)-1].Height != 240 {
		t.Errorf("%v", err)
	}
}

// jitters wants many different distances between pictures, and one of more than three seconds.
func jitters(t *testing.T, path string) {
	f, err := Frames(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	distances := map[int64]bool{}
	var longest float64
	for i := 1; i < len(f); i++ {
		distances[f[i].At.Ticks-f[i-1].At.Ticks] = true
		longest = max(longest, f[i].At.Seconds()-f[i-1].At.Seconds())
	}
	if len(distances) < 15 || longest < 3 {
		t.Errorf("%d distances, the longest of %f s", len(distances), longest)
	}
}

package hls_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"bwv/internal/hls"
)

// growing is a playlist of ours in the middle of its life.
func growing() *hls.Media {
	return &hls.Media{Target: 8, Init: "video/init.mp4", Segments: []hls.Segment{
		{URI: "video/00000.mp4", Range: hls.Range{Offset: 68, Bytes: 90_000}, Seconds: 4.004},
		{URI: "video/00001.mp4", Range: hls.Range{Offset: 80, Bytes: 120_000}, Seconds: 6.006},
		{URI: "video/00001.mp4", Range: hls.Range{Offset: 120_080, Bytes: 7}, Seconds: 1.968633},
		{URI: "video/00002.mp4", Seconds: 16, Gap: true},
		{URI: "video/00003.mp4", Range: hls.Range{Bytes: 1 << 40}, Seconds: 0},
	}}
}

// TestText pins what players are given, line by line: RFC 8216, and EXT-X-GAP of its successor.
func TestText(t *testing.T) {
	m := growing()
	want := `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:8
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-PLAYLIST-TYPE:EVENT
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MAP:URI="video/init.mp4"
#EXTINF:4.004000,
#EXT-X-BYTERANGE:90000@68
video/00000.mp4
#EXTINF:6.006000,
#EXT-X-BYTERANGE:120000@80
video/00001.mp4
#EXTINF:1.968633,
#EXT-X-BYTERANGE:7@120080
video/00001.mp4
#EXT-X-GAP
#EXTINF:16.000000,
video/00002.mp4
#EXTINF:0.000000,
#EXT-X-BYTERANGE:1099511627776@0
video/00003.mp4
`
	if got := string(m.Text()); got != want {
		t.Errorf("got %s", got)
	}
	m.Ended = true
	if got := string(m.Text()); got != want+"#EXT-X-ENDLIST\n" {
		t.Errorf("its end: got %s", got)
	}
}

// TestHeaders has chunks with headers of their own: each is said where it begins to hold, and again the common one behind it.
func TestHeaders(t *testing.T) {
	m := &hls.Media{Target: 8, Init: "init.mp4"}
	for n, header := range []string{"", "1.init", "1.init", "", "4.init"} {
		m.Add(hls.Segment{URI: fmt.Sprint(n), Init: header, Gap: true, Seconds: 1})
	}
	var lines []string
	for line := range strings.Lines(string(m.Text())) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") || strings.HasPrefix(line, "#EXT-X-MAP") {
			lines = append(lines, strings.TrimPrefix(line, "#EXT-X-MAP:"))
		}
	}
	want := []string{`URI="init.mp4"`, "0", `URI="1.init"`, "1", "2", `URI="init.mp4"`, "3", `URI="4.init"`, "4"}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q", lines)
	}
	if got, err := hls.Parse(m.Text()); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 4))
		m := &hls.Media{Target: 1 + random.IntN(30), Init: fmt.Sprintf("sound-%d/init.mp4", random.IntN(12)), Ended: random.IntN(2) == 0}
		for n := range random.IntN(50) {
			s := hls.Segment{URI: fmt.Sprintf("video/%05d.mp4", n), Seconds: float64(random.IntN(60_000_000)) / 1e6}
			if random.IntN(3) == 0 {
				s.Init = fmt.Sprintf("video/%05d.init", random.IntN(2))
			}
			if s.Gap = random.IntN(5) == 0; !s.Gap {
				s.Range = hls.Range{Offset: random.Int64N(1 << 50), Bytes: 1 + random.Int64N(1<<40)}
			}
			m.Segments = append(m.Segments, s)
		}
		got, err := hls.Parse(m.Text())
		if err != nil {
			t.Fatalf("seed %d: %v of\n%s", seed, err, m.Text())
		}
		if !reflect.DeepEqual(got, m) {
			t.Fatalf("seed %d: got %+v, want %+v", seed, got, m)
		}
	}
}

// TestCutAnywhere cuts a playlist off at each byte: what is left is a shorter playlist, or none, and never another.
func TestCutAnywhere(t *testing.T) {
	m := growing()
	m.Ended = true
	text := m.Text()
	for n := range text {
		got, err := hls.Parse(text[:n])
		switch {
		case errors.Is(err, hls.ErrPlaylist):
		case err != nil:
			t.Fatalf("cut at %d: %v", n, err)
		case len(got.Segments) > len(m.Segments) || got.Ended && n < len(text)-1:
			t.Fatalf("cut at %d: %+v", n, got)
		default:
			for i, s := range got.Segments {
				whole := s == m.Segments[i]
				last := i == len(got.Segments)-1 && strings.HasPrefix(m.Segments[i].URI, s.URI) // its name is cut
				if !whole && !last {
					t.Fatalf("cut at %d: segment %d is %+v", n, i, s)
				}
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(growing().Text())
	swap := func(old, by string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the playlist has no %q", old)
		}
		return strings.Replace(good, old, by, 1)
	}
	for name, text := range map[string]string{
		"nothing":                      "",
		"another file":                 "WEBVTT\n",
		"a master playlist":            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n",
		"no first line":                strings.TrimPrefix(good, "#EXTM3U\n"),
		"no target":                    swap("#EXT-X-TARGETDURATION:8\n", ""),
		"a target of 0":                swap("DURATION:8", "DURATION:0"),
		"a target below 0":             swap("DURATION:8", "DURATION:-8"),
		"a target that is no number":   swap("DURATION:8", "DURATION:8.5"),
		"a target of 30 digits":        swap("DURATION:8", "DURATION:"+strings.Repeat("9", 30)),
		"no header":                    swap("#EXT-X-MAP:URI=\"video/init.mp4\"\n", ""),
		"a header without a name":      swap(`URI="video/init.mp4"`, `URI=""`),
		"a header without quotes":      swap(`URI="video/init.mp4"`, `URI=video/init.mp4`),
		"a header's other attribute":   swap(`URI="video/init.mp4"`, `BYTERANGE="1@0",URI="video/init.mp4"`),
		"no duration":                  swap("#EXTINF:4.004000,\n", ""),
		"a duration that is no number": swap("4.004000", "four"),
		"a duration of NaN":            swap("4.004000", "NaN"),
		"a duration without end":       swap("4.004000", "Inf"),
		"a duration below 0":           swap("4.004000", "-4"),
		"no range":                     swap("#EXT-X-BYTERANGE:90000@68\n", ""),
		"a range without its place":    swap("90000@68", "90000"),
		"a range of nothing":           swap("90000@68", "0@68"),
		"a range before the file":      swap("90000@68", "90000@-1"),
		"a range of 20 digits":         swap("90000@68", strings.Repeat("9", 20)+"@0"),
		"a gap with a range":           swap("#EXT-X-BYTERANGE:90000@68\n", "#EXT-X-GAP\n#EXT-X-BYTERANGE:90000@68\n"),
		"a name alone":                 swap("video/00001.mp4\n", "video/00001.mp4\nvideo/00001.mp4\n"),
		"an empty line":                swap("video/00001.mp4\n", "\n"),
		"a name with a control":        swap("video/00001.mp4\n", "video/\x0000001.mp4\n"),
		"cut off behind a duration":    good + "#EXTINF:4.0,\n",
		"cut off behind a range":       good + "#EXT-X-BYTERANGE:1@0\n",
		"cut off behind a gap":         good + "#EXT-X-GAP\n",
		"something behind its end":     good + "#EXT-X-ENDLIST\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:1@0\na.mp4\n",
		"two ends":                     good + "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n",
		"a line without end":           good + strings.Repeat("a", 1<<17),
	} {
		if m, err := hls.Parse([]byte(text)); !errors.Is(err, hls.ErrPlaylist) || m != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for name, text := range map[string]string{"unknown tags": swap("#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-START:TIME-OFFSET=0\n# a word\n"), "lines of Windows": strings.ReplaceAll(good, "\n", "\r\n")} {
		if m, err := hls.Parse([]byte(text)); err != nil || !reflect.DeepEqual(m, growing()) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// TestPeak wants a short segment to count for no more than the RFC lets it, and a gap for nothing.
func TestPeak(t *testing.T) {
	m := hls.Media{Target: 6}
	m.Add(hls.Segment{Seconds: 6, Range: hls.Range{Bytes: 600_000}}, hls.Segment{Seconds: 4, Range: hls.Range{Bytes: 1_000_001}}, hls.Segment{Seconds: 0.1, Range: hls.Range{Bytes: 100_000}},
		hls.Segment{Seconds: 1, Range: hls.Range{Bytes: 10_000_000}, Gap: true})
	if got := m.Peak(); got != 2_000_002 {
		t.Errorf("%d bits a second", got)
	}
	if got := (&hls.Media{}).Peak(); got != 0 {
		t.Errorf("%d bits a second of nothing", got)
	}
}

// TestAdd raises the target where a segment is longer than what was promised, by the rounding of the RFC.
func TestAdd(t *testing.T) {
	m := &hls.Media{Target: 8, Init: "a"}
	for _, c := range []struct {
		seconds float64
		target  int
	}{{6, 8}, {8.49, 8}, {8.5, 9}, {0, 9}, {62.3, 62}, {8, 62}} {
		m.Add(hls.Segment{URI: "b", Seconds: c.seconds, Gap: true})
		if m.Target != c.target {
			t.Fatalf("target %d after %g s, want %d", m.Target, c.seconds, c.target)
		}
	}
	if math.Abs(m.Seconds()-93.29) > 1e-9 || len(m.Segments) != 6 {
		t.Fatalf("%g s in %d segments", m.Seconds(), len(m.Segments))
	}
}

// FuzzParse takes anything for a playlist: what it accepts, it writes and reads again as the same.
func FuzzParse(f *testing.F) {
	ended := growing()
	ended.Ended = true
	headed := growing()
	headed.Segments[1].Init, headed.Segments[3].Init = "video/00001.init", "video/00001.init"
	for _, m := range []*hls.Media{{Target: 8, Init: "video/init.mp4"}, growing(), ended, headed} {
		f.Add(m.Text())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := hls.Parse(text)
		if err != nil {
			if !errors.Is(err, hls.ErrPlaylist) || m != nil {
				t.Fatalf("%+v, %v", m, err)
			}
			return
		}
		if m.Target <= 0 || m.Init == "" || !(m.Seconds() >= 0) {
			t.Fatalf("accepted %+v", m)
		}
		for n, s := range m.Segments {
			if s.URI == "" || s.Gap != (s.Range == hls.Range{}) || s.Range.Bytes < 0 || s.Range.Offset < 0 {
				t.Fatalf("segment %d: %+v", n, s)
			}
		}
		again, err := hls.Parse(m.Text())
		if err != nil {
			t.Fatalf("%v: what was accepted is not once it is written:\n%s", err, m.Text())
		}
		if !bytes.Equal(again.Text(), m.Text()) {
			t.Fatalf("written twice:\n%s\n---\n%s", m.Text(), again.Text())
		}
		if len(again.Segments) != len(m.Segments) || again.Ended != m.Ended || again.Init != m.Init || again.Target != m.Target {
			t.Fatalf("got %+v, want %+v", again, m)
		}
	})
}

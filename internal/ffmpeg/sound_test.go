package ffmpeg

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
	"bwv/internal/kinds"
)

// byName is one of the kinds of recordings, made.
func byName(t *testing.T, name string) string {
	t.Helper()
	for _, kind := range slices.Concat(kinds.List(), kinds.Claps()) {
		if kind.Name == name {
			return recordingOf(t, kind)
		}
	}
	t.Fatalf("there is no kind %q", name)
	return ""
}

// TestCopied wants every frame from the recording's beginning on, as it was, at its time to the tick, and silence wherever there is none.
func TestCopied(t *testing.T) {
	tools := start(t, Config{})
	for _, row := range []struct {
		name          string
		file          string
		first, silent int // the first frame that is the recording's, and how many are ours
	}{
		{"real", clip("gopro_max_heromode_10s_gps5.mp4"), 0, 0},
		{"fragmented", byName(t, "mp4-fragmented"), 0, 0},
		{"late", byName(t, "sound-after-pre-event"), 1405, 1405},
		{"hole", byName(t, "sound-with-hole"), 0, 94},
		{"three", byName(t, "sound-three-tracks"), 0, 0},
		{"another clock", record(t, "a.mp4", "-i", clip("samplelib_street_1080p30_5s.mp4"), "-itsoffset", "1.337", "-i", clip("samplelib_street_1080p30_5s.mp4"),
			"-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-ar", "44100"), 56, 56},
	} {
		t.Run(row.name, func(t *testing.T) {
			k := read(t, tools, &disk{file: row.file})
			for i, s := range k.last.Sounds {
				if !s.Copied || s.Failed != "" {
					t.Fatalf("%+v", s)
				}
				file := k.file(t, i)
				decoded(t, file)
				compare(t, packets(t, row.file, i), packets(t, file, 0), row.first, row.silent)
			}
		})
	}
}

// compare wants the frames of was from time 0 on, and nothing else but silence in between.
func compare(t *testing.T, was, is []packet, first, silent int) {
	t.Helper()
	was = slices.DeleteFunc(was, func(p packet) bool { return p.pts < 0 })
	if len(is) != len(was)+silent || is[first] != was[0] {
		t.Errorf("%d frames of %d and %d; number %d is %+v, the first is %+v", len(is), len(was), silent, first, is[first], was[0])
	}
	ours := map[packet]bool{}
	step := was[1].pts - was[0].pts
	for i, p := range is {
		ours[p] = true
		switch last := is[max(i-1, 0)].pts; {
		case i == 0 && (p.pts < 0 || p.pts >= step):
			t.Errorf("the first frame is due at %d", p.pts)
		case i > 0 && (p.pts-last <= step/2 || p.pts-last > step*3/2+1):
			t.Errorf("frame %d is due at %d, the one before it at %d", i, p.pts, last)
		}
	}
	for _, p := range was {
		if !ours[p] {
			t.Errorf("%+v is missing", p)
		}
	}
}

// TestSilence has a decoder hear our silence.
func TestSilence(t *testing.T) {
	for _, rate := range []int64{96000, 48000, 44100, 32000, 24000, 22050, 16000, 11025, 8000} {
		for channels := 1; channels <= 2; channels++ {
			k := newTaker(0, rate, rate, channels)
			_ = k.add(frame{at: 40 * aacFrame, data: k.silence})
			k.end()
			file := filepath.Join(t.TempDir(), "a.mp4")
			if err := os.WriteFile(file, slices.Concat(k.header, k.closed[0].Media), 0o600); err != nil {
				t.Fatal(err)
			}
			out := command(t, "ffmpeg", "-nostdin", "-v", "warning", "-xerror", "-i", file, "-f", "s16le", "-")
			if want := 41 * aacFrame * 2 * channels; len(out) != want || strings.Trim(out, "\x00") != "" {
				t.Errorf("%d Hz, %d channels: %d bytes of %d, not all of them silence", rate, channels, len(out), want)
			}
		}
	}
}

// TestCoded has claps in sound of many kinds: they are heard within a millisecond of where the recording has them.
func TestCoded(t *testing.T) {
	tools := start(t, Config{})
	claps := byName(t, "clap-mov-pcm")
	as := func(name string, args ...string) string {
		return record(t, name, append([]string{"-i", claps, "-c:v", "copy"}, args...)...)
	}
	fragments := []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof"}
	for _, row := range []struct{ name, file string }{
		{"sowt", claps},
		{"alaw", as("a.mov", "-c:a", "pcm_alaw", "-ar", "8000")},
		{"ulaw", as("a.mov", "-c:a", "pcm_mulaw", "-ar", "8000")},
		{"in24 at 44.1 kHz", as("a.mov", "-c:a", "pcm_s24be", "-ar", "44100", "-ac", "2")},
		{"six channels at 96 kHz", as("a.mov", "-c:a", "pcm_s16be", "-ar", "96000", "-af", "pan=5.1|c0=c0|c1=c0")},
		{"MP3", as("a.mp4", "-c:a", "libmp3lame", "-ar", "44100")},
		{"AC-3", as("a.mp4", "-c:a", "ac3", "-ac", "2")},
		{"Opus", as("a.mp4", "-c:a", "libopus")},
		{"ADPCM", as("a.mov", "-c:a", "adpcm_ima_qt", "-ar", "22050")},
		{"AAC of six channels", as("a.mp4", "-c:a", "aac", "-af", "pan=5.1|c0=c0|c1=c0")},
		{"sowt, fragmented", as("a.mov", append([]string{"-c:a", "pcm_s16le"}, fragments...)...)},
		{"MP3, fragmented", as("a.mp4", append([]string{"-c:a", "libmp3lame"}, fragments...)...)},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			k := read(t, tools, &disk{file: row.file})
			if s := k.last.Sounds[0]; s.Copied || s.Failed != "" || s.Takes < 2 {
				t.Fatalf("%+v", s)
			}
			file := k.file(t, 0)
			decoded(t, file)
			sameClaps(t, row.file, file, false)
		})
	}
}

// sameClaps wants each click of a recording where it is, to a millisecond; with apart the clocks of the two may differ.
func sameClaps(t *testing.T, recording, sound string, apart bool) {
	t.Helper()
	want, got := clicksOf(t, recording), clicksOf(t, sound)
	if len(want) != len(kinds.Instants()) || len(got) != len(want) {
		t.Fatalf("clicks at %.3f, and in the recording at %.3f", got, want)
	}
	var worst, shift float64
	if apart {
		shift = got[0] - want[0]
	}
	for i, c := range got {
		worst = max(worst, math.Abs(c-want[i]-shift))
	}
	if worst > 0.001 {
		t.Errorf("the worst click is %.2f ms away", 1000*worst)
	}
	t.Logf("%d clicks, the worst %.3f ms away", len(got), 1000*worst)
}

// TestSeams listens to where takes meet that were coded apart.
func TestSeams(t *testing.T) {
	tools := start(t, Config{})
	for name, args := range map[string][]string{"48 kHz": nil, "44.1 kHz": {"-ar", "44100"}, "8 kHz": {"-ar", "8000"}} {
		t.Run(name, func(t *testing.T) {
			file := record(t, "a.mov", append([]string{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=9", "-f", "lavfi", "-i", "aevalsrc=0.3*sin(2*PI*441*t)+0.2*sin(2*PI*1234*t):s=48000:d=9",
				"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"}, args...)...)
			k := read(t, tools, &disk{file: file})
			if k.last.Sounds[0].Takes != 2 {
				t.Fatalf("%+v", k.last.Sounds)
			}
			was, is := samplesOf(t, file), samplesOf(t, k.file(t, 0))
			for n := firstFrames - 4; n < firstFrames+4; n++ {
				var power, noise float64
				for i := n * aacFrame; i < (n+1)*aacFrame; i++ {
					power += was[i] * was[i]
					noise += (is[i] - was[i]) * (is[i] - was[i])
				}
				if ratio := 10 * math.Log10(power/noise); ratio < 20 {
					t.Errorf("frame %d, at a seam before %d: %.1f dB", n, firstFrames, ratio)
				}
			}
		})
	}
}

// clicksOf are the middles of a sound's clicks, in seconds from the recording's beginning.
func clicksOf(t *testing.T, file string) (list []float64) {
	t.Helper()
	var power, sum float64
	last := 0
	for i, v := range append(samplesOf(t, file), 1) {
		if math.Abs(v) < 0.1 {
			continue
		}
		if i-last > codedRate/50 && power > 0 {
			list = append(list, sum/power/codedRate)
			power, sum = 0, 0
		}
		weight := math.Pow(v, 8) // what is coded rings a little
		last, power, sum = i, power+weight, sum+weight*float64(i)
	}
	return list
}

// samplesOf decodes a sound to 48 kHz, one channel, from the recording's beginning on.
func samplesOf(t *testing.T, file string) (list []float64) {
	t.Helper()
	out := command(t, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", file, "-map", "0:a", "-af", "aresample=48000:async=1:min_hard_comp=0.01:first_pts=0", "-ac", "1", "-f", "s16le", "-")
	for i := 0; i+1 < len(out); i += 2 {
		list = append(list, float64(int16(binary.LittleEndian.Uint16([]byte(out[i:]))))/32768)
	}
	return list
}

// TestWaveform has a tone that comes and goes: each pair must say so, across takes, for sound that is copied and for sound that is coded.
func TestWaveform(t *testing.T) {
	tools := start(t, Config{})
	for name, args := range map[string][]string{"a.mp4": {"-c:a", "aac"}, "a.mov": {"-c:a", "pcm_s16le"}} {
		file := record(t, name, append([]string{"-f", "lavfi", "-i", "testsrc2=s=96x64:r=5:d=20", "-f", "lavfi", "-i", "aevalsrc=0.5*sin(2*PI*1000*t)*gte(mod(t\\,2)\\,1):s=48000:d=19.95",
			"-c:v", "libx264", "-preset", "ultrafast"}, args...)...)
		k := read(t, tools, &disk{file: file})
		var peaks []byte
		for n := range k.last.Sounds[0].Takes {
			peaks = append(peaks, k.takes[[2]int{0, n}].Peaks...)
		}
		if len(peaks) != 400 {
			t.Fatalf("%s: %d pairs", name, len(peaks)/2)
		}
		for i := range 199 {
			low, high := int8(peaks[2*i]), int8(peaks[2*i+1])
			loud := low < -55 && low > -75 && high > 55 && high < 75
			quiet := low >= -6 && high <= 6
			if i%10 != 0 && i%10 != 9 && (i/10%2 == 1) != loud || (i/10%2 == 0) && !quiet && i%10 != 0 && i%10 != 9 {
				t.Errorf("%s: at %.1f s from %d to %d", name, float64(i)/10, low, high)
			}
		}
	}
}

// TestTaker has frames come at odd times.
func TestTaker(t *testing.T) {
	for _, row := range []struct {
		name            string
		timescale, rate int64
		at              []int64
		want            []int64
	}{
		{"one behind the other", 48000, 48000, []int64{0, 1024, 2048}, []int64{0, 1024, 2048}},
		{"before the beginning", 48000, 48000, []int64{-2112, -1088, -64, 960, 1984}, []int64{960, 1984}},
		{"late by a part of a frame", 48000, 48000, []int64{1000, 2024}, []int64{1000, 2024}},
		{"late", 48000, 48000, []int64{3000, 4024}, []int64{952, 1976, 3000, 4024}},
		{"twice", 48000, 48000, []int64{0, 1024, 1024, 1000, 2048}, []int64{0, 1024, 2048}},
		{"a little late", 48000, 48000, []int64{0, 1024, 2500, 3524}, []int64{0, 1024, 2500, 3524}},
		{"a hole", 48000, 48000, []int64{0, 5000}, []int64{0, 904, 1928, 2952, 3976, 5000}},
		{"a hole of a part", 48000, 48000, []int64{0, 1024 + 600}, []int64{0, 600, 1624}},
		{"a clock of 90 kHz", 90000, 44100, []int64{9000}, []int64{641, 2731, 4820, 6910, 9000}},
		{"a coarse clock", 1000, 48000, []int64{100, 121, 143}, []int64{15, 36, 57, 79, 100, 121, 143}},
	} {
		k := newTaker(0, row.timescale, row.rate, 1)
		for _, at := range row.at {
			_ = k.add(frame{at: at, data: []byte{1}})
		}
		k.end()
		if len(k.closed) != 1 {
			t.Fatalf("%s: %d takes", row.name, len(k.closed))
		}
		s := k.closed[0]
		var got []int64
		for _, f := range s.frames {
			got = append(got, f.at)
		}
		if !slices.Equal(got, row.want) || s.check() != nil {
			t.Errorf("%s: %v, want %v; %v", row.name, got, row.want, s.check())
		}
		d, err := isobmff.ParseDirectory(s.Media)
		if err != nil || d.Start != got[0] || d.Timescale != row.timescale || d.Refs[0].Duration != s.to-got[0] || d.First+d.Refs[0].Bytes != int64(len(s.Media)) {
			t.Errorf("%s: %+v, %v", row.name, d, err)
		}
	}
}

// TestTakes looks at how a long sound is divided.
func TestTakes(t *testing.T) {
	k := newTaker(0, 44100, 44100, 2)
	for n := range int64(44100 * 200 / aacFrame) {
		_ = k.add(frame{at: n * aacFrame, data: make([]byte, 10)})
	}
	k.end()
	var lengths []string
	last := int64(0)
	for _, s := range k.closed {
		d, err := isobmff.ParseDirectory(s.Media)
		if err != nil || d.Start != last || s.from != last {
			t.Fatalf("%+v %v: it does not begin at %d", d, err, last)
		}
		longest := int64(0)
		for _, r := range d.Refs {
			longest, last = max(longest, r.Duration), last+r.Duration
		}
		lengths = append(lengths, fmt.Sprintf("%d segments of up to %.1f s", len(d.Refs), float64(longest)/44100))
	}
	want := []string{"3 segments of up to 2.0 s", "28 segments of up to 6.0 s", "10 segments of up to 6.0 s", "10 segments of up to 6.0 s", "2 segments of up to 7.1 s"}
	if !slices.Equal(lengths, want) || last != k.edge {
		t.Errorf("%q to %d", lengths, last)
	}
}

// FuzzPieces has the feed of a fragmented file go through anything.
func FuzzPieces(f *testing.F) {
	stsd := isobmff.AAC(48000, 1)
	film := isobmff.Init(isobmff.InitTrack{ID: 1, Handler: "soun", Timescale: 48000, Entries: stsd})
	for n := range int64(3) {
		film = append(film, isobmff.Fragment(uint32(n), 1, 2048*n, []isobmff.Piece{{Size: 3, Duration: 1024}, {Size: 4, Duration: 1024}})...)
		film = append(film, "abcdefg"...)
	}
	f.Add(film, int64(0), int64(0))
	f.Add(film, int64(700), int64(1))
	f.Fuzz(func(t *testing.T, film []byte, box, number int64) {
		m, err := isobmff.Read(bytesFile(film))
		if err != nil || len(m.Tracks) == 0 {
			return
		}
		read := func(p []byte, offset int64) error {
			if n, _ := bytesFile(film).ReadAt(p, offset); n < len(p) {
				return isobmff.ErrShort
			}
			return nil
		}
		w := &window{ctx: t.Context(), src: evidence.Source{Original: evidence.Original{Size: int64(len(film))}}, head: film}
		feed, err := newFragments(w, m, m.Tracks[:1], []place{{Box: box, Number: number}}, read)
		if err != nil || feed == nil {
			return
		}
		last := place{Box: -1}
		for range 1000 {
			p, err := feed.peek()
			if err != nil || p == nil {
				return
			}
			if p.place.before(place{box, number, 0}) || p.place.before(last) || p.Offset < 0 || p.Offset+p.Size > int64(len(film)) {
				t.Fatalf("%+v behind %+v, from box %d number %d", p, last, box, number)
			}
			last = p.place
			if feed.pop(); !last.before(feed.here(0)) {
				t.Fatalf("behind %+v it goes on at %+v", last, feed.here(0))
			}
		}
	})
}

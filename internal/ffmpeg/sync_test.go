package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
)

// flashes and beeps are the clap: white pictures and a tone at the same known times.
func clap(at float64, size, rate string, seconds float64) (video, audio string) {
	video = fmt.Sprintf("color=black:s=%s:r=%s:d=%g,drawbox=t=fill:c=white:enable='between(t,%g,%g)'", size, rate, seconds, at-0.001, at+0.3)
	audio = fmt.Sprintf("aevalsrc='if(between(t,%g,%g),0.8*sin(2*PI*1000*t),0)':s=48000:d=%g", at, at+0.3, seconds)
	return video, audio
}

// flash is when the picture turns white, by the file's own clock.
func flash(t *testing.T, file string) float64 {
	t.Helper()
	out := command(t, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", file, "-map", "0:v:0",
		"-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-fps_mode", "passthrough", "-f", "null", "-")
	at := math.NaN()
	for line := range strings.Lines(out) {
		if _, pts, ok := strings.Cut(line, "pts_time:"); ok {
			at = seconds(strings.TrimSpace(pts))
		}
		if _, level, ok := strings.Cut(line, "YAVG="); ok && seconds(strings.TrimSpace(level)) > 128 {
			return at
		}
	}
	t.Fatalf("no flash in %s", file)
	return 0
}

// beep is when the sound sets in, by the file's own clock: silence fills what is missing before it.
func beep(t *testing.T, file string) float64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", file, "-map", "0:a:0",
		"-af", "aresample=48000:async=1:first_pts=0,aformat=sample_fmts=s16:channel_layouts=mono", "-f", "s16le", "-")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(out); i += 2 {
		if v := int16(binary.LittleEndian.Uint16(out[i:])); v > 8000 || v < -8000 {
			return float64(i/2) / 48000
		}
	}
	t.Fatalf("no beep in %s (%d bytes)", file, len(out))
	return 0
}

// TestSync claps: the sound must keep its distance to the picture, and both their distance to the beginning.
func TestSync(t *testing.T) {
	tools := open(t, Config{})
	h264 := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	frames := []string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "50"}
	rows := []struct {
		name   string
		file   string
		rate   string
		sound  []string // before the sound's input
		output []string
	}{
		{"plain", "a.mp4", "25", nil, append(h264, "-c:a", "aac")},
		{"29.97", "a.mp4", "30000/1001", nil, append(h264, "-c:a", "aac")},
		{"b frames", "a.mp4", "30", nil, append(frames, "-c:a", "aac")},
		{"late sound", "a.mp4", "25", []string{"-itsoffset", "3"}, append(h264, "-c:a", "aac")},
		{"late sound, mov with pcm", "a.mov", "25", []string{"-itsoffset", "3"}, append(h264, "-c:a", "pcm_s16le")},
		{"variable rate", "a.mp4", "30", nil, append(h264, "-vf", "select='not(mod(n,3))+lt(mod(t,2),0.5)'", "-fps_mode", "vfr", "-c:a", "aac")},
		{"turned", "a.mp4", "25", nil, append(h264, "-c:a", "aac")},
		{"transport stream", "a.ts", "25", nil, append(h264, "-c:a", "aac")},
		{"transport stream, late sound", "a.ts", "25", []string{"-itsoffset", "3"}, append(h264, "-c:a", "aac")},
		{"matroska with opus", "a.mkv", "25", nil, append(h264, "-c:a", "libopus")},
		{"avi", "a.avi", "25", nil, []string{"-c:v", "mjpeg", "-q:v", "5", "-c:a", "pcm_s16le"}},
		{"8 kHz mono", "a.mp4", "15", nil, append(h264, "-c:a", "aac", "-ar", "8000", "-ac", "1")},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			at := 4.0
			video, audio := clap(at, "320x240", row.rate, 6)
			args := []string{"-f", "lavfi", "-i", video}
			if row.sound != nil { // the sound starts 3 s late, so its own clock reads 3 s less
				_, audio = clap(at-3, "320x240", row.rate, 3)
			}
			args = append(append(args, row.sound...), "-f", "lavfi", "-i", audio, "-map", "0:v", "-map", "1:a")
			file := record(t, row.file, append(args, row.output...)...)
			if row.name == "turned" {
				file = turn(t, file, 90)
			}
			s, p, warnings := proxy(t, tools, &disk{file: file})
			if len(warnings) > 0 || !p.HasAudio {
				t.Errorf("%+v, %q", p, warnings)
			}
			playable(t, s, p)
			before, after := beep(t, file)-flash(t, file), beep(t, s.path("proxy.mp4"))-flash(t, s.path("proxy.mp4"))
			if math.Abs(before) > 0.12 {
				t.Fatalf("the clap itself is %.4f s apart", before)
			}
			if math.Abs(after-before) > 0.004 {
				t.Errorf("the sound was %+.4f s from the picture, in the proxy it is %+.4f", before, after)
			}
			if row.file == "a.ts" || row.file == "a.mkv" { // their clocks do not start at 0: only the distance counts
				return
			}
			if b, a := flash(t, file), flash(t, s.path("proxy.mp4")); math.Abs(a-b) > 0.002 {
				t.Errorf("the flash was at %.4f, in the proxy it is at %.4f", b, a)
			}
		})
	}
}

// TestTimes compares every single picture's time with the original's, where the rate is variable.
func TestTimes(t *testing.T) {
	tools := open(t, Config{})
	file := record(t, "a.mp4", "-f", "lavfi", "-i", "testsrc=s=320x240:r=30:d=5", "-vf", "select='lt(n,20)+not(mod(n,7))+gt(n,120)'",
		"-fps_mode", "vfr", "-c:v", "libx264", "-preset", "ultrafast")
	d := &disk{file: file}
	found, err := tools.Probe(t.Context(), d.source(t))
	if err != nil {
		t.Fatal(err)
	}
	if v := found.Media.Video[0]; !v.Variable {
		t.Errorf("not variable: %+v", v)
	}
	s, p, _ := proxy(t, tools, d)
	was, is := inspect(t, file)["video"].Shows, playable(t, s, p)["video"].Shows
	if len(was) != len(is) {
		t.Fatalf("%d pictures became %d", len(was), len(is))
	}
	for i := range was {
		if math.Abs(was[i]-is[i]) > 0.0001 {
			t.Errorf("picture %d was at %f, is at %f", i, was[i], is[i])
		}
	}
	if bytes.Contains([]byte(p.Profile), []byte("http")) {
		t.Errorf("an address in %q", p.Profile)
	}
}

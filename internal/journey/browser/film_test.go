package browser_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// film is a proxy as the pipeline lays it out: one fragmented MP4 for each chunk of the picture, one for all the sound.
type film struct {
	dir    string
	chunks []part
	sound  []part
	head   int64 // length of a chunk's ftyp and moov
	map_   int64 // the same of the sound
}

// part is one segment of a playlist.
type part struct {
	file         string
	from, to     float64 // seconds of media
	offset, size int64
}

func (f film) length() float64 { return f.chunks[len(f.chunks)-1].to }

// clip is what most films are made of: 12.08 s, 362 frames at 29.97 a second with a keyframe every 0.27 s, and sound.
const clip = "../../../testdata/gopro_hero5_karma_12s.mp4"

// develop makes a film from a file, cut at the borders, of which the last is the file's end.
func develop(t *testing.T, dir, source string, cuts []float64) film {
	t.Helper()
	f := film{dir: dir}
	for i, from := range cuts[:len(cuts)-1] {
		p := part{file: fmt.Sprintf("c%04d.mp4", i), from: from, to: cuts[i+1]}
		ffmpeg(t, "-f", "mov", "-ss", fmt.Sprintf("%.6f", p.from), "-t", fmt.Sprintf("%.6f", p.to-p.from), "-i", source,
			"-map", "0:v:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-vf", "scale=-2:240:flags=area", "-c:v", "libx264", "-preset", "superfast", "-crf", "26",
			"-bf", "0", "-pix_fmt", "yuv420p", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-fps_mode", "passthrough", "-enc_time_base", "1:90000",
			"-copyts", "-avoid_negative_ts", "disabled", "-video_track_timescale", "90000", "-f", "mp4",
			"-movflags", "+cmaf+frag_keyframe+empty_moov+default_base_moof+frag_discont", filepath.Join(f.dir, p.file))
		f.head, p.size = halves(t, filepath.Join(f.dir, p.file))
		p.offset = f.head
		f.chunks = append(f.chunks, p)
	}
	f.record(t, source)
	return f
}

// record takes the sound in one pass, copied, and reads where its segments lie from the playlist that ffmpeg writes.
func (f *film) record(t *testing.T, source string) {
	t.Helper()
	ffmpeg(t, "-f", "mov", "-i", source, "-map", "0:a:0", "-c:a", "copy", "-copyts", "-avoid_negative_ts", "disabled", "-bsf:a", `noise=drop=lt(pts\,0)`,
		"-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod", "-hls_segment_type", "fmp4",
		"-hls_flags", "single_file+independent_segments", "-hls_segment_options", "movflags=+frag_discont",
		"-hls_segment_filename", filepath.Join(f.dir, "a.m4s"), filepath.Join(f.dir, "a.m3u8"))
	f.map_, _ = halves(t, filepath.Join(f.dir, "a.m4s"))
	text, err := os.ReadFile(filepath.Join(f.dir, "a.m3u8"))
	if err != nil {
		t.Fatal(err)
	}
	at := 0.0
	p := part{file: "a.m4s"}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if value, ok := strings.CutPrefix(line, "#EXTINF:"); ok {
			seconds, err := strconv.ParseFloat(strings.TrimSuffix(value, ","), 64)
			if err != nil {
				t.Fatal(err)
			}
			p.from, p.to = at, at+seconds
		}
		if value, ok := strings.CutPrefix(line, "#EXT-X-BYTERANGE:"); ok {
			if _, err := fmt.Sscanf(value, "%d@%d", &p.size, &p.offset); err != nil {
				t.Fatal(err)
			}
			f.sound = append(f.sound, p)
			at = p.to
		}
	}
	if len(f.sound) == 0 {
		t.Fatalf("%s has no sound:\n%s", source, text)
	}
}

// borders are the keyframes to cut at, and the end.
func borders(t *testing.T, source string, target float64) []float64 {
	t.Helper()
	var list []float64
	for _, at := range probe(t, source, "-skip_frame", "nokey") {
		if len(list) == 0 || at >= list[len(list)-1]+target {
			list = append(list, at)
		}
	}
	length, err := strconv.ParseFloat(strings.TrimSpace(output(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=duration",
		"-of", "csv=p=0", source)), 64)
	if err != nil {
		t.Fatal(err)
	}
	if length-list[len(list)-1] < 1 {
		list = list[:len(list)-1] // no chunk of a few frames
	}
	return append(list, length)
}

// probe lists the times of a file's frames.
func probe(t *testing.T, source string, options ...string) []float64 {
	t.Helper()
	arguments := append([]string{"-v", "error", "-select_streams", "v:0"}, options...)
	var list []float64
	for _, field := range strings.Fields(output(t, "ffprobe", append(arguments, "-show_entries", "frame=pts_time", "-of", "csv=p=0", source)...)) {
		at, err := strconv.ParseFloat(strings.Trim(field, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, at)
	}
	return list
}

// halves tells how long a fragmented file's ftyp and moov are, and all that follows.
func halves(t *testing.T, file string) (head, rest int64) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at+8 <= len(data); {
		size, name := int(binary.BigEndian.Uint32(data[at:])), string(data[at+4:at+8])
		if at += size; name == "moov" {
			return int64(at), int64(len(data) - at)
		}
		if size < 8 {
			break
		}
	}
	t.Fatalf("%s has no moov", file)
	return 0, 0
}

func ffmpeg(t *testing.T, arguments ...string) {
	t.Helper()
	output(t, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, arguments...)...)
}

func output(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	var errout bytes.Buffer
	run := exec.CommandContext(t.Context(), program, arguments...)
	run.Stderr = &errout
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", program, err, errout.Bytes())
	}
	return string(out)
}

// longest is a playlist's target duration.
func longest(parts []part) int {
	seconds := 0.0
	for _, p := range parts {
		seconds = max(seconds, p.to-p.from)
	}
	return int(math.Ceil(seconds))
}

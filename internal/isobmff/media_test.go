package isobmff

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// disk is a file that counts what is asked of it.
type disk struct {
	*os.File
	size int64

	mu       sync.Mutex
	requests int
	bytes    int64
}

func (d *disk) Size() int64 { return d.size }

func (d *disk) ReadAt(p []byte, at int64) (int, error) {
	d.mu.Lock()
	d.requests++
	d.bytes += int64(len(p))
	d.mu.Unlock()
	return d.File.ReadAt(p, at)
}

func openDisk(t testing.TB, name string) *disk {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return &disk{File: f, size: info.Size()}
}

func clip(name string) string { return filepath.Join("..", "..", "testdata", name) }

const (
	street   = "samplelib_street_1080p30_5s.mp4"
	udacity  = "udacity_solidWhiteRight_9s.mp4"
	karma    = "gopro_hero5_karma_12s.mp4"
	heroMax  = "gopro_max_heromode_10s_gps5.mp4"
	person   = "intel_one-by-one-person_139s.mp4"
	crossing = "intel_car-detection_30s.mp4"
)

// tool runs ffmpeg or ffprobe and returns what it writes.
func tool(t testing.TB, input []byte, name string, args ...string) []byte {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	var out, words bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &out, &words
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, words.String())
	}
	return out.Bytes()
}

// make runs ffmpeg into a new file.
func encode(t testing.TB, name string, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	tool(t, nil, "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-y"}, args...), file)...)
	return file
}

// packet is what ffprobe says of a sample.
type packet struct {
	Index    int    `json:"stream_index"`
	PTS      int64  `json:"pts"`
	DTS      int64  `json:"dts"`
	Duration int64  `json:"duration"`
	Pos      int64  `json:"pos,string"`
	Size     int64  `json:"size,string"`
	Flags    string `json:"flags"`
}

func (p packet) sync() bool { return strings.HasPrefix(p.Flags, "K") }

// packets asks ffprobe for all packets, by stream.
func packets(t testing.TB, file string, args ...string) map[int][]packet {
	t.Helper()
	var found struct{ Packets []packet }
	out := tool(t, nil, "ffprobe", append(append([]string{"-v", "error"}, args...), "-show_packets", "-of", "json", file)...)
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	streams := map[int][]packet{}
	for _, p := range found.Packets {
		streams[p.Index] = append(streams[p.Index], p)
	}
	return streams
}

func all(t testing.TB, m *Movie, track *Track) []Sample {
	t.Helper()
	var found []Sample
	for s := m.Samples(track); ; {
		sample, err := s.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("after %d samples of track %d: %v", len(found), track.ID, err)
		}
		found = append(found, sample)
	}
}

func read(t testing.TB, file string) (*Movie, *disk) {
	t.Helper()
	d := openDisk(t, file)
	m, err := Read(d)
	if err != nil || !m.Found || m.Damaged {
		t.Fatalf("%s: %+v %v", file, m, err)
	}
	return m, d
}

// splitLines goes through the lines of a tool's answer.
func splitLines(out []byte) func(yield func(string) bool) {
	return strings.Lines(strings.ReplaceAll(string(out), "\r", ""))
}

// encoded makes a small film of a real one: GOPs of a second, B-frames.
func encoded(t testing.TB, name string) string {
	t.Helper()
	args := []string{"-t", "6", "-i", clip(crossing), "-vf", "fps=25,scale=160:-2", "-c:a", "aac", "-b:a", "32k"}
	switch name {
	case "closed.mp4":
		args = append(args, "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-g", "25", "-sc_threshold", "0")
	case "open.mp4":
		args = append(args, "-c:v", "libx264", "-preset", "veryfast", "-bf", "3", "-x264-params", "open-gop=1:keyint=24:min-keyint=12:scenecut=0:b-adapt=0")
	case "hevc.mp4":
		args = append(args, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=24:min-keyint=24:bframes=3:open-gop=1", "-tag:v", "hvc1")
	case "mjpeg.mov":
		args = append(args, "-c:v", "mjpeg")
	}
	return encode(t, name, args...)
}

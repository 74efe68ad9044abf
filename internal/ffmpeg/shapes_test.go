package ffmpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// TestShapes looks at recordings of many makes, and plays the proxy of each.
func TestShapes(t *testing.T) {
	tools := open(t, Config{Threads: 2})
	source := func(size string) []string { return []string{"-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=25:d=3"} }
	tone := []string{"-f", "lavfi", "-i", "sine=d=3"}
	quick := []string{"-c:v", "libx264", "-preset", "ultrafast"}
	join := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	rows := []struct {
		name, file            string
		args                  []string
		container             string
		rotation              int
		coded, shown          [2]int // width and height of the original as coded, of the proxy
		sound, variable       bool
		frames                int64 // as the container says
		recorded, make, model string
	}{
		{name: "silent, small", file: "a.mp4", args: join(source("320x240"), quick), container: "mp4", coded: [2]int{320, 240}, shown: [2]int{320, 240}, frames: 75},
		{name: "odd size", file: "a.mkv", args: []string{"-f", "lavfi", "-i", "testsrc=s=321x243:r=25:d=3", "-c:v", "mjpeg", "-pix_fmt", "yuvj444p"}, container: "matroska", coded: [2]int{321, 243}, shown: [2]int{320, 242}},
		{name: "720p", file: "a.mp4", args: join(source("1280x720"), quick, []string{"-movflags", "+faststart"}), container: "mp4", coded: [2]int{1280, 720}, shown: [2]int{854, 480}, frames: 75},
		{name: "upright, turned right", file: "a.mp4", args: join(source("1280x720"), quick), container: "mp4", rotation: 90, coded: [2]int{1280, 720}, shown: [2]int{480, 854}, frames: 75},
		{name: "upright, turned left", file: "a.mov", args: join(source("1280x720"), quick), container: "mov", rotation: 270, coded: [2]int{1280, 720}, shown: [2]int{480, 854}, frames: 75},
		{name: "upside down", file: "a.mp4", args: join(source("640x360"), quick), container: "mp4", rotation: 180, coded: [2]int{640, 360}, shown: [2]int{640, 360}, frames: 75},
		{name: "coded upright", file: "a.mp4", args: join(source("720x1280"), quick), container: "mp4", coded: [2]int{720, 1280}, shown: [2]int{480, 854}, frames: 75},
		{name: "fragmented", file: "a.mp4", args: join(source("320x240"), tone, quick, []string{"-c:a", "aac", "-g", "25", "-movflags", "+frag_keyframe+empty_moov"}), container: "mp4", coded: [2]int{320, 240}, shown: [2]int{320, 240}, sound: true},
		{name: "transport stream", file: "a.ts", args: join(source("320x240"), tone, quick, []string{"-c:a", "mp2"}), container: "mpegts", coded: [2]int{320, 240}, shown: [2]int{320, 240}, sound: true},
		{name: "matroska", file: "a.mkv", args: join(source("320x240"), tone, quick, []string{"-c:a", "flac"}), container: "matroska", coded: [2]int{320, 240}, shown: [2]int{320, 240}, sound: true},
		{name: "avi", file: "a.avi", args: join(source("320x240"), tone, []string{"-c:v", "mjpeg", "-c:a", "pcm_s16le"}), container: "avi", coded: [2]int{320, 240}, shown: [2]int{320, 240}, sound: true, frames: 75},
		{name: "full range", file: "a.mp4", args: join(source("320x240"), quick, []string{"-pix_fmt", "yuvj420p"}), container: "mp4", coded: [2]int{320, 240}, shown: [2]int{320, 240}, frames: 75},
		{name: "surround at 96 kHz", file: "a.mov", args: join(source("320x240"), []string{"-f", "lavfi", "-i", "sine=d=3:r=96000", "-af", "aformat=channel_layouts=5.1"}, quick, []string{"-c:a", "pcm_s16le"}), container: "mov", coded: [2]int{320, 240}, shown: [2]int{320, 240}, sound: true, frames: 75},
		{name: "tags", file: "a.mov", args: join(source("320x240"), quick, []string{"-movflags", "use_metadata_tags", "-metadata", "creation_time=2026-11-22T10:15:00Z",
			"-metadata", "com.apple.quicktime.make=Acme", "-metadata", "com.apple.quicktime.model=B2", "-metadata", "com.apple.quicktime.location.ISO6709=+51.5007-000.1246+035.000/"}),
			container: "mov", coded: [2]int{320, 240}, shown: [2]int{320, 240}, frames: 75, recorded: "2026-11-22T10:15:00Z", make: "Acme", model: "B2"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			d := &disk{file: record(t, row.file, row.args...)}
			if row.rotation != 0 {
				d.file = turn(t, d.file, row.rotation)
			}
			found, err := tools.Probe(t.Context(), d.source(t))
			if err != nil {
				t.Fatal(err)
			}
			m, v := found.Media, found.Media.Video[0]
			if m.Container != row.container || v.Rotation != row.rotation || [2]int{v.Width, v.Height} != row.coded || v.Variable != row.variable ||
				v.Frames != row.frames || (len(m.Audio) > 0) != row.sound || m.Seconds < 2.9 || m.Seconds > 3.2 || len(found.Warnings) > 0 {
				t.Errorf("found %+v", found)
			}
			if row.recorded != "" && (found.Container.Format(time.RFC3339) != row.recorded || m.Location == nil || m.Location.First.Latitude != 51.5007 || m.Location.First.Altitude != 35) {
				t.Errorf("%s, %+v", found.Container, m.Location)
			}
			if m.Camera.Make != row.make || m.Camera.Model != row.model {
				t.Errorf("%+v", m.Camera)
			}
			s, p, warnings := proxy(t, tools, d)
			playable(t, s, p)
			if [2]int{p.Width, p.Height} != row.shown || p.Frames != 75 || p.HasAudio != row.sound || len(warnings) > 0 {
				t.Errorf("made %+v, %q", p, warnings)
			}
		})
	}
}

// turn marks a recording to be shown turned right by so many degrees: by the matrix of its track header (QuickTime File Format, "Matrices").
func turn(t *testing.T, file string, degrees int) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const one, minus = 1 << 16, 0xffff0000
	matrix := map[int][4]uint32{90: {0, one, minus, 0}, 180: {minus, 0, 0, minus}, 270: {0, minus, one, 0}}[degrees]
	at := bytes.Index(b, []byte("tkhd")) + 4 + 40 // version 0, and the first track is the video
	for i, v := range []uint32{matrix[0], matrix[1], 0, matrix[2], matrix[3]} {
		binary.BigEndian.PutUint32(b[at+4*i:], v)
	}
	turned := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(turned, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return turned
}

// TestTurned checks the picture itself: what is at the top of the original as a player shows it is at the top of the proxy.
func TestTurned(t *testing.T) {
	tools := open(t, Config{})
	// A white bar at the left of the coded picture is at the top once it is turned a quarter right.
	file := record(t, "a.mp4", "-f", "lavfi", "-i", "color=black:s=320x160:r=25:d=1,drawbox=x=0:w=80:h=160:t=fill:c=white",
		"-c:v", "libx264")
	file = turn(t, file, 90)
	s, p, _ := proxy(t, tools, &disk{file: file})
	if p.Width != 160 || p.Height != 320 {
		t.Fatalf("%dx%d", p.Width, p.Height)
	}
	for _, name := range []string{evidence.ProxyFile, evidence.Poster} {
		gray := command(t, "ffmpeg", "-v", "error", "-i", s.path(name), "-frames:v", "1", "-vf", "scale=1:4:flags=area", "-pix_fmt", "gray", "-f", "rawvideo", "-")
		if len(gray) != 4 || gray[0] < 200 || gray[1] > 60 || gray[2] > 60 || gray[3] > 60 {
			t.Errorf("%s: %v", name, []byte(gray))
		}
	}
}

// TestDamaged wants words for what is no recording, and the best proxy there can be of one that is damaged.
func TestDamaged(t *testing.T) {
	tools := open(t, Config{})
	end := record(t, "end.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
	front := record(t, "front.mp4", "-i", end, "-c", "copy", "-movflags", "+faststart")
	whole, err := os.ReadFile(front)
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string, b []byte) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	tailed, err := os.ReadFile(end)
	if err != nil {
		t.Fatal(err)
	}
	holed := bytes.Clone(whole)
	for i := len(holed) / 2; i < len(holed)/2+20_000; i++ {
		holed[i] = byte(i * 7)
	}
	for _, row := range []struct{ name, file, words string }{
		{"no index", change("a.mp4", tailed[:len(tailed)*2/3]), "moov"},
		{"sound only", record(t, "b.m4a", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "aac"), "no video stream"},
		{"sound only, matroska", record(t, "b.mka", "-f", "lavfi", "-i", "sine=d=1", "-c:a", "flac"), ""},
		{"zeros", change("c.mp4", make([]byte, 100_000)), "zero bytes"},
		{"noise", change("d.mp4", bytes.Repeat([]byte{0xde, 0xad, 0x01}, 9999)), "no container"},
		{"header only", change("e.mkv", []byte{0x1a, 0x45, 0xdf, 0xa3, 0, 0, 0, 0, 0, 0}), ""},
		{"one byte", change("f.mp4", []byte("x")), "text"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := &disk{file: row.file}
			_, err := tools.Probe(t.Context(), d.source(t))
			_, _, err2 := tools.Transcode(t.Context(), d.source(t), newShelf(t).put)
			for _, err := range []error{err, err2} {
				if !errors.Is(err, evidence.Unreadable) || !strings.Contains(err.Error(), row.words) || strings.Contains(err.Error(), "127.0.0.1") {
					t.Errorf("%v", err)
				}
				t.Log(err)
			}
		})
	}
	for _, row := range []struct{ name, file, words string }{
		{"cut at the end", change("a.mp4", whole[:len(whole)*2/3]), "its end is missing"},
		{"hole in the middle", change("b.mp4", holed), "damaged"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := &disk{file: row.file}
			if _, err := tools.Probe(t.Context(), d.source(t)); err != nil {
				t.Error(err)
			}
			s, p, warnings := proxy(t, tools, d)
			playable(t, s, p)
			t.Logf("%d frames, %q", p.Frames, warnings)
			if !strings.Contains(strings.Join(warnings, "; "), row.words) || strings.Contains(strings.Join(warnings, ""), "127.0.0.1") ||
				s.made[evidence.Playlist].Provenance["note"] == "" {
				t.Errorf("warnings %q", warnings)
			}
		})
	}
	t.Run("sound of an unknown kind", func(t *testing.T) {
		file := record(t, "a.mkv", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=2", "-f", "lavfi", "-i", "sine=d=2", "-c:v", "libx264", "-c:a", "wavpack")
		d := &disk{file: file}
		found, err := tools.Probe(t.Context(), d.source(t))
		t.Logf("%+v %v", found, err)
		s, p, warnings := proxy(t, tools, d)
		playable(t, s, p)
		if p.HasAudio || !strings.Contains(strings.Join(warnings, ""), "silent") {
			t.Errorf("%+v %q", p, warnings)
		}
	})
}

package isobmff

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestAAC writes sound under a sample entry of ours: ffprobe calls it what it is, and it decodes to the same.
func TestAAC(t *testing.T) {
	for _, rate := range []int{8000, 44100, 48000, 96000} {
		for _, channels := range []int{1, 2} {
			entries := AAC(rate, channels)
			if objectType, r, c, ok := ParseAAC(entries); !ok || objectType != 2 || r != rate || c != channels {
				t.Errorf("%d Hz, %d channels: %d %d %d %t", rate, channels, objectType, r, c, ok)
			}
			file := encode(t, "sound.mp4", "-t", "1", "-i", clip(street), "-vn", "-c:a", "aac", "-ar", strconv.Itoa(rate), "-ac", strconv.Itoa(channels))
			m, d := read(t, file)
			track := m.Tracks[0]
			if objectType, r, c, ok := ParseAAC(track.Entries); !ok || objectType != 2 || r != rate || c != channels {
				t.Errorf("ffmpeg's, %d Hz, %d channels: %d %d %d %t", rate, channels, objectType, r, c, ok)
			}
			ours := *track
			ours.Entries = entries
			written := fragmented(t, m, d, &ours, all(t, m, track), 20)
			var found struct {
				Streams []struct {
					Codec    string `json:"codec_name"`
					Profile  string `json:"profile"`
					Rate     string `json:"sample_rate"`
					Channels int    `json:"channels"`
				}
			}
			if err := json.Unmarshal(tool(t, nil, "ffprobe", "-v", "error", "-show_streams", "-of", "json", written), &found); err != nil {
				t.Fatal(err)
			}
			if s := found.Streams[0]; s.Codec != "aac" || s.Profile != "LC" || s.Rate != strconv.Itoa(rate) || s.Channels != channels {
				t.Errorf("%+v", s)
			}
			decode := func(file string) string {
				return string(tool(t, nil, "ffmpeg", "-nostdin", "-v", "error", "-ignore_editlist", "1", "-i", file, "-f", "md5", "-"))
			}
			if got, want := decode(written), decode(file); got != want {
				t.Errorf("%d Hz, %d channels: %s, not %s", rate, channels, got, want)
			}
		}
	}
}

// TestParseAAC wants what the clips have, also in QuickTime's wrapping, and no for everything else.
func TestParseAAC(t *testing.T) {
	for name, want := range map[string][3]int{karma: {2, 48000, 2}, udacity: {2, 48000, 2}, street: {2, 44100, 2}} {
		for _, kind := range []string{"mp4", "mov"} {
			file := encode(t, "sound."+kind, "-t", "1", "-i", clip(name), "-map", "0:a:0", "-c", "copy")
			m, _ := read(t, file)
			if objectType, rate, channels, ok := ParseAAC(m.Tracks[0].Entries); !ok || [3]int{objectType, rate, channels} != want {
				t.Errorf("%s in %s: %d %d %d %t", name, kind, objectType, rate, channels, ok)
			}
			if track := m.Tracks[0]; track.Channels != want[2] || track.Rate != want[1] {
				t.Errorf("%s in %s: %d channels, %d Hz", name, kind, track.Channels, track.Rate)
			}
		}
	}
	entry := func(config ...byte) []byte {
		esds := append([]byte{3, byte(3 + 2 + 13 + 2 + len(config)), 0, 0, 0, 4, byte(13 + 2 + len(config)), 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, byte(len(config))}, config...)
		return boxed("stsd", words(0, 1), boxed("mp4a", make([]byte, 28), boxed("esds", words(0), esds)))
	}
	for name, row := range map[string]struct {
		entries []byte
		want    [3]int
		ok      bool
	}{
		"LC":                 {entry(0x11, 0x90), [3]int{2, 48000, 2}, true},
		"SBR":                {entry(0x2b, 0x09, 0x88, 0x00), [3]int{5, 24000, 1}, true},
		"an explicit rate":   {entry(0x17, 0x80, 0x17, 0x70, 0x10), [3]int{2, 12000, 2}, true},
		"an escaped type":    {entry(0xf9, 0x46, 0x40), [3]int{42, 48000, 2}, true},
		"a reserved rate":    {entry(0x16, 0x90), [3]int{}, false},
		"nothing specific":   {entry(), [3]int{}, false},
		"one byte":           {entry(0x11), [3]int{}, false},
		"no entry":           {boxed("stsd", words(0, 0)), [3]int{}, false},
		"no stsd":            {nil, [3]int{}, false},
		"an entry cut off":   {entry(0x11, 0x90)[:40], [3]int{}, false},
		"version 2 cut off":  {boxed("stsd", words(0, 1), boxed("mp4a", []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 2}, make([]byte, 20))), [3]int{}, false},
		"another codec":      {boxed("stsd", words(0, 1), boxed("sowt", make([]byte, 28))), [3]int{}, false},
		"lengths in four":    {boxed("stsd", words(0, 1), boxed("mp4a", make([]byte, 28), boxed("esds", words(0), []byte{3, 0x80, 0x80, 0x80, 29, 0, 0, 0, 4, 0x80, 0x80, 0x80, 21, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0x80, 0x80, 0x80, 2, 0x11, 0x90}))), [3]int{2, 48000, 2}, true},
		"length without end": {boxed("stsd", words(0, 1), boxed("mp4a", make([]byte, 28), boxed("esds", words(0), []byte{3, 0x80, 0x80, 0x80, 0x80, 0x80}))), [3]int{}, false},
	} {
		if objectType, rate, channels, ok := ParseAAC(row.entries); ok != row.ok || [3]int{objectType, rate, channels} != row.want {
			t.Errorf("%s: %d %d %d %t", name, objectType, rate, channels, ok)
		}
	}
	mp3 := entry(0x11, 0x90)
	mp3[len(mp3)-17] = 0x6b
	if _, _, _, ok := ParseAAC(mp3); ok {
		t.Error("MP3 passes for AAC")
	}
	if p, err := os.ReadFile(filepath.Join("..", "..", "testdata", "hostile", "text.mp4")); err != nil {
		t.Fatal(err)
	} else if _, _, _, ok := ParseAAC(p); ok {
		t.Error("text passes for AAC")
	}
}

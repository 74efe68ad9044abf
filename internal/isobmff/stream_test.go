package isobmff

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

// drain reads a stream to its end.
func drain(s *Stream) (found map[int64][]Sample, data map[int64][]byte, err error) {
	found, data = map[int64][]Sample{}, map[int64][]byte{}
	for {
		c, err := s.Next()
		if err != nil {
			return found, data, err
		}
		found[c.Track] = append(found[c.Track], c.Samples...)
		for _, p := range c.Data {
			data[c.Track] = append(data[c.Track], p...)
		}
	}
}

// TestStream reads what ffmpeg writes to a pipe: sample for sample what ffprobe finds in the same bytes in a file.
func TestStream(t *testing.T) {
	closed := encoded(t, "closed.mp4")
	sound := []string{"-map", "0:a", "-c:a", "aac", "-b:a", "48k"}
	pictures := []string{"-map", "0:v", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "50"}
	for name, row := range map[string]struct {
		args  []string
		flags string
	}{
		"sound":        {sound, "+frag_keyframe+empty_moov+default_base_moof+cmaf"},
		"pictures":     {pictures, "+frag_keyframe+empty_moov+default_base_moof+cmaf"},
		"both":         {append([]string{"-map", "0:v", "-c:v", "copy"}, sound...), "+frag_keyframe+empty_moov+default_base_moof+cmaf"},
		"no base":      {append([]string{"-map", "0:v", "-c:v", "copy"}, sound...), "+frag_keyframe+empty_moov"},
		"turns":        {append([]string{"-map", "0:v", "-c:v", "copy"}, sound...), "+frag_keyframe+empty_moov+default_base_moof+separate_moof"},
		"single":       {append([]string{"-map", "0:v", "-c:v", "copy"}, sound...), "+frag_every_frame+empty_moov+default_base_moof"},
		"uncompressed": {[]string{"-map", "0:a", "-c:a", "pcm_s16le"}, "+frag_keyframe+empty_moov+default_base_moof"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := "mp4"
			if name == "uncompressed" {
				kind = "mov"
			}
			out := tool(t, nil, "ffmpeg", append(append([]string{"-nostdin", "-v", "error", "-i", closed}, row.args...), "-f", kind, "-movflags", row.flags, "pipe:1")...)
			file := filepath.Join(t.TempDir(), "stream.mp4")
			if err := os.WriteFile(file, out, 0o600); err != nil {
				t.Fatal(err)
			}
			found := streamed(t, out, file)
			// Cut anywhere, it says so, and what was whole comes out.
			for _, cut := range []int{5, 500, len(out) / 3, len(out) * 2 / 3} {
				part, _, err := drain(NewStream(bytes.NewReader(out[:cut]), 2<<20))
				if !errors.Is(err, ErrShort) {
					t.Errorf("cut at %d: %v", cut, err)
				}
				for id, samples := range part {
					if !reflect.DeepEqual(samples, found[id][:len(samples)]) {
						t.Errorf("cut at %d: other samples", cut)
					}
				}
			}
		})
	}
}

// streamed reads a stream and compares it with the file of the same bytes.
func streamed(t *testing.T, out []byte, file string) map[int64][]Sample {
	t.Helper()
	s := NewStream(iotest.HalfReader(bytes.NewReader(out)), 2<<20)
	tracks, err := s.Tracks()
	if err != nil {
		t.Fatal(err)
	}
	found, data, err := drain(s)
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	m := compare(t, file)
	if len(m.Tracks) != len(tracks) {
		t.Errorf("%d tracks of %d", len(tracks), len(m.Tracks))
	}
	for i, track := range m.Tracks {
		if tracks[i].ID != track.ID || tracks[i].Format != track.Format || !bytes.Equal(tracks[i].Entries, track.Entries) {
			t.Errorf("track %d is another one: %+v", i, tracks[i])
		}
		samples := all(t, m, track)
		if !reflect.DeepEqual(found[track.ID], samples) {
			t.Error("the stream is not the file")
		}
		var want []byte
		for _, s := range samples {
			want = append(want, out[s.Offset:s.Offset+s.Size]...)
		}
		if !bytes.Equal(data[track.ID], want) {
			t.Error("other bytes")
		}
	}
	return found
}

// TestHostileStreams wants an error of the stream's for whatever makes no sense, and the reader's own error as it is.
func TestHostileStreams(t *testing.T) {
	head := Init(InitTrack{ID: 1, Handler: "vide", Timescale: 1000, Entries: table("stsd", 0, nil)})
	fragment := func(change func(p []byte)) []byte {
		p := append(Fragment(1, 1, 0, []Piece{{Size: 4, Duration: 40, Sync: true}, {Size: 6, Duration: 40}}), "0123456789"...)
		change(p)
		return p
	}
	at := func(p []byte, kind string, skip int) []byte { return p[bytes.Index(p, []byte(kind))+4+skip:] }
	for name, change := range map[string]func(p []byte){
		"a time below 0":        func(p []byte) { copy(at(p, "tfdt", 4), words(math.MaxUint32, math.MaxUint32-1024)) },
		"a time near the end":   func(p []byte) { copy(at(p, "tfdt", 4), words(0x7fffffff, math.MaxUint32)) },
		"another track":         func(p []byte) { copy(at(p, "tfhd", 4), words(7)) },
		"a count beyond":        func(p []byte) { copy(at(p, "trun", 4), words(3)) },
		"a huge count":          func(p []byte) { copy(at(p, "trun", 4), words(math.MaxUint32)) },
		"data before the mdat":  func(p []byte) { copy(at(p, "trun", 8), words(8)) },
		"data below 0":          func(p []byte) { copy(at(p, "trun", 8), words(math.MaxUint32)) },
		"data behind the mdat":  func(p []byte) { copy(at(p, "trun", 8), words(1<<20)) },
		"sizes beyond the mdat": func(p []byte) { copy(at(p, "trun", 12), words(1, 1<<30)) },
		"a traf too large":      func(p []byte) { copy(at(p, "mfhd", 8), words(1<<20)) },
		"no tfhd":               func(p []byte) { copy(at(p, "tfhd", -4), "free") },
		"no data":               func(p []byte) { copy(at(p, "mdat", -4), "moof") },
		"a box without a size":  func(p []byte) { copy(p, words(0)) },
		"a box below 8":         func(p []byte) { copy(p, words(5)) },
		"a box above the limit": func(p []byte) { copy(p, words(1<<21)) },
	} {
		out := append(append(bytes.Clone(head), fragment(func([]byte) {})...), fragment(change)...)
		found, _, err := drain(NewStream(bytes.NewReader(out), 1<<20))
		if !Damaged(err) || len(found[1]) != 2 {
			t.Errorf("%s: %d samples, %v", name, len(found[1]), err)
		}
		s := NewStream(bytes.NewReader(out), 1<<20)
		_, _, first := drain(s)
		if _, again := s.Next(); again != first || s == nil {
			t.Errorf("%s: %v, then %v", name, first, again)
		}
	}
	broken := errors.New("broken pipe")
	if _, _, err := drain(NewStream(io.MultiReader(bytes.NewReader(head), iotest.ErrReader(broken)), 1<<20)); !errors.Is(err, broken) || Damaged(err) {
		t.Error(err)
	}
	for name, text := range map[string]string{"nothing": "", "text": strings.Repeat("hello", 100), "a moov without tracks' ends": string(boxed("moov", boxed("trak", words(1<<20))))} {
		if _, err := NewStream(strings.NewReader(text), 1<<20).Tracks(); !Damaged(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
	"bwv/internal/kinds"
)

// TestUnheard has sound that nothing can be made of, and too many of it: the rest is heard, and the digest is as it is.
func TestUnheard(t *testing.T) {
	tools := start(t, Config{})
	change := func(t *testing.T, file string, from, to string) string {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte(from)) {
			t.Fatalf("%v, or no %q", err, from)
		}
		changed := filepath.Join(t.TempDir(), filepath.Base(file))
		if err := os.WriteFile(changed, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		return changed
	}
	t.Run("unknown codec", func(t *testing.T) {
		file := record(t, "a.mov", "-i", clip("samplelib_street_1080p30_5s.mp4"), "-map", "0:v", "-map", "0:a", "-map", "0:a", "-c:v", "copy", "-c:a:0", "pcm_s16le", "-c:a:1", "copy")
		k := read(t, tools, &disk{file: change(t, file, "sowt", "zzzz")})
		if s := k.last.Sounds; len(s) != 2 || s[0].Failed == "" || s[0].Takes != 0 || s[1].Failed != "" || s[1].Takes != 1 {
			t.Fatalf("%+v", s)
		}
		t.Log(k.last.Sounds[0].Failed)
		decoded(t, k.file(t, 1))
		if len(k.takes[[2]int{1, 0}].Peaks) < 100 {
			t.Errorf("the sound that is heard makes %d bytes of waveform", len(k.takes[[2]int{1, 0}].Peaks))
		}
	})
	t.Run("six", func(t *testing.T) {
		args := []string{"-i", clip("samplelib_street_1080p30_5s.mp4"), "-map", "0:v"}
		for range 6 {
			args = append(args, "-map", "0:a")
		}
		k := read(t, tools, &disk{file: record(t, "a.mp4", append(args, "-c", "copy")...)})
		if s := k.last.Sounds; len(s) != 5 || s[3].Takes != 1 || s[4].Failed == "" {
			t.Fatalf("%+v", s)
		}
	})
	t.Run("a fragment that cannot be", func(t *testing.T) {
		file := record(t, "a.mp4", "-i", clip("intel_one-by-one-person_139s.mp4"), "-f", "lavfi", "-i", "sine=d=60", "-c:v", "copy", "-c:a", "aac", "-t", "60", "-movflags", "+frag_keyframe+empty_moov")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.LastIndex(b, []byte("trun"))
		copy(b[at+8:], "\xff\xff\xff\xff") // so many samples
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		k := read(t, tools, &disk{file: file})
		if s := k.last.Sounds; len(s) != 1 || s[0].Failed != "" || s[0].Takes == 0 || s[0].Note != incomplete {
			t.Errorf("%+v", s)
		}
		decoded(t, k.file(t, 0))
	})
	t.Run("zeros for frames", func(t *testing.T) {
		file := clip("samplelib_street_1080p30_5s.mp4")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := isobmff.Read(bytesFile(b))
		if err != nil {
			t.Fatal(err)
		}
		for _, track := range m.Tracks {
			for list := m.Samples(track); track.Handler == "soun"; {
				s, err := list.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				clear(b[s.Offset : s.Offset+s.Size])
			}
		}
		zeros := filepath.Join(t.TempDir(), "a.mp4")
		if err := os.WriteFile(zeros, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if k := read(t, tools, &disk{file: zeros}); k.last.Sounds[0].Takes != 1 { // as it was recorded
			t.Errorf("%+v", k.last.Sounds)
		}
	})
}

// bytesFile is a file in memory.
type bytesFile []byte

func (b bytesFile) Size() int64 { return int64(len(b)) }
func (b bytesFile) ReadAt(p []byte, offset int64) (int, error) {
	return bytes.NewReader(b).ReadAt(p, offset)
}

// TestScattered has the sound's chunks at the end of the file, the last one first: they come by requests of their own, and are the same.
func TestScattered(t *testing.T) {
	tools := start(t, Config{})
	for _, name := range []string{"a.mp4", "a.mov"} {
		codec := map[string]string{"a.mp4": "copy", "a.mov": "pcm_s16le"}[name]
		file := record(t, name, "-i", clip("gopro_hero5_karma_12s.mp4"), "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", codec, "-movflags", "+faststart")
		want := read(t, tools, &disk{file: file})
		got := read(t, tools, &disk{file: scatter(t, file)})
		if len(got.takes) == 0 || len(got.takes) != len(want.takes) {
			t.Fatalf("%s: %d takes, %d", name, len(got.takes), len(want.takes))
		}
		for n, take := range want.takes {
			if !bytes.Equal(take.Media, got.takes[n].Media) || !bytes.Equal(take.Peaks, got.takes[n].Peaks) {
				t.Errorf("%s: take %v is another", name, n)
			}
		}
	}
}

// scatter moves the chunks of the sound of a file whose moov comes first.
func scatter(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sound := bytes.Index(b, []byte("smhd"))
	table := sound + bytes.Index(b[sound:], []byte("stco"))
	count := int(binary.BigEndian.Uint32(b[table+8:]))
	m, err := isobmff.Read(bytesFile(b))
	if err != nil {
		t.Fatal(err)
	}
	sizes, chunk := map[uint32]int64{}, uint32(0)
	starts := map[uint32]bool{}
	for i := range count {
		starts[binary.BigEndian.Uint32(b[table+12+4*i:])] = true
	}
	for _, track := range m.Tracks {
		for list := m.Samples(track); track.Handler == "soun"; {
			s, err := list.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if starts[uint32(s.Offset)] {
				chunk = uint32(s.Offset)
			}
			sizes[chunk] += s.Size
		}
	}
	moved := bytes.Clone(b)
	for i := count - 1; i >= 0; i-- {
		from := binary.BigEndian.Uint32(b[table+12+4*i:])
		binary.BigEndian.PutUint32(moved[table+12+4*i:], uint32(len(moved)))
		moved = append(moved, b[from:int64(from)+sizes[from]]...)
	}
	moved = append(moved, make([]byte, 8<<20)...) // more than the tape has at hand
	out := filepath.Join(t.TempDir(), filepath.Base(file))
	if err := os.WriteFile(out, moved, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// heardBy takes the sound of a recording that is gone through.
type heardBy struct {
	made
	kept
}

func (h *heardBy) Sound(ctx context.Context, known []evidence.Sound, takes []evidence.Take) error {
	return h.save(ctx, evidence.Reading{Sounds: known}, takes)
}

// TestGoneThrough has sound made by the child that copies the pictures of a recording without an index.
func TestGoneThrough(t *testing.T) {
	tools := start(t, Config{})
	for _, name := range []string{"clap-ts", "clap-mkv"} {
		file := byName(t, name)
		h := &heardBy{}
		if _, err := tools.Cut(t.Context(), (&disk{file: file}).source(t), h); err != nil {
			t.Fatal(err)
		}
		s := h.last.Sounds
		if len(s) != 1 || !s[0].Ended || s[0].Takes != 2 || s[0].Failed != "" {
			t.Fatalf("%s: %+v", name, s)
		}
		sound := h.file(t, 0)
		decoded(t, sound)
		sameClaps(t, file, sound, true)
	}
	for _, kind := range kinds.List() {
		if !slices.Contains([]string{"ts-high", "ts-wrap", "sound-late-ts", "sound-late-mkv", "sound-early"}, kind.Name) {
			continue
		}
		file := byName(t, kind.Name)
		h := &heardBy{}
		if _, err := tools.Cut(t.Context(), (&disk{file: file}).source(t), h); err != nil {
			t.Fatal(err)
		}
		tracks, err := kinds.Sound(t.Context(), file)
		if err != nil || len(tracks) != len(h.last.Sounds) {
			t.Fatalf("%s: %+v of %+v, %v", kind.Name, h.last.Sounds, tracks, err)
		}
		h.plays(t, 0, tracks[0], kind)
		t.Logf("%s: from %.3f to %.3f s", kind.Name, tracks[0].First.Seconds(), tracks[0].End.Seconds())
	}
}

package isobmff

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

// TestDirectory wants back what was written, whatever it was, from no byte less than there are.
func TestDirectory(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 3, 1000, maxReferences} {
		refs := make([]Reference, n)
		for i := range refs {
			refs[i] = Reference{random.Int64N(1 << 31), random.Int64N(1 << 32)}
		}
		want := DirectoryInfo{Track: 1 + random.Int64N(100), Timescale: 1 + random.Int64N(1<<32-1), Start: random.Int64N(1 << 62), Refs: refs}
		head := Init(InitTrack{ID: want.Track, Handler: "soun", Timescale: want.Timescale, Entries: AAC(48000, 2)})
		head = append(head, Directory(want.Track, want.Timescale, want.Start, refs)...)
		want.First = int64(len(head))
		for _, more := range []int{0, 100} {
			if d, err := ParseDirectory(append(bytes.Clone(head), make([]byte, more)...)); err != nil || !reflect.DeepEqual(d, want) {
				t.Errorf("%d references: %v", n, err)
			}
		}
		for _, short := range []int{0, 4, 30, len(head) - 12, len(head) - 1} {
			if _, err := ParseDirectory(head[:short]); !errors.Is(err, ErrShort) {
				t.Errorf("%d of %d bytes: %v", short, len(head), err)
			}
		}
	}
	// Too many are joined, and nothing is lost.
	refs := slices.Repeat([]Reference{{100, 7}}, 2*maxReferences+3)
	d, err := ParseDirectory(Directory(1, 1000, 0, refs))
	var sum Reference
	for _, r := range d.Refs {
		sum.Bytes, sum.Duration = sum.Bytes+r.Bytes, sum.Duration+r.Duration
	}
	if n := int64(len(refs)); err != nil || sum != (Reference{100 * n, 7 * n}) || len(d.Refs) > maxReferences {
		t.Errorf("%d references of %+v, %v", len(d.Refs), sum, err)
	}
	for name, p := range map[string][]byte{
		"a fragment first":  append(boxed("moof"), Directory(1, 1, 0, nil)...),
		"no timescale":      Directory(1, 0, 0, nil),
		"a start below 0":   Directory(1, 1, -1, nil),
		"too few rows":      boxed("sidx", words(1<<24, 1, 1, 0, 0, 0, 0, 2, 1, 1, 1)),
		"one of others":     boxed("sidx", words(1<<24, 1, 1, 0, 0, 0, 0, 1, 1<<31, 1, 1)),
		"another version":   boxed("sidx", words(2<<24, 1, 1, 0, 0, 0, 0, 0)),
		"too small":         boxed("sidx", words(1<<24, 1, 1)),
		"a box below 8":     words(5, 0x66747970, 0),
		"an endless offset": boxed("sidx", words(1<<24, 1, 1, 0, 0, 0x7fffffff, 0, 0)),
	} {
		if d, err := ParseDirectory(p); !errors.Is(err, ErrDamaged) || !reflect.DeepEqual(d, DirectoryInfo{}) {
			t.Errorf("%s: %+v %v", name, d, err)
		}
	}
}

// TestDirectoryOfFFmpeg reads the sidx that ffmpeg writes: its references are the fragments that are there. And ffmpeg reads ours: a film with it
// has the same packets as one without.
func TestDirectoryOfFFmpeg(t *testing.T) {
	file := encode(t, "sidx.mp4", "-i", encoded(t, "closed.mp4"), "-map", "0:v", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+global_sidx")
	p, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ParseDirectory(p)
	if err != nil || len(d.Refs) != 6 {
		t.Fatalf("%+v %v", d, err)
	}
	at := d.First
	for _, r := range d.Refs {
		if string(p[at+4:at+8]) != "moof" {
			t.Fatalf("no fragment at %d", at)
		}
		at += r.Bytes
	}
	if string(p[at+4:at+8]) != "mfra" {
		t.Errorf("the fragments end at %d of %d", at, len(p))
	}

	m, disk := read(t, file)
	bare, err := os.ReadFile(fragmented(t, m, disk, m.Tracks[0], all(t, m, m.Tracks[0]), 25))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.Index(bare, []byte("moof")) - 4
	var refs []Reference
	for i := first; i < len(bare); {
		size := int(u32(bare[i:]))
		size += int(u32(bare[i+size:]))
		refs = append(refs, Reference{int64(size), 25 * 512})
		i += size
	}
	with := slices.Concat(bare[:first], Directory(1, m.Tracks[0].Timescale, 1024, refs), bare[first:])
	indexed := filepath.Join(t.TempDir(), "indexed.mp4")
	if err := os.WriteFile(indexed, with, 0o600); err != nil {
		t.Fatal(err)
	}
	compare(t, indexed)
	sought := packets(t, indexed, "-read_intervals", "3.5%+0.04")[0]
	if len(sought) == 0 || sought[0].PTS != 1024+3*25*512 || !sought[0].sync() {
		t.Errorf("sought %+v", sought)
	}
}

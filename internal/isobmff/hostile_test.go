package isobmff

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// TestHostileMovies wants of each broken film an error of the film's own, behind the samples that are good, or a Movie that says so.
func TestHostileMovies(t *testing.T) {
	good := func() []byte {
		return trak(1, "vide", emptyEntries(), rowsOf("stts", 2, 4, 40), rowsOf("ctts", 2, 4, 80), rowsOf("stss", 1, 1, 3), rowsOf("stsc", 3, 1, 2, 1), boxed("stsz", words(0, 0, 4, 10, 10, 10, 10)), rowsOf("co64", 2, 0, 5000, 0, 7000))
	}
	at := func(p []byte, kind string, skip int) []byte { return p[bytes.Index(p, []byte(kind))+4+skip:] }
	for name, row := range map[string]struct {
		change  func(p []byte)
		damaged bool
		tracks  int // beside the good one that follows
		samples int
		err     error
	}{
		"nothing":                 {func([]byte) {}, false, 1, 4, io.EOF},
		"more durations claimed":  {func(p []byte) { copy(at(p, "stts", 4), words(2, 2)) }, true, 1, 2, ErrDamaged},
		"more shifts claimed":     {func(p []byte) { copy(at(p, "ctts", 4), words(2, 2)) }, false, 1, 2, ErrDamaged},
		"more marks claimed":      {func(p []byte) { copy(at(p, "stss", 4), words(9)) }, false, 1, 3, ErrDamaged},
		"more runs claimed":       {func(p []byte) { copy(at(p, "stsc", 4), words(math.MaxUint32)) }, false, 1, 0, ErrDamaged},
		"more sizes claimed":      {func(p []byte) { copy(at(p, "stsz", 8), words(5)) }, false, 1, 4, ErrDamaged},
		"more chunks claimed":     {func(p []byte) { copy(at(p, "co64", 4), words(3)) }, false, 1, 4, io.EOF},
		"chunks missing":          {func(p []byte) { copy(at(p, "co64", 4), words(1)) }, false, 1, 2, ErrDamaged},
		"no run":                  {func(p []byte) { copy(at(p, "stsc", 4), words(0)) }, false, 1, 0, ErrDamaged},
		"a place below 0":         {func(p []byte) { copy(at(p, "co64", 16), words(1<<31)) }, false, 1, 2, ErrDamaged},
		"a place beyond":          {func(p []byte) { copy(at(p, "co64", 16), words(0, 7985)) }, false, 1, 3, ErrShort},
		"a place far beyond":      {func(p []byte) { copy(at(p, "co64", 16), words(0x7fffffff, math.MaxUint32)) }, false, 1, 2, ErrShort},
		"a size beyond":           {func(p []byte) { copy(at(p, "stsz", 12), words(10, math.MaxUint32)) }, false, 1, 1, ErrShort},
		"no timescale":            {func(p []byte) { copy(at(p, "mdhd", 20), words(0)) }, true, 0, 0, nil},
		"a timescale cut off":     {func(p []byte) { copy(at(p, "mdhd", -8), words(20)) }, true, 0, 0, nil},
		"no header":               {func(p []byte) { copy(at(p, "mdhd", -4), "free") }, true, 0, 0, nil},
		"a box below 8":           {func(p []byte) { copy(at(p, "stts", -8), words(7)) }, true, 0, 0, nil},
		"a box too large":         {func(p []byte) { copy(at(p, "co64", -8), words(1000)) }, true, 1, 4, io.EOF},
		"a huge box of 64 bits":   {func(p []byte) { copy(at(p, "stts", -8), words(1, 0x73747473, 1<<31, 0)) }, true, 0, 0, nil},
		"sizes of three bits":     {func(p []byte) { copy(at(p, "stsz", -4), "stz2"); copy(at(p, "stz2", 4), words(3)) }, true, 0, 0, nil},
		"a table without content": {func(p []byte) { copy(at(p, "ctts", -8), words(8)); copy(at(p, "ctts", 0), words(16, 0x66726565)) }, false, 1, 0, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			p := good()
			row.change(p)
			m, err := Read(movie(8000, p, trak(2, "vide", emptyEntries())))
			if err != nil || !m.Found || m.Damaged != row.damaged || len(m.Tracks) != row.tracks+1 || m.Track(2) == nil {
				t.Fatalf("%+v %v", m, err)
			}
			if track := m.Track(1); track != nil {
				if found, err := take(m, track); len(found) != row.samples || !errors.Is(err, row.err) || Damaged(err) == (row.err == io.EOF) {
					t.Errorf("%d samples, %v", len(found), err)
				}
			}
		})
	}
}

// TestHostileFragments is the same for what follows a moov.
func TestHostileFragments(t *testing.T) {
	head := Init(InitTrack{ID: 1, Handler: "vide", Timescale: 1000, Entries: emptyEntries()})
	good := append(Fragment(1, 1, 0, []Piece{{Size: 4, Duration: 40, Sync: true}, {Size: 6, Duration: 40}}), "0123456789"...)
	at := func(p []byte, kind string, skip int) []byte { return p[bytes.Index(p, []byte(kind))+4+skip:] }
	trun := func(flags int64, more ...int64) []byte {
		moof := boxed("moof", boxed("traf", boxed("tfhd", words(0x2001a, 1, 1, 1, 1)), boxed("trun", append(words(flags), words(more...)...))))
		return append(moof, boxed("mdat", []byte("0123456789"))...)
	}
	for name, row := range map[string]struct {
		second  []byte
		change  func(p []byte)
		samples int
		err     error
	}{
		"nothing":                  {good, func([]byte) {}, 4, io.EOF},
		"a time below 0":           {good, func(p []byte) { copy(at(p, "tfdt", 4), words(math.MaxUint32, 0)) }, 2, ErrDamaged},
		"a count beyond":           {good, func(p []byte) { copy(at(p, "trun", 4), words(math.MaxUint32)) }, 2, ErrDamaged},
		"data below 0":             {good, func(p []byte) { copy(at(p, "trun", 8), words(1<<31)) }, 2, ErrDamaged},
		"data beyond":              {good, func(p []byte) { copy(at(p, "trun", 8), words(1<<30)) }, 2, ErrShort},
		"a moof that is cut":       {good, func(p []byte) { copy(p, words(1<<20)) }, 2, ErrShort},
		"a box below 8":            {good, func(p []byte) { copy(p, words(3)) }, 2, ErrDamaged},
		"an mdat that is cut":      {good[:len(good)-3], func([]byte) {}, 3, ErrShort},
		"no mdat":                  {good[:len(good)-18], func([]byte) {}, 2, ErrShort},
		"a header that is cut":     {good[:5], func([]byte) {}, 2, io.EOF},
		"another track":            {good, func(p []byte) { copy(at(p, "tfhd", 4), words(2)) }, 2, io.EOF},
		"a run without rows":       {trun(0, 3), func([]byte) {}, 5, io.EOF},
		"a claim beyond the file":  {trun(0, math.MaxUint32), func([]byte) {}, 2 + 900, ErrShort},
		"a claim of nothing":       {trun(0, math.MaxUint32), func(p []byte) { copy(at(p, "tfhd", 16), words(0)) }, 2, ErrDamaged},
		"a lesser claim of it":     {trun(0, 60_000), func(p []byte) { copy(at(p, "tfhd", 16), words(0)) }, 2 + 900, ErrDamaged},
		"sizes beyond all numbers": {trun(0, math.MaxUint32), func(p []byte) { copy(at(p, "tfhd", 16), words(math.MaxUint32)) }, 2, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			second := bytes.Clone(row.second)
			row.change(second)
			m, err := Read(memory(append(append(bytes.Clone(head), good...), second...)))
			if err != nil || m.Damaged || !m.Fragmented || len(m.Tracks) != 1 {
				t.Fatalf("%+v %v", m, err)
			}
			// 900 or more stands for a number that the file's size bounds: there is an end.
			found, err := take(m, m.Tracks[0])
			if !errors.Is(err, row.err) || len(found) != row.samples && (row.samples < 900 || len(found) > 2*int(m.src.size)+2) {
				t.Errorf("%d samples, %v", len(found), err)
			}
		})
	}
}

// TestHostileFiles wants no more than "there is no moov" of the files that are no film, and bounds for those that have too much of everything.
func TestHostileFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "testdata", "hostile", "*"))
	if err != nil || len(files) < 6 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		p, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := Read(memory(p)); err != nil || m.Found || len(m.Tracks) > 0 {
			t.Errorf("%s: %+v %v", file, m, err)
		}
	}
	nested := boxed("stts", words(0, 0))
	for range 20 {
		nested = boxed("mdia", nested)
	}
	w := &writer{}
	w.movieHeader(1000, 0, 1)
	header := w.b
	for name, row := range map[string]struct {
		file   []byte
		tracks int
	}{
		"nested":           {boxed("moov", header, boxed("trak", nested), trak(1, "vide", nil)), 1},
		"too many boxes":   {boxed("moov", header, trak(1, "vide", nil), bytes.Repeat(boxed("free"), maxBoxes), trak(2, "vide", nil)), 1},
		"too many tracks":  {boxed("moov", header, bytes.Repeat(trak(1, "vide", nil), maxTracks+5)), maxTracks},
		"too many edits":   {boxed("moov", header, boxed("trak", boxed("edts", rowsOf("elst", 3, make([]int64, 3*(maxEdits+1))...)))), 0},
		"a large stsd":     {boxed("moov", header, trak(1, "vide", boxed("stsd", make([]byte, maxEntries+1))), trak(2, "vide", nil)), 1},
		"many large stsd":  {boxed("moov", header, bytes.Repeat(trak(1, "vide", boxed("stsd", make([]byte, maxEntries))), 30)), 15},
		"no header's room": {boxed("moov", boxed("mvhd", words(0, 1)), trak(1, "vide", nil)), 0},
	} {
		if m, err := Read(memory(row.file)); err != nil || !m.Found || !m.Damaged || len(m.Tracks) != row.tracks {
			t.Errorf("%s: %d tracks, damaged %t, %v", name, len(m.Tracks), m.Damaged, err)
		}
	}
	// The top level: only so many boxes, and no generous requests for them.
	many := &sparse{size: 1 << 40, parts: map[int64][]byte{}}
	for i := range int64(2 * maxTop) {
		many.parts[i<<20] = words(1<<20, 0x66726565)
	}
	if m, err := Read(many); err != nil || m.Found || !m.Damaged || many.requests > maxTop+1 || many.bytes > 8<<20 {
		t.Errorf("%+v %v, %d requests of %d bytes", m, err, many.requests, many.bytes)
	}
}

// TestUserData wants it whole or not at all, and a camera's settings in any case.
func TestUserData(t *testing.T) {
	settings := boxed("GPMF", []byte("DVID"))
	for name, row := range map[string]struct {
		boxes [][]byte
		want  []byte
	}{
		"none":      {nil, nil},
		"both":      {[][]byte{boxed("udta", settings), trak(1, "vide", nil), boxed("meta", words(0))}, append(boxed("udta", settings), boxed("meta", words(0))...)},
		"too large": {[][]byte{boxed("udta", settings, boxed("free", make([]byte, maxUserData)))}, nil},
		"together":  {[][]byte{boxed("udta", settings), boxed("meta", make([]byte, maxUserData-20))}, nil},
		"garbage":   {[][]byte{boxed("udta", settings, words(3, 4))}, boxed("udta", settings, words(3, 4))},
	} {
		m, err := Read(movie(4<<20, row.boxes...))
		if err != nil || m.Damaged || !bytes.Equal(m.UserData, row.want) || (name == "none") != (m.Settings == nil) || name != "none" && string(m.Settings) != "DVID" {
			t.Errorf("%s: %+v %v", name, m, err)
		}
	}
}

// TestCut wants what there is of a film whose end is missing.
func TestCut(t *testing.T) {
	closed := encoded(t, "closed.mp4")
	for _, flags := range []string{"+faststart", "+frag_keyframe+empty_moov"} {
		p, err := os.ReadFile(encode(t, "film.mp4", "-i", closed, "-map", "0", "-c", "copy", "-movflags", flags))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := Read(memory(p))
		if err != nil || whole.Cut {
			t.Fatal(whole, err)
		}
		for _, length := range []int{len(p) * 9 / 10, len(p) * 2 / 3} {
			m, err := Read(memory(p[:length]))
			if err != nil || m.Damaged || m.Cut != (flags == "+faststart") || len(m.Tracks) != 2 {
				t.Fatalf("%s: %+v %v", flags, m, err)
			}
			for i, track := range m.Tracks {
				found, err := take(m, track)
				want := all(t, whole, whole.Tracks[i])
				if !errors.Is(err, ErrShort) && (!errors.Is(err, io.EOF) || flags == "+faststart") || len(found) == 0 || len(found) >= len(want) {
					t.Errorf("%s: %d samples of %d, %v", flags, len(found), len(want), err)
				}
				for k, s := range found {
					if s != want[k] {
						t.Fatalf("%s: sample %d is another one", flags, k)
					}
				}
			}
		}
	}
	// A moov that is cut itself says so; what is there of it is there.
	p, err := os.ReadFile(closed)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := Read(memory(p[:len(p)-3000])); err != nil || !m.Found || !m.Cut || !m.Damaged || len(m.Tracks) == 0 {
		t.Errorf("%+v %v", m, err)
	}
}

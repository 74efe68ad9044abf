package reclaim

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"bwv/internal/isobmff"
)

// another is a recording of the same camera: the last third of this one.
func another(t *testing.T, b file, m *isobmff.Movie) (file, *isobmff.Movie) {
	t.Helper()
	var tracks []isobmff.FilmTrack
	for _, track := range m.Tracks {
		all := truth(t, m, track)
		from := len(all) * 2 / 3
		if track.Handler == "vide" {
			for !all[from].Sync && from > 0 {
				from--
			}
		}
		tracks = append(tracks, isobmff.FilmTrack{Track: track, Samples: all[from:]})
	}
	film, extents := m.Film(0, tracks...)
	for _, e := range extents {
		film = append(film, b[e.Offset:e.Offset+e.Size]...)
	}
	other, err := isobmff.Read(file(film))
	if err != nil || !other.Found || len(other.Tracks) != len(m.Tracks) {
		t.Fatalf("%v: %+v", err, other)
	}
	return film, other
}

// whole are the samples of a table that end before a place.
func whole(table []isobmff.Sample, end int64) (n int) {
	for _, s := range table {
		if s.Offset+s.Size <= end {
			n++
		}
	}
	return n
}

// TestAnotherRecording finds the pictures of a recording that was cut off, with what another one of its camera knows.
func TestAnotherRecording(t *testing.T) {
	for _, name := range []string{"gopro_hero5_karma_12s.mp4", "gopro_max_heromode_10s_gps5.mp4", "intel_car-detection_30s.mp4", "samplelib_street_1080p30_5s.mp4"} {
		t.Run(name, func(t *testing.T) {
			b, m := clip(t, name)
			r := learn(t, b, m)
			table := truth(t, m, r.Track)
			from, to := media(b)
			end := from + (to-from)*2/3
			film, index := another(t, b, m)
			found, _ := walk(t, learn(t, film, index), b[:end], from)
			if n, want := right(found, table), whole(table, end); n < want || len(found) != n {
				t.Errorf("%d pictures, %d right, of %d", len(found), n, want)
			}
		})
	}
}

// TestHoles overwrites a stretch in the middle. What is found is there, to the byte; what is before the hole is at its time, and behind it all goes on
// with the next IDR.
func TestHoles(t *testing.T) {
	noise := rand.NewChaCha8([32]byte{7})
	const size = leastHole + 10<<10
	for name, harm := range map[string]func(p []byte){"zeros": func(p []byte) { clear(p) }, "noise": func(p []byte) { _, _ = noise.Read(p) }} {
		for _, recording := range []string{"gopro_hero5_karma_12s.mp4", "udacity_solidWhiteRight_9s.mp4", "intel_car-detection_30s.mp4"} {
			t.Run(name+" "+recording, func(t *testing.T) {
				b, m := clip(t, recording)
				r := learn(t, b, m)
				table := truth(t, m, r.Track)
				from, to := media(b)
				hole := (from + to) / 2
				harmed := slices.Clone(b[:to])
				harm(harmed[hole : hole+size])
				found, w := walk(t, r, harmed, from)
				there := map[[2]int64]int{}
				for i, s := range table {
					there[[2]int64{s.Offset, s.Size}] = i
				}
				wrong, last := 0, 0
				for _, s := range found {
					i, ok := there[[2]int64{s.Offset, s.Size}]
					if last = i; !ok {
						wrong++
					}
				}
				group := 0 // pictures up to the next IDR
				for _, s := range table {
					if group++; s.Sync && s.Offset > hole+size {
						break
					}
				}
				lost := group - 1 - whole(table, hole)
				if wrong > 1 || last != len(table)-1 || len(found) < len(table)-lost-1 { // the picture that the hole is in may pass for one
					t.Errorf("%d of %d pictures, %d of them none, the last is %d; the hole takes %d", len(found), len(table), wrong, last, lost)
				}
				if w.Holes() != 1 {
					t.Errorf("%d holes", w.Holes())
				}
				if n := right(found, table); n < whole(table, hole)-maxOrdered {
					t.Errorf("%d pictures at their times, %d come before the hole", n, whole(table, hole))
				}
			})
		}
	}
}

// TestOrder puts groups of pictures in order by their counts, one behind the other.
func TestOrder(t *testing.T) {
	plain := []int{0, 6, 2, 4, 12, 8, 10, 18, 14, 16}
	for name, c := range map[string]struct {
		groups [][]int
		want   []int32 // of the last group
		length int64
	}{
		"plain":                            {[][]int{plain}, []int32{0, 3, 1, 2, 6, 4, 5, 9, 7, 8}, 10},
		"the end is missing":               {[][]int{plain, {0, 6, 2, 4, 12}}, []int32{0, 3, 1, 2, 6}, 7},
		"most of the group is missing":     {[][]int{plain, {0, 12, 6}}, []int32{0, 6, 3}, 7},
		"one is none":                      {[][]int{{0, 6, 2, 4, 12, 8, 10, 11, 18, 14, 16}}, []int32{0, 3, 1, 2, 7, 4, 5, 6, 10, 8, 9}, 11},
		"behind a group where one is none": {[][]int{{0, 6, 2, 4, 12, 8, 10, 11, 18, 14, 16}, {0, 4, 2}}, []int32{0, 2, 1}, 3},
		"one count twice":                  {[][]int{plain, {0, 2, 2, 4}}, []int32{0, 1, 2, 3}, 4},
		"far apart":                        {[][]int{plain, {0, 100, 200}}, []int32{0, 1, 2}, 3},
		"keyframes only":                   {[][]int{{0}, {0}}, []int32{0}, 1},
		"around":                           {[][]int{plain, {0, 100, 200, 252, 40, 60, 20, 50, 62}}, []int32{0, 1, 2, 3, 5, 7, 4, 6, 8}, 9},
	} {
		w := &Walk{ref: &Reference{sets: sets{map[int]sps{0: {pocLSB: 8}}, map[int]int{0: 0}}}}
		for _, group := range c.groups {
			w.group = w.group[:0]
			for _, lsb := range group {
				w.group = append(w.group, picture{slice: slice{lsb: lsb, ref: 1}})
			}
			w.order()
		}
		if !slices.Equal(w.places, c.want) || w.length != c.length {
			t.Errorf("%s: %v, %d long", name, w.places, w.length)
		}
	}
}

// TestTorn: of a picture in several slices whose last ones are missing there is nothing.
func TestTorn(t *testing.T) {
	b, m := clip(t, "gopro_max_heromode_10s_gps5.mp4")
	r := learn(t, b, m)
	table := truth(t, m, r.Track)
	from, _ := media(b)
	for _, n := range []int{1, 17, 200} {
		s := table[n]
		for _, end := range []int64{s.Offset + 3, s.Offset + s.Size/3, s.Offset + s.Size/2, s.Offset + s.Size - 1} {
			if found, _ := walk(t, r, b[:end], from); len(found) != n {
				t.Errorf("picture %d cut at %d of %d: %d pictures", n, end-s.Offset, s.Size, len(found))
			}
		}
	}
}

// endless repeats a body.
type endless struct {
	body []byte
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.body[e.at:])
	e.at = (e.at + n) % len(e.body)
	return n, nil
}

// TestLong goes through a long recording with a small window.
func TestLong(t *testing.T) {
	b, m := clip(t, "gopro_hero5_karma_12s.mp4")
	r := learn(t, b, m)
	from, to := media(b)
	const times = 30
	w := r.Walk(&endless{body: b[from:to]}, 0, (to-from)*times)
	began, n := time.Now(), 0
	for ; ; n++ {
		s, err := w.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if want := r.at(int64(n)); s.PTS() != want && n%362 == 0 {
			t.Fatalf("picture %d at %d, not %d", n, s.PTS(), want)
		}
	}
	if n != 362*times || cap(w.win.b) > 16<<20 {
		t.Errorf("%d pictures, a window of %d bytes", n, cap(w.win.b))
	}
	t.Logf("%.0f MB/s, a window of %.1f MB", float64((to-from)*times)/1e6/time.Since(began).Seconds(), float64(cap(w.win.b))/1e6)
}

// TestBusy: bytes that look like the beginning of something everywhere take time in proportion.
func TestBusy(t *testing.T) {
	b, m := clip(t, "gopro_hero5_karma_12s.mp4")
	r := learn(t, b, m)
	sei := []byte{0, 0, 0, 5, 6, 5, 1, 9, 0x80}
	claims := []byte{0, 0x70, 0, 3, 0x41, 0x9a, 9, 9} // a slice of 7 MB
	for name, body := range map[string][]byte{"messages": bytes.Repeat(sei, 1<<18), "slices": bytes.Repeat(claims, 1<<19), "zeros": make([]byte, 16<<20)} {
		began := time.Now()
		if found, _ := walk(t, r, body, 0); len(found) > 0 || time.Since(began) > 30*time.Second {
			t.Errorf("%s: %d pictures in %v", name, len(found), time.Since(began))
		}
	}
}

// TestReader: what the reader says comes back, and its end never passes for the recording's.
func TestReader(t *testing.T) {
	b, m := clip(t, "udacity_solidWhiteRight_9s.mp4")
	r := learn(t, b, m)
	from, to := media(b)
	broken := errors.New("the store is away")
	for name, c := range map[string]struct {
		rest io.Reader
		want error
	}{"fails": {iotest.ErrReader(broken), broken}, "ends": {bytes.NewReader(nil), io.ErrUnexpectedEOF}} {
		w := r.Walk(io.MultiReader(bytes.NewReader(b[from:to/2]), c.rest), from, to)
		var err error
		for err == nil {
			_, err = w.Next()
		}
		if _, again := w.Next(); !errors.Is(err, c.want) || !errors.Is(again, c.want) {
			t.Errorf("%s: %v, then %v", name, err, again)
		}
	}
}

// away is a store that gives nothing.
type away struct{ file }

func (away) ReadAt([]byte, int64) (int, error) { return 0, errors.New("the store is away") }

// TestUseless: what cannot help says why.
func TestUseless(t *testing.T) {
	b, m := clip(t, "udacity_solidWhiteRight_9s.mp4")
	for name, change := range map[string]func(video *isobmff.Track){
		"no pictures":         func(video *isobmff.Track) { video.Handler = "meta" },
		"another codec":       func(video *isobmff.Track) { video.Format = "hvc1" },
		"no parameter sets":   func(video *isobmff.Track) { video.Entries = video.Entries[:40] },
		"half parameter sets": func(video *isobmff.Track) { video.Entries = video.Entries[:120] },
		"a senseless clock":   func(video *isobmff.Track) { video.Timescale = 1 << 31 },
	} {
		other := *m
		other.Tracks = slices.Clone(m.Tracks)
		for i, track := range m.Tracks {
			if track.Handler == "vide" {
				changed := *track
				change(&changed)
				other.Tracks[i] = &changed
			}
		}
		if _, err := Learn(b, &other); !errors.Is(err, ErrUseless) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Learn(away{b}, m); err == nil || errors.Is(err, ErrUseless) {
		t.Errorf("a store that fails: %v", err)
	}
}

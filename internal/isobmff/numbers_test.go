package isobmff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// sparse is a file of any size with a few bytes in it. It counts what is asked of it, and notes what is asked twice.
type sparse struct {
	size     int64
	parts    map[int64][]byte
	requests int
	bytes    int64
	twice    int64
	asked    map[int64]int64 // from, to
	largest  int
}

func (s *sparse) Size() int64 { return s.size }

func (s *sparse) ReadAt(p []byte, at int64) (int, error) {
	s.requests++
	s.bytes += int64(len(p))
	s.largest = max(s.largest, len(p))
	for from, to := range s.asked {
		s.twice += max(0, min(to, at+int64(len(p)))-max(from, at))
	}
	if s.asked == nil {
		s.asked = map[int64]int64{}
	}
	s.asked[at] = max(s.asked[at], at+int64(len(p)))
	clear(p)
	for from, b := range s.parts {
		if skip := at - from; skip < 0 {
			if -skip < int64(len(p)) {
				copy(p[-skip:], b)
			}
		} else if skip < int64(len(b)) {
			copy(p, b[skip:])
		}
	}
	return len(p), nil
}

func boxed(kind string, parts ...[]byte) []byte {
	w := &writer{}
	w.box(kind, func() { w.bytes(bytes.Join(parts, nil)) })
	return w.b
}

func words(values ...int64) []byte {
	w := &writer{}
	w.u32(values...)
	return w.b
}

// table is a full box with a count and rows.
func table(kind string, rows int64, row func(i int64) []int64) []byte {
	w := &writer{}
	w.full(kind, 0, 0, func() {
		w.u32(rows)
		for i := range rows {
			w.u32(row(i)...)
		}
	})
	return w.b
}

const (
	longFrames  = 12 * 3600 * 30
	longPackets = 12 * 3600 * 48000 / 1024
	longSize    = int64(40 << 30)
)

// long is a film of 12 hours: 1.3 million pictures and 2 million packets of sound, of which only the tables are there.
func long(variable bool) (*sparse, []byte) {
	size := func(i int64) int64 { return 20_000 + i*7919%1000 }
	stts := table("stts", 1, func(int64) []int64 { return []int64{longFrames, 512} })
	if variable {
		stts = table("stts", longFrames, func(i int64) []int64 { return []int64{1, 500 + i%29} })
	}
	offset := int64(48)
	stco := &writer{}
	stco.full("co64", 0, 0, func() {
		stco.u32(longFrames / 30)
		for i := range int64(longFrames) {
			if i%30 == 0 {
				stco.u64(offset)
			}
			offset += size(i)
		}
	})
	track := func(id int64, handler string, timescale int64, tables ...[]byte) []byte {
		w := &writer{}
		w.box("trak", func() {
			w.trackHeader(InitTrack{ID: id, Handler: handler, Width: 1920, Height: 1080}, 0)
			w.box("mdia", func() {
				w.mediaHeader(timescale, 0)
				w.handler(handler)
				w.box("minf", func() { w.box("stbl", func() { w.bytes(bytes.Join(tables, nil)) }) })
			})
		})
		return w.b
	}
	video := track(1, "vide", 15360, table("stsd", 0, nil), stts,
		table("stss", longFrames/30, func(i int64) []int64 { return []int64{30*i + 1} }),
		table("ctts", longFrames, func(i int64) []int64 { return []int64{1, 512 * (i % 3)} }),
		table("stsc", 1, func(int64) []int64 { return []int64{1, 30, 1} }),
		boxed("stsz", words(0, 0), table("none", longFrames, func(i int64) []int64 { return []int64{size(i)} })[12:]), stco.b)
	sound := track(2, "soun", 48000, AAC(48000, 2), table("stts", 1, func(int64) []int64 { return []int64{longPackets, 1024} }),
		table("stsc", 1, func(int64) []int64 { return []int64{1, 47, 1} }),
		boxed("stsz", words(0, 0), table("none", longPackets, func(i int64) []int64 { return []int64{300 + i%100} })[12:]),
		table("stco", longPackets/47+1, func(i int64) []int64 { return []int64{48 + i*14_000} }))
	w := &writer{}
	w.movieHeader(1000, 0, 3)
	moov := boxed("moov", w.b, video, sound)
	s := &sparse{size: longSize + int64(len(moov)), parts: map[int64][]byte{longSize: moov}}
	head := &writer{}
	head.box("ftyp", func() { head.text("isom\x00\x00\x02\x00isomiso2avc1mp41") })
	head.u32(1)
	head.text("mdat")
	head.u64(longSize - int64(len(head.b)) + 8)
	s.parts[0] = head.b
	return s, moov
}

// TestLongFilm holds what it costs to come by the index of a 12-hour film.
func TestLongFilm(t *testing.T) {
	for _, variable := range []bool{false, true} {
		f, moov := long(variable)
		m, err := Read(f)
		if err != nil || m.Damaged || m.Cut || len(m.Tracks) != 2 || m.Tracks[0].Variable != variable || m.Tracks[0].Samples != longFrames || m.Tracks[1].Samples != longPackets {
			t.Fatalf("%+v %v", m, err)
		}
		t.Logf("variable %t: moov of %d bytes; Read: %d requests, %d bytes", variable, len(moov), f.requests, f.bytes)
		if f.requests > 14 || f.bytes > 2<<20 {
			t.Errorf("Read made %d requests of %d bytes", f.requests, f.bytes)
		}
		read := f.requests
		first := m.Samples(m.Tracks[0])
		for range 30 {
			if _, err := first.Next(); err != nil {
				t.Fatal(err)
			}
		}
		if f.requests != read {
			t.Errorf("the first second costs %d more requests", f.requests-read)
		}
		for i, track := range m.Tracks {
			if variable && i > 0 {
				continue // as before
			}
			before, bytes := f.requests, f.bytes
			tables := int64(0)
			for _, b := range track.tables {
				tables += b.to - b.start
			}
			n, due := int64(0), int64(0)
			for s := m.Samples(track); ; n++ {
				sample, err := s.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil || sample.DTS != due {
					t.Fatalf("sample %d: %+v %v", n, sample, err)
				}
				due += sample.Duration
			}
			if n != track.Samples {
				t.Errorf("%d samples of %d", n, track.Samples)
			}
			t.Logf("track %d: %d samples, %d requests, %d of %d bytes of tables", track.ID, n, f.requests-before, f.bytes-bytes, tables)
			if f.bytes-bytes > tables+64<<10 || f.requests-before > []int{90, 30}[i] {
				t.Errorf("track %d: %d requests, %d bytes of tables of %d bytes", track.ID, f.requests-before, f.bytes-bytes, tables)
			}
		}
		if f.largest > maxBlock*2 || f.twice > 0 && !variable || f.twice > 1<<20 {
			t.Errorf("a request of %d bytes; %d bytes were read twice", f.largest, f.twice)
		}
	}
}

// fragmentedFilm has n fragments of pictures and sound in turns, of which only the moofs are there.
func fragmentedFilm(n int, samples func(i int) int) (f *sparse, moofs int64) {
	f = &sparse{parts: map[int64][]byte{}}
	head := Init(InitTrack{ID: 1, Handler: "vide", Timescale: 90000, Entries: table("stsd", 0, nil)}, InitTrack{ID: 2, Handler: "soun", Timescale: 48000, Entries: AAC(48000, 2)})
	f.parts[0] = head
	f.size = int64(len(head))
	for i := range n {
		pieces := make([]Piece, samples(i))
		bytes := int64(0)
		for k := range pieces {
			pieces[k] = Piece{Size: 15_000 + int64(i*31+k*17)%5000, Duration: 3000, Composition: int64(k%3) * 3000, Sync: k == 0}
			bytes += pieces[k].Size
		}
		p := Fragment(uint32(i), int64(1+i%2), int64(i/2)*90000, pieces)
		f.parts[f.size] = p
		moofs += int64(binary.BigEndian.Uint32(p))
		f.size += int64(len(p)) + bytes
	}
	return f, moofs
}

// TestFragments holds what it costs to come by all moofs, where they are alike, where pictures and sound take turns, and where nothing can be foretold.
func TestFragments(t *testing.T) {
	for name, row := range map[string]struct {
		samples  func(i int) int
		requests float64
	}{
		"alike":      {func(int) int { return 30 }, 1.01},
		"turns":      {func(i int) int { return []int{60, 13}[i%2] }, 1.02},
		"nearly":     {func(i int) int { return 46 + i/2%3 }, 1.2},
		"single":     {func(int) int { return 1 }, 1.01},
		"lengthy":    {func(i int) int { return 3000 + i%2*500 }, 1.02},
		"two or 200": {func(i int) int { return []int{2, 200}[i*i/7%2] }, 2.05},
		"growing":    {func(i int) int { return i / 4 }, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			const n = 1000
			f, moofs := fragmentedFilm(n, row.samples)
			m, err := Read(f)
			if err != nil || !m.Fragmented || m.Damaged {
				t.Fatalf("%+v %v", m, err)
			}
			head := f.bytes
			found := int64(0)
			s := m.Samples(m.Track(2))
			for {
				if _, err := s.Next(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				found++
			}
			want := int64(0)
			for i := 1; i < n; i += 2 {
				want += int64(row.samples(i))
			}
			read := f.bytes - head
			t.Logf("%d moofs of %d bytes: %d requests, %d bytes (%.2f)", n, moofs, f.requests, read, float64(read)/float64(moofs))
			if found != want || float64(f.requests) > row.requests*n+3 || float64(read) > 1.2*float64(moofs)+8192 || f.twice > 0 {
				t.Errorf("%d samples of %d in %d requests, %d bytes of %d, %d twice", found, want, f.requests, read, moofs, f.twice)
			}
		})
	}
}

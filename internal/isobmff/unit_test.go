package isobmff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
)

// trak is a track with these tables, of a timescale of 1000.
func trak(id int64, handler string, stsd []byte, tables ...[]byte) []byte {
	w := &writer{}
	w.box("trak", func() {
		w.trackHeader(InitTrack{ID: id, Handler: handler}, 0)
		w.box("mdia", func() {
			w.mediaHeader(1000, 0)
			w.handler(handler)
			w.box("minf", func() { w.box("stbl", func() { w.bytes(stsd); w.bytes(bytes.Join(tables, nil)) }) })
		})
	})
	return w.b
}

// movie is a file of so many bytes with a moov in front.
func movie(size int64, boxes ...[]byte) *sparse {
	w := &writer{}
	w.movieHeader(1000, 0, 3)
	return &sparse{size: size, parts: map[int64][]byte{0: boxed("moov", append([][]byte{w.b}, boxes...)...)}}
}

func rowsOf(kind string, width int, values ...int64) []byte {
	return table(kind, int64(len(values)/width), func(i int64) []int64 { return values[int(i)*width : int(i+1)*width] })
}

func emptyEntries() []byte { return table("stsd", 0, nil) }

// take goes through a track until something happens.
func take(m *Movie, track *Track) (found []Sample, err error) {
	for s := m.Samples(track); len(found) < 10_000; {
		sample, err := s.Next()
		if err != nil {
			if _, again := s.Next(); again != err {
				return found, fmt.Errorf("%v, then %v", err, again)
			}
			return found, err
		}
		found = append(found, sample)
	}
	return found, nil
}

// TestTables holds what each kind of table says.
func TestTables(t *testing.T) {
	stts := rowsOf("stts", 2, 2, 40, 100, 50)
	stsc := rowsOf("stsc", 3, 1, 2, 1, 2, 3, 2)
	stco := rowsOf("stco", 1, 5000, 7000)
	stsz := boxed("stsz", words(0, 0, 5, 10, 11, 12, 13, 14))
	base := []Sample{
		{Offset: 5000, Size: 10, DTS: 0, Duration: 40, Sync: true, Count: 1}, {Offset: 5010, Size: 11, DTS: 40, Duration: 40, Sync: true, Count: 1},
		{Offset: 7000, Size: 12, DTS: 80, Duration: 50, Sync: true, Entry: 1, Count: 1}, {Offset: 7012, Size: 13, DTS: 130, Duration: 50, Sync: true, Entry: 1, Count: 1},
		{Offset: 7025, Size: 14, DTS: 180, Duration: 50, Sync: true, Entry: 1, Count: 1},
	}
	with := func(change func(i int, s *Sample)) []Sample {
		samples := slices.Clone(base)
		for i := range samples {
			change(i, &samples[i])
		}
		return samples
	}
	syncs := func(which ...bool) []Sample { return with(func(i int, s *Sample) { s.Sync = which[i] }) }
	sized := func(sizes ...int64) []Sample {
		offset := int64(0)
		return with(func(i int, s *Sample) {
			if i == 0 || i == 2 {
				offset = s.Offset
			}
			s.Offset, s.Size = offset, sizes[i]
			offset += s.Size
		})
	}
	for name, row := range map[string]struct {
		tables [][]byte
		want   []Sample
	}{
		"plain":               {[][]byte{stts, stsc, stsz, stco}, base},
		"places of 64 bits":   {[][]byte{stts, stsc, stsz, rowsOf("co64", 2, 0, 5000, 0, 7000)}, base},
		"durations too short": {[][]byte{rowsOf("stts", 2, 2, 40, 1, 50), stsc, stsz, stco}, base},
		"later composition":   {[][]byte{stts, rowsOf("ctts", 2, 1, 80, 2, 0, 1, math.MaxUint32-19), stsc, stsz, stco}, with(func(i int, s *Sample) { s.Composition = []int64{80, 0, 0, -20, 0}[i] })},
		"sync samples":        {[][]byte{stts, rowsOf("stss", 1, 1, 4), stsc, stsz, stco}, syncs(true, false, false, true, false)},
		"no sync samples":     {[][]byte{stts, rowsOf("stss", 1), stsc, stsz, stco}, syncs(false, false, false, false, false)},
		"counted from 0":      {[][]byte{stts, rowsOf("stss", 1, 0, 3), stsc, stsz, stco}, syncs(true, false, false, true, false)},
		"partial sync":        {[][]byte{stts, rowsOf("stss", 1, 1), rowsOf("stps", 1, 3), stsc, stsz, stco}, syncs(true, false, true, false, false)},
		"a group":             {[][]byte{stts, rowsOf("stss", 1, 1), boxed("sbgp", words(0, 0x72617020, 2, 2, 0, 1, 1)), stsc, stsz, stco}, syncs(true, false, true, false, false)},
		"a group, version 1":  {[][]byte{stts, rowsOf("stss", 1, 1), boxed("sbgp", words(1<<24, 0x72617020, 0, 2, 2, 0, 1, 1)), stsc, stsz, stco}, syncs(true, false, true, false, false)},
		"another group":       {[][]byte{stts, rowsOf("stss", 1, 1), boxed("sbgp", words(0, 0x726f6c6c, 1, 5, 1)), stsc, stsz, stco}, syncs(true, false, false, false, false)},
		"one size":            {[][]byte{stts, stsc, boxed("stsz", words(0, 20, 5)), stco}, sized(20, 20, 20, 20, 20)},
		"sizes of 16 bits":    {[][]byte{stts, stsc, boxed("stz2", words(0, 16, 5, 10<<16|11, 12<<16|13, 14<<16)), stco}, base},
		"sizes of 8 bits":     {[][]byte{stts, stsc, boxed("stz2", words(0, 8, 5, 10<<24|11<<16|12<<8|13, 14<<24)), stco}, base},
		"sizes of 4 bits":     {[][]byte{stts, stsc, boxed("stz2", words(0, 4, 5, 0xabcde<<12)), stco}, base},
		"empty chunks":        {[][]byte{stts, rowsOf("stsc", 3, 1, 2, 1, 2, 0, 1, 4, 3, 2), stsz, rowsOf("stco", 1, 5000, 1, 2, 7000)}, base},
		"nothing":             {[][]byte{rowsOf("stts", 2), rowsOf("stsc", 3), boxed("stsz", words(0, 0, 0)), rowsOf("stco", 1)}, nil},
		"no tables":           {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(movie(8000, trak(1, "vide", emptyEntries(), row.tables...)))
			if err != nil || m.Damaged || m.Cut || len(m.Tracks) != 1 || m.Tracks[0].Samples != int64(len(row.want)) {
				t.Fatalf("%+v %v", m, err)
			}
			if found, err := take(m, m.Tracks[0]); !errors.Is(err, io.EOF) || !slices.Equal(found, row.want) {
				t.Errorf("%v\n%+v, not\n%+v", err, found, row.want)
			}
		})
	}
}

// TestChunksOfSound holds that a chunk of uncompressed sound is one Sample, and how large its frames are in QuickTime's versions.
func TestChunksOfSound(t *testing.T) {
	entry := func(format string, version, channels, bits int64, more ...int64) []byte {
		w := &writer{}
		w.full("stsd", 0, 0, func() {
			w.u32(1)
			w.box(format, func() {
				w.zero(6)
				w.u16(1)
				w.u16(version)
				w.zero(6)
				w.u16(channels)
				w.u16(bits)
				w.zero(4)
				w.u32(8000 << 16)
				w.u32(more...)
			})
		})
		return w.b
	}
	double := math.Float64bits(96000)
	for name, row := range map[string]struct {
		stsd           []byte
		each           int64
		size           int64 // of 100 samples
		channels, rate int
	}{
		"16 bits":          {entry("sowt", 0, 2, 16), 4, 400, 2, 8000},
		"size 1":           {entry("twos", 0, 2, 16), 1, 400, 2, 8000},
		"8 bits":           {entry("raw ", 0, 1, 8), 1, 100, 1, 8000},
		"alaw":             {entry("alaw", 0, 2, 16), 1, 200, 2, 8000},
		"24 bits":          {entry("in24", 1, 2, 16, 1, 3, 6, 2), 1, 600, 2, 8000},
		"version 1":        {entry("ima4", 1, 1, 16, 64, 34, 34, 2), 1, 34, 1, 8000},
		"version 2":        {entry("lpcm", 2, 3, 16, 72, int64(double>>32), int64(double&maxU32), 6, 0x7f000000, 24, 0, 18, 1), 1, 1800, 6, 96000},
		"an unknown one":   {entry("ipcm", 0, 2, 16), 6, 600, 2, 8000},
		"no entry":         {emptyEntries(), 6, 600, 0, 0},
		"version 1, empty": {entry("ima4", 1, 1, 16, 0, 0, 0, 0), 3, 300, 1, 8000},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := Read(movie(9000, trak(1, "soun", row.stsd, rowsOf("stts", 2, 250, 1), rowsOf("stsc", 3, 1, 100, 1), boxed("stsz", words(0, row.each, 250)), rowsOf("stco", 1, 1000, 3000, 5000))))
			if err != nil || m.Damaged || len(m.Tracks) != 1 || m.Tracks[0].Samples != 250 {
				t.Fatalf("%+v %v", m, err)
			}
			if track := m.Tracks[0]; track.Channels != row.channels || track.Rate != row.rate {
				t.Errorf("%d channels, %d Hz", track.Channels, track.Rate)
			}
			found, err := take(m, m.Tracks[0])
			want := []Sample{{1000, row.size, 0, 100, 0, true, 0, 100}, {3000, row.size, 100, 100, 0, true, 0, 100}, {5000, row.size / 2, 200, 50, 0, true, 0, 50}}
			if name == "version 1" {
				want[2].Size = 0 // not a whole packet
			}
			if !errors.Is(err, io.EOF) || !slices.Equal(found, want) {
				t.Errorf("%v\n%+v, not\n%+v", err, found, want)
			}
		})
	}
}

// TestVariable holds what counts as a variable rate.
func TestVariable(t *testing.T) {
	for name, row := range map[string]struct {
		rows    []int64 // count, duration
		want    bool
		samples int64
	}{
		"constant":                      {[]int64{100, 1001}, false, 100},
		"the last one differs":          {[]int64{99, 1001, 1, 400}, false, 100},
		"rounding":                      {[]int64{1, 33, 2, 34, 1, 33, 2, 34}, false, 6},
		"variable":                      {[]int64{10, 33, 10, 66}, true, 20},
		"one long picture":              {[]int64{10, 33, 1, 99, 10, 33}, true, 21},
		"an empty one at the end":       {[]int64{10, 33, 2, 0}, false, 12},
		"each differs":                  {[]int64{1, 30, 1, 40, 1, 50}, true, 3},
		"claims more rows than it has":  {[]int64{5, 40}, false, 5},
		"one sample":                    {[]int64{1, 40}, false, 1},
		"none":                          {nil, false, 0},
		"the largest number of samples": {[]int64{math.MaxUint32, 40}, false, math.MaxUint32},
	} {
		stts := rowsOf("stts", 2, row.rows...)
		claims := name == "claims more rows than it has"
		if claims {
			binary.BigEndian.PutUint32(stts[12:], math.MaxUint32)
		}
		for _, counted := range []bool{false, true} {
			tables := [][]byte{stts}
			if counted {
				tables = append(tables, boxed("stsz", words(0, 7, row.samples)))
			}
			m, err := Read(movie(1000, trak(1, "vide", emptyEntries(), tables...)))
			if err != nil || len(m.Tracks) != 1 || m.Damaged != claims {
				t.Fatalf("%s: %+v %v", name, m, err)
			}
			if v := m.Tracks[0]; v.Variable != row.want || v.Samples != row.samples {
				t.Errorf("%s: variable %t, %d samples", name, v.Variable, v.Samples)
			}
		}
	}
}

// TestShift holds which edit lists are understood, and what follows from them.
func TestShift(t *testing.T) {
	const one = 1 << 16
	m := &Movie{Timescale: 600}
	all := int64(math.MaxInt64)
	for name, row := range map[string]struct {
		edits      []Edit
		shift, end int64
		ok         bool
	}{
		"none":               {nil, 0, all, true},
		"plain":              {[]Edit{{6000, 0, one}}, 0, all, true},
		"later":              {[]Edit{{6000, 1024, one}}, 1024, all, true},
		"a tick too short":   {[]Edit{{5999, 0, one}}, 0, all, true},
		"ends early":         {[]Edit{{3000, 1024, one}}, 1024, 75_000, true},
		"late":               {[]Edit{{600, -1, one}, {6000, 0, one}}, -15_000, all, true},
		"late, ends early":   {[]Edit{{600, -1, one}, {3000, 100, one}}, -14_900, 90_000, true},
		"late by two":        {[]Edit{{600, -1, one}, {1, -1, one}, {6000, 0, one}}, -15_025, all, true},
		"to the end":         {[]Edit{{0, 512, one}}, 512, all, true},
		"empty only":         {[]Edit{{600, -1, one}}, 0, 0, false},
		"empty behind":       {[]Edit{{600, 0, one}, {600, -1, one}}, 0, 0, false},
		"two":                {[]Edit{{600, 0, one}, {600, 15_000, one}}, 0, 0, false},
		"slow":               {[]Edit{{6000, 0, one / 2}}, 0, 0, false},
		"still":              {[]Edit{{6000, 0, 0}}, 0, 0, false},
		"below -1":           {[]Edit{{6000, -2, one}}, 0, 0, false},
		"beyond all numbers": {[]Edit{{math.MaxInt64, -1, one}, {math.MaxInt64, -1, one}, {1, 0, one}}, 0, 0, false},
		"a huge late":        {[]Edit{{math.MaxInt64, -1, one}, {1, 0, one}}, 0, 0, false},
		"a huge length":      {[]Edit{{math.MaxInt64 / 25, 1 << 62, one}}, 0, 0, false},
	} {
		track := &Track{Timescale: 15_000, Duration: 150_000, Edits: row.edits}
		if shift, end, ok := m.Shift(track); shift != row.shift || end != row.end || ok != row.ok {
			t.Errorf("%s: %d %d %t", name, shift, end, ok)
		}
	}
	fragmented := &Movie{Timescale: 600, Fragmented: true}
	if shift, end, ok := fragmented.Shift(&Track{Timescale: 15_000, Edits: []Edit{{3000, 1024, one}}}); shift != 1024 || end != all || !ok {
		t.Errorf("fragmented: %d %d %t", shift, end, ok)
	}
	// As they come out of a file, in both versions.
	narrow, wide := boxed("edts", rowsOf("elst", 3, 600, math.MaxUint32, one, 3000, 100, one)), boxed("edts", rowsOf("elst", 5, 0, 600, math.MaxUint32, math.MaxUint32, one, 0, 3000, 0, 100, one))
	wide[16] = 1
	for _, edts := range [][]byte{narrow, wide} {
		moved := trak(1, "vide", emptyEntries())
		moved = boxed("trak", moved[8:], edts)
		m, err := Read(movie(2000, moved))
		if err != nil || m.Damaged || !slices.Equal(m.Tracks[0].Edits, []Edit{{600, -1, one}, {3000, 100, one}}) {
			t.Errorf("%+v %v", m.Tracks, err)
		}
	}
}

// faulty is a file whose n-th request fails.
type faulty struct {
	File
	left int
	err  error
}

func (f *faulty) ReadAt(p []byte, at int64) (int, error) {
	if f.left--; f.left < 0 {
		return 0, f.err
	}
	return f.File.ReadAt(p, at)
}

// TestStoreErrors wants the store's own error back, at whichever request, and never takes its end of stream for the film's.
func TestStoreErrors(t *testing.T) {
	broken := errors.New("the store is away")
	film, _ := long(true)
	parts, _ := fragmentedFilm(50, func(int) int { return 20 })
	for name, f := range map[string]*sparse{"tables": film, "fragments": parts} {
		for _, fault := range []error{broken, io.EOF} {
			for n := range 12 {
				file := &faulty{File: f, left: n, err: fault}
				m, err := Read(file)
				if err == nil {
					_, err = take(m, m.Tracks[len(m.Tracks)-1])
					if err == nil && name == "tables" {
						continue // what was asked for was there
					}
				}
				if want := map[error]error{broken: broken, io.EOF: io.ErrUnexpectedEOF}[fault]; err != want {
					t.Errorf("%s, request %d: %v, not %v", name, n, err, want)
				}
			}
		}
	}
}

// TestMemory holds how much is taken by files that claim much: the most of everything, and tables of half a gigabyte.
func TestMemory(t *testing.T) {
	huge := func(kind string, head ...int64) *sparse {
		const size = 500 << 20
		stsd, inner := emptyEntries(), words(head...)
		w := &writer{}
		w.u32(size)
		w.text(kind)
		w.bytes(inner)
		f := movie(0, trak(1, "vide", stsd, w.b))
		moov := f.parts[0]
		// Every box around the table grows with it.
		for _, around := range []string{"moov", "trak", "mdia", "minf", "stbl"} {
			i := bytes.Index(moov, []byte(around)) - 4
			binary.BigEndian.PutUint32(moov[i:], binary.BigEndian.Uint32(moov[i:])+uint32(size-8-len(inner)))
		}
		f.size = int64(binary.BigEndian.Uint32(moov)) + 1000
		return f
	}
	for name, f := range map[string]*sparse{
		"durations":    huge("stts", 0, math.MaxUint32),
		"sizes":        huge("stsz", 0, 0, math.MaxUint32),
		"compositions": huge("ctts", 0, math.MaxUint32),
		"a table of no rows' own": movie(1<<40, trak(1, "vide", emptyEntries(), rowsOf("stts", 2, math.MaxUint32, math.MaxUint32), rowsOf("stsc", 3, 1, math.MaxUint32, 1),
			boxed("stsz", words(0, 1, math.MaxUint32)), rowsOf("stco", 1, 0, 0, 0, 0))),
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m, err := Read(f)
		if err != nil || len(m.Tracks) != 1 {
			t.Fatalf("%s: %+v %v", name, m, err)
		}
		s := m.Samples(m.Tracks[0])
		for range 2_000_000 {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		runtime.ReadMemStats(&after)
		clear(f.asked)
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 16<<20 {
			t.Errorf("%s: %d bytes", name, taken)
		}
	}
}

package isobmff

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"testing"
)

// FuzzRead may not crash, hang, or take memory by what a file claims, and no sample may lie outside of the file.
func FuzzRead(f *testing.F) {
	head := Init(InitTrack{ID: 1, Handler: "vide", Timescale: 1000, Entries: emptyEntries()}, InitTrack{ID: 2, Handler: "soun", Timescale: 1000, Entries: AAC(48000, 1)})
	f.Add(append(append(head, Fragment(1, 1, 0, []Piece{{Size: 4, Duration: 40, Sync: true}, {Size: 6, Duration: 40}})...), "0123456789"...))
	f.Fuzz(func(t *testing.T, p []byte) {
		file := &sparse{size: int64(len(p)) + 1<<20, parts: map[int64][]byte{0: p}}
		m, err := Read(file)
		if err != nil {
			t.Fatal(err)
		}
		var tracks []FilmTrack
		for _, track := range m.Tracks {
			if track.Timescale <= 0 {
				t.Fatalf("%+v", track)
			}
			if shift, end, ok := m.Shift(track); ok && end < -shift && len(track.Edits) == 1 {
				t.Errorf("%d to %d", shift, end)
			}
			ParseAAC(track.Entries)
			tracks = append(tracks, FilmTrack{track, walk(t, m, track, file.size)})
		}
		if file.requests > 20_000 || file.bytes > 1<<30 {
			t.Errorf("%d requests of %d bytes", file.requests, file.bytes)
		}
		film50(t, m, tracks)
	})
}

// walk goes through all samples of a track and returns the first 50.
func walk(t *testing.T, m *Movie, track *Track, size int64) (first []Sample) {
	s := m.Samples(track)
	for n := int64(0); ; n++ {
		sample, err := s.Next()
		if errors.Is(err, io.EOF) || Damaged(err) {
			return first
		}
		if err != nil {
			t.Fatal(err)
		}
		if sample.Offset < 0 || sample.Size < 0 || sample.Offset > size || sample.Size > size-sample.Offset || sample.DTS < 0 || sample.Duration < 0 || sample.Count < 1 || sample.Entry < 0 {
			t.Fatalf("%+v", sample)
		}
		if n > 10*size {
			t.Fatalf("more samples than the file can have")
		}
		if n < 50 {
			first = append(first, sample)
		}
	}
}

// film50 makes a small film, which must be readable: the same sizes and times.
func film50(t *testing.T, m *Movie, tracks []FilmTrack) {
	head, extents := m.Film(1024, tracks...)
	size := int64(len(head))
	for _, e := range extents {
		size += e.Size
	}
	again, err := Read(&sparse{size: size, parts: map[int64][]byte{0: head}})
	if err != nil || again.Cut || len(again.Tracks) != len(tracks) {
		t.Fatalf("%d tracks of %d, %v", len(again.Tracks), len(tracks), err)
	}
	for i, track := range tracks {
		if !ordinary(track.Samples) {
			continue
		}
		samples, _ := take(again, again.Tracks[i])
		if len(samples) > 0 && samples[0].Count > 1 { // sound of one size and a tick each comes back as a chunk
			continue
		}
		if len(samples) != len(track.Samples) {
			t.Fatalf("track %d: %d samples of %d", i, len(samples), len(track.Samples))
		}
		for k, s := range samples {
			want := track.Samples[k]
			if s.Size != want.Size || s.Sync != want.Sync || s.Entry != want.Entry || s.DTS != want.DTS-track.Samples[0].DTS || s.Composition != want.Composition+Raised(track.Samples) {
				t.Fatalf("track %d, sample %d: %+v, not %+v", i, k, s, want)
			}
		}
	}
}

// ordinary tells whether a film can say everything about the samples: each is one, time goes on, and compositions are no larger than what fits.
func ordinary(samples []Sample) bool {
	for i, s := range samples {
		if s.Count != 1 || s.Composition+Raised(samples) > 1<<31-1 || i > 0 && (s.DTS < samples[i-1].DTS || s.DTS-samples[i-1].DTS > maxU32) {
			return false
		}
	}
	return true
}

// FuzzStream is the same for a stream, whose samples must have their bytes.
func FuzzStream(f *testing.F) {
	head := Init(InitTrack{ID: 1, Handler: "vide", Timescale: 1000, Entries: emptyEntries()}, InitTrack{ID: 2, Handler: "soun", Timescale: 1000, Entries: AAC(48000, 1)})
	pieces := []Piece{{Size: 4, Duration: 40, Sync: true}, {Size: 6, Duration: 40, Composition: -5}}
	for _, track := range []int64{1, 2} {
		head = append(append(head, Fragment(1, track, 0, pieces)...), "0123456789"...)
	}
	f.Add(head)
	f.Fuzz(func(t *testing.T, p []byte) {
		const limit = 1 << 16
		s := NewStream(bytes.NewReader(p), limit)
		tracks, err := s.Tracks()
		if err != nil && !Damaged(err) || err == nil && tracks == nil && s.movie == nil {
			t.Fatal(tracks, err)
		}
		for {
			c, err := s.Next()
			if errors.Is(err, io.EOF) || Damaged(err) {
				return
			}
			if err != nil || len(c.Samples) == 0 || len(c.Samples) != len(c.Data) {
				t.Fatalf("%+v %v", c, err)
			}
			for i, sample := range c.Samples {
				if sample.Size != int64(len(c.Data[i])) || sample.DTS < 0 || !bytes.Equal(c.Data[i], p[sample.Offset:sample.Offset+sample.Size]) {
					t.Fatalf("%+v", sample)
				}
			}
		}
	})
}

// FuzzDirectory wants what was read to survive being written.
func FuzzDirectory(f *testing.F) {
	f.Add(Directory(1, 90000, 7, []Reference{{100, 200}, {300, 400}}))
	f.Add(append(Init(InitTrack{ID: 1, Handler: "vide", Timescale: 1000}), Directory(2, 1, 0, nil)...))
	f.Fuzz(func(t *testing.T, p []byte) {
		d, err := ParseDirectory(p)
		if err != nil {
			if !Damaged(err) {
				t.Fatal(err)
			}
			return
		}
		again := Directory(d.Track, d.Timescale, d.Start, d.Refs)
		d.First = int64(len(again))
		if found, err := ParseDirectory(again); err != nil || !reflect.DeepEqual(found, d) {
			t.Errorf("%+v, not %+v: %v", found, d, err)
		}
	})
}

// FuzzAAC wants what was read, where it is LC in one or two channels, to survive being written.
func FuzzAAC(f *testing.F) {
	f.Add(AAC(48000, 2))
	f.Add(AAC(12345, 1))
	f.Fuzz(func(t *testing.T, p []byte) {
		objectType, rate, channels, ok := ParseAAC(p)
		if !ok {
			return
		}
		if objectType < 1 || rate < 1 || rate >= 1<<24 || channels < 0 || channels > 15 {
			t.Fatal(objectType, rate, channels)
		}
		if o, r, c, ok := ParseAAC(AAC(rate, channels)); !ok || o != 2 || r != rate || c != channels {
			t.Errorf("%d %d %d %t", o, r, c, ok)
		}
	})
}

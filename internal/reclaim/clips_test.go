package reclaim

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"bwv/internal/isobmff"
)

// file is a file in memory.
type file []byte

func (f file) Size() int64 { return int64(len(f)) }

func (f file) ReadAt(p []byte, at int64) (int, error) {
	if at < 0 || at+int64(len(p)) > f.Size() {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(p, f[at:]), nil
}

func clip(t testing.TB, name string) (file, *isobmff.Movie) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := isobmff.Read(file(b))
	if err != nil || !m.Found {
		t.Fatal(err)
	}
	return b, m
}

func learn(t testing.TB, f file, m *isobmff.Movie) *Reference {
	t.Helper()
	r, err := Learn(f, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// truth is the table of a track.
func truth(t testing.TB, m *isobmff.Movie, track *isobmff.Track) (all []isobmff.Sample) {
	t.Helper()
	for samples := m.Samples(track); ; {
		s, err := samples.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// media is where the content of an mdat lies.
func media(b []byte) (from, to int64) {
	for at := int64(0); at+16 <= int64(len(b)); {
		n, head := number(b[at:at+4]), int64(8)
		if n == 1 {
			n, head = number(b[at+8:at+16]), 16
		}
		if n < 8 {
			break
		}
		if string(b[at+4:at+8]) == "mdat" {
			return at + head, at + n
		}
		at += n
	}
	return 0, 0
}

func walk(t testing.TB, r *Reference, b []byte, from int64) (found []isobmff.Sample, w *Walk) {
	t.Helper()
	for w = r.Walk(bytes.NewReader(b[from:]), from, int64(len(b))); ; {
		s, err := w.Next()
		if errors.Is(err, io.EOF) {
			return found, w
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, s)
	}
}

// right counts the samples that are in the table to the byte, with the right flag and at the right time, which is counted from the first one's.
func right(found, table []isobmff.Sample) (n int) {
	at := map[int64]isobmff.Sample{}
	first := int64(1 << 62)
	for _, s := range table {
		at[s.Offset] = s
		first = min(first, s.PTS())
	}
	for _, s := range found {
		if was := at[s.Offset]; was.Size == s.Size && was.Sync == s.Sync && was.PTS()-first == s.PTS() {
			n++
		}
	}
	return n
}

// TestClips takes the index off each real recording and finds its pictures again.
func TestClips(t *testing.T) {
	for name, want := range map[string]struct{ pictures, all int }{
		"gopro_hero5_karma_12s.mp4":        {362, 362},
		"gopro_max_heromode_10s_gps5.mp4":  {315, 315},
		"intel_car-detection_30s.mp4":      {377, 377},
		"intel_one-by-one-person_139s.mp4": {1394, 1394},
		"samplelib_street_1080p30_5s.mp4":  {171, 171},
		"udacity_solidWhiteRight_9s.mp4":   {221, 221},
	} {
		t.Run(name, func(t *testing.T) {
			b, m := clip(t, name)
			r := learn(t, b, m)
			table := truth(t, m, r.Track)
			from, to := media(b)
			found, w := walk(t, r, b[:to], from)
			n := right(found, table)
			t.Logf("%d pictures of %d, %d right; %d of %d bytes; %.3f a second; window %d", len(found), len(table), n, w.Taken(), to-from, r.Rate(), cap(w.win.b))
			if len(table) != want.all || n < want.pictures || len(found) != n || w.Holes() != 0 {
				t.Errorf("%d of %d pictures, %d as they are", len(found), len(table), n)
			}
		})
	}
}

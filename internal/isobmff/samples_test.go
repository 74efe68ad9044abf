package isobmff

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestClips compares every sample of every track of the real recordings with what ffprobe says of it.
func TestClips(t *testing.T) {
	files, err := filepath.Glob(clip("*.mp4"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { compare(t, file) })
	}
}

// compare holds all samples of all tracks equal to ffprobe's packets: in media time, and with the edit list in presentation time.
func compare(t *testing.T, file string) *Movie {
	t.Helper()
	m, d := read(t, file)
	if d.requests > 3 && !m.Fragmented || d.bytes > d.size/100+1<<20 {
		t.Errorf("the index cost %d requests of %d bytes", d.requests, d.bytes)
	}
	media := packets(t, file, "-ignore_editlist", "1")
	shown := media
	if slices.ContainsFunc(m.Tracks, func(track *Track) bool { return track.Edits != nil }) {
		shown = packets(t, file)
	}
	total := 0
	for i, track := range m.Tracks {
		samples := all(t, m, track)
		total += len(samples)
		if len(samples) == 0 {
			t.Errorf("track %d (%s) has no samples", track.ID, track.Format)
		}
		same(t, m, track, samples, media[i])
		shifted(t, m, track, samples, shown[i])
	}
	if d.requests > 3 && !m.Fragmented {
		t.Errorf("all samples cost %d requests", d.requests)
	}
	t.Logf("%d tracks, %d samples, %d requests, %d of %d bytes", len(m.Tracks), total, d.requests, d.bytes, d.size)
	return m
}

// lifted is how ffprobe shows samples that are due before they are decoded: it decodes them earlier, or, in fragments, shows them later.
func lifted(m *Movie, samples []Sample) (dts, pts int64) {
	if by := Raised(samples); m.Fragmented {
		return 0, by
	} else {
		return -by, 0
	}
}

func same(t *testing.T, m *Movie, track *Track, samples []Sample, want []packet) {
	t.Helper()
	want = chunked(samples, want)
	if len(samples) != len(want) {
		t.Errorf("track %d: %d samples, %d packets", track.ID, len(samples), len(want))
		return
	}
	dts, pts := lifted(m, samples)
	for i, s := range samples {
		p := want[i]
		if s.Offset != p.Pos || s.Size != p.Size || s.DTS+dts != p.DTS || s.PTS()+pts != p.PTS || s.Sync != p.sync() {
			t.Errorf("track %d (%s), sample %d: %+v, packet %+v", track.ID, track.Format, i, s, p)
			return
		}
	}
}

// chunked joins packets that are one Sample: ffprobe cuts chunks of uncompressed sound into packets of 1024 frames.
func chunked(samples []Sample, found []packet) (joined []packet) {
	for i, p := range found {
		if n := len(joined); n > 0 && n <= len(samples) && samples[n-1].Count > 1 && joined[n-1].Size < samples[n-1].Size && joined[n-1].Pos+joined[n-1].Size == found[i].Pos {
			joined[n-1].Size += p.Size
			continue
		}
		joined = append(joined, p)
	}
	return joined
}

// snapped is what ffmpeg takes off where an edit begins inside of a picture: it shows the next one at once, this many ticks too early.
func snapped(track *Track, samples []Sample, shift int64) int64 {
	if track.Handler != "vide" || len(track.Edits) != 1 || shift <= samples[0].PTS() {
		return 0
	}
	first := int64(math.MaxInt64)
	for _, s := range samples {
		if s.PTS() >= shift {
			first = min(first, s.PTS())
		}
	}
	return first - shift
}

// shifted compares presentation times of all samples that ffprobe shows with the edit list applied.
func shifted(t *testing.T, m *Movie, track *Track, samples []Sample, want []packet) {
	t.Helper()
	shift, end, ok := m.Shift(track)
	if !ok {
		t.Errorf("track %d: the edit list %+v is not understood", track.ID, track.Edits)
		return
	}
	at := map[int64]Sample{}
	for _, s := range samples {
		at[s.Offset] = s
	}
	_, pts := lifted(m, samples)
	pts -= snapped(track, samples, shift)
	compared := 0
	for i, p := range want {
		s, known := at[p.Pos]
		if !known && track.Handler == "soun" {
			continue // inside of a chunk
		}
		compared++
		if s.PTS()-shift+pts != p.PTS {
			t.Errorf("track %d (%s), packet %d: %+v - %d, end %d, packet %+v", track.ID, track.Format, i, s, shift, end, p)
			return
		}
	}
	if track.Handler == "vide" && track.Edits != nil {
		due, seen := 0, 0
		for _, s := range samples {
			if at := s.PTS() - shift; at >= 0 && at < end {
				due++
			}
		}
		for _, p := range want {
			if !strings.Contains(p.Flags, "D") {
				seen++
			}
		}
		if due != seen {
			t.Errorf("track %d (%s): %d pictures are shown, not %d", track.ID, track.Format, seen, due)
		}
	}
	if compared == 0 {
		t.Errorf("track %d (%s): no packet to compare", track.ID, track.Format)
	}
}

// TestEditEnds cuts a film short by its edit lists.
func TestEditEnds(t *testing.T) {
	file := encoded(t, "closed.mp4")
	p, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; ; {
		i := bytes.Index(p[at:], []byte("elst"))
		if i < 0 {
			break
		}
		at += i + 12
		copy(p[at:], words(3010))
	}
	if err := os.WriteFile(file, p, 0o600); err != nil {
		t.Fatal(err)
	}
	m := compare(t, file)
	for _, track := range m.Tracks {
		if _, end, ok := m.Shift(track); !ok || end != 3010*track.Timescale/1000 {
			t.Errorf("track %d ends at %d", track.ID, end)
		}
	}
}

// TestCursors has several of them over one movie at the same time: they get what each would alone.
func TestCursors(t *testing.T) {
	m, _ := read(t, clip(heroMax))
	var group sync.WaitGroup
	for _, track := range m.Tracks {
		want := all(t, m, track)
		for range 3 {
			group.Go(func() {
				if found, err := take(m, track); err != io.EOF || !slices.Equal(found, want) {
					t.Errorf("track %d: %d samples of %d, %v", track.ID, len(found), len(want), err)
				}
			})
		}
	}
	group.Wait()
}

// BenchmarkSamples goes through the tables of a film of 12 hours.
func BenchmarkSamples(b *testing.B) {
	f, _ := long(true)
	n := 0
	for b.Loop() {
		m, err := Read(f)
		if err != nil {
			b.Fatal(err)
		}
		for s := m.Samples(m.Tracks[0]); ; n++ {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		clear(f.asked)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/sample")
}

package isobmff

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// assemble is a film as the one who asks for it gets it.
func assemble(t testing.TB, d *disk, head []byte, extents []Extent) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "film.mp4")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write(head); err != nil {
		t.Fatal(err)
	}
	for _, e := range extents {
		p := make([]byte, e.Size)
		if _, err := d.ReadAt(p, e.Offset); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

// middle is a run of samples that begins at a sync sample and ends before another.
func middle(t testing.TB, samples []Sample) (from, to int) {
	t.Helper()
	var syncs []int
	for i, s := range samples {
		if s.Sync {
			syncs = append(syncs, i)
		}
	}
	if len(syncs) < 4 {
		t.Fatalf("%d sync samples", len(syncs))
	}
	return syncs[len(syncs)/3], syncs[2*len(syncs)/3]
}

// picture is a decoded one: when it is due, and its checksum.
type picture struct {
	pts int64
	sum string
}

// pictures decodes a film's pictures in media time.
func pictures(t testing.TB, file string) (found []picture) {
	t.Helper()
	out := tool(t, nil, "ffmpeg", "-nostdin", "-v", "error", "-ignore_editlist", "1", "-copyts", "-i", file, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framemd5", "-")
	for line := range splitLines(out) {
		if fields := strings.Split(strings.TrimSpace(line), ","); len(fields) == 6 && line[0] != '#' {
			pts, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
			if err != nil {
				t.Fatal(line)
			}
			found = append(found, picture{pts, strings.TrimSpace(fields[5])})
		}
	}
	return found
}

// small makes the small film of a run of one track and compares what is in it with ffprobe's view.
func small(t *testing.T, m *Movie, d *disk, track *Track, samples []Sample) string {
	t.Helper()
	head, extents := Film(4096, FilmTrack{track, samples})
	file := assemble(t, d, head, extents)
	raised := Raised(samples)
	found := packets(t, file)[0]
	if len(found) != len(samples) {
		t.Fatalf("%d packets of %d samples", len(found), len(samples))
	}
	for i, p := range found {
		s := samples[i]
		if p.Size != s.Size || p.DTS != s.DTS-samples[0].DTS || p.PTS != s.PTS()-samples[0].DTS+raised || p.sync() != s.Sync {
			t.Fatalf("sample %d: %+v, packet %+v", i, s, p)
		}
	}
	if again := compare(t, file); len(again.Tracks) != 1 || again.Tracks[0].Edits != nil {
		t.Errorf("%+v", again)
	}
	return file
}

// TestFilm wants of a small film of a run of samples from the middle the very pictures that the whole film shows there. Those at its beginning
// that refer to the group before it (open GOP) are shown, but nothing is said about how.
func TestFilm(t *testing.T) {
	for _, name := range []string{"closed.mp4", "open.mp4", "hevc.mp4", "mjpeg.mov", karma} {
		original := clip(name)
		if name != karma {
			original = encoded(t, name)
		}
		for _, flags := range []string{"+faststart", "+frag_keyframe+empty_moov", "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets"} {
			t.Run(name+" "+flags, func(t *testing.T) {
				file := encode(t, "copy.mov", "-i", original, "-map", "0:v", "-map", "0:a", "-c", "copy", "-movflags", flags)
				m, d := read(t, file)
				track := m.Tracks[0]
				samples := all(t, m, track)
				from, to := middle(t, samples)
				samples = samples[from:to]
				want := map[int64]string{}
				_, lift := lifted(m, all(t, m, track))
				for _, p := range pictures(t, file) {
					want[p.pts-lift] = p.sum
				}
				first, due, leading := samples[0].PTS(), 0, 0
				for _, s := range samples {
					if s.PTS() >= first {
						due++
					} else {
						leading++
					}
				}
				if open := name == "open.mp4" || name == "hevc.mp4"; open != (leading > 0) {
					t.Fatalf("%d leading pictures", leading)
				}
				shown := 0
				for i, p := range pictures(t, small(t, m, d, track, samples)) {
					pts := p.pts - Raised(samples) + samples[0].DTS
					if sum, ok := want[pts]; !ok || pts >= first && sum != p.sum {
						t.Fatalf("picture %d, due at %d (%t), is another one", i, pts, ok)
					}
					if pts >= first {
						shown++
					}
				}
				if shown != due || due < 40 {
					t.Errorf("%d pictures of %d", shown, due)
				}
			})
		}
	}
}

// TestFilmOfSound wants of a small film of uncompressed sound, some chunks from the middle, the very bytes.
func TestFilmOfSound(t *testing.T) {
	closed := encoded(t, "closed.mp4")
	for _, codec := range []string{"pcm_s16le", "pcm_s24be", "pcm_alaw", "aac", "adpcm_ima_qt"} {
		t.Run(codec, func(t *testing.T) {
			file := encode(t, "sound.mov", "-i", closed, "-map", "0:v", "-map", "0:a", "-c:v", "copy", "-c:a", codec, "-ar", "32000")
			m, d := read(t, file)
			samples := all(t, m, m.Tracks[1])
			samples = samples[len(samples)/3 : 2*len(samples)/3]
			head, extents := Film(0, FilmTrack{m.Tracks[1], samples})
			film := assemble(t, d, head, extents)
			again, data := read(t, film)
			found, frames, want := int64(0), int64(0), int64(0)
			for _, s := range samples {
				want += int64(s.Count)
			}
			for _, s := range all(t, again, again.Tracks[0]) {
				found, frames = found+s.Size, frames+int64(s.Count)
			}
			if frames != want || found+int64(len(head)) != data.size {
				t.Errorf("%d frames of %d, %d of %d bytes", frames, want, found, data.size)
			}
			if codec == "aac" || codec == "adpcm_ima_qt" { // decoding the middle begins with another state
				return
			}
			from := float64(samples[0].DTS) / 32000
			whole := tool(t, nil, "ffmpeg", "-nostdin", "-v", "error", "-i", file, "-map", "0:a", "-af", "atrim=start_sample="+strconv.FormatInt(samples[0].DTS, 10)+":end_sample="+strconv.FormatInt(samples[0].DTS+want, 10), "-f", "s32le", "-")
			part := tool(t, nil, "ffmpeg", "-nostdin", "-v", "error", "-i", film, "-f", "s32le", "-")
			if len(part) != int(want)*8 || !bytes.Equal(whole, part) {
				t.Errorf("from %f: %d bytes of %d, or others", from, len(part), len(whole))
			}
		})
	}
}

// TestWholeFilm makes a film of a few samples of every track with the original's user data: ffprobe says the same of it.
func TestWholeFilm(t *testing.T) {
	for _, file := range []string{clip(karma), clip(heroMax), clip(street), encode(t, "rotated.mov", "-i", clip(street), "-t", "1", "-c", "copy", "-metadata:s:v:0", "rotate=90", "-metadata", "location=+51.5-000.1/")} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m, d := read(t, file)
			var tracks []FilmTrack
			for _, track := range m.Tracks {
				samples := all(t, m, track)
				tracks = append(tracks, FilmTrack{track, samples[:min(20, len(samples))]})
			}
			head, extents := m.Film(64<<10, tracks...)
			film := assemble(t, d, head, extents)
			said, want := described(t, film), described(t, file)
			for i := range max(len(said), len(want)) {
				if i >= len(said) || i >= len(want) || said[i] != want[i] {
					t.Fatalf("ffprobe says %q, not %q", said[min(i, len(said)-1):], want[min(i, len(want)-1):])
				}
			}
			again, _ := read(t, film)
			if !bytes.Equal(again.Settings, m.Settings) || !bytes.Equal(again.UserData, m.UserData) {
				t.Error("other user data")
			}
			found := packets(t, film, "-ignore_editlist", "1")
			for i, track := range tracks {
				if len(found[i]) != len(track.Samples) {
					t.Errorf("track %d: %d packets of %d", i, len(found[i]), len(track.Samples))
				}
				for k, p := range found[i] {
					if s := track.Samples[k]; p.Size != s.Size || p.DTS != s.DTS-track.Samples[0].DTS {
						t.Errorf("track %d: %+v, not %+v", i, p, s)
					}
				}
			}
		})
	}
}

// described is what ffprobe says of a file and its streams, but for what follows from length and place.
func described(t testing.TB, file string) (kept []string) {
	t.Helper()
	out := tool(t, nil, "ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "flat", file)
	for line := range splitLines(out) {
		key, _, _ := strings.Cut(line, "=")
		key = key[strings.LastIndex(key, ".")+1:]
		if !slices.Contains([]string{"filename", "size", "bit_rate", "duration", "duration_ts", "nb_frames", "start_pts", "start_time", "avg_frame_rate", "r_frame_rate", "nb_read_frames", "extradata_size"}, key) {
			kept = append(kept, line)
		}
	}
	return kept
}

// TestFilmLayout holds how samples share extents.
func TestFilmLayout(t *testing.T) {
	at := func(offset, size int64) Sample {
		return Sample{Offset: offset, Size: size, Duration: 10, Sync: true, Count: 1}
	}
	track := func(samples ...Sample) FilmTrack {
		for i := range samples {
			samples[i].DTS = 1000 + 10*int64(i)
		}
		return FilmTrack{&Track{ID: 1, Handler: "vide", Timescale: 100, Entries: table("stsd", 0, nil)}, samples}
	}
	for name, row := range map[string]struct {
		slack  int64
		tracks []FilmTrack
		want   []Extent
	}{
		"nothing":         {0, []FilmTrack{track()}, nil},
		"no track":        {0, nil, nil},
		"one after other": {0, []FilmTrack{track(at(100, 10), at(110, 5), at(115, 1))}, []Extent{{100, 16}}},
		"a gap":           {0, []FilmTrack{track(at(100, 10), at(111, 5))}, []Extent{{100, 10}, {111, 5}}},
		"a gap allowed":   {1, []FilmTrack{track(at(100, 10), at(111, 5))}, []Extent{{100, 16}}},
		"back":            {50, []FilmTrack{track(at(100, 10), at(50, 10), at(60, 10))}, []Extent{{100, 10}, {50, 20}}},
		"overlap":         {50, []FilmTrack{track(at(100, 10), at(105, 10))}, []Extent{{100, 10}, {105, 10}}},
		"empty samples":   {0, []FilmTrack{track(at(0, 0), at(100, 10), at(7, 0), at(110, 10))}, []Extent{{100, 20}}},
		"two tracks":      {4, []FilmTrack{track(at(100, 10), at(300, 10)), track(at(114, 10), at(200, 10))}, []Extent{{100, 24}, {200, 10}, {300, 10}}},
		"beyond 4 GB":     {0, []FilmTrack{track(at(100, 3<<30), at(100+3<<30, 3<<30))}, []Extent{{100, 6 << 30}}},
	} {
		t.Run(name, func(t *testing.T) {
			head, extents := Film(row.slack, row.tracks...)
			if !slices.Equal(extents, row.want) {
				t.Errorf("%v", extents)
			}
			// What is read out of the head leads to the original's places.
			size := int64(len(head))
			for _, e := range extents {
				size += e.Size
			}
			m, err := Read(&sparse{size: size, parts: map[int64][]byte{0: head}})
			if err != nil || m.Damaged || m.Cut || len(m.Tracks) != len(row.tracks) {
				t.Fatalf("%+v %v", m, err)
			}
			for i, track := range m.Tracks {
				found := all(t, m, track)
				for k, s := range found {
					want := row.tracks[i].Samples[k]
					if s.Size > 0 && original(extents, s.Offset-int64(len(head))) != want.Offset || s.Size != want.Size || s.DTS != want.DTS-1000 || s.Duration != 10 {
						t.Errorf("sample %d: %+v, not %+v", k, s, want)
					}
				}
				if len(found) != len(row.tracks[i].Samples) {
					t.Errorf("%d samples", len(found))
				}
			}
		})
	}
}

// original is where a byte of a film's data lies in the original.
func original(extents []Extent, at int64) int64 {
	for _, e := range extents {
		if at < e.Size {
			return e.Offset + at
		}
		at -= e.Size
	}
	return -1
}

// TestFilmTimes holds what becomes of holes, and of samples that are picked.
func TestFilmTimes(t *testing.T) {
	samples := []Sample{
		{Offset: 100, Size: 10, DTS: 5000, Duration: 10, Composition: -20, Sync: true, Count: 1},
		{Offset: 110, Size: 10, DTS: 5010, Duration: 10, Composition: 30, Count: 1},
		{Offset: 120, Size: 10, DTS: 6000, Duration: 15, Entry: 1, Count: 1},
		{Offset: 130, Size: 11, DTS: 5990, Duration: 15, Entry: 1, Sync: true, Count: 1}, // a time that goes back
	}
	head, _ := Film(0, FilmTrack{&Track{ID: 9, Handler: "vide", Timescale: 100, Entries: table("stsd", 0, nil)}, samples})
	m, err := Read(&sparse{size: int64(len(head)) + 41, parts: map[int64][]byte{0: head}})
	if err != nil || m.Damaged {
		t.Fatal(m, err)
	}
	base := int64(len(head))
	want := []Sample{
		{base, 10, 0, 10, 0, true, 0, 1}, {base + 10, 10, 10, 990, 50, false, 0, 1}, {base + 20, 10, 1000, 0, 20, false, 1, 1}, {base + 30, 11, 1000, 15, 20, true, 1, 1},
	}
	if found := all(t, m, m.Tracks[0]); !slices.Equal(found, want) || m.Tracks[0].ID != 9 || m.Tracks[0].Duration != 1015 || m.Duration != 10150 {
		t.Errorf("%+v %+v", found, m.Tracks[0])
	}
}

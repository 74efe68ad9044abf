package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/ffmpeg"
	"bwv/internal/isobmff"
)

func TestMakespan(t *testing.T) {
	costs := func(seconds ...int) (list []task) {
		for _, s := range seconds {
			list = append(list, task{cost: time.Duration(s) * time.Second})
		}
		return list
	}
	late := costs(1, 1)
	late[1].ready = 10 * time.Second
	for _, c := range []struct {
		name    string
		tasks   []task
		workers int
		want    time.Duration
	}{
		{"nothing", nil, 3, 0},
		{"one worker has the sum", costs(3, 1, 2), 1, 6 * time.Second},
		{"many have the longest", costs(3, 1, 2), 80, 3 * time.Second},
		{"two take the next in order, not the best", costs(1, 1, 1, 3), 2, 4 * time.Second},
		{"nobody starts what is not planned", late, 2, 11 * time.Second},
		{"no workers are one", costs(2, 2), 0, 4 * time.Second},
	} {
		if got := makespan(c.tasks, c.workers); got != c.want {
			t.Errorf("%s: %s, not %s", c.name, got, c.want)
		}
	}
}

func TestScale(t *testing.T) {
	s := scale{seconds: []float64{10, 30}, cost: []time.Duration{6 * time.Second, 14 * time.Second}}
	if got := s.of(60); got != 30*time.Second {
		t.Errorf("a minute costs %s, not 30s", got)
	}
}

func TestOptions(t *testing.T) {
	o := options{only: "proxies", longest: time.Hour}
	if o.wants("system") || !o.wants("cpu") || !(options{only: "system,wall"}).wants("wall") || (options{only: "cpu"}).wants("wall") || !(options{}).wants("system") {
		t.Error("other parts than were asked for")
	}
	if err := (options{only: "cpu,nothing"}).known(); err == nil || o.known() != nil {
		t.Error("an unknown part passes, or a known one does not")
	}
	if got := o.lengths(); !slices.Equal(got, []time.Duration{time.Minute, time.Hour}) {
		t.Errorf("lengths %v", got)
	}
}

// TestStretch looks at a stretched film as its index tells it: each time the same samples, later, and nothing beyond the file.
func TestStretch(t *testing.T) {
	clips, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	f := films{dir: t.TempDir(), clips: clips}
	short, err := f.long(t.Context(), "short.mp4", filepath.Join(f.clips, road), 3, fragments()...)
	if err != nil {
		t.Fatal(err)
	}
	const times = 4
	long := filepath.Join(f.dir, "long.mp4")
	if err := stretch(short, long, times); err != nil {
		t.Fatal(err)
	}
	once, again := samples(t, short), samples(t, long)
	if len(again) != len(once) || len(once) != 2 {
		t.Fatalf("%d and %d tracks", len(once), len(again))
	}
	for track := range once {
		n := len(once[track])
		if n == 0 || len(again[track]) != times*n {
			t.Fatalf("track %d: %d samples became %d", track, n, len(again[track]))
		}
		step := again[track][n].DTS - again[track][0].DTS
		for i, s := range again[track] {
			if want := once[track][i%n]; s.Size != want.Size || s.DTS != want.DTS+int64(i/n)*step || s.Sync != want.Sync || i > 0 && s.DTS <= again[track][i-1].DTS {
				t.Fatalf("track %d, sample %d: %+v, once %+v", track, i, s, want)
			}
		}
	}
	if err := stretch(filepath.Join(f.clips, road), filepath.Join(f.dir, "no.mp4"), 2); !errors.Is(err, errFilm) {
		t.Errorf("a film without fragments: %v", err)
	}
}

func samples(t *testing.T, path string) (tracks [][]isobmff.Sample) {
	t.Helper()
	d := &disk{}
	src, err := d.source(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	body, err := src.OpenAt(t.Context(), 0, src.Original.Size)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	whole, err := io.ReadAll(body)
	if err != nil || d.read.Load() != int64(len(whole)) || d.requests.Load() != 1 {
		t.Fatalf("%d bytes of which %d were counted, %d requests: %v", len(whole), d.read.Load(), d.requests.Load(), err)
	}
	m, err := isobmff.Read(file{bytes.NewReader(whole)})
	if err != nil {
		t.Fatal(err)
	}
	for _, track := range m.Tracks {
		var list []isobmff.Sample
		for cursor := m.Samples(track); ; {
			s, err := cursor.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, s)
		}
		tracks = append(tracks, list)
	}
	return tracks
}

// TestPassIsWhatChunksAre compares the one pass with the command line of a real first chunk, which a script in ffmpeg's place tells: what chunks are
// measured against must do the same work, whatever becomes of the settings.
func TestPassIsWhatChunksAre(t *testing.T) {
	said := filepath.Join(t.TempDir(), "arguments")
	script := filepath.Join(t.TempDir(), "ffmpeg")
	text := "#!/bin/sh\n[ \"$2\" = -version ] || printf '%s\\n' \"$@\" > '" + said + "'\nexec ffmpeg \"$@\"\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	pipe := fifo(t, said) // children may not write to files
	tools, err := ffmpeg.Open(t.Context(), ffmpeg.Config{FFmpeg: script, Jobs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tools.Close()
	d := &disk{}
	src, err := d.source(t.Context(), filepath.Join("..", "..", "testdata", road))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := cut(t.Context(), tools, src, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	clip, err := plan.make(t.Context(), tools, src, plan.chunks[0])
	if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 64<<10)
	n, err := pipe.Read(buffer)
	if err != nil {
		t.Fatal(err)
	}
	chunk := strings.Split(strings.TrimSuffix(string(buffer[:n]), "\n"), "\n")
	_, end := plan.chunks[0].Seconds()
	one := pass{profile: clip.Profile, file: src.Original.Path, out: "out.mp4", seconds: end, rate: float64(plan.chunks[0].Frames) / end}.args()
	if got, want := filters(t, one), filters(t, chunk); !slices.Equal(got, want) {
		t.Errorf("filters of the pass\n%q\nof a chunk\n%q", got, want)
	}
	// What concerns where bytes come from and go to, and what the file looks like that holds the pictures, is not work.
	place := regexp.MustCompile(`^-(i|f|map|map_metadata|map_chapters|movflags|use_editlist|copyts|output_ts_offset|avoid_negative_ts|video_track_timescale|enc_time_base:v|filter_complex|` +
		`max_alloc|max_streams|max_pixels|protocol_whitelist|format_whitelist|codec_whitelist|reconnect.*|rw_timeout|recv_buffer_size|enable_drefs|use_absolute_path|c:a)$`)
	if got, want := settings(one, place), settings(chunk, place); !slices.Equal(got, want) {
		t.Errorf("settings of the pass\n%q\nof a chunk\n%q", got, want)
	}
}

// filters are those of a command line, sorted, without labels and without the numbers of pictures.
func filters(t *testing.T, args []string) []string {
	t.Helper()
	i := slices.Index(args, "-filter_complex")
	if i < 0 {
		t.Fatalf("no filters in %q", args)
	}
	graph := regexp.MustCompile(`\[[^\]]*\]`).ReplaceAllString(args[i+1], "")
	graph = regexp.MustCompile(`eq\(n\\*,\d+\)(\+eq\(n\\*,\d+\))*`).ReplaceAllString(graph, "N")
	list := regexp.MustCompile(`[,;]`).Split(strings.ReplaceAll(graph, "split=3", "split"), -1)
	for i := range list {
		list[i] = regexp.MustCompile(`^(split)=.*`).ReplaceAllString(list[i], "$1")
	}
	return slices.Sorted(slices.Values(list))
}

// settings are the options of a command line with their values, sorted.
func settings(args []string, without *regexp.Regexp) (list []string) {
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") || without.MatchString(arg) || regexp.MustCompile(`^-\d`).MatchString(arg) {
			continue
		}
		if i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			arg += " " + args[i+1]
		}
		list = append(list, arg)
	}
	return slices.Sorted(slices.Values(list))
}

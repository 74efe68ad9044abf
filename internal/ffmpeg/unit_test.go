package ffmpeg

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

func TestSpan(t *testing.T) {
	for _, row := range []struct {
		header   string
		from, to int64
		status   int
	}{
		{"", 0, 100, 200},
		{"bytes=0-", 0, 100, 206},
		{"bytes=10-19", 10, 20, 206},
		{"bytes=90-1000", 90, 100, 206},
		{"bytes=90-9223372036854775807", 90, 100, 206},
		{"bytes=-10", 90, 100, 206},
		{"bytes=-1000", 0, 100, 206},
		{"bytes=-0", 0, 0, 416},
		{"bytes=100-", 0, 0, 416},
		{"bytes=5-4", 0, 100, 200},
		{"bytes=0-1,5-6", 0, 100, 200},
		{"bytes=a-b", 0, 100, 200},
		{"bytes=--1", 0, 100, 200},
		{"lines=1-2", 0, 100, 200},
	} {
		if from, to, status := span(row.header, 100); from != row.from || to != row.to || status != row.status {
			t.Errorf("%q: %d-%d, %d", row.header, from, to, status)
		}
	}
}

// TestLoopback asks the server as a child would, and as somebody who guesses.
func TestLoopback(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	b, err := listen(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, release := b.register(t.Context(), entire{(&disk{file: file}).source(t)})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(method, url, span string) (int, string, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", span)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body), answer.Header.Get("Content-Range")
	}
	for _, row := range []struct {
		method, url, span string
		status            int
		body, place       string
	}{
		{"GET", s.url, "", 200, "0123456789", ""},
		{"GET", s.url, "bytes=2-4", 206, "234", "bytes 2-4/10"},
		{"HEAD", s.url, "bytes=2-", 206, "", "bytes 2-9/10"},
		{"GET", s.url, "bytes=10-", 416, "", "bytes */10"},
		{"POST", s.url, "", 405, "", ""},
		{"GET", s.url + "x", "", 404, "404 page not found\n", ""},
		{"GET", "http://" + b.address + "/", "", 404, "404 page not found\n", ""},
	} {
		if status, body, place := ask(row.method, row.url, row.span); status != row.status || body != row.body || place != row.place {
			t.Errorf("%s %s: %d %q %q", row.method, row.span, status, body, place)
		}
	}
	release()
	if status, _, _ := ask("GET", s.url, ""); status != 404 {
		t.Errorf("after the call: %d", status)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
}

// TestLooked reads an original as children do that have no index of it: the beginning, the end, and then all of it. Nothing is asked for twice.
func TestLooked(t *testing.T) {
	whole := make([]byte, 3<<20)
	for i := range whole {
		whole[i] = byte(i >> 10)
	}
	file := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	d := &disk{file: file}
	l := &looked{entire: entire{d.source(t)}}
	for _, row := range []struct{ from, to, read int }{
		{0, 1 << 20, 1 << 20}, {2 << 20, 3 << 20, 1 << 20}, {5, 2<<20 - 7, 1<<20 - 7}, {0, 3 << 20, 7}, {100, 3<<20 - 100, 0}, {9, 9, 0},
	} {
		before := d.reads.Load()
		body := l.open(t.Context(), int64(row.from), int64(row.to))
		got, err := io.ReadAll(body)
		if closed := body.Close(); err != nil || closed != nil || !bytes.Equal(got, whole[row.from:row.to]) {
			t.Errorf("[%d, %d): %d bytes, %v, %v", row.from, row.to, len(got), err, closed)
		}
		if n := d.reads.Load() - before; n != int64(row.read) {
			t.Errorf("[%d, %d): %d bytes were read, not %d", row.from, row.to, n, row.read)
		}
	}
	if n := d.live.Load(); n != 0 {
		t.Errorf("%d bodies are still open", n)
	}
	for range 200 { // a file may have a child look at many places
		l.keep(whole[:1<<20], 1<<40)
		l.keep(whole[:1], 1<<50)
	}
	held := 0
	for _, r := range l.runs {
		held += len(r.data)
	}
	if len(l.runs) > mostRuns || held > mostKept {
		t.Errorf("%d runs of %d bytes are kept", len(l.runs), held)
	}
}

func TestISO6709(t *testing.T) {
	for _, row := range []struct {
		text          string
		lat, lon, alt float64
		ok            bool
	}{
		{"+33.1268-117.3273/", 33.1268, -117.3273, 0, true},
		{"+27.5916+086.5640+8850/", 27.5916, 86.564, 8850, true},
		{"+51.5007-000.1246+035.000CRSWGS_84/", 51.5007, -0.1246, 35, true},
		{"+4012.22-07500.25/", 40.2036667, -75.0041667, 0, true},
		{"+401213.1-0750015.1/", 40.2036389, -75.0041944, 0, true},
		{"+00.0000+000.0000/", 0, 0, 0, false},
		{"+91.0+000.1/", 0, 0, 0, false},
		{"51.5,-0.12", 0, 0, 0, false},
		{"+51.5", 0, 0, 0, false},
		{"+5x.5-000.1/", 0, 0, 0, false},
		{"+-/", 0, 0, 0, false},
		{"", 0, 0, 0, false},
	} {
		f, ok := iso6709(row.text)
		if ok != row.ok || math.Abs(f.Latitude-row.lat) > 1e-6 || math.Abs(f.Longitude-row.lon) > 1e-6 || f.Altitude != row.alt {
			t.Errorf("%q: %+v %t", row.text, f, ok)
		}
	}
}

func TestSniff(t *testing.T) {
	packets := func(size, at, n int) []byte {
		b := make([]byte, size*n)
		for i := at; i < len(b); i += size {
			b[i] = 0x47
		}
		return b
	}
	for _, row := range []struct {
		name string
		head []byte
		want string
	}{
		{"mov", []byte("\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00"), "mov"},
		{"mp4", []byte("\x00\x00\x00\x14ftypisom\x00\x00\x02\x00"), "mp4"},
		{"old mov", []byte("\x00\x00\x00\x08wide\x00\x00"), "mp4"},
		{"impossible box", []byte("\x00\x00\x00\x04ftypisom"), ""},
		{"ts", packets(188, 0, 10), "mpegts"},
		{"m2ts", packets(192, 4, 10), "mpegts"},
		{"one G", []byte("G"), ""},
		{"mkv", []byte{0x1a, 0x45, 0xdf, 0xa3}, "matroska"},
		{"avi", []byte("RIFF\x00\x00\x00\x00AVI LIST"), "avi"},
		{"wav", []byte("RIFF\x00\x00\x00\x00WAVEfmt "), ""},
		{"playlist", []byte("#EXTM3U\n"), ""},
		{"text", []byte("grüße"), ""},
	} {
		c, words := sniff(row.head, 1000)
		if c.name != row.want || (words == "") != (row.want != "") {
			t.Errorf("%s: %+v %q", row.name, c, words)
		}
	}
}

func TestRotation(t *testing.T) {
	for degrees, want := range map[float64]int{0: 0, -90: 90, 90: 270, 180: 180, -180: 180, -270: 270, 450: 270, -89.6: 90, math.NaN(): 0, math.Inf(1): 0} {
		s := probed{Tags: map[string]string{"rotate": "180"}}
		s.Side = append(s.Side, struct {
			Rotation *float64 `json:"rotation"`
		}{&degrees})
		if got := s.rotation(); got != want {
			t.Errorf("%v: %d, not %d", degrees, got, want)
		}
	}
	if s := (probed{Tags: map[string]string{"rotate": "270"}}); s.rotation() != 270 {
		t.Error("the tag is not read")
	}
}

func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026": "5.1.9 5.1",
		"ffmpeg version 7.0 Copyright":                           "7.0 7",
		"ffprobe version n6.1.1 Copyright":                       "n6.1.1 0",
		"ffmpeg version N-12345-gabc":                            "N-12345-gabc 0",
		"bash: no":                                               " 0",
	} {
		if version, number := readVersion(text); fmt.Sprint(version, " ", number) != want {
			t.Errorf("%q: %q %v", text, version, number)
		}
	}
}

// TestOpen wants words where a tool is missing, old or something else.
func TestOpen(t *testing.T) {
	script := func(name, text string) string {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, row := range []struct{ path, words string }{
		{filepath.Join(t.TempDir(), "none"), "apt-get install ffmpeg"},
		{script("old", "echo ffmpeg version 4.4.2 Copyright\n"), "5.1 or later"},
		{script("bare", "echo ffmpeg version 6.0 Copyright; echo configuration: --disable-gpl\n"), "libx264"},
		{script("other", "echo hello\n"), "does not call itself ffmpeg"},
		{script("fails", "echo broken >&2; exit 3\n"), "broken"},
		{script("floods", "yes\n"), "bytes of output"},
	} {
		if _, err := Open(t.Context(), Config{FFmpeg: row.path}); err == nil || !strings.Contains(err.Error(), row.words) {
			t.Errorf("%s: %v", row.path, err)
		}
	}
	one, err := Open(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tools := range []*Tools{one, one} {
		if err := tools.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := one.Probe(t.Context(), evidence.Source{}); !errors.Is(err, errClosed) {
		t.Errorf("after closing: %v", err)
	}
}

// TestArguments holds what keeps a hostile file in.
func TestArguments(t *testing.T) {
	p, err := profileOf("")
	if err != nil {
		t.Fatal(err)
	}
	m := &making{profile: p, recipe: recipe{Demuxer: "mov", Timescale: 90000, Width: 1920, Height: 1080, Frames: []int64{0, 3000}, Samples: make([]isobmff.Sample, 2)},
		chunk: evidence.Chunk{Timescale: 90000, End: 6000}, session: &session{url: "http://127.0.0.1:1/token"}}
	args, said, err := m.args()
	if err != nil {
		t.Fatal(err)
	}
	g := &going{recording: &recording{container: container{"mov", "mp4"}}, sounds: 2}
	through, err := g.args(m.session.url, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{args, through, probeArgs("mov", m.session.url)} {
		text := " " + strings.Join(line, " ") + " "
		for _, want := range []string{" -protocol_whitelist http,tcp ", " -format_whitelist mov ", " -enable_drefs 0 ", " -use_absolute_path 0 ", " -f mov ", " -codec_whitelist h264,", " -i http://127.0.0.1:1/token "} {
			if !strings.Contains(text, want) {
				t.Errorf("no%sin%s", want, text)
			}
		}
	}
	if strings.Contains(said, "token") || !strings.Contains(said, "-crf ") || !strings.Contains(said, "scale=854:480") {
		t.Errorf("%q", said)
	}
	if again, _, _ := m.args(); fmt.Sprint(again) != fmt.Sprint(args) {
		t.Error("the command line is not always the same")
	}
	m.session = nil // by the standard input
	if args, _, err = m.args(); err != nil || !strings.Contains(strings.Join(args, " "), " -protocol_whitelist pipe ") {
		t.Errorf("%q, %v", args, err)
	}
}

func TestTail(t *testing.T) {
	var b tail
	for i := range 5000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	if s := b.String(); len(s) > headBytes+tailBytes+20 || !strings.HasPrefix(s, "line 0\n") || !strings.HasSuffix(s, "line 4999\n") || b.lines != 5000 {
		t.Errorf("%d bytes, %d lines", len(s), b.lines)
	}
	r := &session{url: "http://127.0.0.1:1/t"}
	if s := r.scrub("[h264 @ 0x55b9] http://127.0.0.1:1/t: no\x1b[0m\nx"); s != "[h264] the recording: no[0m\nx" {
		t.Errorf("%q", s)
	}
}

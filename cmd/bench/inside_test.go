package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bwv/internal/hls"
	"bwv/internal/journey"
)

// TestInside runs what bench starts itself for, on a short film, and looks whether what it says can be.
func TestInside(t *testing.T) {
	clips, err := filepath.Abs(filepath.Join("..", "..", "testdata"))
	if err != nil {
		t.Fatal(err)
	}
	f := films{dir: t.TempDir(), clips: clips}
	film, err := f.of(t.Context(), person, 6)
	if err != nil {
		t.Fatal(err)
	}
	var r round
	said(t, contest, film, &r)
	if r.Chunks != 2 || r.Seconds < 5.5 || r.Seconds > 6.5 || r.Floor <= 0 || r.Whole <= r.Floor || r.Pieces <= r.Floor {
		t.Errorf("a round of 6 seconds: %+v", r)
	}
	var e eaten
	said(t, appetite, film, &e)
	d := &disk{}
	src, err := d.source(t.Context(), film)
	if err != nil {
		t.Fatal(err)
	}
	if e.Read != src.Original.Size || e.Handler < 4<<20 || e.Child < 16<<20 {
		t.Errorf("memory for %d bytes: %+v", src.Original.Size, e)
	}
}

func said(t *testing.T, work func(context.Context, string, io.Writer) error, file string, into any) {
	t.Helper()
	var out bytes.Buffer
	if err := work(t.Context(), file, &out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatal(err)
	}
}

// TestBeginning: a recording can be watched when each playlist has a segment that can be fetched, and not before.
func TestBeginning(t *testing.T) {
	files := map[string]string{}
	fetched := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := files[r.URL.Path]
		switch {
		case !ok:
			w.WriteHeader(http.StatusServiceUnavailable)
		case strings.HasPrefix(r.URL.Path, "/media/"):
			fetched++
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader(body))
		default:
			_, _ = io.WriteString(w, body)
		}
	}))
	defer server.Close()
	list := func(segments int) string {
		m := hls.Media{Target: 6, Init: server.URL + "/media/init"}
		for range segments {
			m.Add(hls.Segment{URI: server.URL + "/media/part", Range: hls.Range{Offset: 2, Bytes: 3}, Seconds: 6})
		}
		return string(m.Text())
	}
	const at = "/api/evidence/ev-1/playback"
	for _, step := range []struct {
		name string
		add  map[string]string
		want bool
	}{
		{"nothing is there", nil, false},
		{"a master alone", map[string]string{at: "#EXTM3U\nURI=\"playback/sound-0.m3u8\"\nplayback/video.m3u8\n"}, false},
		{"pictures, and a sound that has nothing yet", map[string]string{at + "/video.m3u8": list(1), at + "/sound-0.m3u8": list(0), "/media/init": "head", "/media/part": "0123456"}, false},
		{"both", map[string]string{at + "/sound-0.m3u8": list(2)}, true},
	} {
		for path, body := range step.add {
			files[path] = body
		}
		ok, err := beginning(t.Context(), journey.Client{Base: server.URL}, "ev-1")
		if err != nil || ok != step.want {
			t.Errorf("%s: %v, %v", step.name, ok, err)
		}
	}
	if fetched != 4 {
		t.Errorf("%d files were fetched, not a head and a segment of each", fetched)
	}
	files["/media/part"] = ""
	if ok, err := beginning(t.Context(), journey.Client{Base: server.URL}, "ev-1"); err == nil || ok {
		t.Error("a segment without bytes passes")
	}
}

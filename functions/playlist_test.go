package functions_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/azfunc"
	"bwv/internal/evidence"
)

func (w *world) playlist(id evidence.ID, name string) answer {
	w.t.Helper()
	return w.ask(http.MethodGet, "/api/evidence/"+string(id)+"/playback/"+name, "")
}

// linked is text with a link in place of each of the names.
func linked(id evidence.ID, text string, names ...string) string {
	for _, name := range names {
		text = strings.ReplaceAll(text, name, "https://store.example/"+string(id)+"/"+name+"?for=10m0s")
	}
	return text
}

func TestPlaylist(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	sound := "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:12\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXT-X-MAP:URI=\"sound-0/init.mp4\"\n#EXTINF:11.500000,\n#EXT-X-BYTERANGE:5@52\nsound-0/00000.mp4\n#EXT-X-ENDLIST\n"
	for name, c := range map[string]struct{ kind, want string }{
		"video.m3u8":     {"application/vnd.apple.mpegurl", linked(id, pictures, "video/init.mp4", "video/00000.mp4", "video/00001.mp4")},
		"sound-0.m3u8":   {"application/vnd.apple.mpegurl", linked(id, sound, "sound-0/init.mp4", "sound-0/00000.mp4")},
		"storyboard.vtt": {"text/vtt", linked(id, storyboard, "video/00000.jpg", "video/00001.jpg")},
	} {
		w.signer.signed = nil
		a := w.playlist(id, name)
		w.want(a, http.StatusOK, nil)
		if a.body != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, a.body, c.want)
		}
		if a.header.Get("Content-Type") != c.kind || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: header %v", name, a.header)
		}
		if signed := slices.Clone(w.signer.signed); len(slices.Compact(slices.Sorted(slices.Values(signed)))) != len(signed) {
			t.Errorf("%s: signed %v: one link serves all ranges of a file", name, signed)
		}
	}
	if strings.Contains(w.state(), "store.example") {
		t.Error("a link is kept")
	}
}

func TestPlaylistIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodGet, "/api/evidence/%s/playback/video.m3u8", "")
}

// Only playlists are handed out: what they name is behind links, and the stages' own pages are nobody's.
func TestPlaylistOfAnotherName(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	before := w.state()
	for _, name := range []string{"master.m3u8", "sound.m3u8", "sound-.m3u8", "sound-100.m3u8", "sound-x.m3u8", "video.m3u8x", "xvideo.m3u8", "Video.m3u8", "video.json",
		"digest.json", "sound.json", "video-plan.json", "location.json", "poster.jpg", "waveform.dat", "video%2F00000.mp4", "..%2Fvideo.m3u8", "video.m3u8%0a", "%00", "storyboard.vtt%2F"} {
		w.refused(w.playlist(id, name), http.StatusNotFound, "is no playlist")
	}
	w.refused(w.playlist(id, "sound-1.m3u8"), http.StatusServiceUnavailable, "being made")
	if a := w.playlist(id, "video/00000.mp4"); a.status != http.StatusNotFound {
		t.Errorf("%d: %s", a.status, a.body)
	}
	if len(w.signer.signed) > 0 || strings.Count(w.state(), "consultation:play") != 1 || before == w.state() {
		t.Errorf("signed %v", w.signer.signed)
	}
}

// Every place where a playlist of RFC 8216 can name a file gets a link, whatever the line's end.
func TestPlaylistLinksEverything(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	w.replaced(id, evidence.Pictures, "#EXTM3U\r\n#EXT-X-MAP:BYTERANGE=\"8@0\",URI=\"init.mp4\"\r\n\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.bin\",X-OTHER-URI=\"key-2.bin\"\r\n"+
		"#EXTINF:5,title\r\nseg_1.m4s\r\n#EXT-X-MAP:URI=\"video/00001.init\"\r\n#EXTINF:5,\r\nvideo/seg_2.m4s")
	a := w.playlist(id, "video.m3u8")
	w.want(a, http.StatusOK, nil)
	want := linked(id, "#EXTM3U\n#EXT-X-MAP:BYTERANGE=\"8@0\",URI=\"init.mp4\"\n\n#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.bin\",X-OTHER-URI=\"key-2.bin\"\n"+
		"#EXTINF:5,title\nseg_1.m4s\n#EXT-X-MAP:URI=\"video/00001.init\"\n#EXTINF:5,\nvideo/seg_2.m4s\n", "init.mp4", "key-1.bin", "key-2.bin", "seg_1.m4s", "video/00001.init", "video/seg_2.m4s")
	if a.body != want {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
}

// badLines name what is no file of the recording.
func badLines() []string {
	return []string{
		"https://evil.example/a.mp4", "//evil.example/a.mp4", "/etc/passwd", "../lambeth-202611-aaaaaaaaaaaaaaaaaaaa/proxy.mp4", "..", ".", "a/b/c.mp4", `a\b.mp4`, "A/b.mp4", "a/../b.mp4",
		"video/", "video/.mp4", "../a.mp4", "./a.mp4",
		" a.mp4", "a.mp4?x=1", "a%2fb.mp4", "file:a.mp4", "-a", "a b", "data:,x", "ä.mp4",
		`#EXT-X-MAP:URI="https://evil.example/a.mp4"`, `#EXT-X-MAP:URI=""`, `#EXT-X-MAP:URI="../a.mp4"`,
		`#EXT-X-MEDIA:URI="video/00000.mp4",X-ASSET-URI="https://evil.example/a.m3u8"`,
	}
}

// A playlist that names anything but a file of the recording is not handed out.
func TestPlaylistRefusesNames(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	refused := func(name, text, line string) {
		t.Helper()
		w.replaced(id, name, text)
		a := w.playlist(id, name)
		w.refused(a, http.StatusConflict, "reprocess the proxy")
		if strings.Contains(a.body, "store.example") {
			t.Errorf("%q: a link was handed out: %s", line, a.body)
		}
	}
	for _, line := range badLines() {
		refused(evidence.Pictures, "#EXTM3U\n#EXTINF:5,\nvideo/00000.mp4\n"+line+"\n", line)
		if !strings.HasPrefix(line, "#") {
			refused(evidence.Storyboard, "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\n"+line+"#xywh=0,0,1,1\n", line)
		}
	}
	for _, name := range w.signer.signed {
		if name != "video/00000.mp4" {
			t.Errorf("%q was signed", name)
		}
	}
}

// A player asks again and again: one sitting of one person is one entry.
func TestPlaylistIsOneSitting(t *testing.T) {
	w := newWorld(t)
	w.app.Who = azfunc.Development([]evidence.Actor{officer(), {ID: "development:sergeant", Roles: []string{"supervisor"}}})
	w.serve()
	id := w.scheduled("lambeth", 1).ID
	entries := len(w.ledger.Entries())
	plays := func(want int, who, file string) {
		t.Helper()
		a := w.send(http.MethodGet, "/api/evidence/"+string(id)+"/playback"+file, nil, map[string]string{azfunc.DevelopmentHeader: who})
		w.want(a, http.StatusOK, nil)
		if n := len(w.ledger.Entries()) - entries; n != want {
			t.Fatalf("%d entries after %s asked for %q, want %d", n, who, file, want)
		}
		if e := w.last(id); e.Operation != evidence.OpPlay || e.Actor.ID == "" || e.Correlation == "" {
			t.Fatalf("entry %+v", e)
		}
	}
	plays(1, "officer", "")
	for range 3 {
		plays(1, "officer", "/video.m3u8")
		plays(1, "officer", "/sound-0.m3u8")
		plays(1, "officer", "/storyboard.vtt")
		w.now = w.now.Add(time.Hour)
	}
	plays(2, "sergeant", "/video.m3u8") // without a master playlist: from a link that somebody handed on
	plays(2, "sergeant", "/sound-0.m3u8")
	plays(2, "officer", "/sound-0.m3u8")
	w.now = w.now.Add(9 * time.Hour) // twelve hours after the officer began
	plays(3, "officer", "/video.m3u8")
	plays(3, "sergeant", "/video.m3u8")
	w.now = w.now.Add(-time.Minute) // another instance's clock
	plays(3, "officer", "/video.m3u8")
	plays(4, "officer", "")
}

// While a proxy grows there is as much to hear as there is to see.
func TestPlaylistGrowing(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	for _, name := range []string{"video.m3u8", "sound-0.m3u8", "storyboard.vtt"} {
		w.refused(w.playlist(id, name), http.StatusServiceUnavailable, "still being made", "the original is safe")
	}
	if n := len(w.ledger.Entries()); n != 1 {
		t.Errorf("%d entries: a consultation that did not happen is in the custody chain", n)
	}
	w.must("proxy", work(id), 1)
	w.must("digest", work(id), 1)
	head, _, _ := strings.Cut(pictures, "#EXTINF:6")
	if a := w.playlist(id, "video.m3u8"); a.body != linked(id, head, "video/init.mp4", "video/00000.mp4") {
		t.Errorf("pictures: %s", a.body)
	}
	if a := w.playlist(id, "sound-0.m3u8"); a.status != http.StatusOK || strings.Contains(a.body, "#EXTINF") || strings.Contains(a.body, "ENDLIST") {
		t.Errorf("its only segment of sound is longer than the pictures: %s", a.body)
	}
	w.refused(w.playlist(id, "storyboard.vtt"), http.StatusServiceUnavailable, "is being made")
	w.must("segment", part(id, 1), 1)
	for _, name := range []string{"video.m3u8", "sound-0.m3u8"} {
		if a := w.playlist(id, name); !strings.HasSuffix(a.body, "#EXT-X-ENDLIST\n") {
			t.Errorf("%s: %s", name, a.body)
		}
	}
}

// Sound is cut where the pictures end, and never shorter than it was.
func TestPlaylistHearsWhatIsSeen(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	w.must("proxy", work(id), 1)
	w.must("digest", work(id), 1)
	media := func(ended bool, seconds ...float64) string {
		text := "#EXTM3U\n#EXT-X-TARGETDURATION:8\n#EXT-X-MAP:URI=\"sound-0/init.mp4\"\n"
		for n, s := range seconds {
			text += fmt.Sprintf("#EXTINF:%.6f,\n#EXT-X-BYTERANGE:5@52\nsound-0/%05d.mp4\n", s, n)
		}
		if ended {
			text += "#EXT-X-ENDLIST\n"
		}
		return text
	}
	for _, c := range []struct {
		seen, heard []float64
		seenEnds    bool
		want        int
	}{
		{[]float64{4}, []float64{2, 2, 2}, false, 2},
		{[]float64{4}, []float64{2, 1.9}, false, 2},
		{[]float64{4, 6, 1.5}, []float64{5.994667, 5.994667}, false, 1},
		{[]float64{4}, []float64{2, 2, 2}, true, 3},
		{[]float64{0.1, 0.2}, []float64{0.3}, false, 1},
	} {
		w.replaced(id, evidence.Pictures, media(c.seenEnds, c.seen...))
		w.replaced(id, "sound-0.m3u8", media(true, c.heard...))
		a := w.playlist(id, "sound-0.m3u8")
		w.want(a, http.StatusOK, nil)
		whole := c.want == len(c.heard)
		if n := strings.Count(a.body, "#EXTINF"); n != c.want || strings.Contains(a.body, "ENDLIST") != whole {
			t.Errorf("%+v: %d segments\n%s", c, n, a.body)
		}
	}
}

// Without links there is no answer; the store's words are for the log.
func TestLinksCannotBeMade(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	for err, status := range map[error]int{evidence.Unavailable: http.StatusServiceUnavailable, errors.New("key of store.example"): http.StatusInternalServerError} {
		w.signer.fail = err
		for _, path := range []string{"/playback/video.m3u8", "/playback/storyboard.vtt", ""} {
			a := w.ask(http.MethodGet, "/api/evidence/"+string(id)+path, "")
			w.refused(a, status)
			if strings.Contains(a.body, "store.example") {
				t.Errorf("it says too much: %s", a.body)
			}
		}
	}
}

func TestPlaylistTooLate(t *testing.T) {
	for name, record := range map[string]func(*world) evidence.Record{"expired": (*world).expired, "expiring": (*world).expiring} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := record(w).ID
			before := w.state()
			w.refused(w.playlist(id, "video.m3u8"), http.StatusConflict, "is "+name)
			if len(w.signer.signed) > 0 || w.state() != before {
				t.Errorf("signed %v", w.signer.signed)
			}
		})
	}
}

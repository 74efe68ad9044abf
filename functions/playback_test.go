package functions_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

func (w *world) play(id evidence.ID) answer {
	w.t.Helper()
	return w.ask(http.MethodGet, "/api/evidence/"+string(id)+"/playback", "")
}

// replaced puts another playlist in place of the record's.
func (w *world) replaced(id evidence.ID, playlist string) {
	w.t.Helper()
	if err := w.renditions.Put(w.t.Context(), id, evidence.Rendition{Name: evidence.Playlist}, strings.NewReader(playlist)); err != nil {
		w.t.Fatal(err)
	}
}

func TestPlayback(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	a := w.play(id)
	w.want(a, http.StatusOK, nil)
	link := "https://store.example/" + string(id) + "/proxy.mp4?for=10m0s"
	want := strings.ReplaceAll(strings.ReplaceAll(playlist, `"proxy.mp4"`, `"`+link+`"`), "\nproxy.mp4\n", "\n"+link+"\n")
	if a.body != want || strings.Count(a.body, link) != 3 {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
	if a.header.Get("Content-Type") != "application/vnd.apple.mpegurl" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", a.header)
	}
	if !slices.Equal(w.signer.signed, []string{"proxy.mp4"}) {
		t.Errorf("signed %v: one link serves all ranges of a file", w.signer.signed)
	}
	if e := w.last(id); e.Operation != evidence.OpPlay || e.Actor.ID != "development:officer" {
		t.Errorf("entry %+v", e)
	}
	for _, word := range []string{"store.example", "proxy.mp4"} {
		if strings.Contains(w.state(), word+"?") {
			t.Errorf("a link is kept")
		}
	}
}

func TestPlaybackIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodGet, "/api/evidence/%s/playback", "")
}

// Every place where a playlist of RFC 8216 can name a file gets a link, whatever the line's end.
func TestPlaybackLinksEverything(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	w.replaced(id, "#EXTM3U\r\n#EXT-X-MAP:BYTERANGE=\"8@0\",URI=\"init.mp4\"\r\n\r\n#EXT-X-KEY:METHOD=AES-128,URI=\"key-1.bin\",X-OTHER-URI=\"key-2.bin\"\r\n#EXTINF:5,title\r\nseg_1.m4s\r\n#EXTINF:5,\r\nseg_2.m4s")
	a := w.play(id)
	w.want(a, http.StatusOK, nil)
	at := func(name string) string { return "https://store.example/" + string(id) + "/" + name + "?for=10m0s" }
	want := "#EXTM3U\n#EXT-X-MAP:BYTERANGE=\"8@0\",URI=\"" + at("init.mp4") + "\"\n\n#EXT-X-KEY:METHOD=AES-128,URI=\"" + at("key-1.bin") + "\",X-OTHER-URI=\"" + at("key-2.bin") +
		"\"\n#EXTINF:5,title\n" + at("seg_1.m4s") + "\n#EXTINF:5,\n" + at("seg_2.m4s") + "\n"
	if a.body != want {
		t.Errorf("got\n%s\nwant\n%s", a.body, want)
	}
}

// A playlist that names anything but a file beside it is not handed out.
func TestPlaybackRefusesNames(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	for _, line := range []string{
		"https://evil.example/a.mp4", "//evil.example/a.mp4", "/etc/passwd", "../lambeth-202611-aaaaaaaaaaaaaaaaaaaa/proxy.mp4", "..", ".", "a/b.mp4", `a\b.mp4`,
		" a.mp4", "a.mp4?x=1", "a%2fb.mp4", "file:a.mp4", "-a", "a b", "data:,x", "ä.mp4",
		`#EXT-X-MAP:URI="https://evil.example/a.mp4"`, `#EXT-X-MAP:URI=""`, `#EXT-X-MAP:URI="../a.mp4"`,
		`#EXT-X-MEDIA:URI="proxy.mp4",X-ASSET-URI="https://evil.example/a.m3u8"`,
	} {
		w.replaced(id, "#EXTM3U\n#EXTINF:5,\nproxy.mp4\n"+line+"\n")
		a := w.play(id)
		w.refused(a, http.StatusConflict, "reprocess the proxy")
		if strings.Contains(a.body, "store.example") {
			t.Errorf("%q: a link was handed out: %s", line, a.body)
		}
	}
	for _, name := range w.signer.signed {
		if name != "proxy.mp4" {
			t.Errorf("%q was signed", name)
		}
	}
}

func TestPlaybackOfNothing(t *testing.T) {
	w := newWorld(t)
	waiting, broken := w.catalogued("lambeth", 2, "video"), w.catalogued("lambeth", 3, "holiday.doc")
	w.must("proxy", work(broken), 1)
	missing := w.scheduled("lambeth", 4).ID
	if err := w.renditions.DeleteAll(t.Context(), missing); err != nil {
		t.Fatal(err)
	}

	before := w.state()
	a := w.play(waiting)
	w.refused(a, http.StatusServiceUnavailable, "still being made", "the original is safe")
	if a.header.Get("Retry-After") == "" {
		t.Errorf("no Retry-After: %v", a.header)
	}
	w.refused(w.play(broken), http.StatusConflict, "no proxy", "the original is safe")
	if w.state() != before {
		t.Error("a consultation that did not happen is in the custody chain")
	}
	w.refused(w.play(missing), http.StatusConflict, "playlist", "is missing")
}

// Without links there is no answer; the store's words are for the log.
func TestLinksCannotBeMade(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	for err, status := range map[error]int{evidence.Unavailable: http.StatusServiceUnavailable, errors.New("key of store.example"): http.StatusInternalServerError} {
		w.signer.fail = err
		for _, path := range []string{"/playback", ""} {
			a := w.ask(http.MethodGet, "/api/evidence/"+string(id)+path, "")
			w.refused(a, status)
			if strings.Contains(a.body, "store.example") {
				t.Errorf("it says too much: %s", a.body)
			}
		}
		w.replaced(id, "#EXTM3U\n#EXT-X-MAP:URI=\"proxy.mp4\"\n")
		w.refused(w.play(id), status)
	}
}

func TestPlaybackTooLate(t *testing.T) {
	for name, record := range map[string]func(*world) evidence.Record{"expired": (*world).expired, "expiring": (*world).expiring} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := record(w).ID
			w.refused(w.play(id), http.StatusConflict, "is "+name)
			if len(w.signer.signed) > 0 {
				t.Errorf("signed %v", w.signer.signed)
			}
		})
	}
}

package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bwv/internal/journey/browser"
)

// theatre shows a film: playlists on one origin, which asks who acts, and segments on another, which allows the site's and has Azure's rule.
type theatre struct {
	film film
	api  string
	site *browser.Site

	mu        sync.Mutex
	growing   bool // the playlists are EVENT, and end when all has landed
	landed    []bool
	sounds    int           // so many of the sound's segments have landed
	ahead     bool          // the sound's playlist may promise more than the picture's
	silent    bool          // there is no sound
	gap       map[int]bool  // chunks that cannot be made
	order     []int         // chunks that land, one each time the picture's playlist is read
	closed    bool          // the store allows nobody
	lost      string        // a path of the API that is not there
	spoiled   string        // a file whose content is noise
	held      chan struct{} // while open, the file hold is not answered
	hold      string
	preflight int // OPTIONS requests that the store got
	unsigned  int // requests to the API that did not say who acts
	store     *httptest.Server
}

// show opens a theatre where the whole film has landed.
func show(t *testing.T, f film) *theatre {
	t.Helper()
	h := &theatre{film: f, landed: make([]bool, len(f.chunks)), sounds: len(f.sound), gap: map[int]bool{}}
	for i := range h.landed {
		h.landed[i] = true
	}
	h.store = httptest.NewServer(http.HandlerFunc(h.blob))
	t.Cleanup(h.store.Close)
	api := httptest.NewServer(http.HandlerFunc(h.playlist))
	t.Cleanup(api.Close)
	h.api = api.URL
	site, err := browser.Serve(h.api, http.Header{"X-Development-Person": {"officer"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	h.site = site
	return h
}

// master is where the film begins; the media playlists lie below it.
const master = "/api/evidence/lambeth-202611-a/playback"

func (h *theatre) playlist(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Header.Get("X-Development-Person") != "officer" {
		h.unsigned++
		http.Error(w, "who are you?", http.StatusUnauthorized)
		return
	}
	if h.lost == r.URL.Path {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.apple.mpegurl")
	switch r.URL.Path {
	case master:
		if h.silent {
			fmt.Fprint(w, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-STREAM-INF:BANDWIDTH=1200000,CODECS=\"avc1.64001e\"\nplayback/video.m3u8\n")
			return
		}
		fmt.Fprint(w, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"+
			"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"1\",DEFAULT=YES,AUTOSELECT=YES,URI=\"playback/audio.m3u8\"\n"+
			"#EXT-X-STREAM-INF:BANDWIDTH=1200000,CODECS=\"avc1.64001e,mp4a.40.2\",AUDIO=\"sound\"\nplayback/video.m3u8\n")
	case master + "/video.m3u8":
		if h.growing && len(h.order) > 0 {
			h.landed[h.order[0]] = true
			h.order = h.order[1:]
		}
		fmt.Fprint(w, h.media(h.film.chunks, h.ready(), h.film.head, h.film.chunks[0].file, h.gap))
	case master + "/audio.m3u8":
		if h.growing && h.sounds < len(h.film.sound) {
			h.sounds++
		}
		fmt.Fprint(w, h.media(h.film.sound, h.heard(), h.film.map_, h.film.sound[0].file, nil))
	default:
		http.NotFound(w, r)
	}
}

// ready is how many chunks have landed that have no hole before them.
func (h *theatre) ready() int { return slices.Index(append(slices.Clone(h.landed), false), false) }

// heard is how many of the sound's segments the playlist names: while it grows, none that ends after the picture does. A player whose sound goes on
// without a picture passes the end of the picture's playlist, and hls.js then throws it back, to the beginning if that is near.
func (h *theatre) heard() int {
	ready := h.ready()
	if h.ahead || ready == len(h.landed) {
		return h.sounds
	}
	edge := 0.0
	if ready > 0 {
		edge = h.film.chunks[ready-1].to
	}
	n := slices.IndexFunc(h.film.sound[:h.sounds], func(p part) bool { return p.to > edge })
	if n < 0 {
		return h.sounds
	}
	return n
}

// media writes a media playlist of the first ready parts.
func (h *theatre) media(parts []part, ready int, head int64, initial string, gap map[int]bool) string {
	var b strings.Builder
	kind := "VOD"
	if h.growing {
		kind = "EVENT"
	}
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:%s\n#EXT-X-INDEPENDENT-SEGMENTS\n"+
		"#EXT-X-MAP:URI=\"%s\",BYTERANGE=\"%d@0\"\n", longest(parts), kind, h.link(initial), head)
	for i, p := range parts[:ready] {
		if gap[i] {
			b.WriteString("#EXT-X-GAP\n")
		}
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n#EXT-X-BYTERANGE:%d@%d\n%s\n", p.to-p.from, p.size, p.offset, h.link(p.file))
	}
	if ready == len(parts) {
		b.WriteString("#EXT-X-ENDLIST\n")
	}
	return b.String()
}

func (h *theatre) link(file string) string {
	return h.store.URL + "/devstoreaccount1/renditions/" + file + "?sig=secret%2Bkey"
}

// blob answers as Azure's blob storage does under the rule that infra declares.
func (h *theatre) blob(w http.ResponseWriter, r *http.Request) {
	name := filepath.Base(r.URL.Path)
	h.mu.Lock()
	closed, spoiled, hold, held := h.closed, h.spoiled == name, h.hold == name, h.held
	if r.Method == http.MethodOptions {
		h.preflight++
	}
	chunk := slices.IndexFunc(h.film.chunks, func(p part) bool { return p.file == name })
	missing := chunk >= 0 && (!h.landed[chunk] || h.gap[chunk])
	h.mu.Unlock()
	if origin := r.Header.Get("Origin"); origin == h.site.URL && !closed {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Methods", "GET,HEAD,OPTIONS")
		w.Header().Set("Access-Control-Allow-Headers", "range,x-ms-version,x-ms-range")
		w.Header().Set("Access-Control-Expose-Headers", "content-length,content-range,accept-ranges,etag")
	}
	switch {
	case r.Method == http.MethodOptions:
		return
	case missing:
		http.NotFound(w, r)
		return
	case hold:
		select {
		case <-held:
		case <-r.Context().Done():
			return
		}
	}
	data, err := os.ReadFile(filepath.Join(h.film.dir, name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if spoiled {
		for i := range data {
			data[i] = byte(i * 7)
		}
	}
	var from, to int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || to >= len(data) {
		http.Error(w, "a range is wanted", http.StatusRequestedRangeNotSatisfiable)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
	w.WriteHeader(http.StatusPartialContent)
	w.Write(data[from : to+1])
}

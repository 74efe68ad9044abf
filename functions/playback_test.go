package functions_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

func (w *world) play(id evidence.ID) answer {
	w.t.Helper()
	return w.ask(http.MethodGet, "/api/evidence/"+string(id)+"/playback", "")
}

// replaced puts another playlist in place of one of the record's.
func (w *world) replaced(id evidence.ID, name, playlist string) {
	w.t.Helper()
	if err := w.renditions.Put(w.t.Context(), id, evidence.Rendition{Name: name}, strings.NewReader(playlist)); err != nil {
		w.t.Fatal(err)
	}
}

func TestPlayback(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	a := w.play(id)
	w.want(a, http.StatusOK, nil)
	if a.body != master || len(w.signer.signed) > 0 {
		t.Errorf("signed %v, got\n%s\nwant\n%s", w.signer.signed, a.body, master)
	}
	if a.header.Get("Content-Type") != "application/vnd.apple.mpegurl" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", a.header)
	}
	if e := w.last(id); e.Operation != evidence.OpPlay || e.Actor.ID != "development:officer" {
		t.Errorf("entry %+v", e)
	}
}

// What the master playlist names is below its own address, where a player asks for it.
func TestPlaybackNamesWhatIsThere(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	at, err := url.Parse(w.url + "/api/evidence/" + string(id) + "/playback")
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)URI="([^"]+)"|^([^#\n].*)$`).FindAllStringSubmatch(w.play(id).body, -1)
	if len(names) != 2 {
		t.Fatalf("it names %q", names)
	}
	for _, name := range names {
		to, err := at.Parse(name[1] + name[2])
		if err != nil {
			t.Fatal(err)
		}
		if a := w.ask(http.MethodGet, to.Path, ""); a.status != http.StatusOK || !strings.HasPrefix(a.body, "#EXTM3U") {
			t.Errorf("%s: %d %s", to.Path, a.status, a.body)
		}
	}
}

func TestPlaybackIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodGet, "/api/evidence/%s/playback", "")
}

// A master playlist that names anything but a file of the recording is not handed out.
func TestPlaybackRefusesNames(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	for _, line := range badLines() {
		w.replaced(id, evidence.Master, master+line+"\n")
		w.refused(w.play(id), http.StatusConflict, "reprocess the proxy")
	}
}

func TestPlaybackOfNothing(t *testing.T) {
	w := newWorld(t)
	waiting, broken := w.catalogued("lambeth", 2, "video"), w.catalogued("lambeth", 3, "holiday.doc")
	w.must("proxy", work(broken), 1)
	missing := w.scheduled("lambeth", 4).ID
	if err := w.renditions.DeleteAll(t.Context(), missing, ""); err != nil {
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

// The beginning of a recording can be watched while the rest is being made.
func TestPlaybackGrowing(t *testing.T) {
	w := newWorld(t)
	id := w.catalogued("lambeth", 1, "video")
	w.must("proxy", work(id), 1)
	w.refused(w.play(id), http.StatusServiceUnavailable, "still being made")
	w.must("digest", work(id), 1)
	a := w.play(id)
	w.want(a, http.StatusOK, nil)
	if a.body != master {
		t.Errorf("got %s", a.body)
	}
	var got shown
	w.want(w.ask(http.MethodGet, "/api/evidence/"+string(id), ""), http.StatusOK, &got)
	if got.Links["playback"] == "" || got.Links["storyboard"] != "" {
		t.Errorf("links %v", got.Links)
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

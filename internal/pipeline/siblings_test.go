package pipeline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

// of is a recording's path: the camera, and when it was made.
func of(camera string, at time.Time, name string) string {
	return fmt.Sprintf("lambeth/P123456/%s/%s/%s-%s.mp4", camera, at.Format("2006/01/02"), at.Format("20060102T150405Z"), name)
}

// TestLostIndex has a recording without an index watched with the help of another one of its camera, and says so everywhere.
func TestLostIndex(t *testing.T) {
	w := newWorld(t)
	helper := w.receive(w.upload(path(1), "video"))
	r := w.receive(w.upload(path(2), "lost abc"))
	if r.Media.State != evidence.MediaUnreadable || r.Proxy.State != evidence.ProxyReady || r.Proxy.HasAudio || r.Digest.Matches == nil || !*r.Digest.Matches {
		t.Errorf("%s, %+v, %+v", r.Media.State, r.Proxy, r.Digest)
	}
	if problems(r) != "metadata:unreadable proxy:media-warning" || r.Attention[1].Detail != "found with the help of "+path(1) {
		t.Errorf("%+v", r.Attention)
	}
	w.plays(r.ID)
	for _, name := range []string{"video/00000.mp4", "video/00002.mp4", "video/init.mp4", evidence.Poster} {
		file, there := w.renditions.Described(r.ID, name)
		if p := file.Provenance; !there || p["reference"] != path(1) || p["referenceetag"] != helper.Original.ETag || p["originaletag"] != r.Original.ETag {
			t.Errorf("%s: %v", name, p)
		}
	}
	if file, _ := w.renditions.Described(helper.ID, "video/00000.mp4"); file.Provenance["reference"] != "" {
		t.Errorf("what has an index: %v", file.Provenance)
	}
	if len(w.tool.offered) != 1 {
		t.Errorf("siblings were asked for %d times", len(w.tool.offered))
	}
}

// TestSiblings offers the newest recordings of the same camera, of this month and the one before, that were read and are still there.
func TestSiblings(t *testing.T) {
	w := newWorld(t)
	today := w.now
	w.now = today.AddDate(0, -2, 0)
	w.receive(w.upload(of("X1", w.now, "two-months"), "video"))
	w.now = today.AddDate(0, -1, 0)
	month := of("X1", w.now, "month")
	w.receive(w.upload(month, "video"))
	w.now = today
	lost := func(name string) (evidence.Record, string) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		r := w.receive(w.upload(of("X1", w.now, name), "lost a"))
		return r, w.tool.offered[len(w.tool.offered)-1]
	}
	if r, offered := lost("a"); offered != month || r.Proxy.State != evidence.ProxyReady {
		t.Errorf("offered %s, %s", offered, r.Proxy.State)
	}
	w.receive(w.upload(of("X2", w.now, "other-camera"), "video"))
	w.receive(w.upload(of("X1", w.now, "unreadable"), "nothing"))
	w.receive(w.upload(of("X1", w.now, "removed"), "video"))
	w.originals.Remove(of("X1", w.now, "removed"))
	w.now = w.now.Add(time.Minute)
	unlooked := of("X1", w.now, "unlooked")
	w.catalogue(w.upload(unlooked, "video"))
	if _, offered := lost("b"); offered != month+" "+unlooked {
		t.Errorf("offered %s", offered)
	}
	var names []string
	for n := range 3 {
		w.now = w.now.Add(time.Minute)
		names = append(names, of("X1", w.now, fmt.Sprint("new-", n)))
		w.receive(w.upload(names[n], "video"))
	}
	slices.Reverse(names)
	if _, offered := lost("c"); offered != strings.Join(names, " ") {
		t.Errorf("offered %s", offered)
	}
	w.receive(w.upload(of("X3", w.now, "other-camera"), "video"))
	w.now = w.now.Add(keep)
	w.erase() // all of the month's but what was uploaded in the last minutes
	for _, r := range w.ledger.Records() {
		if r.Original.Path == month && !r.Gone() {
			t.Fatalf("%s is %s", month, r.Retention.State)
		}
	}
	w.now = today.Add(time.Hour)
	if r := w.receive(w.upload(of("X4", w.now, "alone"), "lost a")); r.Proxy.State != evidence.ProxyFailed ||
		problems(r) != "metadata:unreadable proxy:proxy-failed" || w.tool.offered[len(w.tool.offered)-1] != "" {
		t.Errorf("a camera's first: %+v %+v", r.Proxy, r.Attention)
	}
	if r := w.receive(w.upload("no name.mp4", "lost a")); r.Proxy.State != evidence.ProxyFailed || w.tool.offered[len(w.tool.offered)-1] != "" {
		t.Errorf("a camera that nobody knows: %+v", r.Proxy)
	}
}

// TestSiblingsLater makes a proxy anew when all that was uploaded beside the recording is gone: the camera is still worn.
func TestSiblingsLater(t *testing.T) {
	w := newWorld(t)
	id := w.catalogue(w.upload(path(1), "lost a"))
	w.now = w.now.AddDate(1, 1, 0)
	w.receive(w.upload(path(2), "video"))
	w.now = w.now.AddDate(0, 1, 0)
	if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id, Again: true}, w.message("proxy")); err != nil || w.tool.offered[0] != path(2) {
		t.Errorf("offered %q, %v", w.tool.offered, err)
	}
}

// TestSiblingErased cuts the planning off. It goes on with the recording that it was begun with; when that is erased meanwhile all is begun anew
// with another, and without one there is no proxy.
func TestSiblingErased(t *testing.T) {
	text := "lost " + strings.Repeat("a", 40)
	for name, c := range map[string]struct {
		erased, another bool
		want            string
	}{"still there": {false, true, path(1)}, "erased": {true, true, path(3)}, "the last one": {true, false, ""}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.receive(w.upload(path(1), "video"))
			id := w.catalogue(w.upload(path(2), text))
			work, cause := evidence.Work{Evidence: id}, w.message("proxy")
			w.parts.Plan = func(string) memory.Fault { return memory.Lost }
			if _, err := w.proxy.Run(t.Context(), work, cause); err == nil {
				t.Fatal("the planning was not cut off")
			}
			w.parts.Plan = nil
			if part, there := w.renditions.Described(id, "video/00000.mp4"); !there || part.Provenance["reference"] != path(1) {
				t.Fatalf("the first chunk: %+v", part)
			}
			w.now = w.now.Add(time.Minute)
			if c.another {
				w.receive(w.upload(path(3), "video"))
			}
			if c.erased {
				w.originals.Remove(path(1))
			}
			if _, err := w.proxy.Run(t.Context(), work, cause); err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if r := w.get(id); r.Proxy.State != evidence.ProxyFailed || slices.ContainsFunc(w.names(id), func(n string) bool { return strings.HasPrefix(n, "video") }) {
					t.Errorf("%+v, %v", r.Proxy, w.names(id))
				}
				return
			}
			w.done()
			for n := range 40 {
				part, there := w.renditions.Described(id, fmt.Sprintf("video/%05d.mp4", n))
				if !there || part.Provenance["reference"] != c.want {
					t.Errorf("chunk %d: %t, %v", n, there, part.Provenance)
				}
			}
		})
	}
}

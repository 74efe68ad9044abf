package evidencetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"bwv/internal/evidence"
)

// Pages is the contract of evidence.Pages. open returns an empty container, as pages and as renditions: they are the same files.
func Pages(t *testing.T, open func(t *testing.T) (evidence.Pages, evidence.Renditions)) {
	for name, test := range map[string]func(*testing.T, evidence.Pages, evidence.Renditions){
		"created only where there is none": createPage,
		"forward":                          forward,
		"a version that moved on":          movedOn,
		"a deleted page":                   deletedPage,
		"no page":                          noPage,
		"a page is a rendition":            pageIsRendition,
		"two create at once":               creatorsAtOnce,
		"several at once":                  swappersAtOnce,
		"names outside":                    pagesOutside,
	} {
		t.Run(name, func(t *testing.T) {
			pages, renditions := open(t)
			test(t, pages, renditions)
		})
	}
}

func page(name string) evidence.Rendition {
	return evidence.Rendition{Name: name, ContentType: "application/vnd.apple.mpegurl", Provenance: map[string]string{"tool": "ffmpeg 5.1"}}
}

func swap(t *testing.T, store evidence.Pages, id evidence.ID, name, text, version string) {
	t.Helper()
	if err := store.Swap(t.Context(), id, page(name), []byte(text), version); err != nil {
		t.Fatal(err)
	}
}

// reads loads a page that must have a text and returns its version.
func reads(t *testing.T, store evidence.Pages, id evidence.ID, name, want string) string {
	t.Helper()
	text, version, err := store.Load(t.Context(), id, name)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != want || version == "" {
		t.Fatalf("%s holds %.80q in version %q, want %.80q", name, text, version, want)
	}
	return version
}

func createPage(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	swap(t, store, idOf(1), "video.m3u8", "first", "")
	version := reads(t, store, idOf(1), "video.m3u8", "first")
	is(t, store.Swap(t.Context(), idOf(1), page("video.m3u8"), []byte("second"), ""), evidence.Conflict)
	if again := reads(t, store, idOf(1), "video.m3u8", "first"); again != version {
		t.Fatalf("a refused write made version %q of %q", again, version)
	}
	put(t, renditions, idOf(1), "other", []byte("x"))
	is(t, store.Swap(t.Context(), idOf(1), page("other"), []byte("second"), ""), evidence.Conflict)
	swap(t, store, idOf(2), "video.m3u8", "of another record", "")
	swap(t, store, idOf(1), "a/b", "", "")
	reads(t, store, idOf(1), "a/b", "")
}

// forward brings a page on, version by version, longer and shorter.
func forward(t *testing.T, store evidence.Pages, _ evidence.Renditions) {
	seen, version := []string{""}, ""
	for n := range 6 {
		text := strings.Repeat(fmt.Sprint(n), []int{1000, 1, 300_000, 0, 20, 1}[n])
		swap(t, store, idOf(1), "a", text, version)
		if version = reads(t, store, idOf(1), "a", text); slices.Contains(seen, version) {
			t.Fatalf("version %q came twice", version)
		}
		seen = append(seen, version)
	}
}

func movedOn(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	swap(t, store, idOf(1), "a", "one", "")
	first := reads(t, store, idOf(1), "a", "one")
	swap(t, store, idOf(1), "a", "two", first)
	second := reads(t, store, idOf(1), "a", "two")
	for _, stale := range []string{first, "", "*", "0x1", `"`, "nonsense"} {
		is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("three"), stale), evidence.Conflict)
	}
	swap(t, store, idOf(1), "a", "two", second) // the same text is a new version all the same
	third := reads(t, store, idOf(1), "a", "two")
	is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("three"), second), evidence.Conflict)
	put(t, renditions, idOf(1), "a", []byte("put"))
	is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("three"), third), evidence.Conflict)
	reads(t, store, idOf(1), "a", "put")
}

// deletedPage must not come back by the hand of somebody who read it before: for a version that was, it has moved on.
func deletedPage(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	swap(t, store, idOf(1), "a", "one", "")
	version := reads(t, store, idOf(1), "a", "one")
	if err := renditions.DeleteAll(t.Context(), idOf(1), ""); err != nil {
		t.Fatal(err)
	}
	is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("two"), version), evidence.Conflict)
	_, _, err := store.Load(t.Context(), idOf(1), "a")
	is(t, err, evidence.NotFound)
	swap(t, store, idOf(1), "a", "anew", "")
	is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("two"), version), evidence.Conflict)
	reads(t, store, idOf(1), "a", "anew")
}

func noPage(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	_, _, err := store.Load(t.Context(), idOf(1), "a")
	is(t, err, evidence.NotFound)
	put(t, renditions, idOf(1), "a/b", []byte("x"))
	_, _, err = store.Load(t.Context(), idOf(1), "a")
	is(t, err, evidence.NotFound)
	is(t, store.Swap(t.Context(), idOf(1), page("a"), []byte("x"), "0x8DD0000000000"), evidence.Conflict)
	lists(t, renditions, idOf(1), "a/b")
}

func pageIsRendition(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	swap(t, store, idOf(1), "video/init.mp4", "as a page", "")
	holds(t, renditions, idOf(1), "video/init.mp4", []byte("as a page"))
	put(t, renditions, idOf(1), "plan", []byte("as a rendition"))
	version := reads(t, store, idOf(1), "plan", "as a rendition")
	swap(t, store, idOf(1), "plan", "as a page", version)
	holds(t, renditions, idOf(1), "plan", []byte("as a page"))
	lists(t, renditions, idOf(1), "plan", "video/init.mp4")
}

// creatorsAtOnce have one winner each round, and the page is the winner's.
func creatorsAtOnce(t *testing.T, store evidence.Pages, _ evidence.Renditions) {
	for round := range 10 {
		name := fmt.Sprintf("page-%d", round)
		winner := oneWins(t, func(n int) error {
			return store.Swap(t.Context(), idOf(1), page(name), []byte(fmt.Sprint("of ", n)), "")
		})
		reads(t, store, idOf(1), name, fmt.Sprint("of ", winner))
	}
}

// swappersAtOnce bring one page forward: of those that read the same version, one gets through.
func swappersAtOnce(t *testing.T, store evidence.Pages, _ evidence.Renditions) {
	swap(t, store, idOf(1), "a", "", "")
	want := ""
	for range 10 {
		version := reads(t, store, idOf(1), "a", want)
		winner := oneWins(t, func(n int) error {
			return store.Swap(t.Context(), idOf(1), page("a"), []byte(want+fmt.Sprint(n)), version)
		})
		want += fmt.Sprint(winner)
	}
	reads(t, store, idOf(1), "a", want)
}

// oneWins has four do the same at once and returns who won: exactly one, while the others see a conflict.
func oneWins(t *testing.T, do func(n int) error) int {
	t.Helper()
	var group sync.WaitGroup
	errs := make([]error, 4)
	start := make(chan struct{})
	for n := range errs {
		group.Go(func() {
			<-start
			errs[n] = do(n)
		})
	}
	close(start)
	group.Wait()
	winner := -1
	for n, err := range errs {
		switch {
		case err == nil && winner < 0:
			winner = n
		case err == nil:
			t.Fatalf("both %d and %d got through", winner, n)
		case !errors.Is(err, evidence.Conflict):
			t.Fatal(err)
		}
	}
	if winner < 0 {
		t.Fatal("nobody got through")
	}
	return winner
}

func pagesOutside(t *testing.T, store evidence.Pages, renditions evidence.Renditions) {
	put(t, renditions, idOf(2), "a", []byte("x"))
	for _, name := range outsideNames() {
		_, _, err := store.Load(t.Context(), idOf(1), name)
		is(t, err, evidence.Invalid)
		for _, version := range []string{"", "0x1"} {
			is(t, store.Swap(t.Context(), idOf(1), page(name), []byte("y"), version), evidence.Invalid)
		}
	}
	for _, id := range outsideIDs() {
		_, _, err := store.Load(t.Context(), id, "a")
		is(t, err, evidence.Invalid)
		is(t, store.Swap(t.Context(), id, page("a"), []byte("y"), ""), evidence.Invalid)
	}
	reader, err := renditions.Get(t.Context(), idOf(2), "a")
	if got := readAll(t, reader, err); !bytes.Equal(got, []byte("x")) {
		t.Fatalf("it holds %q", got)
	}
}

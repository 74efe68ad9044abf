package evidencetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"bwv/internal/evidence"
)

// Renditions is the contract of evidence.Renditions. open returns an empty container.
func Renditions(t *testing.T, open func(t *testing.T) evidence.Renditions) {
	for name, test := range map[string]func(*testing.T, evidence.Renditions){
		"put and get":             putAndGet,
		"replace":                 replace,
		"old or new":              oldOrNew,
		"a body that breaks":      brokenBody,
		"a big one":               bigRendition,
		"list":                    listRenditions,
		"delete all":              deleteAll,
		"delete what begins with": deleteWith,
		"names outside":           outside,
		"nothing there":           noRendition,
		"two at once":             twoAtOnce,
		"provenance of any shape": provenance,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func idOf(n int) evidence.ID {
	o := upload("lambeth", n, noon())
	return evidence.NewID("lambeth", o.Created, o.Path, o.ETag)
}

func put(t *testing.T, store evidence.Renditions, id evidence.ID, name string, body []byte) {
	t.Helper()
	r := evidence.Rendition{Name: name, ContentType: "video/mp4", Provenance: map[string]string{"tool": "ffmpeg 5.1", "sha256": strings.Repeat("a", 64)}}
	if err := store.Put(t.Context(), id, r, bytes.NewReader(body)); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, store evidence.Renditions, id evidence.ID, name string, want []byte) {
	t.Helper()
	reader, err := store.Get(t.Context(), id, name)
	if got := readAll(t, reader, err); !bytes.Equal(got, want) {
		t.Fatalf("%s of %s: %d bytes, not the right %d", name, id, len(got), len(want))
	}
}

func lists(t *testing.T, store evidence.Renditions, id evidence.ID, want ...string) {
	t.Helper()
	got, err := store.List(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("renditions of %s: %q, want %q", id, got, want)
	}
}

func putAndGet(t *testing.T, store evidence.Renditions) {
	for n, name := range []string{evidence.Master, evidence.Pictures, evidence.Poster, evidence.Storyboard, evidence.Waveform, evidence.Track, "video/00001.mp4", "empty"} {
		put(t, store, idOf(1), name, noise(n*100, 1))
		if name == "empty" {
			put(t, store, idOf(1), name, nil)
			holds(t, store, idOf(1), name, nil)
			continue
		}
		holds(t, store, idOf(1), name, noise(n*100, 1))
	}
}

func replace(t *testing.T, store evidence.Renditions) {
	put(t, store, idOf(1), "a", []byte("the first and longer one"))
	put(t, store, idOf(1), "a", []byte("the second"))
	holds(t, store, idOf(1), "a", []byte("the second"))
	lists(t, store, idOf(1), "a")
}

// oldOrNew reads while a rendition is replaced by one of another size.
func oldOrNew(t *testing.T, store evidence.Renditions) {
	old, new := noise(3<<20, 1), noise(2<<20, 2)
	put(t, store, idOf(1), "a", old)
	done := make(chan error, 1)
	go func() {
		body := old
		for range 6 {
			if &body[0] == &old[0] {
				body = new
			} else {
				body = old
			}
			if err := store.Put(t.Context(), idOf(1), evidence.Rendition{Name: "a"}, bytes.NewReader(body)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for reads := 0; ; reads++ {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			holds(t, store, idOf(1), "a", old)
			return
		default:
		}
		reader, err := store.Get(t.Context(), idOf(1), "a")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(reader)
		_ = reader.Close()
		if err != nil {
			is(t, err, evidence.Conflict) // replaced under the reader: it is told, and never given a mixture
			continue
		}
		if !bytes.Equal(got, old) && !bytes.Equal(got, new) {
			t.Fatalf("read %d: %d bytes that are neither the old nor the new rendition", reads, len(got))
		}
	}
}

func brokenBody(t *testing.T, store evidence.Renditions) {
	put(t, store, idOf(1), "a", []byte("the old one"))
	broken := errors.New("the encoder died")
	for _, name := range []string{"a", "b"} {
		body := io.MultiReader(bytes.NewReader(noise(6<<20, 3)), failing{broken})
		err := store.Put(t.Context(), idOf(1), evidence.Rendition{Name: name}, body)
		if !errors.Is(err, broken) {
			t.Fatalf("the body broke with %v, Put says %v", broken, err)
		}
	}
	holds(t, store, idOf(1), "a", []byte("the old one"))
	lists(t, store, idOf(1), "a")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func bigRendition(t *testing.T, store evidence.Renditions) {
	const size = 20<<20 + 5
	stream := func() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{9}), size) }
	if err := store.Put(t.Context(), idOf(1), evidence.Rendition{Name: "big"}, stream()); err != nil {
		t.Fatal(err)
	}
	want, got := sha256.New(), sha256.New()
	if _, err := io.Copy(want, stream()); err != nil {
		t.Fatal(err)
	}
	reader, err := store.Get(t.Context(), idOf(1), "big")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	n, err := io.Copy(got, reader)
	if err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
		t.Fatalf("%d bytes of %d came back, %v", n, size, err)
	}
}

func listRenditions(t *testing.T, store evidence.Renditions) {
	for _, name := range []string{"b", "a.b", "a/b", "Z", "a-b", "a/a"} {
		put(t, store, idOf(1), name, []byte(name))
	}
	put(t, store, idOf(2), "c", []byte("of another record"))
	lists(t, store, idOf(1), "Z", "a-b", "a.b", "a/a", "a/b", "b")
}

func deleteAll(t *testing.T, store evidence.Renditions) {
	for _, name := range []string{"a", "b/c", "d"} {
		put(t, store, idOf(1), name, []byte("x"))
		put(t, store, idOf(2), name, []byte("y"))
	}
	for range 2 {
		if err := store.DeleteAll(t.Context(), idOf(1), ""); err != nil {
			t.Fatal(err)
		}
		lists(t, store, idOf(1))
	}
	lists(t, store, idOf(2), "a", "b/c", "d")
	if err := store.DeleteAll(t.Context(), idOf(3), ""); err != nil {
		t.Fatal(err)
	}
	put(t, store, idOf(1), "a", []byte("made again"))
	holds(t, store, idOf(1), "a", []byte("made again"))
}

// deleteWith takes the names that begin with a prefix, whole folders or not, and no others.
func deleteWith(t *testing.T, store evidence.Renditions) {
	names := []string{"sound-0.m3u8", "sound-0/00000.mp4", "sound.json", "video-plan.json", "video.m3u8", "video/00000.mp4", "video/aside/00000.bin", "xvideo"}
	for _, name := range names {
		put(t, store, idOf(1), name, []byte("x"))
		put(t, store, idOf(2), name, []byte("y"))
	}
	for _, step := range []struct {
		prefix string
		left   []string
	}{
		{"video/aside/", slices.Delete(slices.Clone(names), 6, 7)},
		{"video/aside/", slices.Delete(slices.Clone(names), 6, 7)},
		{"nothing", slices.Delete(slices.Clone(names), 6, 7)},
		{"video/", []string{"sound-0.m3u8", "sound-0/00000.mp4", "sound.json", "video-plan.json", "video.m3u8", "xvideo"}},
		{"video", []string{"sound-0.m3u8", "sound-0/00000.mp4", "sound.json", "xvideo"}},
		{"sound", []string{"xvideo"}},
		{"", nil},
	} {
		if err := store.DeleteAll(t.Context(), idOf(1), step.prefix); err != nil {
			t.Fatal(err)
		}
		lists(t, store, idOf(1), step.left...)
	}
	lists(t, store, idOf(2), names...)
	if err := store.DeleteAll(t.Context(), idOf(3), "video"); err != nil {
		t.Fatal(err)
	}
}

// outsideNames would lead out of the record's folder, outsideIDs out of the container.
func outsideNames() []string {
	return []string{"", ".", "..", "../" + string(idOf(2)) + "/a", "/a", "a/", "a//b", "a/../b", "./a", `a\b`, "a?b", "a#b", "a\x00", "ä", strings.Repeat("a", 300)}
}

func outsideIDs() []evidence.ID {
	return []evidence.ID{"", ".", "lambeth", "../x", idOf(2) + "/", idOf(2) + "/..", "/" + idOf(2), "%2e%2e"}
}

// outside are names that would lead out of the record's folder.
func outside(t *testing.T, store evidence.Renditions) {
	put(t, store, idOf(2), "a", []byte("x"))
	for _, name := range outsideNames() {
		err := store.Put(t.Context(), idOf(1), evidence.Rendition{Name: name}, strings.NewReader("x"))
		is(t, err, evidence.Invalid)
		_, err = store.Get(t.Context(), idOf(1), name)
		is(t, err, evidence.Invalid)
	}
	for _, id := range outsideIDs() {
		is(t, store.Put(t.Context(), id, evidence.Rendition{Name: "a"}, strings.NewReader("x")), evidence.Invalid)
		_, err := store.Get(t.Context(), id, "a")
		is(t, err, evidence.Invalid)
		_, err = store.List(t.Context(), id)
		is(t, err, evidence.Invalid)
		is(t, store.DeleteAll(t.Context(), id, ""), evidence.Invalid)
	}
	holds(t, store, idOf(2), "a", []byte("x"))
}

func noRendition(t *testing.T, store evidence.Renditions) {
	_, err := store.Get(t.Context(), idOf(1), "a")
	is(t, err, evidence.NotFound)
	put(t, store, idOf(1), "a/b", []byte("x"))
	_, err = store.Get(t.Context(), idOf(1), "a")
	is(t, err, evidence.NotFound)
	lists(t, store, idOf(2))
}

func twoAtOnce(t *testing.T, store evidence.Renditions) {
	var group sync.WaitGroup
	errs := make([]error, 4)
	for n := range errs {
		group.Go(func() {
			errs[n] = store.Put(t.Context(), idOf(1), evidence.Rendition{Name: "a"}, bytes.NewReader(noise(2<<20, uint64(n))))
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	reader, err := store.Get(t.Context(), idOf(1), "a")
	got := readAll(t, reader, err)
	for n := range errs {
		if bytes.Equal(got, noise(2<<20, uint64(n))) {
			return
		}
	}
	t.Fatal("two writers made a mixture")
}

func provenance(t *testing.T, store evidence.Renditions) {
	r := evidence.Rendition{Name: "a", ContentType: "application/json", Provenance: map[string]string{
		"tool": "ffmpeg 5.1.9-0+deb12u1", "parameters": `-vf scale=-2:480 -x "y"`, "empty": "", "original_sha256": strings.Repeat("f", 64),
	}}
	if err := store.Put(t.Context(), idOf(1), r, strings.NewReader("{}")); err != nil {
		t.Fatal(err)
	}
	holds(t, store, idOf(1), "a", []byte("{}"))
}

package pipeline_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/pipeline"
)

// TestDigestGoesOn has each delivery cut off after one stretch: the next goes on behind it, the digest is that of the whole, and no take is there twice.
func TestDigestGoesOn(t *testing.T) {
	for _, text := range []string{"video abcdefgh|sl", "video abcdefgh|", "tape abcdefgh|s", "text of no recording"} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			w.tool.brief = true
			id := w.catalogue(w.upload(path(1), text))
			c := w.message("digest")
			var reads []int64
			for deliveries := 1; ; deliveries++ {
				_, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, c)
				reads = append(reads, int64(stretch*(deliveries-1)))
				if err == nil {
					break
				}
				if !errors.Is(err, evidence.Unavailable) || !w.get(id).Digest.At.IsZero() || deliveries > len(text) {
					t.Fatalf("delivery %d: %v, digest %+v", deliveries, err, w.get(id).Digest)
				}
			}
			if !slices.Equal(w.tool.read, reads) || len(reads) != (len(text)+stretch-1)/stretch {
				t.Errorf("readings began at %v, want %v", w.tool.read, reads)
			}
			sum := sha256.Sum256([]byte(text))
			if d := w.get(id).Digest; d.Computed != hex.EncodeToString(sum[:]) || d.Matches == nil || !*d.Matches || !d.At.Equal(w.now) {
				t.Errorf("digest %+v", d)
			}
			if chain := w.verify(id); count(chain, evidence.OpDigest) != 1 || chain[len(chain)-1].Changes["sha256"] != hex.EncodeToString(sum[:]) {
				t.Errorf("chain %+v", chain[len(chain)-1])
			}
			s, isOne := w.watch.scripts[id]
			if !isOne {
				return
			}
			var takes, want int
			for _, name := range w.names(id) {
				if strings.HasPrefix(name, "sound-") && strings.Contains(name, "/0") && strings.HasSuffix(name, ".mp4") {
					takes++
				}
			}
			for n := range s.sounds {
				want += len(s.track(fmt.Sprintf("sound-%d.m3u8", n)))
			}
			if s.tape { // its sound is made with its pictures
				want = 0
			}
			if takes != want {
				t.Errorf("%d takes, want %d", takes, want)
			}
			if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, w.message("proxy")); err != nil {
				t.Fatal(err)
			}
			w.done()
			w.plays(id)
		})
	}
}

// TestDigestStoppedBeforeItsCommit was read to its end, but that was never recorded: it is, without another reading.
func TestDigestStoppedBeforeItsCommit(t *testing.T) {
	w := newWorld(t)
	const text = "video abcd"
	id := w.catalogue(w.upload(path(1), text))
	w.ledger.Next = memory.Lost
	if _, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, w.message("digest")); err == nil {
		t.Fatal("the commit was not lost")
	}
	files := w.files(id)
	if _, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, w.message("digest")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.tool.read, []int64{0, int64(len(text))}) || !maps.Equal(w.files(id), files) || w.get(id).Digest.Matches == nil {
		t.Fatalf("readings began at %v, digest %+v", w.tool.read, w.get(id).Digest)
	}
}

// TestSounds are made by the digest's reading, or where the pictures have no index with those: either way the master names what can be heard.
func TestSounds(t *testing.T) {
	for sounds, c := range map[string]struct {
		heard    bool
		problems string
	}{
		"":     {false, ""},
		"s":    {true, ""},
		"l":    {true, ""},
		"f":    {false, "proxy:media-warning"},
		"ss":   {true, ""},
		"sl":   {true, ""},
		"fs":   {true, "proxy:media-warning"},
		"sf":   {true, "proxy:media-warning"},
		"lfsl": {true, "proxy:media-warning"},
		"ff":   {false, "proxy:media-warning"},
	} {
		for _, kind := range []string{"video", "tape"} {
			t.Run(kind+" "+sounds, func(t *testing.T) {
				w := newWorld(t)
				r := w.receive(w.upload(path(1), kind+" abcdefg|"+sounds))
				w.plays(r.ID)
				if r.Proxy.HasAudio != c.heard || problems(r) != c.problems {
					t.Errorf("heard: %t; %q", r.Proxy.HasAudio, problems(r))
				}
				if c.problems != "" && !strings.Contains(r.Attention[0].Detail, "nobody can decode it") {
					t.Errorf("%+v", r.Attention)
				}
			})
		}
	}
}

// TestLateSound is not waited for by whoever wants to see, any longer than until it is known: the proxy grows with its first take, and not with that of
// another sound only.
func TestLateSound(t *testing.T) {
	for sounds, grown := range map[string]int{"s": 1, "l": 3, "sl": 3, "fl": 3, "f": 1, "": 1} {
		w := newWorld(t)
		w.tool.brief = true
		id := w.catalogue(w.upload(path(1), "video abcdefghijklm|"+sounds))
		if _, err := w.proxy.Run(t.Context(), evidence.Work{Evidence: id}, w.message("proxy")); err != nil {
			t.Fatal(err)
		}
		c := w.message("digest")
		for delivery := 1; ; delivery++ {
			_, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, c)
			if state := w.get(id).Proxy.State; (state == evidence.ProxyGrowing) != (delivery >= grown) {
				t.Fatalf("%q: %q after %d stretches", sounds, state, delivery)
			}
			if err == nil {
				break
			}
		}
		w.done()
		w.plays(id)
	}
}

// TestLateSoundOfOneReading says so in the middle of it, which may go on for minutes.
func TestLateSoundOfOneReading(t *testing.T) {
	for sounds, grown := range map[string]int{"s": 1, "l": 3, "sl": 3, "fl": 3, "": 1} {
		for _, kind := range []string{"video", "tape"} {
			synctest.Test(t, func(t *testing.T) { oneReading(t, kind, sounds, grown) })
		}
	}
}

func oneReading(t *testing.T, kind, sounds string, grown int) {
	w := newWorld(t)
	w.tool.orderly = true
	id := w.catalogue(w.upload(path(1), kind+" abcdefghijklm|"+sounds))
	run, page, want := w.proxy.Run, "sound.json", len(w.watch.scripts[id].text)/stretch
	switch {
	case kind == "video":
		if _, err := run(t.Context(), evidence.Work{Evidence: id}, w.message("proxy")); err != nil {
			t.Fatal(err)
		}
		run, page = w.digest.Run, "digest.json"
	case sounds == "":
		want = 0
	}
	stretches := 0
	w.watch.before = func(call string) {
		if call != "put "+page {
			return
		}
		if state := w.get(id).Proxy.State; (state == evidence.ProxyGrowing) != (stretches >= grown) {
			t.Errorf("%s %q: %q after %d stretches", kind, sounds, state, stretches)
		}
		stretches++
	}
	if _, err := run(t.Context(), evidence.Work{Evidence: id}, w.message("x")); err != nil {
		t.Fatal(err)
	}
	if stretches < want {
		t.Errorf("%s %q: %d stretches, want %d", kind, sounds, stretches, want)
	}
}

// TestDigestAgain reads anew, once for each wish, and leaves sound alone that another stage made.
func TestDigestAgain(t *testing.T) {
	for _, text := range []string{"video abcdef|sl", "tape abcdef|sl"} {
		t.Run(text, func(t *testing.T) {
			w := newWorld(t)
			id := w.receive(w.upload(path(1), text)).ID
			files, before := w.files(id), len(w.verify(id))
			w.tool.brief = true
			w.tool.read = nil
			c, again := w.message("digest"), evidence.Work{Evidence: id, Again: true}
			for range 3 { // the same message, each time cut off
				if _, err := w.digest.Run(t.Context(), again, c); !errors.Is(err, evidence.Unavailable) {
					t.Fatal(err)
				}
			}
			if !slices.Equal(w.tool.read, []int64{0, stretch, 2 * stretch}) {
				t.Fatalf("readings began at %v: each delivery begins anew", w.tool.read)
			}
			w.tool.brief = false
			for range 2 { // and once more, when it has ended
				if _, err := w.digest.Run(t.Context(), again, c); err != nil {
					t.Fatal(err)
				}
			}
			w.plays(id)
			if len(w.verify(id)) != before {
				t.Errorf("%d custody entries, not %d: the same came of it", len(w.verify(id)), before)
			}
			if wish := `"` + c.Correlation + `"`; w.file(id, "digest-wish.json") != wish {
				t.Errorf("the wish is %s, not %s", w.file(id, "digest-wish.json"), wish)
			}
			now := w.files(id)
			delete(now, "digest-wish.json")
			if !maps.Equal(now, files) {
				t.Errorf("%q\nis not\n%q", now, files)
			}
			w.tool.read = nil
			if _, err := w.digest.Run(t.Context(), again, w.message("digest")); err != nil || !slices.Equal(w.tool.read, []int64{0}) {
				t.Errorf("another wish: readings began at %v, %v", w.tool.read, err)
			}
		})
	}
}

// TestDigestGivesWay has the reading wait for the pictures of the beginning while they are being made, and neither before nor longer.
func TestDigestGivesWay(t *testing.T) {
	for _, row := range []struct {
		name          string
		planned, made bool
		waits         time.Duration
	}{
		{"nobody has planned", false, false, 0},
		{"made before", true, true, 0},
		{"made meanwhile", true, false, 10 * time.Second},
		{"made by nobody", true, false, pipeline.HeadStart},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.digest.HeadStart = pipeline.HeadStart
				id := w.catalogue(w.upload(path(1), "video abcdefgh|sl"))
				put := func(name, text string) {
					if err := w.renditions.Put(t.Context(), id, evidence.Rendition{Name: name}, strings.NewReader(text)); err != nil {
						t.Error(err)
					}
				}
				if row.planned {
					put("video/plan/0000.json", "[]")
				}
				if row.made {
					put("video/00000.gap", "{}")
				}
				begun := time.Now()
				var group sync.WaitGroup
				group.Go(func() {
					if _, err := w.digest.Run(t.Context(), evidence.Work{Evidence: id}, w.message("digest")); err != nil {
						t.Error(err)
					}
				})
				if row.waits > 0 {
					time.Sleep(row.waits - time.Second)
					if d := w.get(id).Digest; !d.At.IsZero() {
						t.Errorf("it is done after %s", time.Since(begun))
					}
					if row.waits < pipeline.HeadStart {
						put("video/00000.gap", "{}")
					}
				}
				group.Wait()
				if took := time.Since(begun); took > row.waits+time.Second || row.waits == 0 && took > 0 {
					t.Errorf("it took %s", took)
				}
				if d := w.get(id).Digest; d.Matches == nil || !*d.Matches {
					t.Errorf("%+v", d)
				}
			})
		})
	}
}

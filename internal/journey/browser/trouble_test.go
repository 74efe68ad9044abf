package browser_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/journey/browser"
)

// TestGrowing plays from the beginning while the chunks land in any order, one each time the player asks again: the playlist names those that
// have no hole before them.
func TestGrowing(t *testing.T) {
	_, f := shared.open(t)
	for seed := range uint64(2) {
		h := show(t, f)
		clear(h.landed)
		h.growing, h.landed[0], h.sounds = true, true, 1
		for _, i := range rand.New(rand.NewPCG(seed, 4)).Perm(len(f.chunks) - 1) {
			h.order = append(h.order, i+1)
		}
		order := slices.Clone(h.order)
		p := watch(t, h)
		if s := state(t, p); !s.Growing || s.Edge > f.length()-1 {
			t.Errorf("order %v: it is not growing when playing begins: %+v", order, s)
		}
		if err := p.PlayTo(limit(t, time.Minute), f.length()+1, 1); err != nil {
			t.Fatalf("order %v: %v", order, err)
		}
		s := state(t, p)
		untroubled(t, s)
		if !s.Ended || s.Growing || s.Time < f.length()-0.1 {
			t.Errorf("order %v: not at the end: %+v", order, s)
		}
		if s.Loads.Video < len(order) {
			t.Errorf("order %v: %d loads of the playlist cannot have shown %d chunks", order, s.Loads.Video, len(order))
		}
		t.Logf("order %v: %+v", order, s)
	}
}

// TestSeeksWhileItGrows goes across the borders of what is there already, plays up to its end, waits, and goes on when the rest lands.
func TestSeeksWhileItGrows(t *testing.T) {
	_, f := shared.open(t)
	const there = 5
	h := show(t, f)
	h.growing = true
	clear(h.landed[there:])
	tour(t, h, f.chunks[1:there-1])
	p := watch(t, h)
	if _, err := p.SeekTo(limit(t, 20*time.Second), f.chunks[there].from-2); err != nil {
		t.Fatal(err)
	}
	for deadline := limit(t, 20*time.Second); len(state(t, p).Stalls) == 0; {
		if deadline.Err() != nil {
			t.Fatalf("it did not come to the edge: %+v", state(t, p))
		}
	}
	h.mu.Lock()
	for i := range f.chunks[there:] {
		h.order = append(h.order, there+i)
	}
	h.mu.Unlock()
	if err := p.PlayTo(limit(t, time.Minute), f.length()+1, 1); err != nil {
		t.Fatal(err)
	}
	s := state(t, p)
	untroubled(t, s)
	if !s.Ended || len(s.Stalls) == 0 || !s.Stalls[0].Edge {
		t.Errorf("it should have waited at the edge and gone on to the end: %+v", s)
	}
}

// TestGap has two chunks that could not be made. The sound plays on through the gap; without any, the gap is jumped over, and the harness sees that.
func TestGap(t *testing.T) {
	_, f := shared.open(t)
	const first, last = 3, 4
	from, to := f.chunks[first].from, f.chunks[last].to
	for name, silent := range map[string]bool{"with sound": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			h := show(t, f)
			h.silent, h.gap[first], h.gap[last] = silent, true, true
			p := watch(t, h)
			began := time.Now()
			if err := p.PlayTo(limit(t, time.Minute), to+1, 1); err != nil {
				t.Fatal(err)
			}
			took, s := time.Since(began).Seconds(), state(t, p)
			if silent && (len(s.Jumps) != 1 || s.Jumps[0].From < from-0.3 || s.Jumps[0].From > from+0.5 || s.Jumps[0].To < to) {
				t.Errorf("the gap is from %.3f to %.3f, the jumps are %v", from, to, s.Jumps)
			}
			if !silent && took < to {
				t.Errorf("%.1f s of sound took %.1f s: %+v", to+1, took, s)
			}
			for _, f := range s.Errors {
				if f.Fatal {
					t.Error(f)
				}
			}
			for _, at := range []float64{from + 0.5, from + 1.9, to - 0.2} {
				seek, err := p.SeekTo(limit(t, 20*time.Second), at)
				if err != nil {
					t.Fatal(err)
				}
				if seek.Landed < to || seek.Landed > to+0.1 {
					t.Errorf("a seek into the gap, to %.3f, landed at %.3f, not at its end %.3f", at, seek.Landed, to)
				}
			}
		})
	}
}

// TestJumpIsSeen lets the sound's playlist promise more than the picture's, and then the picture wait: hls.js throws the viewer back.
func TestJumpIsSeen(t *testing.T) {
	_, f := shared.open(t)
	h := show(t, f)
	clear(h.landed)
	h.growing, h.ahead, h.landed[0] = true, true, true
	for i := range f.chunks[1:] {
		h.order = append(h.order, len(f.chunks)-1-i) // the second chunk is the last to land
	}
	p := watch(t, h)
	jumped := func() bool {
		return slices.ContainsFunc(state(t, p).Jumps, func(j browser.Jump) bool { return j.From > f.chunks[0].to && j.To < j.From-0.5 })
	}
	for deadline := limit(t, 20*time.Second); !jumped(); {
		if deadline.Err() != nil {
			t.Fatalf("no jump back from behind %.3f: %+v", f.chunks[0].to, state(t, p))
		}
	}
}

// TestStallIsSeen holds back a segment until the player has run dry.
func TestStallIsSeen(t *testing.T) {
	_, f := shared.open(t)
	h := show(t, f)
	h.hold, h.held = f.chunks[2].file, make(chan struct{})
	p := watch(t, h)
	if err := p.PlayTo(limit(t, 20*time.Second), f.chunks[2].from-0.3, 1); err != nil {
		t.Fatal(err)
	}
	dry := false
	for deadline := limit(t, 20*time.Second); !dry && deadline.Err() == nil; {
		s := state(t, p)
		dry = len(s.Stalls) == 1 && s.Stalls[0].Open && s.Stalls[0].MS > 400
	}
	if !dry {
		t.Errorf("no stall is open: %+v", state(t, p))
	}
	close(h.held)
	if err := p.PlayTo(limit(t, 20*time.Second), f.chunks[2].from+1, 1); err != nil {
		t.Fatal(err)
	}
	s := state(t, p)
	if len(s.Stalls) != 1 || s.Stalls[0].Open || s.Stalls[0].Edge || s.Stalls[0].MS < 400 || s.Stalls[0].At < f.chunks[2].from-0.3 {
		t.Errorf("a stall at %.3f should have been seen: %+v", f.chunks[2].from, s.Stalls)
	}
}

// TestSeekThatCannotLandFails seeks into a chunk that never comes.
func TestSeekThatCannotLandFails(t *testing.T) {
	_, f := shared.open(t)
	h := show(t, f)
	h.hold, h.held = f.chunks[3].file, make(chan struct{})
	defer close(h.held)
	p := watch(t, h)
	if err := p.PlayTo(limit(t, 20*time.Second), 2, 1); err != nil { // by then there is something to come back to
		t.Fatal(err)
	}
	_, err := p.SeekTo(limit(t, 3*time.Second), f.chunks[3].from+1)
	if err == nil || !strings.Contains(err.Error(), "buffered") {
		t.Fatalf("the seek should fail and say what is buffered: %v", err)
	}
	if _, err := p.SeekTo(limit(t, 20*time.Second), 1); err != nil {
		t.Errorf("the player should live on: %v", err)
	}
}

func TestBrokenIsReported(t *testing.T) {
	b, f := shared.open(t)
	for name, c := range map[string]struct {
		spoil   func(*theatre)
		details string
		console string
	}{
		"no master":             {func(h *theatre) { h.lost = master }, "manifestLoadError", "404"},
		"no picture":            {func(h *theatre) { h.lost = master + "/video.m3u8" }, "levelLoadError", "404"},
		"no sound":              {func(h *theatre) { h.lost = master + "/audio.m3u8" }, "audioTrackLoadError", "404"},
		"noise":                 {func(h *theatre) { h.spoiled = f.chunks[0].file }, "fragParsingError", ""},
		"the store forbids":     {func(h *theatre) { h.closed = true }, "fragLoadError", "CORS"},
		"nobody says who it is": {func(h *theatre) { h.site = stranger(t, h) }, "manifestLoadError", "401"},
	} {
		t.Run(name, func(t *testing.T) {
			h := show(t, f)
			c.spoil(h)
			p, err := b.Play(limit(t, 40*time.Second), h.site, master)
			if err == nil {
				p.Close()
				t.Fatal("it plays")
			}
			var fault browser.Fault
			if !errors.As(err, &fault) || !fault.Fatal || !strings.Contains(fault.Details, c.details) {
				t.Fatalf("%v is no fatal %s", err, c.details)
			}
			if !strings.Contains(err.Error(), c.console) {
				t.Errorf("no word of %s in %v", c.console, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a link's key is in the error: %v", err)
			}
		})
	}
}

// stranger is a site in front of the same API that does not say who acts.
func stranger(t *testing.T, h *theatre) *browser.Site {
	t.Helper()
	site, err := browser.Serve(h.api, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { site.Close() })
	return site
}

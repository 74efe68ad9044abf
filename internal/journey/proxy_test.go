package journey_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/hls"
	"bwv/internal/journey"
	"bwv/internal/journey/browser"
)

// longer repeats a real recording by stream copy.
func longer(t *testing.T, file string, times int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "longer.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-stream_loop", fmt.Sprint(times-1), "-i", file, "-map", "0:v", "-map", "0:a",
		"-c", "copy", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// TestWatched docks a recording of several chunks and watches it in a real Chromium, through the API and the links alone: from its beginning while the
// rest is still being made, and then across every border of its chunks.
func TestWatched(t *testing.T) {
	rig := start(t, map[string]string{"FFMPEG_JOBS": "1"}) // slow enough to be watched while it grows
	file := longer(t, filepath.Join(rig.Root, "testdata", "gopro_hero5_karma_12s.mp4"), 4)
	docked, err := rig.Dock(within(t, time.Minute), file)
	ok(t, err)
	var r evidence.Record
	ok(t, journey.Wait(within(t, 2*time.Minute), "its beginning can be watched", func() (bool, error) {
		r, err = byPath(t.Context(), rig.Client, docked[0].Blob)
		return r.Proxy.State == evidence.ProxyGrowing || r.Proxy.State == evidence.ProxyReady, err
	}))
	growing := r.Proxy.State == evidence.ProxyGrowing
	site, err := browser.Serve(rig.Client.Base, http.Header{"X-Development-Person": {"officer"}})
	ok(t, err)
	defer site.Close()
	chromium, err := browser.Open(t.Context())
	ok(t, err)
	defer chromium.Close()
	at := "/api/evidence/" + string(r.ID) + "/playback"
	player, err := chromium.Play(within(t, 2*time.Minute), site, at)
	ok(t, err)
	state, err := player.State(t.Context())
	ok(t, err)
	if !growing || !state.Growing || state.Time > 5 {
		t.Errorf("it was to be watched from its beginning while it grew: growing %t and %t, at %.1f s", growing, state.Growing, state.Time)
	}
	ok(t, player.PlayTo(within(t, 4*time.Minute), 46, 2))
	state, err = player.State(t.Context())
	ok(t, err)
	if words := state.Troubles(); len(words) > 0 {
		t.Errorf("while it grew: %q", words)
	}
	ok(t, player.Close())

	records, err := rig.Processed(within(t, 3*time.Minute), 1)
	ok(t, err)
	r = records[docked[0].Blob]
	borders := bordersOf(t, rig, r.ID)
	if len(borders) < 2 || r.Proxy.State != evidence.ProxyReady || !r.Proxy.HasAudio || r.Proxy.Gaps > 0 {
		t.Fatalf("borders %v, proxy %+v, attention %+v", borders, r.Proxy, r.Attention)
	}
	tour, err := chromium.Tour(within(t, 5*time.Minute), site, at, borders)
	ok(t, err)
	if len(tour.Troubles) > 0 {
		t.Errorf("finished: %+v", tour.Troubles)
	}
	t.Logf("borders at %.3f s: %+v", borders, tour)
}

func byPath(ctx context.Context, c journey.Client, path string) (evidence.Record, error) {
	all, err := c.All(ctx)
	for _, r := range all {
		if r.Original.Path == path {
			return r, err
		}
	}
	return evidence.Record{}, err
}

// bordersOf are the times at which one chunk of the pictures ends and the next begins.
func bordersOf(t *testing.T, rig *journey.Rig, id evidence.ID) (borders []float64) {
	t.Helper()
	files, err := journey.Renditions(t.Context(), rig.Addresses.Blob, id)
	ok(t, err)
	m, err := hls.Parse(files[evidence.Pictures])
	ok(t, err)
	at := 0.0
	for i, s := range m.Segments {
		if i > 0 && s.URI != m.Segments[i-1].URI {
			borders = append(borders, at)
		}
		at += s.Seconds
	}
	return borders
}

// TestKilled has the handler killed at random moments while the chunks and the sound of a recording are being made: in the end its renditions are,
// to the byte, those of the same recording made in peace.
func TestKilled(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 2))
	m := newMachine(t)
	content, err := os.ReadFile(longer(t, filepath.Join(m.Root, "testdata", "gopro_hero5_karma_12s.mp4"), 3))
	ok(t, err)
	dir := t.TempDir()
	var files []string
	for _, name := range []string{"disturbed.mp4", "in-peace.mp4"} {
		files = append(files, filepath.Join(dir, name))
		ok(t, os.WriteFile(files[len(files)-1], content, 0o600))
	}
	ok(t, m.Start(within(t, time.Minute)))
	docked, err := m.Dock(within(t, time.Minute), files[0])
	ok(t, err)
	killed := 0
	for round := range 6 {
		time.Sleep(time.Duration(400+random.IntN(2600)) * time.Millisecond) // the random moment
		if round%3 == 2 {                                                   // the host gives up on a handler that dies too often: so it begins anew as well
			ok(t, m.Kill())
			ok(t, m.Start(within(t, time.Minute)))
			killed++
		} else if pid := m.Child("dist/handler"); pid != 0 {
			ok(t, syscall.Kill(pid, syscall.SIGKILL))
			killed++
		}
	}
	disturbed, err := m.Client.Processed(within(t, 4*time.Minute), 1)
	ok(t, err)
	quiet, err := m.Dock(within(t, time.Minute), files[1])
	ok(t, err)
	all, err := m.Client.Processed(within(t, 3*time.Minute), 2)
	ok(t, err)
	one, err := journey.Renditions(t.Context(), m.Addresses.Blob, disturbed[docked[0].Blob].ID)
	ok(t, err)
	other, err := journey.Renditions(t.Context(), m.Addresses.Blob, all[quiet[0].Blob].ID)
	ok(t, err)
	if killed < 3 || len(one) < 15 || !slices.Equal(slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(other))) {
		t.Fatalf("killed %d times; renditions %v and %v", killed, slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(other)))
	}
	for name := range one {
		if !bytes.Equal(one[name], other[name]) {
			t.Errorf("%s is not the same: %d and %d bytes", name, len(one[name]), len(other[name]))
		}
	}
	t.Logf("the handler was killed %d times; %d renditions are the same to the byte", killed, len(one))
}

package browser_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/journey/browser"
)

// house is what the tests share, since both take seconds: a browser, in which each test has its own tab, and the film that most of them show.
type house struct {
	dir     string
	once    sync.Once
	browser *browser.Browser
	film    film
}

var shared house

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "browser-test-")
	if err != nil {
		panic(err)
	}
	shared.dir = dir
	code := m.Run()
	if shared.browser != nil {
		shared.browser.Close()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// open makes the film and opens the browser when the first test needs them.
func (h *house) open(t *testing.T) (*browser.Browser, film) {
	t.Helper()
	h.once.Do(func() {
		h.film = develop(t, h.dir, clip, borders(t, clip, 1.3))
		var err error
		// not the test's context, which ends before the browser does
		if h.browser, err = browser.Open(context.Background()); err != nil {
			t.Fatal(err)
		}
	})
	if h.browser == nil {
		t.Fatal("there is no browser: see the first test's error")
	}
	return h.browser, h.film
}

// watch plays what a theatre shows.
func watch(t *testing.T, h *theatre) *browser.Player {
	t.Helper()
	b, _ := shared.open(t)
	p, err := b.Play(limit(t, time.Minute), h.site, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func limit(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func state(t *testing.T, p *browser.Player) browser.State {
	t.Helper()
	s, err := p.State(limit(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// untroubled looks that nothing happened which a viewer would have noticed.
func untroubled(t *testing.T, s browser.State) {
	t.Helper()
	for _, trouble := range s.Troubles() {
		t.Error(trouble)
	}
}

// TestSeeksAcrossEveryBorder goes through a film that is longer than what a player buffers, from its end to its beginning.
func TestSeeksAcrossEveryBorder(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "long.mp4")
	ffmpeg(t, "-i", "../../../testdata/intel_one-by-one-person_139s.mp4", "-f", "lavfi", "-i", "sine=f=330:r=48000",
		"-t", "85", "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-b:a", "64k", source)
	f := develop(t, dir, source, borders(t, source, 10))
	h := show(t, f)
	tour(t, h, f.chunks[1:])
	if h.unsigned > 0 {
		t.Errorf("%d requests without the header that says who acts", h.unsigned)
	}
	if h.preflight > 0 {
		t.Errorf("%d preflights: a plain range needs none", h.preflight)
	}
}

// tour seeks across the borders at which chunks begin.
func tour(t *testing.T, h *theatre, chunks []part) {
	t.Helper()
	var list []float64
	for _, c := range chunks {
		list = append(list, c.from)
	}
	b, _ := shared.open(t)
	made, err := b.Tour(limit(t, 5*time.Minute), h.site, master, list)
	if err != nil {
		t.Fatal(err)
	}
	for _, trouble := range made.Troubles {
		t.Errorf("seek to %.3f: %s", trouble.To, trouble.What)
	}
	if len(made.Seeks) != 3*len(list) {
		t.Errorf("%d seeks for %d borders", len(made.Seeks), len(list))
	}
	var worst browser.Seek
	for _, s := range made.Seeks {
		worst = browser.Seek{Tries: max(worst.Tries, s.Tries), SeekMS: max(worst.SeekMS, s.SeekMS), StalledMS: max(worst.StalledMS, s.StalledMS)}
	}
	t.Logf("%d borders, %d rounds, worst: picture after %.0f ms, stall after it %.0f ms, tries %d", len(list), made.Rounds, worst.SeekMS, worst.StalledMS, worst.Tries)
}

func TestPlaysToTheEnd(t *testing.T) {
	_, f := shared.open(t)
	p := watch(t, show(t, f))
	if err := p.PlayTo(limit(t, time.Minute), f.length()+1, 8); err != nil {
		t.Fatal(err)
	}
	s := state(t, p)
	s.Stalls, s.Jumps = nil, nil // at 8 times the rate a busy machine runs dry, and Chromium then leaps
	untroubled(t, s)
	if d := s.Duration - f.length(); d < -0.1 || d > 0.1 {
		t.Errorf("the player says %.3f s, the film has %.3f", s.Duration, f.length())
	}
	if !s.Ended || s.Time < f.length()-0.1 || s.Decoded == 0 || s.Growing {
		t.Errorf("not at the end: %+v", s)
	}
}

// TestPlayerIsTheOneThatWasVendored holds hls.js to its release: the portal plays with the same file.
func TestPlayerIsTheOneThatWasVendored(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join("hls", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	script := read("hls.min.js")
	if sum := fmt.Sprintf("%x  hls.min.js\n", sha256.Sum256([]byte(script))); sum != read("SHA256") {
		t.Errorf("hls.min.js is %s", sum)
	}
	if version := strings.TrimSpace(read("VERSION")); !strings.Contains(script, `"`+version+`"`) {
		t.Errorf("hls.min.js is not version %s", version)
	}
	if !strings.Contains(read("LICENSE"), "Apache License, Version 2.0") {
		t.Error("its licence is not there")
	}
}

// TestCloseLeavesNothing looks for the browser's process and its profile.
func TestCloseLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	b, err := browser.Open(limit(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	profiles, err := os.ReadDir(temporary)
	if err != nil || len(profiles) == 0 {
		t.Fatalf("the browser has no profile of its own: %v %v", profiles, err)
	}
	if running(t, temporary) == 0 {
		t.Fatal("no process has the profile")
	}
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	if n := running(t, temporary); n > 0 {
		t.Errorf("%d processes are left", n)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// running counts the processes that have the folder in their command line.
func running(t *testing.T, folder string) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range lines {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), folder) { // a process that has ended meanwhile does not count
			n++
		}
	}
	return n
}

func TestMissingChromiumSaysWhatToDo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := browser.Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "apt-get install chromium") {
		t.Fatalf("no word of what to do: %v", err)
	}
}

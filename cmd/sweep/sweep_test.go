package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAtReadsBetweenTheSamples(t *testing.T) {
	// 0.9 and 0.99 are 10 and 20 decibels; 15 lie half way.
	samples := []sample{{ssim: 0.99, cpu: 6, bytes: 400}, {ssim: 0.9, cpu: 4, bytes: 100}}
	cpu, bytes, err := at(samples, 1-math.Pow(10, -1.5))
	if err != nil || math.Abs(cpu-5) > 1e-9 || math.Abs(bytes-200) > 1e-9 {
		t.Errorf("%v CPU, %v bytes, %v; want 5 and 200", cpu, bytes, err)
	}
	for _, end := range samples {
		if cpu, bytes, err := at(samples, end.ssim); err != nil || math.Abs(cpu-end.cpu) > 1e-9 || math.Abs(bytes-end.bytes) > 1e-9 {
			t.Errorf("at its own end %v: %v, %v, %v", end, cpu, bytes, err)
		}
	}
	if samples[0].ssim != 0.99 {
		t.Error("the caller's samples were put in another order")
	}
}

func TestAtMakesNothingUp(t *testing.T) {
	samples := []sample{{0.9, 4, 100}, {0.99, 6, 400}}
	for _, ssim := range []float64{0.89, 0.991, math.NaN()} {
		if _, _, err := at(samples, ssim); !errors.Is(err, errOutside) {
			t.Errorf("SSIM %v: %v", ssim, err)
		}
	}
	for _, few := range [][]sample{nil, samples[:1], {samples[0], samples[0]}} {
		if _, _, err := at(few, 0.9); !errors.Is(err, errOutside) {
			t.Errorf("%v: %v", few, err)
		}
	}
}

func TestFront(t *testing.T) {
	spots := []spot{{"dear", 3, 0.5}, {"cheap", 1, 2}, {"beaten", 2, 2.5}, {"middle", 2, 1}, {"dearer and as large", 2.5, 1}, {"the same", 2, 1}}
	var names []string
	for _, s := range front(spots) {
		names = append(names, s.name)
	}
	if got := strings.Join(names, ", "); got != "cheap, middle, the same, dear" && got != "cheap, the same, middle, dear" {
		t.Errorf("the front is %s", got)
	}
	if front(nil) != nil {
		t.Error("a front of nothing")
	}
}

func TestMean(t *testing.T) {
	if m := mean([]float64{2, 0.5}); math.Abs(m-1) > 1e-9 {
		t.Errorf("mean of 2 and 1/2 is %v", m)
	}
	if !math.IsNaN(mean(nil)) {
		t.Error("a mean of nothing")
	}
	if m := middle([]sample{{ssim: 0.99}, {ssim: 0.9}, {ssim: 0.95}}); math.Abs(decibels(m)-15) > 1e-9 {
		t.Errorf("the middle is at %v dB", decibels(m))
	}
}

func TestTarget(t *testing.T) {
	for _, c := range []struct{ w, h, wantW, wantH int }{
		{1920, 1080, 854, 480}, {1080, 1920, 480, 854}, {960, 540, 854, 480}, {768, 432, 768, 432}, {854, 480, 854, 480}, {641, 361, 640, 360}, {1, 1, 2, 2},
	} {
		if w, h := target(c.w, c.h); w != c.wantW || h != c.wantH {
			t.Errorf("%dx%d becomes %dx%d, want %dx%d", c.w, c.h, w, h, c.wantW, c.wantH)
		}
	}
}

// TestSpace reads the real table: each row must make a command, and the report's names must be in it.
func TestSpace(t *testing.T) {
	list, err := entries(space)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]int{}
	c := &clip{File: "in.mp4", W: 854, H: 480, Frames: 300, Seconds: 10, Kbps: 4000}
	for _, e := range list {
		names[e.Name]++
		names["set "+e.Set]++
		for _, crf := range e.settings() {
			line := strings.Join(e.command(c, crf, "out.mp4"), " ")
			if strings.ContainsAny(line, "{}") {
				t.Errorf("%s: something is left to fill in: %s", e.Name, line)
			}
			if n := strings.Count(line, "-threads 1"); len(e.Encoder) > 0 && n != 2 {
				t.Errorf("%s: %d times one thread: %s", e.Name, n, line)
			}
		}
	}
	if names[floor] != 1 || names[chosen] != 1 || names[found] != 1 || names[before] != 1 || names["set peer"] != 6 {
		t.Errorf("the table has %d, %d, %d, %d, %d of the decoder alone, the default, its encoder, the one before, the peers",
			names[floor], names[chosen], names[found], names[before], names["set peer"])
	}
}

func TestBrokenTables(t *testing.T) {
	good := "search | a | 20 | - | - | - | libx264 -preset fast"
	for name, text := range map[string]string{
		"too few cells": "search | a | 20",
		"unknown set":   strings.Replace(good, "search", "serach", 1),
		"no number":     strings.Replace(good, "20", "high", 1),
		"twice":         good + "\n" + good,
	} {
		if _, err := entries(text); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	if list, err := entries("# nothing\n\n" + good); err != nil || len(list) != 1 || len(list[0].Input) > 0 || list[0].CRF[0] != 20 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestPeerTubeRate(t *testing.T) {
	for _, c := range []struct {
		source float64
		want   int
	}{{4000, 1475}, {1000, 1300}, {100, 245}} {
		if got := (&clip{W: 854, H: 480, Frames: 300, Seconds: 10, Kbps: c.source}).peertube(); got != c.want {
			t.Errorf("an original of %v kbit/s is allowed %d, want %d", c.source, got, c.want)
		}
	}
}

func TestProgressTakesTheLastReport(t *testing.T) {
	frames, seconds := progress("frame=10\nout_time_us=400000\nprogress=continue\nframe=25\nout_time_us=1000000\nprogress=end\n")
	if frames != 25 || seconds != 1 {
		t.Errorf("%d pictures, %v s", frames, seconds)
	}
}

func TestPayload(t *testing.T) {
	box := func(kind string, size byte, n int) string {
		return "\x00\x00\x00" + string(size) + kind + strings.Repeat("x", n)
	}
	for name, c := range map[string]struct {
		text string
		want int64
		bad  bool
	}{
		"two mdats": {box("ftyp", 12, 4) + box("mdat", 13, 5) + box("moov", 8, 0) + box("mdat", 10, 2), 7, false},
		"large":     {"\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x13xxx", 3, false},
		"no mdat":   {box("ftyp", 8, 0), 0, false},
		"cut":       {box("ftyp", 8, 0) + "\x00\x00\x00", 0, true},
		"size zero": {box("mdat", 0, 4), 0, true},
	} {
		path := filepath.Join(t.TempDir(), "a.mp4")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := payload(path); got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
}

func TestNumbers(t *testing.T) {
	if list, err := numbers(`PSNR y:([0-9.]+|inf)`, "[p] PSNR y:41.25 u:44 v:inf average:42"); err != nil || len(list) != 1 || list[0] != 41.25 {
		t.Errorf("%v, %v", list, err)
	}
	if list, err := numbers(`PSNR y:([0-9.]+|inf)`, "PSNR y:inf u:inf"); err != nil || !math.IsInf(list[0], 1) {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := numbers(`n:\d+ Y:([0-9.]+)`, "nothing"); err == nil {
		t.Error("nothing found, and no error")
	}
}

// TestJournal is interrupted between two rounds: what was measured before is there again, and joined.
func TestJournal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results.json")
	for round, cpu := range []float64{2, 9, 1.5} {
		j, err := openJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		p := point{Set: "final", Name: "a", Clip: "c", CRF: 23, CPU: []float64{cpu}, Bytes: 100, quality: quality{SSIM: 0.9}}
		if n := j.rounds(p); n != round {
			t.Fatalf("%d rounds before round %d", n, round)
		}
		if err := j.record(&p); err != nil {
			t.Fatal(err)
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	}
	j, err := openJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.close()
	curve := j.curve("final", "a", "c")
	if len(curve) != 1 || curve[0] != (sample{0.9, 2, 100}) {
		t.Errorf("%+v", curve)
	}
	j.add(&point{Set: "final", Name: "b", Clip: "c", CPU: []float64{1}})
	j.add(&point{Set: "final", Name: "b", Clip: "d", CPU: []float64{1}})
	if got := j.complete("final"); len(got) != 1 || got[0] != "c" {
		t.Errorf("complete on %v, but a has not run on d", got)
	}
	if err := os.WriteFile(path, []byte("{\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openJournal(path); err == nil {
		t.Error("a broken file is taken for results")
	}
}

package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func TestNames(t *testing.T) {
	at := place{unit: "lambeth", officer: "P1", camera: "X8"}
	modified := time.Date(2026, 11, 22, 23, 59, 59, 999, time.FixedZone("", -3600))
	for file, want := range map[string]string{
		"/card/DCIM/0001.MP4":              "lambeth/P1/X8/2026/11/23/20261123T005959Z-0001.mp4",
		"GX01 0002 (copy).mov":             "lambeth/P1/X8/2026/11/23/20261123T005959Z-GX01-0002-copy.mov",
		"Überwachung/ü.mkv":                "lambeth/P1/X8/2026/11/23/20261123T005959Z-recording.mkv",
		"no extension":                     "lambeth/P1/X8/2026/11/23/20261123T005959Z-no-extension.bin",
		"a..b.ts":                          "lambeth/P1/X8/2026/11/23/20261123T005959Z-a-b.ts",
		strings.Repeat("x", 300) + ".m2ts": "lambeth/P1/X8/2026/11/23/20261123T005959Z-" + strings.Repeat("x", 100) + ".m2ts",
	} {
		got := at.blobName(file, modified)
		if got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
		n, err := evidence.ParseName(got)
		if err != nil || n.Unit != "lambeth" || n.Officer != "P1" || n.Camera != "X8" || !n.Start.Equal(modified.Truncate(time.Second)) {
			t.Errorf("%s: the pipeline reads %+v, %v", got, n, err)
		}
	}
	at.start = time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := at.blobName("a.mp4", modified); got != "lambeth/P1/X8/2025/01/02/20250102T030405Z-a.mp4" {
		t.Errorf("with --start: %s", got)
	}
}

func TestFolder(t *testing.T) {
	r := newRig(t)
	want := map[string]bool{}
	for i, name := range []string{"a.mp4", "sub/b.MOV", "sub/deep/c.mkv", "d.avi", "e.ts", "f.mts", "g.m2ts", "h.m4v"} {
		r.file(name, 10+i, uint64(i))
		want[filepath.Base(name)] = true
	}
	for _, name := range []string{".hidden.mp4", ".trash/x.mp4", "notes.txt", "sub/thumb.jpg"} {
		r.file(name, 10, 9)
	}
	o := r.dock(t.Context(), r.folder, filepath.Join(r.folder, "a.mp4"))
	if o.code != exitSafe || len(o.results) != len(want) || strings.Count(o.stdout, "\n") != len(want) {
		t.Fatal(o.stdout)
	}
	for name, res := range o.results {
		if !want[name] || res.Status != statusUploaded {
			t.Errorf("%s %s", name, res.Status)
		}
	}
}

// One bad file does not keep the others from being uploaded, but the run is not a success.
func TestOneBadFile(t *testing.T) {
	r := newRig(t)
	o := r.dock(t.Context(), r.file("good.mp4", 10, 1), filepath.Join(r.folder, "missing.mp4"), os.DevNull)
	if o.code != exitUnsafe || o.results["good.mp4"].Status != statusUploaded || o.results["missing.mp4"].Status != statusFailed || o.results["null"].Status != statusFailed {
		t.Fatal(o.stdout)
	}
}

func TestTwoFilesOfOneName(t *testing.T) {
	r := newRig(t)
	o := r.dock(t.Context(), r.file("card1/0001.mp4", 10, 1), r.file("card2/0001.mp4", 10, 2))
	if o.code != exitUnsafe || strings.Count(o.stdout, `"status":"uploaded"`) != 1 || !strings.Contains(o.stdout, "same name") {
		t.Fatal(o.stdout)
	}
}

func TestStoreProblemsAreExplained(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 10, 1)
	for want, args := range map[string][]string{
		"no such container":       {"--container", "nowhere", f},
		"does not let us in":      {"--container-url", "http://" + r.addr + "/devstoreaccount1/footage?sv=2025-11-05&sp=rcw&sr=c&se=2030-01-01&sig=c2VjcmV0", f},
		"cannot be read":          {"--connection-string", "rubbish", f},
		"no recordings in":        {t.TempDir()},
		"no file or folder given": nil,
	} {
		o := r.dock(t.Context(), args...)
		if o.code == exitSafe || !strings.Contains(o.stdout+o.stderr, want) {
			t.Errorf("want %q: %d %s%s", want, o.code, o.stdout, o.stderr)
		}
		if strings.Contains(o.stdout+o.stderr, "c2VjcmV0") {
			t.Errorf("the SAS is printed: %s%s", o.stdout, o.stderr)
		}
	}
}

func TestSASWorksAsTarget(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 2<<20, 1)
	o := r.dock(t.Context(), "--container-url", r.sas(), f)
	if o.code != exitSafe || o.results["a.mp4"].Status != statusUploaded {
		t.Fatal(o.stdout)
	}
	r.same(o.results["a.mp4"].Blob, f)
}

func TestCommandLineIsChecked(t *testing.T) {
	good := []string{"--unit", "lambeth", "--officer", "P1", "--camera", "X8"}
	env := func(string) string { return "" }
	for what, args := range map[string][]string{
		"no unit":     {"--officer", "P1", "--camera", "X8", "f"},
		"unit":        slices.Concat(good, []string{"--unit", "a/b", "f"}),
		"officer":     slices.Concat(good, []string{"--officer", "../x", "f"}),
		"camera":      slices.Concat(good, []string{"--camera", "", "f"}),
		"jobs":        slices.Concat(good, []string{"--jobs", "0", "f"}),
		"block":       slices.Concat(good, []string{"--block-mib", "5000", "f"}),
		"start":       slices.Concat(good, []string{"--start", "yesterday", "f"}),
		"recorded":    slices.Concat(good, []string{"--recorded-at", "22/11/2026", "f"}),
		"incident":    slices.Concat(good, []string{"--incident", "a\r\nx-ms-evil: 1", "f"}),
		"category":    slices.Concat(good, []string{"--category", "Übung", "f"}),
		"nothing":     good,
		"unknown one": slices.Concat(good, []string{"--overwrite", "f"}),
	} {
		var out, errs strings.Builder
		if code := run(t.Context(), args, env, &out, &errs); code != exitUsage || errs.Len() == 0 {
			t.Errorf("%s: status %d, %s%s", what, code, &out, &errs)
		}
	}
	var out, errs strings.Builder
	if code := run(t.Context(), []string{"--help"}, env, &out, &errs); code != exitSafe || !strings.Contains(out.String(), "-unit") || !strings.Contains(out.String(), "Exit status") {
		t.Errorf("help: status %d, %s%s", code, &out, &errs)
	}
	s, err := parse(slices.Concat(good, []string{"--start", "20261122T101500Z", "f"}), env, &out)
	if err != nil || !s.place.start.Equal(lastModified()) || s.jobs != 3 || s.blockMB != 8 || s.target.container != "footage" {
		t.Errorf("%+v %v", s, err)
	}
}

// Whatever the size, the blocks fit into one blob, and the size alone decides.
func TestBlockSizeGrowsWithTheFile(t *testing.T) {
	for size, want := range map[int64]int64{0: 8 << 20, 8 << 20: 8 << 20, maxBlocks * (8 << 20): 8 << 20, maxBlocks*(8<<20) + 1: 9 << 20} {
		s := newStager(nil, recording{size: size}, 8<<20, &bar{})
		if s.blockSize != want {
			t.Errorf("%d bytes: blocks of %d", size, s.blockSize)
		}
	}
}

// A refusal is one line with the code and the request, and a network error shows no SAS.
func TestMessages(t *testing.T) {
	r := newRig(t)
	o := r.dock(t.Context(), "--container", "nowhere", r.file("a.mp4", 10, 1))
	msg := o.results["a.mp4"].Error
	if strings.ContainsAny(msg, "\r\n") || !strings.Contains(msg, "404 ContainerNotFound, request ") || strings.Contains(msg, "----") {
		t.Errorf("%q", msg)
	}
	// Nobody listens there: the SDK's own network error quotes the address.
	o = r.dock(t.Context(), "--container-url", "http://127.0.0.1:1/footage?sig=c2VjcmV0", r.file("b.mp4", 10, 1))
	if msg := o.results["b.mp4"].Error; msg == "" || strings.Contains(o.stdout+o.stderr, "c2VjcmV0") {
		t.Errorf("%q", msg)
	}
	err := fmt.Errorf("sending: %w", &url.Error{Op: "Put", URL: "https://x.example/footage/a?sig=secret", Err: io.ErrUnexpectedEOF})
	if msg := message(err); strings.Contains(msg, "secret") || !strings.Contains(msg, "x.example/footage/a") {
		t.Errorf("%q", msg)
	}
}

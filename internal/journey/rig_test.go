package journey_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"bwv/internal/journey"
)

// start runs a whole system for one test; the handler's log is shown if the test fails.
func start(t *testing.T, settings map[string]string) *journey.Rig {
	t.Helper()
	dir := t.TempDir()
	log, err := os.Create(filepath.Join(dir, "handler.log"))
	if err != nil {
		t.Fatal(err)
	}
	rig, err := journey.NewRig(t.Context(), dir, settings, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rig.Close(); err != nil {
			t.Error(err)
		}
		log.Close()
		if t.Failed() {
			showTail(t, log.Name())
		}
	})
	return rig
}

func showTail(t *testing.T, file string) {
	const most = 20000
	b, err := os.ReadFile(file)
	if err == nil {
		t.Logf("the end of the log:\n%s", b[max(0, len(b)-most):])
	}
}

// within bounds one step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// clip makes a short recording in dir: two seconds of a real street with sound, small enough to transcode in no time.
func clip(t *testing.T, dir, name string) string {
	t.Helper()
	root, err := journey.Root()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, name)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-nostdin", "-v", "error", "-i", filepath.Join(root, "testdata", "samplelib_street_1080p30_5s.mp4"),
		"-t", "2", "-vf", "scale=320:-2", "-preset", "ultrafast", "-c:a", "aac", file).CombinedOutput()
	if err != nil {
		t.Fatalf("making a clip: %v: %s", err, out)
	}
	return file
}

// copies puts n copies of a file under names of their own.
func copies(t *testing.T, file, dir string, n int) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for i := range n {
		name := filepath.Join(dir, fmt.Sprintf("shift-%02d.mp4", i))
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	return files
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

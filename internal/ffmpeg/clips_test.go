package ffmpeg

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// TestClips compares what is found in each real recording with its golden file (UPDATE_GOLDEN=1 writes them); their proxies are TestExact's.
func TestClips(t *testing.T) {
	files, err := filepath.Glob(clip("*.mp4"))
	if err != nil || len(files) != 6 {
		t.Fatalf("%v: %v", files, err)
	}
	tools := start(t, Config{})
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".mp4")
		t.Run(name, func(t *testing.T) {
			d := &disk{file: file}
			found, err := tools.Probe(t.Context(), d.source(t))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, found)
			t.Logf("read %d of %d in %d ranges", d.reads.Load(), d.source(t).Original.Size, d.opens.Load())
			if size := d.source(t).Original.Size; d.reads.Load() > size/2 {
				t.Errorf("the probe read %d of %d bytes", d.reads.Load(), size)
			}
			if n := d.live.Load(); n != 0 {
				t.Errorf("%d bodies are still open", n)
			}
			if d.large.Load() > 512<<10 {
				t.Errorf("read with a buffer of %d bytes", d.large.Load())
			}
		})
	}
}

func golden(t *testing.T, name string, found evidence.Findings) {
	t.Helper()
	found.Media.Tool, _, _ = strings.Cut(found.Media.Tool, " ") // versions differ between machines
	got, err := json.MarshalIndent(found, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	file := filepath.Join("testdata", name+".json")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
}

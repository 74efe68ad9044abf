package main

import (
	"errors"
	"strings"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

// TestNoTools: an app without ffmpeg starts, since its zone may never need it; a recording that does need it is not judged by that.
func TestNoTools(t *testing.T) {
	app, err := wire(mustParse(t, with(local(), "FFMPEG", "/nowhere/ffmpeg")))
	if err != nil {
		t.Fatal(err)
	}
	defer app.close()
	missing := &tools{config: ffmpeg.Config{FFmpeg: "/nowhere/ffmpeg"}}
	_, probe := missing.Probe(t.Context(), evidence.Source{})
	_, cut := missing.Cut(t.Context(), evidence.Source{}, nil)
	_, made := missing.Make(t.Context(), evidence.Source{}, evidence.Chunk{}, nil)
	_, read := missing.Read(t.Context(), evidence.Source{}, evidence.Reading{}, nil)
	for name, err := range map[string]error{"probe": probe, "cut": cut, "make": made, "read": read} {
		if err == nil || !strings.Contains(err.Error(), "apt-get install ffmpeg") || errors.Is(err, evidence.Unreadable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := missing.close(); err != nil {
		t.Error(err)
	}
}

func mustParse(t *testing.T, settings map[string]string) Config {
	t.Helper()
	c, err := parseConfig(settings)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

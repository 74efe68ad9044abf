package main

import (
	"context"
	"io"
	"sync"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

// tools opens ffmpeg when the first recording asks for it: in Azure only the apps of zone `media` have it, and the others run the same
// binary. Where it is missing, the stage that asks fails in words, and every time anew: nothing is decided for good.
type tools struct {
	config ffmpeg.Config

	mu     sync.Mutex
	opened *ffmpeg.Tools
}

func (t *tools) open(ctx context.Context) (*ffmpeg.Tools, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil {
		opened, err := ffmpeg.Open(ctx, t.config)
		if err != nil {
			return nil, err
		}
		t.opened = opened
	}
	return t.opened, nil
}

// Probe implements pipeline.Prober.
func (t *tools) Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error) {
	opened, err := t.open(ctx)
	if err != nil {
		return evidence.Findings{}, err
	}
	return opened.Probe(ctx, s)
}

// Transcode implements pipeline.Transcoder.
func (t *tools) Transcode(ctx context.Context, s evidence.Source, put func(context.Context, evidence.Rendition, io.Reader) error) (evidence.Proxy, []string, error) {
	opened, err := t.open(ctx)
	if err != nil {
		return evidence.Proxy{}, nil, err
	}
	return opened.Transcode(ctx, s, put)
}

func (t *tools) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil {
		return nil
	}
	return t.opened.Close()
}

package main

import (
	"context"
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

// Cut implements pipeline.Cutter.
func (t *tools) Cut(ctx context.Context, s evidence.Source, out evidence.Cutting) (evidence.Outline, error) {
	opened, err := t.open(ctx)
	if err != nil {
		return evidence.Outline{}, err
	}
	return opened.Cut(ctx, s, out)
}

// Make implements pipeline.Cutter.
func (t *tools) Make(ctx context.Context, s evidence.Source, c evidence.Chunk, aside evidence.Opener) (evidence.Clip, error) {
	opened, err := t.open(ctx)
	if err != nil {
		return evidence.Clip{}, err
	}
	return opened.Make(ctx, s, c, aside)
}

// Read implements pipeline.Listener.
func (t *tools) Read(ctx context.Context, s evidence.Source, from evidence.Reading,
	save func(context.Context, evidence.Reading, []evidence.Take) error) (evidence.Reading, error) {
	opened, err := t.open(ctx)
	if err != nil {
		return from, err
	}
	return opened.Read(ctx, s, from, save)
}

func (t *tools) close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opened == nil {
		return nil
	}
	return t.opened.Close()
}

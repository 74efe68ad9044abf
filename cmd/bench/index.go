package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"bwv/internal/ffmpeg"
)

// index measures planning alone: what is read of the recording for it, and when its first chunk is known, made, and the whole plan there.
func (p *proxies) index(ctx context.Context) error {
	t, stop, err := tools(ctx, 1)
	if err != nil {
		return err
	}
	defer stop()
	title("The plan alone")
	head("recording", "size", "pictures", "bytes read", "of the size", "requests", "first chunk known", "and made", "whole plan", "CPU of it")
	for _, d := range p.lengths() {
		if d > time.Hour { // 21 GB
			continue
		}
		file, err := p.of(ctx, street, d.Seconds())
		if err != nil {
			return err
		}
		if err := p.planned(ctx, t, words(d)+", 4 Mbit/s, tables", file); err != nil {
			return err
		}
	}
	for _, d := range p.lengths() {
		file, err := p.shift(ctx, d)
		if err != nil {
			return err
		}
		if err := p.planned(ctx, t, words(d)+", "+frugalRate+", tables", file); err != nil {
			return err
		}
	}
	for _, frugal := range []bool{false, true} {
		for _, d := range p.lengths() {
			file, err := p.fragmented(ctx, d, frugal)
			if err != nil {
				return err
			}
			rate := "4 Mbit/s"
			if frugal {
				rate = frugalRate
			}
			if err := p.planned(ctx, t, words(d)+", "+rate+", fragments of 1 s", file); err != nil {
				return err
			}
		}
	}
	return nil
}

// fragmented is a recording in fragments of a second, of which the first minute alone has anything behind its index.
func (p *proxies) fragmented(ctx context.Context, d time.Duration, frugal bool) (string, error) {
	name, clip := "minute.fragments.mp4", filepath.Join(p.clips, street)
	if frugal {
		var err error
		if clip, err = p.films.frugal(ctx); err != nil {
			return "", err
		}
		name = "frugal." + name
	}
	minute, err := p.long(ctx, name, clip, 60, fragments()...)
	if err != nil || d == time.Minute {
		return minute, err
	}
	file := filepath.Join(p.dir, d.String()+"."+name)
	if there(file) {
		return file, nil
	}
	return file, stretch(minute, file, int(d/time.Minute))
}

// planned cuts one recording and prints a row.
func (p *proxies) planned(ctx context.Context, t *ffmpeg.Tools, name, file string) error {
	src, err := p.disk.source(ctx, file)
	if err != nil {
		return err
	}
	var plan *plan
	var whole time.Duration
	var spent spent
	asked, err := p.disk.during(func() error {
		spent, err = costs(func() error {
			plan, err = cut(ctx, t, src, p.dir)
			whole = time.Since(plan.begun)
			return err
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	begun := time.Now()
	if _, err := plan.make(ctx, t, src, plan.chunks[0]); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	made := plan.handed[0] + time.Since(begun)
	size := src.Original.Size
	limit := "" // what is asked for: 1 % and 1 MB
	if asked.read > size/100+1_000_000 {
		limit = " (above 1 % + 1 MB)"
	}
	line(name, megabytes(size), fmt.Sprint(plan.outline.Frames), megabytes(asked.read), fmt.Sprintf("%.2f %%%s", 100*float64(asked.read)/float64(size), limit),
		fmt.Sprint(asked.requests), seconds(plan.handed[0]), seconds(made), seconds(whole), seconds(spent.all()))
	return nil
}

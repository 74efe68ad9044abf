package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sync/errgroup"

	"bwv/internal/ffmpeg"
)

// reads is what the stages of one recording read of it.
type reads struct {
	probe, cut, chunks, digest tally
}

func (r reads) all() tally { return r.probe.plus(r.cut).plus(r.chunks).plus(r.digest) }

// bytes counts what the whole processing of a recording reads of it: metadata, plan, every chunk, digest and sound.
func (p *proxies) bytes(ctx context.Context) error {
	t, stop, err := tools(ctx, 2)
	if err != nil {
		return err
	}
	defer stop()
	title("Bytes read, over the size of the recording")
	head("recording", "size", "metadata", "plan", "chunks", "digest and sound", "**all**", "requests", "set aside: written, and read")
	for _, clip := range []struct {
		name, clip string
		seconds    float64
	}{{"1080p", street, p.reads}, {"432p", person, min(139.4, 2*p.reads)}} {
		for _, kind := range p.kinds() {
			file, err := p.long(ctx, "bytes-"+clip.name+kind.name, filepath.Join(p.clips, clip.clip), clip.seconds, kind.args...)
			if err != nil {
				return err
			}
			if err := p.count(ctx, t, clip.name+", "+kind.words, file); err != nil {
				return fmt.Errorf("%s, %s: %w", clip.name, kind.words, err)
			}
		}
	}
	for _, clip := range clips() {
		if err := p.count(ctx, t, clip[:strings.LastIndexByte(clip, '.')]+", as it is", filepath.Join(p.clips, clip)); err != nil {
			return fmt.Errorf("%s: %w", clip, err)
		}
	}
	return nil
}

type kind struct {
	name, words string
	args        []string
}

// kinds are the ways in which a recording may lie in its file.
func (p *proxies) kinds() []kind {
	return []kind{
		{".mp4", "MP4, index at the end", nil},
		{".fast.mp4", "MP4, index at the beginning", []string{"-movflags", "+faststart"}},
		{".keyframes.mp4", "fragments from keyframe to keyframe", []string{"-movflags", "+frag_keyframe+empty_moov+default_base_moof"}},
		{".second.mp4", "fragments of 1 s", fragments()},
		{".ts", "MPEG-TS", nil},
		{".mkv", "Matroska", nil},
	}
}

func fragments() []string {
	return []string{"-movflags", "+empty_moov+default_base_moof", "-frag_duration", "1000000"}
}

// count processes a recording and prints a row.
func (p *proxies) count(ctx context.Context, t *ffmpeg.Tools, name, file string) error {
	src, err := p.disk.source(ctx, file)
	if err != nil {
		return err
	}
	var r reads
	var plan *plan
	for _, stage := range []struct {
		into *tally
		work func() error
	}{
		{&r.probe, func() error { _, err := t.Probe(ctx, src); return err }},
		{&r.cut, func() error { plan, err = cut(ctx, t, src, p.dir); return err }},
		{&r.chunks, func() error {
			group, ctx := errgroup.WithContext(ctx)
			group.SetLimit(2)
			for _, c := range plan.chunks {
				group.Go(func() error { _, err := plan.make(ctx, t, src, c); return err })
			}
			return group.Wait()
		}},
		{&r.digest, func() error { _, err := read(ctx, t, src); return err }},
	} {
		if *stage.into, err = p.disk.during(stage.work); err != nil {
			return err
		}
	}
	size := float64(src.Original.Size)
	of := func(t tally) string { return fmt.Sprintf("%.3f", float64(t.read)/size) }
	aside := ""
	if plan.aside > 0 {
		aside = fmt.Sprintf("%.2f", float64(plan.aside)/size)
	}
	line(name, megabytes(src.Original.Size), of(r.probe), of(r.cut), of(r.chunks), of(r.digest), fmt.Sprintf("**%.2f**", float64(r.all().read)/size),
		fmt.Sprint(r.all().requests), aside)
	return nil
}

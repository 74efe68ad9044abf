package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

// proxies measures how proxies are made: with the tools in this process and originals on disk, but for what only the running system can tell.
type proxies struct {
	options
	films
	disk  disk
	scale scale // what the chunks of 1080p footage cost, once they were measured
}

// tools opens them for so many children at once.
func tools(ctx context.Context, jobs int) (*ffmpeg.Tools, func(), error) {
	t, err := ffmpeg.Open(ctx, ffmpeg.Config{Jobs: jobs})
	if err != nil {
		return nil, nil, err
	}
	return t, func() { _ = t.Close() }, nil
}

// plan is an evidence.Cutting that keeps the chunks, and what is set aside on disk.
type plan struct {
	dir     string
	begun   time.Time
	chunks  []evidence.Chunk
	handed  []time.Duration // when each chunk was handed out
	aside   int64           // bytes
	sound   int64           // bytes, where the cutting made it
	outline evidence.Outline
}

func newPlan(dir string) *plan { return &plan{dir: dir, begun: time.Now()} }

// Chunk implements evidence.Cutting.
func (p *plan) Chunk(_ context.Context, c evidence.Chunk) error {
	p.chunks = append(p.chunks, c)
	p.handed = append(p.handed, time.Since(p.begun))
	return nil
}

// Aside implements evidence.Cutting.
func (p *plan) Aside(_ context.Context, name string, body io.Reader) error {
	f, err := os.Create(p.path(name))
	if err != nil {
		return err
	}
	n, err := io.Copy(f, body)
	p.aside += n
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

func (p *plan) path(name string) string {
	return filepath.Join(p.dir, strings.ReplaceAll(name, "/", "-"))
}

// Sound implements evidence.Cutting.
func (p *plan) Sound(_ context.Context, _ []evidence.Sound, takes []evidence.Take) error {
	p.sound += loud(takes)
	return nil
}

func loud(takes []evidence.Take) (sum int64) {
	for _, t := range takes {
		sum += int64(len(t.Media))
	}
	return sum
}

// cut plans a recording.
func cut(ctx context.Context, t *ffmpeg.Tools, src evidence.Source, dir string) (*plan, error) {
	p := newPlan(dir)
	var err error
	p.outline, err = t.Cut(ctx, src, p)
	return p, err
}

// make makes one chunk of a plan.
func (p *plan) make(ctx context.Context, t *ffmpeg.Tools, src evidence.Source, c evidence.Chunk) (evidence.Clip, error) {
	if c.Aside == "" {
		return t.Make(ctx, src, c, nil)
	}
	return t.Make(ctx, src, c, func(context.Context) (io.ReadCloser, error) { return os.Open(p.path(c.Aside)) })
}

// read goes through a recording for its digest and its sound, and returns how many bytes of sound there were.
func read(ctx context.Context, t *ffmpeg.Tools, src evidence.Source) (sound int64, err error) {
	end, err := t.Read(ctx, src, evidence.Reading{}, func(_ context.Context, _ evidence.Reading, takes []evidence.Take) error {
		sound += loud(takes)
		return nil
	})
	if err == nil && end.Offset != src.Original.Size {
		err = fmt.Errorf("the reading ended at %d of %d bytes", end.Offset, src.Original.Size)
	}
	return sound, err
}

// title prints that of a part, and how busy the machine is with other things.
func title(words string) { fmt.Printf("\n### %s\n\nAt load %s.\n\n", words, load()) }

// head prints the head of a table.
func head(columns ...string) {
	fmt.Printf("| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

func line(cells ...string) { fmt.Printf("| %s |\n", strings.Join(cells, " | ")) }

func seconds(d time.Duration) string {
	switch {
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

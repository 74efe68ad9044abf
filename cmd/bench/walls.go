package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

const (
	fleet   = 80                     // workers of the model
	message = 100 * time.Millisecond // of the model: from one chunk's end to the next one's beginning, for the queue, the pages and the upload
	perPage = 32                     // chunks of a plan's page: they are sent when the page is full
	stream  = 100e6                  // of the model: bytes a second of one connection to the store
)

// walls measures how long a recording takes with one worker and with two, and works out how long with many.
func (p *proxies) walls(ctx context.Context) error {
	film, err := p.of(ctx, road, p.wall.Seconds())
	if err != nil {
		return err
	}
	src, err := p.disk.source(ctx, film)
	if err != nil {
		return err
	}
	title("Wall time")
	head("recording", "workers", "measured", "modelled")
	name := words(p.wall) + ", 960x540, 25 fps"
	var one timing
	for workers := 1; workers <= 2; workers++ {
		this, err := timed(ctx, src, p.dir, workers)
		if err != nil {
			return err
		}
		if workers == 1 {
			one = this
		}
		line(fmt.Sprintf("%s, %d chunks", name, len(one.plan.chunks)), fmt.Sprint(workers), seconds(this.wall), seconds(makespan(one.tasks(0), workers)))
	}
	line(name, fmt.Sprint(fleet), "", seconds(makespan(one.tasks(message), fleet)))
	return p.modelled(ctx)
}

// tasks are a plan's chunks at what they cost: ready when their page is full. The first one is made by who plans.
func (p *plan) tasks(s scale, overhead time.Duration) []task {
	list := make([]task, len(p.chunks))
	for i, c := range p.chunks {
		from, to := c.Seconds()
		last := min((i+perPage-1)/perPage*perPage, len(p.chunks)-1)
		list[i] = task{ready: p.handed[last], cost: s.of(to-from) + overhead}
	}
	return list
}

// timing is one recording taken to its end.
type timing struct {
	wall    time.Duration
	plan    *plan
	costs   scale         // CPU of its chunks, with one worker
	reading time.Duration // CPU of the reading for digest and sound, with one worker
}

// tasks are all that there is to do.
func (t timing) tasks(overhead time.Duration) []task {
	return slices.Insert(t.plan.tasks(t.costs, overhead), 1, task{cost: t.reading})
}

// timed processes a recording as its stages do: the plan, then the first chunk, and beside what follows the reading for digest and sound.
func timed(ctx context.Context, src evidence.Source, dir string, workers int) (r timing, err error) {
	t, stop, err := tools(ctx, workers)
	if err != nil {
		return r, err
	}
	defer stop()
	begun := time.Now()
	defer func() { r.wall = time.Since(begun) }()
	if r.plan, err = cut(ctx, t, src, dir); err != nil {
		return r, err
	}
	if workers == 1 {
		if err := r.costs.measure(ctx, t, src, r.plan); err != nil {
			return r, err
		}
		spent, err := costs(func() error { _, err := read(ctx, t, src); return err })
		r.reading = spent.all()
		return r, err
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i, c := range r.plan.chunks {
		group.Go(func() error { _, err := r.plan.make(inner, t, src, c); return err })
		if i == 0 {
			group.Go(func() error { _, err := read(inner, t, src); return err })
		}
	}
	return r, group.Wait()
}

// modelled is the wall time of 1080p footage with many workers, from what its chunks cost.
func (p *proxies) modelled(ctx context.Context) error {
	t, stop, err := tools(ctx, 1)
	if err != nil {
		return err
	}
	defer stop()
	if len(p.scale.cost) == 0 { // the part that compares the CPU did not run
		if err := p.sample(ctx, t); err != nil {
			return err
		}
	}
	for _, d := range slices.Compact(slices.Sorted(slices.Values(append(p.lengths(), p.wall)))) {
		file, err := p.shift(ctx, d)
		if err != nil {
			return err
		}
		src, err := p.disk.source(ctx, file)
		if err != nil {
			return err
		}
		plan, err := cut(ctx, t, src, p.dir)
		if err != nil {
			return err
		}
		for _, workers := range []int{1, fleet} {
			line(words(d)+", 1920x1080, 30 fps, "+fmt.Sprint(len(plan.chunks))+" chunks", fmt.Sprint(workers), "", seconds(makespan(plan.tasks(p.scale, message), workers)))
		}
	}
	whole := time.Duration(p.longest.Seconds() * 1e6 / stream * float64(time.Second)) // 8 Mbit/s
	fmt.Printf("\nThe model: workers of one core like these, all awake; each takes the next chunk in order as soon as the page that has it is planned; a chunk costs %.2f s of CPU for each second of 1080p "+
		"(measured), and %s between two chunks. The reading for digest and sound is one worker's, and goes on beside: %s of 8 Mbit/s at %.0f MB/s from the store take %s, however many workers there are.\n",
		p.scale.of(1).Seconds(), message, words(p.longest), stream/1e6, seconds(whole))
	return nil
}

// sample measures the chunks of some 1080p footage.
func (p *proxies) sample(ctx context.Context, t *ffmpeg.Tools) error {
	file, err := p.of(ctx, street, p.seconds)
	if err != nil {
		return err
	}
	src, err := p.disk.source(ctx, file)
	if err != nil {
		return err
	}
	plan, err := cut(ctx, t, src, p.dir)
	if err != nil {
		return err
	}
	return p.scale.measure(ctx, t, src, plan)
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

// round is one recording whose proxy was made in two ways, and which was decoded, all at the same time on one processor.
type round struct {
	Chunks  int
	Seconds float64
	Floor   time.Duration // CPU of decoding alone
	Whole   time.Duration // of one pass over all of it
	Pieces  time.Duration // of chunks, the process that makes them included
	Self    time.Duration // of that process
}

// cpu compares a proxy made by chunks with one pass of the same settings, and with decoding alone. Each round is a process of its own that is held to
// one processor, on which the three take turns every few milliseconds: so whatever else happens to this machine meets all alike. What they are compared
// for is a few percent, and the same work can be dearer by more than that from one minute to the next.
func (p *proxies) cpu(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	list := []struct {
		name, clip string
		seconds    float64
		rounds     []round
	}{{name: "1920x1080, 30 fps", clip: street, seconds: p.seconds}, {name: "768x432, 10 fps", clip: person, seconds: min(139.4, 2*p.seconds)},
		{name: "768x432, 10 fps", clip: person, seconds: 4 * p.seconds}}
	processors := make(chan int, runtime.NumCPU())
	for n := range runtime.NumCPU() {
		processors <- n
	}
	var group errgroup.Group
	group.SetLimit(runtime.NumCPU())
	for i := range list {
		film := &list[i]
		file, err := p.of(ctx, film.clip, film.seconds)
		if err != nil {
			return err
		}
		film.rounds = make([]round, p.turns)
		for n := range film.rounds {
			group.Go(func() error {
				processor := <-processors
				defer func() { processors <- processor }()
				command := exec.CommandContext(ctx, "taskset", "-c", fmt.Sprint(processor), self, "-round-of", file)
				command.Stderr = os.Stderr
				out, err := command.Output()
				if err != nil {
					return fmt.Errorf("a round of %s: %w", film.name, err)
				}
				return json.Unmarshal(out, &film.rounds[n])
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	title("CPU: by chunks, in one pass, decoding alone")
	head("recording", "decode only", "one pass", "by chunks", "of which the handler", "one pass : decode", "**chunks : one pass** (each round)")
	for _, film := range list {
		report(film.name, film.rounds)
	}
	for _, r := range list[0].rounds {
		p.scale.seconds, p.scale.cost = append(p.scale.seconds, r.Seconds), append(p.scale.cost, r.Pieces)
	}
	return nil
}

// report is a row: CPU-seconds a minute of footage, medians of the rounds.
func report(name string, rounds []round) {
	of := func(what func(round) float64) float64 {
		var list []float64
		for _, r := range rounds {
			list = append(list, what(r))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	minute := func(what func(round) time.Duration) string {
		return fmt.Sprintf("%.2f s", of(func(r round) float64 { return what(r).Seconds() / r.Seconds * 60 }))
	}
	each := ""
	for _, r := range rounds {
		each += fmt.Sprintf(" %.3f", r.Pieces.Seconds()/r.Whole.Seconds())
	}
	line(fmt.Sprintf("%s, %.0f s, %d chunks", name, rounds[0].Seconds, rounds[0].Chunks), minute(func(r round) time.Duration { return r.Floor }),
		minute(func(r round) time.Duration { return r.Whole }), minute(func(r round) time.Duration { return r.Pieces }), minute(func(r round) time.Duration { return r.Self }),
		fmt.Sprintf("%.2f", of(func(r round) float64 { return r.Whole.Seconds() / r.Floor.Seconds() })),
		fmt.Sprintf("**%.3f** (%s)", of(func(r round) float64 { return r.Pieces.Seconds() / r.Whole.Seconds() }), each[1:]))
}

// contest is a round, in its own process: it writes what came out.
func contest(ctx context.Context, file string, out io.Writer) error {
	dir, err := os.MkdirTemp("", "bwv-round-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t, stop, err := tools(ctx, 1)
	if err != nil {
		return err
	}
	defer stop()
	d := &disk{}
	src, err := d.source(ctx, file)
	if err != nil {
		return err
	}
	plan, err := cut(ctx, t, src, dir)
	if err != nil {
		return err
	}
	clip, err := plan.make(ctx, t, src, plan.chunks[0]) // it tells the settings
	if err != nil {
		return err
	}
	r := round{Chunks: len(plan.chunks)}
	_, r.Seconds = plan.chunks[len(plan.chunks)-1].Seconds()
	one := pass{profile: clip.Profile, file: file, out: filepath.Join(dir, "pass.mp4"), seconds: r.Seconds, rate: float64(plan.outline.Frames) / r.Seconds}
	spent, err := costs(func() error {
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() (err error) { r.Floor, err = alone(ctx, decode(file)); return err })
		group.Go(func() (err error) { r.Whole, err = alone(ctx, one.args()); return err })
		group.Go(func() error {
			again, err := cut(ctx, t, src, dir)
			for i := 0; err == nil && i < len(again.chunks); i++ {
				_, err = again.make(ctx, t, src, again.chunks[i])
			}
			return err
		})
		return group.Wait()
	})
	if err != nil {
		return err
	}
	r.Self, r.Pieces = spent.self, spent.all()-r.Floor-r.Whole
	return json.NewEncoder(out).Encode(r)
}

func middle(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return sorted[len(sorted)/2]
}

// scale is what chunks cost by their length: a child's start, and so much a second of footage.
type scale struct {
	seconds []float64
	cost    []time.Duration
}

// measure makes every chunk of a plan, one after the other.
func (s *scale) measure(ctx context.Context, t *ffmpeg.Tools, src evidence.Source, p *plan) error {
	for _, chunk := range p.chunks {
		spent, err := costs(func() error {
			_, err := p.make(ctx, t, src, chunk)
			return err
		})
		if err != nil {
			return err
		}
		from, to := chunk.Seconds()
		s.seconds, s.cost = append(s.seconds, to-from), append(s.cost, spent.all())
	}
	return nil
}

// of is what a chunk of so many seconds costs: the mean of those measured, second by second.
func (s scale) of(seconds float64) time.Duration {
	var footage float64
	var cost time.Duration
	for i := range s.seconds {
		footage += s.seconds[i]
		cost += s.cost[i]
	}
	return time.Duration(float64(cost) / footage * seconds)
}

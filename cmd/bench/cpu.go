package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
)

// contest is one recording whose proxy is made in several ways, which take turns.
type contest struct {
	name   string
	source evidence.Source
	tools  *ffmpeg.Tools
	dir    string
	pass   pass
	chunks int
	scale  scale
	floor  []time.Duration // decode only
	whole  []time.Duration // one pass over all of it
	pieces []time.Duration // by chunks, this process included
	self   []time.Duration // of which this process
}

// cpu compares a proxy made by chunks with one pass of the same settings, and with decoding alone.
func (p *proxies) cpu(ctx context.Context) error {
	t, stop, err := tools(ctx, 1)
	if err != nil {
		return err
	}
	defer stop()
	var list []*contest
	for _, film := range []struct {
		name, clip string
		seconds    float64
	}{{"1920x1080, 30 fps", street, p.seconds}, {"768x432, 10 fps", person, min(139.4, 2*p.seconds)}} {
		file, err := p.of(ctx, film.clip, film.seconds)
		if err != nil {
			return err
		}
		c := &contest{name: film.name, tools: t, dir: p.dir}
		if c.source, err = p.disk.source(ctx, file); err != nil {
			return err
		}
		if err := c.ready(ctx); err != nil {
			return err
		}
		for n := range p.turns {
			if err := c.turn(ctx, n); err != nil {
				return err
			}
		}
		list = append(list, c)
	}
	p.scale = list[0].scale
	title("CPU: by chunks, in one pass, decoding alone")
	head("recording", "decode only", "one pass", "by chunks", "of which the handler", "one pass : decode", "**chunks : one pass** (each round)")
	for _, c := range list {
		c.report()
	}
	return nil
}

// ready makes the first chunk, which tells the settings, and warms the file's pages.
func (c *contest) ready(ctx context.Context) error {
	plan, err := cut(ctx, c.tools, c.source, c.dir)
	if err != nil {
		return err
	}
	clip, err := plan.make(ctx, c.tools, c.source, plan.chunks[0])
	c.chunks = len(plan.chunks)
	_, end := plan.chunks[c.chunks-1].Seconds()
	c.pass = pass{profile: clip.Profile, file: c.source.Original.Path, out: filepath.Join(c.dir, "pass.mp4"), seconds: end, rate: float64(plan.outline.Frames) / end}
	return err
}

// turn is one round. The order is another each time: a slow minute of the machine must not always meet the same way.
func (c *contest) turn(ctx context.Context, n int) error {
	ways := []func(context.Context) error{c.byChunks, c.inOne, c.decode}
	for i := range ways {
		if err := ways[(n+i)%len(ways)](ctx); err != nil {
			return err
		}
	}
	return nil
}

func (c *contest) byChunks(ctx context.Context) error {
	spent, err := costs(func() error {
		plan, err := cut(ctx, c.tools, c.source, c.dir)
		if err != nil {
			return err
		}
		return c.scale.measure(ctx, c.tools, c.source, plan)
	})
	c.pieces, c.self = append(c.pieces, spent.all()), append(c.self, spent.self)
	return err
}

func (c *contest) inOne(ctx context.Context) error {
	defer os.Remove(c.pass.out)
	spent, err := alone(ctx, c.pass.args())
	c.whole = append(c.whole, spent)
	return err
}

func (c *contest) decode(ctx context.Context) error {
	spent, err := alone(ctx, decode(c.pass.file))
	c.floor = append(c.floor, spent)
	return err
}

// report is a row: CPU-seconds a minute of footage, medians of the rounds.
func (c *contest) report() {
	minute := func(d []time.Duration) string { return fmt.Sprintf("%.2f s", middle(d).Seconds()/c.pass.seconds*60) }
	each := ""
	var ratios []float64
	for i := range c.pieces {
		ratios = append(ratios, c.pieces[i].Seconds()/c.whole[i].Seconds())
		each += fmt.Sprintf(" %.3f", ratios[i])
	}
	slices.Sort(ratios)
	line(fmt.Sprintf("%s, %.0f s, %d chunks", c.name, c.pass.seconds, c.chunks), minute(c.floor), minute(c.whole), minute(c.pieces), minute(c.self),
		fmt.Sprintf("%.2f", middle(c.whole).Seconds()/middle(c.floor).Seconds()), fmt.Sprintf("**%.3f** (%s)", ratios[len(ratios)/2], each[1:]))
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

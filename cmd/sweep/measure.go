package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
)

// bench measures rows on clips, in a directory for what is in between.
type bench struct {
	tools
	dir     string
	journal *journal
	log     io.Writer
}

// searched is the footage the search takes of each recording: enough to tell rows apart, short enough to try many.
const searched = 4 // seconds

// search runs the rows of the search on one recording, encoders alone, each once.
func (b *bench) search(ctx context.Context, list []entry, source string) error {
	var c *clip
	for _, e := range list {
		if e.Set != "search" {
			continue
		}
		for _, crf := range e.CRF {
			if b.journal.rounds(point{Set: e.Set, Name: e.Name, Clip: short(source), CRF: crf}) > 0 {
				continue
			}
			if c == nil {
				var err error
				if c, err = prepare(ctx, b.tools, source, b.dir, searched); err != nil {
					return err
				}
				defer c.remove()
			}
			if err := b.keep(b.alone(ctx, e, c, crf)); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn runs the other rows on one recording, from the recording to the proxy, once.
func (b *bench) turn(ctx context.Context, list []entry, source string, seconds float64, round int, quick bool) error {
	var c *clip
	for _, e := range list {
		if e.Set == "search" || quick && e.Set != "peer" && e.Set != "final" && e.Name != floor {
			continue
		}
		for _, crf := range e.settings() {
			if b.journal.rounds(point{Set: e.Set, Name: e.Name, Clip: short(source), CRF: crf}) > round {
				continue
			}
			if c == nil {
				var err error
				if c, err = prepare(ctx, b.tools, source, b.dir, seconds); err != nil {
					return err
				}
				defer c.remove()
			}
			if err := b.keep(b.whole(ctx, e, c, crf, round == 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) keep(p *point, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%-8s %-34s crf %-4g %-32s %6.2f s CPU %9d bytes  SSIM %.4f\n", p.Set, p.Name, p.CRF, p.Clip, p.CPU[0], p.Bytes, p.SSIM)
	return b.journal.record(p)
}

// whole runs a row from the recording to the proxy; judged says whether its quality is wanted as well.
func (b *bench) whole(ctx context.Context, e entry, c *clip, crf float64, judged bool) (p *point, err error) {
	output := filepath.Join(b.dir, "proxy.mp4")
	r, err := b.encode(ctx, e.command(c, crf, output))
	if err != nil {
		return nil, err
	}
	p = &point{Set: e.Set, Name: e.Name, Clip: c.Name, CRF: crf, CPU: []float64{r.cpu}, Frames: r.frames, Seconds: c.Seconds}
	if e.Keep == "" && r.frames != c.Frames {
		return nil, fmt.Errorf("%s on %s: %d pictures of %d", e.Name, c.Name, r.frames, c.Frames)
	}
	switch {
	case !judged || e.Set == "decode":
		return p, nil
	case e.Set == "scale": // judged before any encoder
		file, err := b.scaled(ctx, e, c)
		if err != nil {
			return nil, err
		}
		p.quality, err = b.compare(ctx, c, c.raw(file), "")
		return p, err
	}
	if p.Bytes, err = payload(output); err != nil {
		return nil, err
	}
	p.quality, err = b.compare(ctx, c, []string{"-i", output}, e.Keep)
	return p, err
}

// scaled makes the pictures as a row's filter leaves them, unencoded, once.
func (b *bench) scaled(ctx context.Context, e entry, c *clip) (file string, err error) {
	file = filepath.Join(b.dir, fmt.Sprintf("%s.%x.yuv", c.Name, e.Filter))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	args := append([]string{"-filter_threads", "1"}, c.decode(nil)...)
	_, err = b.encode(ctx, append(args, "-vf", e.filter(c), "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", file))
	c.made = append(c.made, file)
	return file, err
}

// alone runs a row's encoder on pictures that are scaled already: the same bytes come out, and its own cost is not hidden in the decoder's.
func (b *bench) alone(ctx context.Context, e entry, c *clip, crf float64) (p *point, err error) {
	file, err := b.scaled(ctx, e, c)
	if err != nil {
		return nil, err
	}
	output := filepath.Join(b.dir, "proxy.mp4")
	r, err := b.encode(ctx, append(c.raw(file), e.encoding(c, crf, output)...))
	if err != nil {
		return nil, err
	}
	p = &point{Set: e.Set, Name: e.Name, Clip: c.Name, CRF: crf, CPU: []float64{r.cpu}, Frames: r.frames, Seconds: c.Seconds}
	if p.Bytes, err = payload(output); err != nil {
		return nil, err
	}
	p.quality, err = b.compare(ctx, c, []string{"-i", output}, "")
	return p, err
}

// command is the whole of what a row runs on a clip: decoding, scaling, encoding, with one thread each.
func (e entry) command(c *clip, crf float64, output string) []string {
	args := append([]string{"-filter_threads", "1"}, c.decode(e.Input)...)
	if filter := e.filter(c); filter != "" {
		args = append(args, "-vf", filter)
	}
	return append(args, e.encoding(c, crf, output)...)
}

func (e entry) filter(c *clip) string {
	filter := c.fill(e.Filter)
	if e.Keep == "" {
		return filter
	}
	return "select='" + e.Keep + "'," + filter
}

func (e entry) encoding(c *clip, crf float64, output string) []string {
	if len(e.Encoder) == 0 {
		return []string{"-fps_mode", "passthrough", "-f", "null", "-"}
	}
	args := []string{"-fps_mode", "passthrough", "-enc_time_base", "1:90000"}
	if e.Set != "peer" {
		args = append(args, ours()...)
	}
	args = append(args, "-c:v", e.Encoder[0], "-threads", "1")
	for _, a := range e.Encoder[1:] {
		args = append(args, c.fill(a))
	}
	if crf != 0 {
		args = append(args, "-crf", strconv.FormatFloat(crf, 'f', -1, 64))
	}
	return append(args, "-video_track_timescale", "90000", "-f", "mp4", output)
}

// ours is what every row of our own has in common: keyframes at fixed times and nowhere else.
func ours() []string {
	return []string{"-g", "600", "-sc_threshold", "0", "-force_key_frames", "expr:gte(t,n_forced*2)"}
}

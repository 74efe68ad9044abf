package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// shorter is the target: the picture's shorter side has at most so many pixels, and none is enlarged.
const shorter = 480

// clip is a recording made ready: of a known length, with the picture that all encoders are judged by.
type clip struct {
	Name          string
	Source        string // what is on disk
	File          string // the source's packets, repeated or cut, without sound
	Reference     string // the same pictures scaled once with lanczos, unencoded
	Width, Height int    // of the source
	W, H          int    // of the proxy
	Rate          string // pictures a second, as a fraction
	Seconds       float64
	Frames        int
	Kbps          float64  // of the source's pictures
	made          []string // files to remove
}

// remove takes the files away again: unencoded pictures are large.
func (c *clip) remove() {
	for _, file := range c.made {
		_ = os.Remove(file)
	}
}

// prepare makes dir/<name>.mp4 of about the given seconds out of source, and its reference. The packets are copied: a short clip is repeated as
// often as it takes, a long one is cut, so that decoding costs what it costs in the original.
func prepare(ctx context.Context, tools tools, source, dir string, seconds float64) (*clip, error) {
	c := &clip{Source: source, Name: short(source)}
	if err := c.look(ctx, tools); err != nil {
		return nil, fmt.Errorf("looking at %s: %w", source, err)
	}
	c.File = filepath.Join(dir, c.Name+".mp4")
	c.Reference = filepath.Join(dir, c.Name+".reference.yuv")
	c.made = []string{c.File, c.Reference}
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	times := max(1, int(seconds/c.Seconds+0.5))
	list := filepath.Join(dir, c.Name+".txt")
	if err := os.WriteFile(list, []byte(strings.Repeat("file '"+absolute+"'\n", times)), 0o600); err != nil {
		return nil, err
	}
	copied := []string{"-f", "concat", "-safe", "0", "-i", list, "-map", "0:V:0", "-c", "copy", "-map_metadata", "-1"}
	if c.Seconds > 1.5*seconds {
		copied = append(copied, "-t", fmt.Sprint(seconds))
	}
	if _, err := tools.encode(ctx, append(copied, c.File)); err != nil {
		return nil, fmt.Errorf("copying the packets of %s: %w", source, err)
	}
	out, err := tools.encode(ctx, append(c.decode(nil), "-filter_threads", "1", "-vf", c.fill("scale={w}:{h}:flags=lanczos+accurate_rnd,format=yuv420p"),
		"-fps_mode", "passthrough", "-f", "rawvideo", c.Reference))
	if err != nil {
		return nil, fmt.Errorf("making the reference of %s: %w", source, err)
	}
	c.Frames, c.Seconds = out.frames, out.seconds
	return c, nil
}

// short is a file's name up to its first dot.
func short(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return name
}

func (c *clip) look(ctx context.Context, tools tools) error {
	raw, err := tools.probe(ctx, "-select_streams", "V:0", "-show_entries", "stream=width,height,r_frame_rate,bit_rate:format=duration", "-of", "json", c.Source)
	if err != nil {
		return err
	}
	var answer struct {
		Streams []struct {
			Width, Height int
			Rate          string `json:"r_frame_rate"`
			Bits          string `json:"bit_rate"`
		}
		Format struct{ Duration string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return err
	}
	if len(answer.Streams) == 0 {
		return fmt.Errorf("no pictures in it")
	}
	s := answer.Streams[0]
	c.Width, c.Height, c.Rate = s.Width, s.Height, s.Rate
	c.W, c.H = target(s.Width, s.Height)
	bits, _ := strconv.ParseFloat(s.Bits, 64) // not every container tells
	c.Kbps = bits / 1000
	c.Seconds, err = strconv.ParseFloat(answer.Format.Duration, 64)
	return err
}

// target is the proxy's size: even, of the source's shape, the shorter side at most 480.
func target(width, height int) (int, int) {
	limit := func(side int) int { return max(2, min(shorter, side)/2*2) }
	if width >= height {
		h := limit(height)
		return (width*h/height + 1) / 2 * 2, h
	}
	w := limit(width)
	return w, (height*w/width + 1) / 2 * 2
}

// raw begins a command that reads unencoded pictures of the proxy's size.
func (c *clip) raw(file string) []string {
	return []string{"-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", fmt.Sprintf("%dx%d", c.W, c.H), "-r", c.Rate, "-i", file}
}

// decode begins a command that reads the clip as a chunk's child does: with one thread.
func (c *clip) decode(input []string) []string {
	args := append([]string{"-threads", "1"}, input...)
	return append(args, "-i", c.File, "-map", "0:V:0", "-an")
}

// fill writes the clip's numbers into an option of the table.
func (c *clip) fill(text string) string {
	rate := float64(c.Frames) / c.Seconds
	pairs := []string{"{either}", "yuv420p|yuvj420p", "{w}", strconv.Itoa(c.W), "{h}", strconv.Itoa(c.H), "{peertube}", strconv.Itoa(c.peertube()), "{peertube2}", strconv.Itoa(2 * c.peertube())}
	for _, s := range []int{2, 3, 4, 8} {
		pairs = append(pairs, fmt.Sprintf("{key%d}", s), strconv.Itoa(int(math.Ceil(rate-0.01))*s))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// peertube is the rate PeerTube allows at 480 lines, in kbit/s: 0.12 bit a pixel, but no more than 1.3 times the original's, and no less than 0.02.
func (c *clip) peertube() int {
	pixels := float64(c.W*c.H) * float64(c.Frames) / c.Seconds / 1000
	return int(max(0.02*pixels, min(0.12*pixels, 1.3*c.Kbps)))
}

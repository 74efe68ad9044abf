package kinds

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Clap is one flash and the click that belongs to it, in seconds on the clock of the files.
type Clap struct {
	Flash float64 // when the white picture is shown
	Click float64 // the middle of the click, to a sample
}

// Offset is how much later than it is seen a clap is heard, in seconds.
func (c Clap) Offset() float64 { return c.Click - c.Flash }

// quiet is how long before the first click a flash is none of its claps, in seconds: less than lies between any two.
const quiet = 1

var errNoClaps = errors.New("it does not clap")

// Offsets measures each clap of a recording made by Claps, or of what became of it: one file, or the picture in one and the sound in another, whose times are then
// taken as they stand (a proxy's fragments carry true times). A flash before the sound begins, or long before the first click where a proxy has silence in its place,
// has no click and is left out; otherwise one without the other is an error.
func Offsets(ctx context.Context, videoPath, audioPath string) ([]Clap, error) {
	flashes, err := flashes(ctx, videoPath)
	if err != nil {
		return nil, err
	}
	clicks, begin, err := heard(ctx, audioPath)
	if err != nil {
		return nil, err
	}
	for len(flashes) > 0 && (flashes[0] < begin-clapHalf || len(clicks) > 0 && flashes[0] < clicks[0]-quiet) {
		flashes = flashes[1:]
	}
	if len(flashes) != len(clicks) || len(flashes) == 0 {
		return nil, fmt.Errorf("%d flashes, %d clicks from %.3f s on: %w", len(flashes), len(clicks), begin, errNoClaps)
	}
	var list []Clap
	for i, flash := range flashes {
		list = append(list, Clap{Flash: flash, Click: clicks[i]})
	}
	return list, nil
}

// flashes are the times of the pictures that turn white.
func flashes(ctx context.Context, path string) ([]float64, error) {
	shown, err := Frames(ctx, path)
	if err != nil {
		return nil, err
	}
	levels, err := run(ctx, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", path, "-map", "0:V:0", "-vf", "scale=1:1:flags=area,format=gray",
		"-fps_mode", "passthrough", "-f", "rawvideo", "-")
	if err != nil {
		return nil, fmt.Errorf("looking at %s: %w", path, err)
	}
	if len(levels) != len(shown) {
		return nil, fmt.Errorf("looking at %s: %d levels of %d pictures: %w", path, len(levels), len(shown), errNoClaps)
	}
	var list []float64
	for i, level := range levels {
		if level > 160 && (i == 0 || levels[i-1] <= 160) { // the background is below 128
			list = append(list, shown[i].At.Seconds())
		}
	}
	return list, nil
}

// heard are the times of the clicks of the first track of sound, and when that begins.
func heard(ctx context.Context, path string) (clicks []float64, begin float64, err error) {
	d, err := decode(ctx, path, "a:0")
	if err != nil {
		return nil, 0, err
	}
	origin, err := d.origin(ctx, path, "V:0")
	if err != nil {
		return nil, 0, err
	}
	out, err := run(ctx, "ffmpeg", "-nostdin", "-v", "error", "-copyts", "-i", path, "-map", "0:a:0", "-ac", "1", "-ar", strconv.Itoa(d.Streams[0].SampleRate),
		"-f", "s16le", "-")
	if err != nil {
		return nil, 0, fmt.Errorf("listening to %s: %w", path, err)
	}
	times, err := d.clock(origin)
	if err != nil {
		return nil, 0, err
	}
	if len(out) != 2*len(times) {
		return nil, 0, fmt.Errorf("listening to %s: %d samples, frames of %d: %w", path, len(out)/2, len(times), errNoClaps)
	}
	wave := make([]float64, len(times))
	for i := range wave {
		wave[i] = float64(int16(binary.LittleEndian.Uint16(out[2*i:])))
	}
	for _, i := range peaks(wave, d.Streams[0].SampleRate) {
		clicks = append(clicks, times[i])
	}
	return clicks, times[0], nil
}

// clock gives each sample its time: a frame's own, then one sample after the other.
func (d decoded) clock(origin Time) ([]float64, error) {
	var times []float64
	for _, f := range d.Frames {
		t, err := f.at(d.Streams[0].Base)
		if err != nil {
			return nil, err
		}
		begin := t.since(origin).Seconds()
		for i := range f.Samples {
			times = append(times, begin+float64(i)/float64(d.Streams[0].SampleRate))
		}
	}
	return times, nil
}

// peaks finds the samples in the middle of the clicks: where the wave is most like a click, among those around each loud place.
func peaks(wave []float64, rate int) []int {
	var loudest float64
	for _, v := range wave {
		loudest = max(loudest, math.Abs(v))
	}
	half := int(clapHalf * float64(rate))
	var shape []float64
	for i := -half; i <= half; i++ {
		shape = append(shape, pulse(float64(i)/float64(rate)))
	}
	var list []int
	for i := 0; i < len(wave); i++ {
		if math.Abs(wave[i]) < loudest*0.4 || loudest == 0 {
			continue
		}
		best, at := 0.0, i
		for middle := max(half, i-3*half); middle < min(len(wave)-half, i+3*half); middle++ {
			var like float64
			for k, s := range shape {
				like += s * wave[middle-half+k]
			}
			if like > best {
				best, at = like, middle
			}
		}
		list = append(list, at)
		i += rate / 2 // the next clap is a second away at least
	}
	return list
}

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The real clips that everything here is made of.
const (
	street = "samplelib_street_1080p30_5s.mp4"  // 1920x1080, 30 fps, one keyframe, 3.9 Mbit/s, AAC
	person = "intel_one-by-one-person_139s.mp4" // 768x432, 10 fps, 0.2 Mbit/s, silent
	road   = "udacity_solidWhiteRight_9s.mp4"   // 960x540, 25 fps, 2.4 Mbit/s, AAC
	car    = "intel_car-detection_30s.mp4"      // 768x432, 12.5 fps, 0.7 Mbit/s, AAC
	karma  = "gopro_hero5_karma_12s.mp4"        // 854x480, 30 fps, 2.7 Mbit/s, AAC, telemetry
	gopro  = "gopro_max_heromode_10s_gps5.mp4"  // 848x480, 30 fps, 2.8 Mbit/s, AAC, telemetry
)

func clips() []string { return []string{street, person, road, car, karma, gopro} }

// films makes recordings of any length from the clips, by stream copy, each once.
type films struct {
	dir   string // where they are made
	clips string // where the real ones are
}

// ffmpeg runs it in the films' folder.
func (f films) ffmpeg(ctx context.Context, args ...string) error {
	command := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...)
	command.Dir = f.dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("ffmpeg %s: %w: %.500s", strings.Join(args, " "), err, out)
	}
	return nil
}

// length asks how many seconds a file has.
func length(ctx context.Context, file string) (float64, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-of", "csv=p=0", "-show_entries", "format=duration", file).Output()
	if err != nil {
		return 0, fmt.Errorf("asking for the length of %s: %w", filepath.Base(file), err)
	}
	return strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
}

// there tells whether a film was made before.
func there(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// long is a film of so many seconds out of a file that is repeated as it is; args say how it is written.
func (f films) long(ctx context.Context, name, file string, seconds float64, args ...string) (string, error) {
	path := filepath.Join(f.dir, name)
	if there(path) {
		return path, nil
	}
	each, err := length(ctx, file)
	if err != nil {
		return "", err
	}
	var list strings.Builder
	for range int(math.Ceil(seconds / each)) {
		fmt.Fprintf(&list, "file '%s'\n", file)
	}
	lines := path + ".txt"
	if err := os.WriteFile(lines, []byte(list.String()), 0o600); err != nil {
		return "", err
	}
	input := []string{"-f", "concat", "-safe", "0", "-i", lines, "-t", fmt.Sprint(seconds), "-map", "0:V:0", "-map", "0:a?", "-c", "copy"}
	return path, f.ffmpeg(ctx, append(append(input, args...), path)...)
}

// of is one of the real clips, repeated.
func (f films) of(ctx context.Context, clip string, seconds float64) (string, error) {
	return f.long(ctx, fmt.Sprintf("%s-%.0f.mp4", strings.SplitN(clip, "_", 2)[0], seconds), filepath.Join(f.clips, clip), seconds)
}

// frugalRate is less than cameras are set to, so that 12 hours, 1.3 million pictures, are 5 GB and not 21.
const frugalRate = "1 Mbit/s"

// frugal is the street once more at frugalRate, a keyframe every 2 s.
func (f films) frugal(ctx context.Context) (string, error) {
	path := filepath.Join(f.dir, "frugal.mp4")
	if there(path) {
		return path, nil
	}
	return path, f.ffmpeg(ctx, "-i", filepath.Join(f.clips, street), "-c:v", "libx264", "-preset", "fast", "-b:v", "950k", "-maxrate", "1900k", "-bufsize", "1900k",
		"-g", "60", "-c:a", "aac", "-b:a", "48k", path)
}

// shift is a recording of any length, from a minute to a shift: the frugal street, repeated in steps, since a list of thousands of files takes long.
func (f films) shift(ctx context.Context, d time.Duration) (string, error) {
	file, err := f.frugal(ctx)
	for _, step := range []time.Duration{time.Minute, time.Hour, d} {
		if err != nil {
			return "", err
		}
		step = min(step, d)
		file, err = f.long(ctx, "shift-"+step.String()+".mp4", file, step.Seconds())
	}
	return file, err
}

// lengths are those at which something must not grow.
func (o options) lengths() []time.Duration {
	list := []time.Duration{time.Minute}
	for _, d := range []time.Duration{time.Hour, o.longest} {
		if last := list[len(list)-1]; d > last && d <= o.longest {
			list = append(list, d)
		}
	}
	return list
}

// words writes a length for people.
func words(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%g h", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%g min", d.Minutes())
	}
	return fmt.Sprintf("%g s", d.Seconds())
}

// megabytes writes a size for people.
func megabytes(n int64) string {
	switch mb := float64(n) / 1e6; {
	case mb >= 10000:
		return fmt.Sprintf("%.1f GB", mb/1000)
	case mb >= 100:
		return fmt.Sprintf("%.0f MB", mb)
	case mb >= 1:
		return fmt.Sprintf("%.1f MB", mb)
	}
	return fmt.Sprintf("%.2f MB", float64(n)/1e6)
}

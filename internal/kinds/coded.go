package kinds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// coded are the ways in which pictures depend on each other.
func coded() []Kind {
	from := []string{"-i", karma, "-map", "0:v", "-map", "0:a", "-c:a", "copy"}
	return []Kind{
		{Name: "hevc", Words: "HEVC in MP4 (hvc1), closed GOPs: newer cameras and phones", Make: by("a.mp4", join(from, small(), hevc("open-gop=0:keyint=60:bframes=3"))...)},
		{Name: "hevc-open-gop", Words: "HEVC whose later keyframes are CRA pictures with RASL pictures behind them", Make: by("a.mp4",
			join(from, small(), hevc("open-gop=1:keyint=60:min-keyint=60:scenecut=0:bframes=3"))...)},
		{Name: "hevc-10bit", Words: "HEVC Main 10, as phones record HDR", Make: by("a.mp4",
			join(from, []string{"-vf", shrink + ",format=yuv420p10le"}, hevc("keyint=60"))...)},
		{Name: "h264-open-gop", Words: "H.264 whose B-frames refer across keyframes", Make: by("a.mp4",
			join(from, small(), avc("open-gop=1:bframes=3:b-adapt=0:keyint=60:min-keyint=60:scenecut=0"))...)},
		{Name: "h264-pyramid", Words: "H.264, closed GOPs, B-frames that B-frames refer to", Make: by("a.mp4",
			join(from, small(), avc("open-gop=0:bframes=7:b-adapt=0:b-pyramid=normal:ref=4:keyint=90:scenecut=0"))...)},
		{Name: "h264-intra", Words: "keyframes only", Make: by("a.mp4", join(from, small(), avc("keyint=1"))...)},
		{Name: "h264-one-keyframe", Words: "one keyframe, at the beginning", Make: by("a.mp4", join(from, small(), avc("keyint=infinite:scenecut=0:bframes=2"))...)},
		{Name: "h264-long-gop", Words: "a keyframe every 20 seconds", Make: by("a.mp4",
			join([]string{"-t", "30", "-i", person}, small(), avc("keyint=200:min-keyint=200:scenecut=0"))...)},
		{Name: "h264-interlaced", Words: "25 frames a second of two fields each, PAL: analogue CCTV", Make: by("a.mp4",
			join([]string{"-i", road, "-c:a", "copy", "-vf", "scale=720:576:flags=fast_bilinear,setsar=16/15,setfield=tff"}, avc("tff=1:keyint=50"))...)},
		{Name: "h264-hidden-recovery", Words: "periodic intra refresh: recovery points, and no keyframe but the first", Make: by("a.mp4",
			join(from, small(), avc("intra-refresh=1:keyint=60"))...)},
		{Name: "size-changes-ts", Words: "the picture's size changes midway, in a transport stream", Make: resized},
		{Name: "size-changes-mp4", Words: "the picture's size changes midway: two sample entries in one MP4", Make: spliced},
	}
}

// halves makes the same recording twice, the second smaller and later.
func halves(ctx context.Context, dir, ext string) (first, second string, err error) {
	first, second = filepath.Join(dir, "first"+ext), filepath.Join(dir, "second"+ext)
	args := join([]string{"-t", "6", "-i", road, "-c:a", "copy"}, small(), avc("keyint=50:scenecut=0"), []string{"-video_track_timescale", "90000"})
	if err := encode(ctx, first, args...); err != nil {
		return "", "", err
	}
	args = join([]string{"-t", "8", "-i", road, "-c:a", "copy", "-vf", "scale=320:240:flags=fast_bilinear,setsar=1,format=yuv420p"}, avc("keyint=50:scenecut=0"),
		[]string{"-video_track_timescale", "90000", "-output_ts_offset", "6"})
	return first, second, encode(ctx, second, args...)
}

// resized puts two transport streams one after the other, as a recorder does whose camera changes over.
func resized(ctx context.Context, dir string) (string, error) {
	first, second, err := halves(ctx, dir, ".ts")
	if err != nil {
		return "", err
	}
	a, err := os.ReadFile(first)
	if err != nil {
		return "", fmt.Errorf("joining: %w", err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		return "", fmt.Errorf("joining: %w", err)
	}
	path := filepath.Join(dir, "a.ts")
	return path, os.WriteFile(path, append(a, b...), 0o600)
}

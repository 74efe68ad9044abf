package kinds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The real clips that everything is derived from.
const (
	car    = "intel_car-detection_30s.mp4"      // 768x432, 12.5 fps, a keyframe every 4.8 s, AAC
	person = "intel_one-by-one-person_139s.mp4" // 768x432, 10 fps, a keyframe every second, B-frames, silent
	karma  = "gopro_hero5_karma_12s.mp4"        // 854x480, 29.97 fps, a keyframe every 0.27 s, AAC, three tracks of telemetry
	street = "samplelib_street_1080p30_5s.mp4"  // 1080p30, one keyframe, B-frames, AAC at 44.1 kHz
	road   = "udacity_solidWhiteRight_9s.mp4"   // 960x540, 25 fps, a keyframe every 1.2 s, AAC
	gopro  = "gopro_max_heromode_10s_gps5.mp4"  // 848x480, 29.97 fps, a keyframe every 0.33 s, AAC, telemetry
)

var errNoClips = errors.New("no testdata with clips beside a go.mod here or above")

// clip finds a file of testdata at the module's root: tests run in their package's folder.
func clip(name string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", name, err)
	}
	for {
		file := filepath.Join(dir, "testdata", filepath.FromSlash(name))
		_, module := os.Stat(filepath.Join(dir, "go.mod"))
		if _, err := os.Stat(file); err == nil && module == nil {
			return file, nil
		}
		above := filepath.Dir(dir)
		if above == dir {
			return "", fmt.Errorf("finding %s: %w", name, errNoClips)
		}
		dir = above
	}
}

// run is one run of ffmpeg or ffprobe: what it wrote, or an error with the end of what it complained about. It ends with ctx.
func run(ctx context.Context, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		words := strings.TrimSpace(complaints.String())
		return nil, fmt.Errorf("running %s: %w: %s", tool, err, words[max(0, len(words)-600):])
	}
	return out.Bytes(), nil
}

// encode runs ffmpeg with args and makes file. What follows an -i is a clip's name, or a file's own path.
func encode(ctx context.Context, file string, args ...string) error {
	all := []string{"-nostdin", "-v", "error", "-y"}
	for i, arg := range args {
		if i > 0 && args[i-1] == "-i" && !strings.ContainsAny(arg, "/=") {
			path, err := clip(arg)
			if err != nil {
				return err
			}
			arg = path
		}
		all = append(all, arg)
	}
	if _, err := run(ctx, "ffmpeg", append(all, file)...); err != nil {
		return fmt.Errorf("making %s: %w", filepath.Base(file), err)
	}
	return nil
}

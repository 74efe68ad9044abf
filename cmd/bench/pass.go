package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

// pass is one ffmpeg over a whole recording on disk with the settings of a proxy: what the chunks are measured against. It makes what they make: the
// pictures, the stills and the poster.
type pass struct {
	profile string  // as the proxy's record tells it
	file    string  // in
	out     string  // pictures; the stills lie beside them
	seconds float64 // of the recording
	rate    float64 // pictures a second: the stills are chosen by number, as in a chunk
	sound   bool    // copy it as well
}

func (p pass) args() []string {
	filter, reading, writing := settled(p.profile)
	args := append([]string{"-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-filter_complex_threads", "1"}, reading...)
	args = append(args, "-threads", "1", "-f", "mov", "-i", p.file, "-filter_complex", p.graph(filter), "-map", "[pictures]")
	if p.sound {
		args = append(args, "-map", "0:a?", "-c:a", "copy")
	}
	args = append(append(args, writing...), "-map_metadata", "-1", "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov+default_base_moof", p.out)
	for _, still := range []struct{ name, quality string }{{"strip", "6"}, {"poster", "4"}} {
		args = append(args, "-map", "["+still.name+"]", "-f", "image2pipe", "-frames:v", "1", "-c:v", "mjpeg", "-q:v", still.quality, "-fps_mode:v", "passthrough",
			"-threads", "1", p.out+"."+still.name+".jpg")
	}
	return args
}

// settled reads the parameters that a record has: the filter, the decoder's options, and the encoder's, with what is the same for all profiles.
func settled(profile string) (filter string, reading, writing []string) {
	words := strings.Fields(profile)
	writing = []string{"-fps_mode:v", "passthrough"}
	for len(words) >= 2 {
		name, value := words[0], words[1]
		words = words[2:]
		switch name {
		case "-vf":
			filter = value
		case "-skip_loop_filter":
			reading = append(reading, name, value)
		case "-force_key_frames":
			writing = append(writing, name, "expr:gte(t,n_forced*"+value+")")
		default:
			writing = append(writing, name, value)
		}
	}
	return filter, reading, writing
}

// graph is the filters of a first chunk that has the whole recording.
func (p pass) graph(scale string) string {
	var stills []string
	for _, at := range evidence.Stills(0, p.seconds) {
		stills = append(stills, fmt.Sprintf(`eq(n\,%d)`, int(at*p.rate)))
	}
	return "[0:V:0]" + scale + ",format=yuv420p,split=3[pictures][s][p];" +
		fmt.Sprintf("[s]select=%s,scale=%d:-2,tile=%dx1,format=yuvj420p[strip];", strings.Join(stills, "+"), evidence.StillWidth, len(stills)) +
		fmt.Sprintf(`[p]select=eq(n\,%d),scale,format=yuvj420p[poster]`, int(min(p.rate, p.rate*p.seconds-1)))
}

// decode is the floor: the pictures are decoded, and nothing is done with them.
func decode(file string) []string {
	return []string{"-nostdin", "-hide_banner", "-nostats", "-v", "error", "-threads", "1", "-f", "mov", "-i", file, "-map", "0:V:0", "-f", "null", os.DevNull}
}

// alone runs ffmpeg, as politely as the chunks' children are, and returns its CPU.
func alone(ctx context.Context, args []string) (time.Duration, error) {
	command := exec.CommandContext(ctx, "nice", append([]string{"-n", "10", "ffmpeg"}, args...)...)
	if out, err := command.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("ffmpeg %s: %w: %.500s", strings.Join(args, " "), err, out)
	}
	return command.ProcessState.UserTime() + command.ProcessState.SystemTime(), nil
}

// spent is CPU of this process and of its children that are gone.
type spent struct{ self, children time.Duration }

func (s spent) all() time.Duration { return s.self + s.children }

// costs is what a piece of work spends here.
func costs(work func() error) (spent, error) {
	before, err := journey.ReadProcess(os.Getpid())
	if err != nil {
		return spent{}, err
	}
	if err := work(); err != nil {
		return spent{}, err
	}
	after, err := journey.ReadProcess(os.Getpid())
	return spent{self: after.Self - before.Self, children: after.Children - before.Children}, err
}

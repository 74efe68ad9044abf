package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/journey"
)

// bench is one running system and what has been put into it so far.
type bench struct {
	*journey.Machine
	dir     string
	source  string
	uploads int
	pass    pass // the source in one pass, as its record tells the settings
}

// copyOf gives a file a name of its own, since a name is an upload.
func (b *bench) copyOf(file, name string) (string, error) {
	to := filepath.Join(b.dir, name)
	return to, os.Link(file, to)
}

// here puts the source where links can be made.
func (b *bench) here() error {
	to := filepath.Join(b.dir, "source.mp4")
	if b.source == to {
		return nil
	}
	content, err := os.ReadFile(b.source)
	if err != nil {
		return err
	}
	b.source = to
	return os.WriteFile(to, content, 0o600)
}

// journeys times single recordings on an idle system: from the end of the upload to the record, the disposal, the first playable second, the whole proxy.
func (b *bench) journeys(ctx context.Context, rounds int) error {
	if err := b.here(); err != nil {
		return err
	}
	var all [4][]time.Duration
	for n := range rounds {
		file, err := b.copyOf(b.source, fmt.Sprintf("single-%02d.mp4", n))
		if err != nil {
			return err
		}
		docked, err := b.Dock(ctx, file)
		if err != nil {
			return err
		}
		b.uploads++
		one, err := b.journey(ctx, docked[0].Blob, time.Now())
		if err != nil {
			return err
		}
		for i := range all {
			all[i] = append(all[i], one[i])
		}
		if _, err := b.Client.Processed(ctx, b.uploads); err != nil { // the next one finds an idle system
			return err
		}
	}
	for i, what := range []string{"the record (median of %d, worst)", "the scheduled disposal (of %d)", "the first playable second, 5.8 s of 1080p30 (of %d)", "the whole proxy (of %d)"} {
		row("end of upload to "+what, "%s, %s", rounds, median(all[i]), slices.Max(all[i]).Round(time.Millisecond))
	}
	return nil
}

// journey waits for a recording and says how long after end there was its record, its disposal, something to watch, all of it.
func (b *bench) journey(ctx context.Context, path string, end time.Time) (at [4]time.Duration, err error) {
	for at[1] == 0 || at[3] == 0 {
		r, ok, err := find(ctx, b.Client, path)
		if err != nil {
			return at, err
		}
		if ok && r.Proxy.State == evidence.ProxyFailed {
			return at, fmt.Errorf("no proxy: %+v", r.Attention)
		}
		if ok && at[2] == 0 {
			playable, err := beginning(ctx, b.Client, r.ID)
			if err != nil {
				return at, err
			}
			at[2] = earliest(at[2], time.Since(end), playable)
		}
		since := time.Since(end)
		at[0] = earliest(at[0], since, ok)
		at[1] = earliest(at[1], since, ok && r.Retention.State == evidence.Scheduled)
		at[3] = earliest(at[3], since, ok && r.Proxy.State == evidence.ProxyReady && at[2] > 0)
		if at[3] > 0 {
			b.pass = pass{profile: r.Proxy.Profile, seconds: r.Proxy.Seconds, rate: float64(r.Proxy.Frames) / r.Proxy.Seconds, sound: true}
		}
		if err := journey.Until(ctx, time.Now().Add(5*time.Millisecond)); err != nil {
			return at, err
		}
	}
	return at, nil
}

func earliest(seen, now time.Duration, happened bool) time.Duration {
	if seen == 0 && happened {
		return now
	}
	return seen
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Millisecond)
}

// find is the record of an upload, and whether there is one yet.
func find(ctx context.Context, c journey.Client, path string) (evidence.Record, bool, error) {
	all, err := c.All(ctx)
	i := slices.IndexFunc(all, func(r evidence.Record) bool { return r.Original.Path == path })
	if err != nil || i < 0 {
		return evidence.Record{}, false, err
	}
	return all[i], true, nil
}

// usage is the CPU that the system has used, by who used it.
type usage struct{ handler, tools, standins, azurite time.Duration }

func (b *bench) usage() (usage, error) {
	handler, err := journey.ReadProcess(b.Child("dist/handler"))
	if err != nil {
		return usage{}, err
	}
	local, err := journey.ReadProcess(b.PID())
	if err != nil {
		return usage{}, err
	}
	node, err := journey.ReadProcess(b.Child("/node"))
	return usage{handler: handler.Self, tools: handler.Children, standins: local.Self, azurite: node.Self}, err
}

// throughput docks many recordings at once and compares the CPU of it all with that of the bare commands over the same files, which run
// half before and half after, so that a machine which slows down slows both.
func (b *bench) throughput(ctx context.Context, clips int) error {
	var files []string
	for n := range clips {
		file, err := b.copyOf(b.source, fmt.Sprintf("many-%02d.mp4", n))
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	bare, err := b.bare(ctx, files[:clips/2])
	if err != nil {
		return err
	}
	before, err := b.usage()
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := b.Dock(ctx, files...); err != nil {
		return err
	}
	b.uploads += clips
	if _, err := b.Client.Processed(ctx, b.uploads); err != nil {
		return err
	}
	wall := time.Since(start)
	after, err := b.usage()
	if err != nil {
		return err
	}
	rest, err := b.bare(ctx, files[clips/2:])
	if err != nil {
		return err
	}
	bare += rest
	tools, handler := after.tools-before.tools, after.handler-before.handler
	standins, azurite := after.standins-before.standins, after.azurite-before.azurite
	ratio := func(d time.Duration) float64 { return d.Seconds() / bare.Seconds() }
	row("recordings a minute, 5.8 s of 1080p30 each, docking included (%d at once)", "%.0f", clips, float64(clips)/wall.Minutes())
	row("CPU of bare ffprobe + ffmpeg over the same files, a recording", "%.2f s (1.00)", bare.Seconds()/float64(clips))
	row("CPU of the function app: ffprobe and ffmpeg as it runs them", "%.2f s (%.2f)", tools.Seconds()/float64(clips), ratio(tools))
	row("CPU of the function app: the handler itself", "%.2f s (%.2f)", handler.Seconds()/float64(clips), ratio(handler))
	row("**CPU of the function app, all of it**", "**%.2f s (%.2f)**", (tools+handler).Seconds()/float64(clips), ratio(tools+handler))
	row("CPU of what stands for Azure: our stand-ins; Azurite", "%.2f s (%.2f); %.2f s (%.2f)", standins.Seconds()/float64(clips), ratio(standins), azurite.Seconds()/float64(clips), ratio(azurite))
	return nil
}

// bare runs the bare commands, and returns their CPU.
func (b *bench) bare(ctx context.Context, files []string) (time.Duration, error) {
	var total time.Duration
	for i, file := range files {
		dir := filepath.Join(b.dir, fmt.Sprintf("bare-%d", i))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return 0, err
		}
		one := b.pass
		one.file, one.out = file, filepath.Join(dir, "proxy.mp4")
		probe := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", file)
		if out, err := probe.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %w: %.500s", probe, err, out)
		}
		spent, err := alone(ctx, one.args())
		if err != nil {
			return 0, err
		}
		total += spent + probe.ProcessState.UserTime() + probe.ProcessState.SystemTime()
		if err := os.RemoveAll(dir); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// memory takes a large original through and compares the handler's peak with what it was before.
func (b *bench) memory(ctx context.Context, gigabytes float64) error {
	before, err := journey.ReadProcess(b.Child("dist/handler"))
	if err != nil {
		return err
	}
	large, err := b.large(ctx, int64(gigabytes*(1<<30)))
	if err != nil {
		return err
	}
	info, err := os.Stat(large)
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := b.Dock(ctx, large); err != nil {
		return err
	}
	b.uploads++
	records, err := b.Client.Processed(ctx, b.uploads)
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Original.Size == info.Size() && (r.Proxy.State != evidence.ProxyReady || r.Digest.Matches == nil || !*r.Digest.Matches) {
			return fmt.Errorf("the large original: %+v %+v %+v", r.Proxy, r.Digest, r.Attention)
		}
	}
	after, err := journey.ReadProcess(b.Child("dist/handler"))
	if err != nil {
		return err
	}
	row("peak memory of the handler after %d recordings of 2.8 MB", "%d MiB", b.uploads-1, before.Peak>>20)
	row("peak memory of the handler after one of %.2f GiB, processed in %s", "%d MiB", float64(info.Size())/(1<<30), time.Since(start).Round(time.Second), after.Peak>>20)
	return nil
}

// large makes a recording of at least size bytes from the real clip: coded without loss, then repeated by stream copy.
func (b *bench) large(ctx context.Context, size int64) (string, error) {
	once, list, large := filepath.Join(b.dir, "lossless.mp4"), filepath.Join(b.dir, "list.txt"), filepath.Join(b.dir, "large.mp4")
	ffmpeg := func(args ...string) error {
		out, err := exec.CommandContext(ctx, "ffmpeg", append([]string{"-nostdin", "-v", "error", "-y"}, args...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("making a large recording: %w: %s", err, out)
		}
		return nil
	}
	if err := ffmpeg("-i", b.source, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "0", "-c:a", "copy", once); err != nil {
		return "", err
	}
	info, err := os.Stat(once)
	if err != nil {
		return "", err
	}
	f, err := os.Create(list)
	if err != nil {
		return "", err
	}
	for n := int64(0); n*info.Size() < size; n++ {
		fmt.Fprintf(f, "file '%s'\n", once)
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return large, ffmpeg("-f", "concat", "-safe", "0", "-i", list, "-c", "copy", large)
}

// processor names the CPU, as far as the kernel tells.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "processor unknown"
	}
	defer f.Close()
	content, _ := io.ReadAll(f)
	for line := range strings.Lines(string(content)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "processor unknown"
}

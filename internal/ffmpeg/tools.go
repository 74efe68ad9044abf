package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says which executables run, and how many at once.
type Config struct {
	FFmpeg  string        // executable; "ffmpeg" from PATH when empty
	FFprobe string        // executable; "ffprobe" from PATH when empty
	Timeout time.Duration // of one child; no limit of ours when 0
	Jobs    int           // children at once; the number of processors when 0
	Limits  Limits        // of one child
	Profile string        // of the proxies; DefaultProfile when empty
	Logger  *slog.Logger
}

// Tools runs the children. It is safe for concurrent use.
type Tools struct {
	cfg      Config
	log      *slog.Logger
	ffmpeg   tool
	ffprobe  tool
	loopback *loopback
	profile  profile
	*runner

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
}

// tool is one executable: "ffprobe 5.1.9" at a path.
type tool struct{ path, version string }

var errClosed = errors.New("the media tools are closed")

// Open finds the tools and reads their versions, once.
func Open(ctx context.Context, cfg Config) (*Tools, error) {
	t := &Tools{cfg: cfg, log: cfg.Logger}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	t.ctx, t.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	var err error
	if t.profile, err = profileOf(cfg.Profile); err != nil {
		return nil, err
	}
	cfg.Limits.Time = cmp.Or(cfg.Limits.Time, cfg.Timeout)
	if t.runner, err = newRunner(ctx, t.log, cfg.Jobs, cfg.Limits); err != nil {
		return nil, err
	}
	if t.ffmpeg, err = t.find(ctx, "ffmpeg", cfg.FFmpeg); err != nil {
		return nil, err
	}
	if t.ffprobe, err = t.find(ctx, "ffprobe", cfg.FFprobe); err != nil {
		return nil, err
	}
	if t.loopback, err = listen(t.log); err != nil {
		return nil, fmt.Errorf("listening on the loopback address: %w", err)
	}
	return t, nil
}

// Close ends the calls still running, and waits for them.
func (t *Tools) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	t.mu.Unlock()
	t.cancel(errClosed)
	t.calls.Wait()
	return t.loopback.close()
}

// enter counts a call in; the context ends with the call's own or with Close.
func (t *Tools) enter(ctx context.Context) (context.Context, func(), error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, nil, errClosed
	}
	t.calls.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(t.ctx, func() { cancel(errClosed) })
	return ctx, func() { stop(); cancel(nil); t.calls.Done() }, nil
}

// find looks an executable up and asks it for its version. fps_mode and the rest of our arguments need version 5.1 at least.
func (t *Tools) find(ctx context.Context, name, path string) (tool, error) {
	if path == "" {
		path = name
	}
	full, err := exec.LookPath(path)
	if err != nil {
		return tool{}, fmt.Errorf("finding %s (Debian and Ubuntu: apt-get install ffmpeg; or set its path): %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var said bytes.Buffer
	_, err = t.run(ctx, job{path: full, args: []string{"-hide_banner", "-version"}, stdout: sink{&said, 64 << 10}, urgent: true})
	if err != nil {
		return tool{}, fmt.Errorf("asking %s for its version: %w", full, err)
	}
	version, number := readVersion(said.String())
	switch {
	case version == "":
		return tool{}, fmt.Errorf("asking %s for its version: it does not call itself %s", full, name)
	case number > 0 && number < 5.1:
		return tool{}, fmt.Errorf("%s is version %s: 5.1 or later is needed", full, version)
	case name == "ffmpeg" && !strings.Contains(said.String(), "--enable-libx264"):
		return tool{}, fmt.Errorf("%s was built without libx264, which makes the proxies", full)
	}
	return tool{path: full, version: name + " " + version}, nil
}

// readVersion takes "5.1.9" and 5.1 from "ffmpeg version 5.1.9-0+deb12u1 Copyright ..."; builds from git have no number.
func readVersion(out string) (string, float64) {
	words := strings.Fields(out)
	if len(words) < 3 || words[1] != "version" {
		return "", 0
	}
	version := words[2]
	end := strings.IndexFunc(version, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end == 0 {
		return version, 0
	}
	if end > 0 {
		version = strings.TrimRight(version[:end], ".")
	}
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	number, err := strconv.ParseFloat(major+"."+minor, 64)
	if err != nil {
		return version, 0
	}
	return version, number
}

package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"bwv/internal/evidence"
)

// Config says which executables run, and how many at once.
type Config struct {
	FFmpeg  string        // executable; "ffmpeg" from PATH when empty
	FFprobe string        // executable; "ffprobe" from PATH when empty
	Threads int           // of one child; 0 leaves it to ffmpeg
	Timeout time.Duration // of one child; no limit of ours when 0
	Jobs    int           // children at once; the number of processors when 0
	Logger  *slog.Logger
}

// Tools runs the children. It is safe for concurrent use.
type Tools struct {
	cfg      Config
	log      *slog.Logger
	ffmpeg   tool
	ffprobe  tool
	loopback *loopback
	temp     *scratch
	slots    chan struct{}

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup
	ctx    context.Context // ends with Close
	cancel context.CancelCauseFunc
}

// tool is one executable: "ffprobe 5.1.9" at a path.
type tool struct{ path, version string }

// Put stores one rendition; it must have read body to its end when it returns nil.
type Put = func(ctx context.Context, r evidence.Rendition, body io.Reader) error

var errClosed = errors.New("the media tools are closed")

// Open finds the tools and reads their versions, once. It removes what killed processes of this kind left in the temporary directory.
func Open(ctx context.Context, cfg Config) (*Tools, error) {
	t := &Tools{cfg: cfg, log: cfg.Logger}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Jobs <= 0 {
		t.cfg.Jobs = runtime.NumCPU()
	}
	t.slots = make(chan struct{}, t.cfg.Jobs)
	t.ctx, t.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	var err error
	if t.ffmpeg, err = t.find(ctx, "ffmpeg", cfg.FFmpeg); err != nil {
		return nil, err
	}
	if t.ffprobe, err = t.find(ctx, "ffprobe", cfg.FFprobe); err != nil {
		return nil, err
	}
	if t.temp, err = openScratch(); err != nil {
		return nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	if t.loopback, err = listen(t.log); err != nil {
		return nil, errors.Join(fmt.Errorf("listening on the loopback address: %w", err), t.temp.close())
	}
	return t, nil
}

// Close ends the calls still running, waits for them, and removes the temporary directory.
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
	return errors.Join(t.loopback.close(), t.temp.close())
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
	out, err := t.run(ctx, full, os.TempDir(), []string{"-hide_banner", "-version"}, 64<<10)
	if err != nil {
		return tool{}, fmt.Errorf("asking %s for its version: %w", full, err)
	}
	version, number := readVersion(string(out.stdout))
	switch {
	case version == "":
		return tool{}, fmt.Errorf("asking %s for its version: it does not call itself %s", full, name)
	case number > 0 && number < 5.1:
		return tool{}, fmt.Errorf("%s is version %s: 5.1 or later is needed", full, version)
	case name == "ffmpeg" && !strings.Contains(string(out.stdout), "--enable-libx264"):
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

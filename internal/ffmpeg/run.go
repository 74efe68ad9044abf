package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// output is what a child said.
type output struct {
	stdout []byte
	stderr string // bounded: its beginning and its end
	lines  int    // of stderr
	cpu    time.Duration
}

// exit is a child that ended by itself, and badly.
type exit struct {
	code    int
	crashed bool
	stderr  string
}

func (e *exit) Error() string {
	words := fmt.Sprintf("exit code %d", e.code)
	if e.crashed {
		words = "it crashed"
	}
	if e.stderr != "" {
		words += ": " + e.stderr
	}
	return words
}

// errFlood is a child that says more than anything honest does.
var errFlood = errors.New("it says more than is reasonable")

// run starts one child and waits for it: at most Config.Jobs at once, its whole process group killed when ctx ends.
// The error is *exit when the child ended by itself; stdout beyond limit is errFlood.
func (t *Tools) run(ctx context.Context, path, dir string, args []string, limit int) (output, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return output{}, context.Cause(ctx)
	}
	if t.cfg.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.cfg.Timeout, fmt.Errorf("%w after %s", context.DeadlineExceeded, t.cfg.Timeout))
		defer cancel()
	}
	// The kernel ends a child when the *thread* that started it ends: keep that thread until the child is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	stdout := &bounded{limit: limit}
	stderr := &tail{}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = 5 * time.Second
	confine(cmd)
	err := cmd.Run()
	out := output{stdout: stdout.kept, stderr: stderr.String(), lines: stderr.lines}
	if cmd.ProcessState != nil {
		out.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err == nil {
		return out, nil
	}
	if stdout.flood {
		return out, errFlood
	}
	if ctx.Err() != nil {
		return out, context.Cause(ctx)
	}
	var bad *exec.ExitError
	if errors.As(err, &bad) && (bad.Exited() || crashed(bad.ProcessState)) {
		return out, &exit{code: bad.ExitCode(), crashed: !bad.Exited(), stderr: last(out.stderr)}
	}
	return out, err // killed from outside, or never started
}

// environment leaves out what changes ffmpeg's ways: http_proxy would send the loopback address to a proxy, FFREPORT would write files.
func environment() []string {
	env := []string{"LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "SystemRoot"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// last is the last line that says something.
func last(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// bounded collects up to limit bytes and then refuses, which ends the child. It does not embed the buffer: that one's ReadFrom has no limit.
type bounded struct {
	kept  []byte
	limit int
	flood bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if len(b.kept)+len(p) > b.limit {
		b.flood = true
		return 0, errFlood
	}
	b.kept = append(b.kept, p...)
	return len(p), nil
}

const (
	headBytes = 1 << 10
	tailBytes = 8 << 10
)

// tail keeps the first and the last of what is written.
type tail struct {
	head  []byte
	rest  []byte
	lines int
	cut   bool
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.lines += bytes.Count(p, []byte("\n"))
	if room := headBytes - len(t.head); room > 0 {
		take := min(room, len(p))
		t.head = append(t.head, p[:take]...)
		p = p[take:]
	}
	if len(p) > tailBytes {
		p, t.cut = p[len(p)-tailBytes:], true
	}
	if over := len(t.rest) + len(p) - tailBytes; over > 0 {
		t.rest, t.cut = append(t.rest[:0], t.rest[over:]...), true
	}
	t.rest = append(t.rest, p...)
	return n, nil
}

func (t *tail) String() string {
	if t.cut {
		return string(t.head) + "\n[...]\n" + string(t.rest)
	}
	return string(t.head) + string(t.rest)
}

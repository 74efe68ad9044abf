package ffmpeg

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Limits bound one child. What is zero takes the default.
type Limits struct {
	Memory int64         // bytes of address space, libraries included; default 2 GiB: a 4K HEVC film takes 0.6 GiB with one thread, 2.1 GiB with 16
	CPU    time.Duration // of user and system together, rounded up to seconds; default 15 minutes
	Time   time.Duration // from its start to its end; default 1 hour: ffmpeg without memory may wait for ever
	Files  int           // descriptors open at once; default 64
}

func (l Limits) or(d Limits) Limits {
	return Limits{cmp.Or(l.Memory, d.Memory), cmp.Or(l.CPU, d.CPU), cmp.Or(l.Time, d.Time), cmp.Or(l.Files, d.Files)}
}

// setter is the executable that sets a child's limits and then becomes the child.
const setter = "prlimit"

// grace is the CPU time between the signal that asks a child to end and the one that makes it: ffmpeg catches the first to close its outputs.
const grace = 2 * time.Second

// job is one child's work. It may write to its pipes only: not one file, of whatever name.
type job struct {
	path   string    // of the executable
	args   []string  //
	stdin  io.Reader // empty when nil; its error ends the child. An io.Closer is closed once the child is gone, and that must end a Read under way
	stdout sink      // descriptor 1, to ffmpeg "pipe:1"
	extra  []sink    // descriptors 3, 4, ...: "pipe:3", "pipe:4", ...
	limits Limits    // what is zero is as for all children
	urgent bool      // somebody is waiting: it need not queue behind the many, and they leave it the processor
}

// output is what is known of a child that ran.
type output struct {
	stderr string        // its beginning and its end
	lines  int           // of stderr
	cpu    time.Duration // of user and system
	memory int64         // bytes resident at most, 0 where unknown; the kernel counts from before the child's exec: it is never less than this process's own peak
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

// over is a child that wanted more than one of its limits: the recording's doing, unless the limit is of no honest size.
type over struct {
	what  string // memory, CPU, output, time
	limit string // with its unit
	cause error
}

func (e *over) Error() string { return "more than " + e.limit + " of " + e.what }
func (e *over) Unwrap() error { return e.cause }

// errFlood is a child that says more than anything honest does.
var errFlood = errors.New("it says more than is reasonable")

// runner starts the children of this process.
type runner struct {
	limits Limits
	leash  leash
	many   chan struct{} // children at once
	first  chan struct{} // and one more, for what is urgent
}

// newRunner finds out how children can be limited here and logs it.
func newRunner(ctx context.Context, log *slog.Logger, jobs int, limits Limits) (*runner, error) {
	l, err := openLeash(ctx)
	if err != nil {
		return nil, err
	}
	if jobs <= 0 {
		jobs = runtime.NumCPU()
	}
	r := &runner{leash: l, many: make(chan struct{}, jobs), first: make(chan struct{}, 1)}
	r.limits = limits.or(Limits{Memory: 2 << 30, CPU: 15 * time.Minute, Time: time.Hour, Files: 64})
	log.InfoContext(ctx, "children are limited", "by", l.String(), "jobs", jobs, "memory", r.limits.Memory, "cpu", r.limits.CPU, "time", r.limits.Time)
	return r, nil
}

// run starts one child and waits until it is gone and all it wrote has reached the writers. A writer gets no call after run has returned, and it
// must not block for longer than ctx: the child waits for it, and so does run.
//
// The error is
//   - context.Cause, when ctx ended, while waiting for a slot or later;
//   - what stdin or a writer returned, as it is: the child is killed at once;
//   - *over, when a limit was hit; an output that is too long is errFlood as well, and too long a time context.DeadlineExceeded;
//   - *exit, when the child ended by itself;
//   - anything else, when it was killed from outside or never started: the recording is not to blame.
//
// What reached a writer before an error is a part, and may look whole.
func (r *runner) run(ctx context.Context, j job) (output, error) {
	p := &pipes{gone: make(chan struct{})}
	defer p.closeAll()
	if c, ok := j.stdin.(io.Closer); ok {
		p.source = c
	}
	leave, err := r.enter(ctx, j.urgent)
	if err != nil {
		return output{}, err
	}
	defer leave()
	limits := j.limits.or(r.limits)
	ctx, p.end = context.WithCancelCause(ctx)
	defer p.end(nil)
	if limits.Time > 0 {
		late := &over{"time", limits.Time.String(), context.DeadlineExceeded}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limits.Time, late)
		defer cancel()
	}
	// The kernel ends a child when the *thread* that started it ends: keep that thread until the child is gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd, release, err := r.leash.command(ctx, j.path, j.args, limits)
	if err != nil {
		return output{}, err
	}
	cmd.Dir, cmd.Env, cmd.WaitDelay = "/", environment(), linger
	stderr := &tail{}
	if err = p.connect(cmd, j, stderr); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		release()
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return output{}, err
	}
	if !j.urgent {
		yield(cmd.Process.Pid)
	}
	p.copy()
	err = cmd.Wait()
	starved := release()
	p.finish()
	e := end{output: output{stderr: stderr.String(), lines: stderr.lines}, err: err, starved: starved}
	e.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	e.memory = peak(cmd.ProcessState)
	if p.failed.Load() || err != nil && ctx.Err() != nil {
		return e.output, context.Cause(ctx)
	}
	return e.output, e.verdict(limits)
}

// enter waits for a slot; the caller gives it back.
func (r *runner) enter(ctx context.Context, urgent bool) (func(), error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	var first chan struct{} // nil: never ready
	if urgent {
		first = r.first
		select {
		case first <- struct{}{}: // rather than one that the many could have
			return func() { <-first }, nil
		default:
		}
	}
	select {
	case first <- struct{}{}:
		return func() { <-first }, nil
	case r.many <- struct{}{}:
		return func() { <-r.many }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// end is how a child ended that nobody here killed.
type end struct {
	output
	err     error // of Wait
	starved bool  // the kernel killed it for the memory of its own group
}

func (e end) verdict(limits Limits) error {
	var bad *exec.ExitError
	if !errors.As(e.err, &bad) {
		return e.err
	}
	// The kernel compares ticks with the limit, and tells afterwards what it measured: these differ by a quarter of the first second, and by less later.
	spent := func(limit time.Duration) bool { return e.cpu >= limit-limit/10-time.Second/2 }
	fell := bad.Exited() || crashed(bad.ProcessState)
	switch {
	case e.starved, fell && e.outOfMemory():
		return &over{"memory", size(limits.Memory), nil}
	case exhausted(bad.ProcessState), bad.Exited() && spent(limits.CPU), !fell && spent(limits.CPU+grace):
		return &over{"CPU", limits.CPU.String(), nil}
	case strings.HasPrefix(e.stderr, setter+": "):
		return fmt.Errorf("starting a child: %s", last(e.stderr)) // it never became what it was to be
	case fell:
		return &exit{code: bad.ExitCode(), crashed: !bad.Exited(), stderr: last(e.stderr)}
	}
	return e.err
}

// outOfMemory takes the child's word for it. A recording that makes it say so gains nothing: it is to blame either way.
func (e end) outOfMemory() bool {
	return strings.Contains(e.stderr, "Cannot allocate memory") || strings.Contains(e.stderr, "malloc of size")
}

// size writes bytes for people.
func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// environment leaves out what changes ffmpeg's ways: http_proxy would send the loopback address to a proxy, FFREPORT would write files.
func environment() []string {
	// With one arena of its own for each thread, the C library reserves twice the address space for the same memory.
	env := []string{"LC_ALL=C", "AV_LOG_FORCE_NOCOLOR=1", "MALLOC_ARENA_MAX=1"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "SystemRoot"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newChildren gives a runner, and looks in the end that no child and no descriptor is left.
func newChildren(t *testing.T, jobs int, limits Limits) *runner {
	t.Helper()
	r, err := newRunner(t.Context(), slog.New(slog.DiscardHandler), jobs, limits)
	if err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	t.Cleanup(func() {
		if left := ours(t, os.Getpid()); len(left) > 0 {
			t.Errorf("still running: %q", left)
		}
		if after := descriptors(t); after > before {
			t.Errorf("%d descriptors, %d before", after, before)
		}
	})
	return r
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range list { // the poller's stay once there is one
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name())); err == nil && !strings.HasPrefix(to, "anon_inode:") {
			n++
		}
	}
	return n
}

// ours are the command lines of the processes whose parent is the given one.
func ours(t *testing.T, parent int) (found []string) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("reading /proc: %v", err)
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil { // ended meanwhile
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			found = append(found, string(b[:min(40, len(b))]))
		}
	}
	return found
}

// shell is a job of /bin/sh, which ends what it starts with it.
func shell(script string) job {
	return job{path: "/bin/sh", args: []string{"-c", script}, stdout: sink{io.Discard, 1 << 20}}
}

// TestSlots wants the many to wait for each other, and what is urgent for none of them.
func TestSlots(t *testing.T) {
	r := newChildren(t, 2, Limits{})
	ctx, cancel := context.WithCancelCause(t.Context())
	started, ended := make(chan string, 8), make(chan error, 8)
	say := func(name string) job { // that it runs, and stay
		j := shell("echo x; exec sleep 100")
		j.stdout.to = tell{started, name}
		j.urgent = name == "urgent"
		return j
	}
	for _, name := range []string{"many", "many", "many", "urgent"} {
		go func() { _, err := r.run(ctx, say(name)); ended <- err }()
		if name == "urgent" {
			for got := ""; got != "urgent"; got = <-started { // two of the many have slots, and one waits: or this comes never
			}
		}
	}
	// The second urgent one waits as well, until its context ends.
	short, stop := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errors.New("waited enough"))
	defer stop()
	if _, err := r.run(short, say("urgent")); err == nil || err.Error() != "waited enough" {
		t.Errorf("%v", err)
	}
	if n := len(r.many) + len(r.first); n != 3 {
		t.Errorf("%d slots are taken", n)
	}
	gone := errors.New("gone")
	cancel(gone)
	for range 4 {
		if err := <-ended; !errors.Is(err, gone) {
			t.Errorf("%v", err)
		}
	}
	if n := len(r.many) + len(r.first); n != 0 {
		t.Errorf("%d slots are still taken", n)
	}
	// An urgent one takes the slot of the many where its own is taken.
	j := shell(":")
	j.urgent = true
	r.first <- struct{}{}
	if _, err := r.run(t.Context(), j); err != nil {
		t.Error(err)
	}
	<-r.first
}

type tell struct {
	to   chan string
	name string
}

func (w tell) Write(p []byte) (int, error) { w.to <- w.name; return len(p), nil }

// endless is what a lavfi source gives: pictures without end.
func endless(source string, args ...string) job {
	args = append([]string{"-nostdin", "-v", "error", "-f", "lavfi", "-i", source}, args...)
	return job{path: ffmpegPath(), args: args, stdout: sink{io.Discard, math.MaxInt64}}
}

func ffmpegPath() string {
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		return "ffmpeg" // run says so
	}
	return path
}

// TestOver drives a real child into each limit.
func TestOver(t *testing.T) {
	r := newChildren(t, 3, Limits{})
	coder := []string{"-c:v", "libx264", "-threads", "1", "-preset", "ultrafast", "-f", "mp4", "-movflags", "+frag_keyframe+empty_moov", "pipe:1"}
	with := func(j job, l Limits) job { j.limits = l; return j }
	for name, row := range map[string]struct {
		job  job
		what string
		is   error
	}{
		"CPU, and the child asks no questions": {with(shell("while :; do :; done"), Limits{CPU: time.Second}), "CPU", nil},
		"CPU, and ffmpeg ends in order":        {with(endless("testsrc2=s=640x480", coder...), Limits{CPU: time.Second}), "CPU", nil},
		"CPU, and the child takes no notice":   {with(shell("trap '' XCPU; while :; do :; done"), Limits{CPU: time.Second}), "CPU", nil},
		"time":                                 {with(shell("sleep 100"), Limits{Time: 200 * time.Millisecond}), "time", context.DeadlineExceeded},
		"time, busy":                           {with(endless("testsrc2=s=640x480", coder...), Limits{Time: 500 * time.Millisecond}), "time", context.DeadlineExceeded},
		"output":                               {with(job{path: ffmpegPath(), args: endless("testsrc2=s=640x480", "-f", "rawvideo", "pipe:1").args, stdout: sink{io.Discard, 5 << 20}}, Limits{}), "output", errFlood},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			out, err := r.run(t.Context(), row.job)
			var beyond *over
			if !errors.As(err, &beyond) || beyond.what != row.what || row.is != nil && !errors.Is(err, row.is) {
				t.Fatalf("%v, %+v", err, out)
			}
			if strings.HasPrefix(name, "CPU") && (out.cpu < 400*time.Millisecond || out.cpu > 8*time.Second) {
				t.Errorf("%s of CPU", out.cpu)
			}
			t.Logf("%v; %s of CPU, %d MiB, %s", err, out.cpu, out.memory>>20, time.Since(began).Round(time.Millisecond))
		})
	}
}

// TestNoFiles has a child that is told to write where it may not.
func TestNoFiles(t *testing.T) {
	r := newChildren(t, 1, Limits{})
	file := filepath.Join(t.TempDir(), "a.nut")
	var ended *exit
	if _, err := r.run(t.Context(), endless("testsrc2=d=1", "-f", "nut", file)); !errors.As(err, &ended) || !ended.crashed {
		t.Errorf("%v", err)
	}
	if info, err := os.Stat(file); err == nil && info.Size() > 0 {
		t.Errorf("it wrote %d bytes", info.Size())
	}
}

// TestEnds tells whose fault it is: the child's own end may be the recording's doing, a signal from outside is not.
func TestEnds(t *testing.T) {
	r := newChildren(t, 1, Limits{})
	for script, want := range map[string]struct {
		own  bool
		text string
	}{
		"echo one >&2; echo two >&2; exit 3": {true, "exit code 3: two"},
		"exit 255":                           {true, "exit code 255"},
		"kill -s SEGV $$":                    {true, "it crashed"},
		"echo bad >&2; kill -s ABRT $$":      {true, "it crashed: bad"},
		"kill -s KILL $$":                    {false, "signal: killed"},
		"kill -s TERM $$":                    {false, "signal: terminated"},
	} {
		_, err := r.run(t.Context(), shell(script))
		var ended *exit
		var beyond *over
		if err == nil || errors.As(err, &ended) != want.own || err.Error() != want.text || errors.As(err, &beyond) {
			t.Errorf("%s: %v", script, err)
		}
	}
	for _, path := range []string{"/nonexistent/ffmpeg", "/etc/passwd", "/"} { // gone since it was looked up, or replaced
		_, err := r.run(t.Context(), job{path: path})
		var ended *exit
		if err == nil || errors.As(err, &ended) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	var words []string
	for _, e := range []error{&over{"CPU", "15m0s", nil}, &over{"memory", size(2 << 30), nil}, &over{"output", size(65535), errFlood}} {
		words = append(words, e.Error())
	}
	if got := strings.Join(words, "; "); got != "more than 15m0s of CPU; more than 2048 MiB of memory; more than 65535 bytes of output" {
		t.Error(got)
	}
}

// TestLargePictures has a 4K HEVC film of 10 bits with six reference pictures: it must fit into the default, and not into less than it takes.
func TestLargePictures(t *testing.T) {
	r := newChildren(t, 2, Limits{})
	var coded bytes.Buffer
	make := endless("color=gray:s=3840x2160:r=30", "-frames:v", "8", "-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-preset", "ultrafast",
		"-x265-params", "log-level=none:pools=1:frame-threads=1:ref=6:bframes=0", "-f", "mpegts", "pipe:1")
	make.stdout.to, make.limits.Memory = &coded, 8<<30 // making it takes more than reading it
	if _, err := r.run(t.Context(), make); err != nil {
		t.Fatal(err)
	}
	var pictures bytes.Buffer
	read := job{path: ffmpegPath(), stdin: bytes.NewReader(coded.Bytes()), stdout: sink{&pictures, 1 << 20}, args: []string{
		"-nostdin", "-v", "error", "-threads", "1", "-f", "mpegts", "-i", "pipe:0", "-vf", "scale=-2:480:flags=area", "-threads", "1",
		"-c:v", "libx264", "-preset", "superfast", "-f", "framecrc", "pipe:1"}}
	out, err := r.run(t.Context(), read)
	if n := strings.Count(pictures.String(), "\n0,"); err != nil || n != 8 {
		t.Errorf("%d pictures, %+v %v", n, out, err)
	}
	if own := ownPeak(t); out.memory < 100<<20 || out.memory > max(700<<20, own) { // see output.memory
		t.Errorf("%d MiB resident, of this process %d", out.memory>>20, own>>20)
	}
	t.Logf("%s of CPU, %d MiB resident", out.cpu, out.memory>>20)
	read.stdin, read.limits = bytes.NewReader(coded.Bytes()), Limits{Memory: 330 << 20, Time: time.Minute}
	out, err = r.run(t.Context(), read)
	var beyond *over
	if !errors.As(err, &beyond) || beyond.what != "memory" || out.memory > max(330<<20, ownPeak(t)) {
		t.Errorf("%v, %+v", err, out)
	}
}

// ownPeak is how many bytes of this process were resident at most.
func ownPeak(t *testing.T) int64 {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Maxrss << 10
}

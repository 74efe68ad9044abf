package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPipes sends bytes through each of a child's descriptors.
func TestPipes(t *testing.T) {
	r := newChildren(t, 2, Limits{})
	long := strings.Repeat("0123456789abcdef", 20_000) // more than a pipe holds
	var one, three, four bytes.Buffer
	j := shell("echo error >&2; tee /proc/self/fd/3; echo four >&4; pwd >&4; env | cut -d = -f 1 | sort >&4")
	j.stdin, j.stdout, j.extra = strings.NewReader(long), sink{&one, int64(len(long))}, []sink{{&three, 1 << 20}, {&four, 1 << 20}}
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("FFREPORT", "file=report")
	out, err := r.run(t.Context(), j)
	if err != nil || out.stderr != "error\n" || out.lines != 1 || out.cpu <= 0 || out.memory < 1<<20 {
		t.Errorf("%+v %v", out, err)
	}
	if one.String() != long || three.String() != long {
		t.Errorf("%d and %d of %d bytes", one.Len(), three.Len(), len(long))
	}
	for _, name := range []string{"http_proxy", "FFREPORT", "HOME", "TMPDIR"} {
		if strings.Contains(four.String(), name) {
			t.Errorf("the child has %s", name)
		}
	}
	if !strings.HasPrefix(four.String(), "four\n/\n") {
		t.Errorf("%q", four.String())
	}
	// Nothing to read, nobody to read it.
	if _, err := r.run(t.Context(), job{path: "/bin/sh", args: []string{"-c", "cat; echo x; echo y >&3"}, extra: []sink{{limit: 10}}}); err != nil {
		t.Error(err)
	}
}

// broken gives its bytes, and then its error.
type broken struct {
	io.Reader
	err error
}

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}

// refuse is a writer that fails once it has had enough.
type refuse struct {
	left int
	err  error
}

func (r *refuse) Write(p []byte) (int, error) {
	if r.left -= len(p); r.left < 0 {
		return 0, r.err
	}
	return len(p), nil
}

// TestPipesFail has one end of each pipe fail: the child is killed at once, however long it would have gone on.
func TestPipesFail(t *testing.T) {
	r := newChildren(t, 2, Limits{})
	failed := errors.New("the store is away")
	for name, row := range map[string]struct {
		script string
		change func(*job)
		want   error
	}{
		"stdin, while the child waits for it":    {"cat; exec sleep 100", func(j *job) { j.stdin = &broken{strings.NewReader("x"), failed} }, failed},
		"stdin, while the child does not read":   {"exec sleep 100", func(j *job) { j.stdin = &broken{strings.NewReader("x"), failed} }, failed},
		"stdin, while the child ends well":       {"trap '' TERM; cat", func(j *job) { j.stdin = &broken{strings.NewReader("x"), failed} }, failed},
		"stdout":                                 {"yes", func(j *job) { j.stdout = sink{&refuse{1 << 20, failed}, math.MaxInt64} }, failed},
		"stdout, while the child writes no more": {"echo x; exec sleep 100", func(j *job) { j.stdout = sink{&refuse{0, failed}, 100} }, failed},
		"stdout, while the child ends well":      {"echo x", func(j *job) { j.stdout = sink{&refuse{0, failed}, 100} }, failed},
		"another":                                {"echo x >&4; exec sleep 100", func(j *job) { j.extra = []sink{{io.Discard, 9}, {&refuse{0, failed}, 9}} }, failed},
		"too much on stdout":                     {"yes", func(*job) {}, errFlood},
		"one byte too much, and the end":         {"echo four", func(j *job) { j.stdout.limit = 4 }, errFlood},
		"too much on another":                    {"yes >&3", func(j *job) { j.extra = []sink{{io.Discard, 1 << 20}} }, errFlood},
	} {
		t.Run(name, func(t *testing.T) {
			j := shell(row.script)
			row.change(&j)
			began := time.Now()
			_, err := r.run(t.Context(), j)
			if !errors.Is(err, row.want) {
				t.Errorf("%v", err)
			}
			var beyond *over
			if got := errors.As(err, &beyond); got != (row.want == errFlood) || got && beyond.what != "output" {
				t.Errorf("%v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
	// As many bytes as are allowed are not too many.
	j := shell("echo four")
	j.stdout.limit = 5
	if _, err := r.run(t.Context(), j); err != nil {
		t.Error(err)
	}
}

// TestStdinStays has a source that gives nothing for as long as the child lives: its end must end the reading.
func TestStdinStays(t *testing.T) {
	r := newChildren(t, 1, Limits{})
	from, to := io.Pipe()
	j := shell("exit 3")
	j.stdin = from
	var ended *exit
	if _, err := r.run(t.Context(), j); !errors.As(err, &ended) || ended.code != 3 {
		t.Errorf("%v", err)
	}
	if _, err := to.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the source is still open: %v", err)
	}
	// Also where no child ever starts.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	from, to = io.Pipe()
	j.stdin = from
	if _, err := r.run(ctx, j); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := to.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the source is still open: %v", err)
	}
}

// TestOrphan has a child that leaves somebody behind who holds its pipe: what it wrote itself is all there, and the call ends. With a group of its
// own, the orphan ends as well.
func TestOrphan(t *testing.T) {
	r := newChildren(t, 1, Limits{Time: time.Minute})
	var said bytes.Buffer
	j := shell("echo before; setsid sleep 20 & exit 0")
	j.stdout.to = &said
	began := time.Now()
	_, err := r.run(t.Context(), j)
	grouped := strings.Contains(r.leash.String(), "cgroups")
	if late := errors.Is(err, os.ErrDeadlineExceeded); late == grouped || !late && err != nil || said.String() != "before\n" || time.Since(began) > 15*time.Second {
		t.Errorf("%v %q after %s", err, said.String(), time.Since(began))
	}
}

func TestHeadAndTail(t *testing.T) {
	var b tail
	for i := range 5000 {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	if s := b.String(); len(s) > headBytes+tailBytes+20 || !strings.HasPrefix(s, "line 0\n") || !strings.HasSuffix(s, "line 4999\n") || b.lines != 5000 {
		t.Errorf("%d bytes, %d lines", len(s), b.lines)
	}
}

package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sink takes what a child writes to one descriptor.
type sink struct {
	to    io.Writer // nowhere when nil; called from one goroutine of its own
	limit int64     // bytes; one more ends the child
}

// linger is how long a pipe is waited for whose child is gone, while somebody that the child started still holds it open.
const linger = 5 * time.Second

// pipes carry a child's input and outputs. Its own goroutines do, and not those of os/exec: an error must end the child at once and not at its
// next write, and none of them may be left behind.
type pipes struct {
	end    context.CancelCauseFunc // kills the child
	source io.Closer               // of stdin, may be nil
	theirs []*os.File              // the ends that the child gets
	ours   []*os.File
	copies []func() error
	gone   chan struct{} // closed when the child is
	failed atomic.Bool   // one of the copies did: end has the reason, unless it had one before
	wait   sync.WaitGroup
}

// connect gives cmd its descriptors.
func (p *pipes) connect(cmd *exec.Cmd, j job, stderr io.Writer) error {
	if j.stdin != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		cmd.Stdin = r
		p.keep(r, w, func() error { return p.feed(w, j.stdin) })
	}
	out := func(s sink) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		p.keep(w, r, func() error { return p.drain(r, s) })
		return w, nil
	}
	errors, err := out(sink{stderr, 1 << 62})
	if err != nil {
		return err
	}
	cmd.Stderr = errors
	if j.stdout.to != nil {
		if cmd.Stdout, err = out(j.stdout); err != nil {
			return err
		}
	}
	for _, s := range j.extra {
		if s.to == nil {
			s.to = io.Discard
		}
		f, err := out(s)
		if err != nil {
			return err
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return nil
}

func (p *pipes) keep(theirs, ours *os.File, copies func() error) {
	p.theirs, p.ours, p.copies = append(p.theirs, theirs), append(p.ours, ours), append(p.copies, copies)
}

// copy lets go of the child's ends, so that its death is seen, and moves the bytes.
func (p *pipes) copy() {
	p.theirs = closed(p.theirs)
	for _, copies := range p.copies {
		p.wait.Go(func() {
			if err := copies(); err != nil {
				p.failed.Store(true)
				p.end(err)
			}
		})
	}
}

// finish waits for the last bytes of a child that is gone.
func (p *pipes) finish() {
	close(p.gone)
	for _, f := range p.ours {
		_ = f.SetDeadline(time.Now().Add(linger)) // for what is blocked already
	}
	p.closeSource()
	p.wait.Wait()
}

func (p *pipes) closeAll() {
	p.closeSource()
	p.theirs, p.ours = closed(p.theirs), closed(p.ours)
}

func (p *pipes) closeSource() {
	if p.source != nil {
		_ = p.source.Close() // read only
		p.source = nil
	}
}

func closed(files []*os.File) []*os.File {
	for _, f := range files {
		_ = f.Close() // a pipe: nothing to lose
	}
	return nil
}

// feed writes the source to the child. One that takes no more has its reasons; its exit code tells.
func (p *pipes) feed(to *os.File, from io.Reader) error {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return to.Close()
		case err != nil && p.over():
			return nil
		case err != nil:
			return err // the pipe stays open: a child that sees it closed takes that for the end of the recording
		}
	}
}

// drain hands on what the child writes, until no process has the pipe open any more.
func (p *pipes) drain(from *os.File, s sink) error {
	b := make([]byte, 64<<10)
	for left := s.limit; ; {
		if p.over() {
			_ = from.SetReadDeadline(time.Now().Add(linger)) // anew: the writer may have taken its time
		}
		n, err := from.Read(b)
		if left -= int64(n); left < 0 {
			return &over{"output", size(s.limit), errFlood}
		}
		if n > 0 {
			if wrote, err := s.to.Write(b[:n]); err != nil {
				return err
			} else if wrote < n {
				return io.ErrShortWrite
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (p *pipes) over() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
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

// last is the last line that says something.
func last(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

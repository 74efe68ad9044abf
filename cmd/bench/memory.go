package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"bwv/internal/evidence"
	"bwv/internal/ffmpeg"
	"bwv/internal/journey"
)

// eaten is how much memory one process took for one recording.
type eaten struct {
	Handler, Child int64 // bytes at most; the child is the largest of all
	Read           int64 // bytes of the recording for digest and sound
}

// memory processes recordings of several lengths, each in a process of its own, and compares their peaks.
func (p *proxies) memory(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	title("Memory")
	head("recording", "size", "handler", "child", "read for digest and sound")
	for _, whole := range []bool{true, false} {
		for _, d := range p.lengths() {
			file, kind := "", ", tables"
			if whole {
				file, err = p.shift(ctx, d)
			} else {
				kind = ", fragments of 1 s"
				file, err = p.fragmented(ctx, d, false)
			}
			if err != nil {
				return err
			}
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			command := exec.CommandContext(ctx, self, "-memory-of", file)
			command.Stderr = os.Stderr
			out, err := command.Output()
			if err != nil {
				return fmt.Errorf("processing %s: %w", words(d), err)
			}
			var e eaten
			if err := json.Unmarshal(out, &e); err != nil {
				return err
			}
			line(words(d)+kind, megabytes(info.Size()), fmt.Sprintf("%d MiB", e.Handler>>20), fmt.Sprintf("%d MiB", e.Child>>20), megabytes(e.Read))
		}
	}
	return nil
}

// few is an evidence.Cutting that keeps the first chunk and the latest, as a handler has one page of them at most.
type few struct{ first, last *evidence.Chunk }

// Chunk implements evidence.Cutting.
func (f *few) Chunk(_ context.Context, c evidence.Chunk) error {
	if f.first == nil {
		f.first = &c
	}
	f.last = &c
	return nil
}

// Aside implements evidence.Cutting.
func (f *few) Aside(context.Context, string, io.Reader) error { return errors.ErrUnsupported }

// Sound implements evidence.Cutting.
func (f *few) Sound(context.Context, []evidence.Sound, []evidence.Take) error {
	return errors.ErrUnsupported
}

var errEnough = errors.New("that is enough")

// appetite processes one recording in this process: the plan, its first chunk and its last full one, the reading, of a film with holes only where it
// has none. It writes what that took.
func appetite(ctx context.Context, file string, out io.Writer) error {
	t, err := ffmpeg.Open(ctx, ffmpeg.Config{Jobs: 1})
	if err != nil {
		return err
	}
	defer t.Close()
	d := &disk{}
	src, err := d.source(ctx, file)
	if err != nil {
		return err
	}
	var f few
	if _, err := t.Cut(ctx, src, &f); err != nil {
		return err
	}
	chunks, most := []*evidence.Chunk{f.first, f.last}, src.Original.Size
	if holes(file) {
		chunks, most = chunks[:1], 16<<20
	}
	for _, c := range chunks {
		if _, err := t.Make(ctx, src, *c, nil); err != nil {
			return err
		}
	}
	var e eaten
	_, err = t.Read(ctx, src, evidence.Reading{}, func(_ context.Context, r evidence.Reading, _ []evidence.Take) error {
		if e.Read = r.Offset; e.Read >= most && e.Read < src.Original.Size {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	self, err := journey.ReadProcess(os.Getpid())
	if err != nil {
		return err
	}
	var children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return err
	}
	e.Handler, e.Child = self.Peak, children.Maxrss<<10
	return json.NewEncoder(out).Encode(e)
}

// holes tells whether a file takes much less of the disk than its size.
func holes(file string) bool {
	var s syscall.Stat_t
	return syscall.Stat(file, &s) == nil && s.Blocks*512 < s.Size/2
}

// load is how busy the machine is, as the kernel says.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	word, _, _ := bytes.Cut(text, []byte(" "))
	return string(word)
}

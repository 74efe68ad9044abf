package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// tools are the programs that are measured.
type tools struct{ ffmpeg, ffprobe string }

// child is what one program cost and made.
type child struct {
	cpu     float64 // seconds, user and system
	frames  int
	seconds float64 // of footage
	stdout  []byte
	stderr  string
}

// encode runs ffmpeg alone: the children follow each other, since two of them at once would be slower by what they take of each other's cache.
func (t tools) encode(ctx context.Context, args []string) (child, error) {
	all := append([]string{"-nostdin", "-hide_banner", "-nostats", "-v", "error", "-progress", "pipe:1", "-y"}, args...)
	r, err := start(ctx, t.ffmpeg, all)
	if err != nil {
		return r, err
	}
	r.frames, r.seconds = progress(string(r.stdout))
	return r, nil
}

func (t tools) probe(ctx context.Context, args ...string) ([]byte, error) {
	r, err := start(ctx, t.ffprobe, append([]string{"-v", "error"}, args...))
	return r.stdout, err
}

func start(ctx context.Context, program string, args []string) (child, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := child{stdout: stdout.Bytes(), stderr: stderr.String()}
	if cmd.ProcessState != nil {
		r.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	if err != nil {
		return r, fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(r.stderr))
	}
	return r, nil
}

// progress reads the last report of -progress: pictures put out, and the time of the last.
func progress(text string) (frames int, seconds float64) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch key {
		case "frame":
			frames, _ = strconv.Atoi(value)
		case "out_time_us":
			us, _ := strconv.ParseFloat(value, 64)
			seconds = us / 1e6
		}
	}
	return frames, seconds
}

// payload is what an MP4 file's mdat boxes hold: the encoded pictures, without what a container adds to them.
func payload(path string) (total int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for at := int64(0); ; {
		var head [16]byte
		n, err := f.ReadAt(head[:], at)
		if errors.Is(err, io.EOF) && n == 0 {
			return total, nil
		}
		if n < 8 {
			return 0, fmt.Errorf("%s ends inside a box", path)
		}
		size, header := int64(binary.BigEndian.Uint32(head[:4])), int64(8)
		if size == 1 {
			size, header = int64(binary.BigEndian.Uint64(head[8:])), 16
		}
		if size < header {
			return 0, fmt.Errorf("%s has a box of %d bytes", path, size)
		}
		if string(head[4:8]) == "mdat" {
			total += size - header
		}
		at += size
	}
}

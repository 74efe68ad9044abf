package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bwv/internal/evidence"
)

// recording is an original that has passed for one by its first bytes and, where it has an index, by that: only then does a child see it.
type recording struct {
	*session
	container
	window *window
	index  *index // MP4 and MOV only
}

// unreadable puts words into evidence.Unreadable.
func unreadable(words string) error { return fmt.Errorf("%s: %w", words, evidence.Unreadable) }

// open registers src and looks at it. The caller calls release whatever the error is.
func (t *Tools) open(ctx context.Context, src evidence.Source) (*recording, func(), error) {
	s, release := t.loopback.register(ctx, src)
	r := &recording{session: s}
	var err error
	if r.window, err = newWindow(s); err != nil {
		return nil, release, err
	}
	end := func() { r.window.close(); release() }
	var words string
	if r.container, words = sniff(r.window.head, src.Original.Size); words != "" {
		return nil, end, unreadable(words)
	}
	if r.demuxer != "mov" {
		return r, end, nil
	}
	if r.index, err = readIndex(r.window); err != nil {
		return nil, end, err
	}
	switch {
	case !r.index.found:
		return nil, end, unreadable("the index (moov) is missing: the camera probably lost power, or the upload was cut")
	case len(r.index.video()) == 0 && !r.index.damaged:
		return nil, end, unreadable("there is no video stream")
	}
	return r, end, nil
}

func (x *index) video() []track {
	var out []track
	for _, t := range x.tracks {
		if t.handler == "vide" {
			out = append(out, t)
		}
	}
	return out
}

// judge turns a child's end into an error: the source's own failure first, then a context's end, and only then what the child says.
func (r *recording) judge(err error) error {
	if failed := r.failure(); failed != nil {
		return failed
	}
	var ended *exit
	switch {
	case errors.As(err, &ended) && r.asked.Load() == 0:
		return fmt.Errorf("the recording was never asked for: %w", err)
	case errors.As(err, &ended):
		ended.stderr = r.scrub(ended.stderr)
		return unreadable(ended.Error())
	case errors.Is(err, errFlood):
		return unreadable(err.Error())
	}
	return err
}

// scrub takes the loopback address out of what a child said: whoever reads the log could fetch the original while the call lasts. It takes
// the memory addresses out as well, and shortens lines.
func (r *recording) scrub(s string) string {
	var out []string
	for line := range strings.Lines(strings.ReplaceAll(s, r.url, "the recording")) {
		who, rest, ok := strings.Cut(line, " @ 0x")
		if _, said, also := strings.Cut(rest, "] "); ok && also && strings.HasPrefix(who, "[") {
			line = who + "] " + said
		}
		if line = clean(line, 200); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// oddities are what the index itself gives away.
func (r *recording) oddities() (words []string) {
	if r.index == nil {
		return nil
	}
	if r.index.cut {
		words = append(words, "the file is shorter than its index says: its end is missing")
	}
	if r.index.damaged {
		words = append(words, "the index is damaged in part")
	}
	return words
}

package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// recording is an original that has passed for one by its first bytes and, where it has an index, by that: only then does a child see it.
type recording struct {
	container
	src    evidence.Source
	window *window
	whole  *looked
	movie  *isobmff.Movie // MP4 and MOV only
}

// unreadable puts words into evidence.Unreadable.
func unreadable(words string) error { return fmt.Errorf("%s: %w", words, evidence.Unreadable) }

// errNoIndex is an MP4 that nobody finished: its pictures may be found by other means, see reclaim.go.
var errNoIndex = fmt.Errorf("the index (moov) is missing: the camera probably lost power, or the upload was cut: %w", evidence.Unreadable)

// open looks at an original: its first bytes, and its index where it has one.
func open(ctx context.Context, src evidence.Source) (*recording, error) {
	r := &recording{src: src, whole: &looked{entire: entire{src}}}
	var err error
	if r.window, err = newWindow(ctx, src); err != nil {
		return nil, err
	}
	var words string
	if r.container, words = sniff(r.window.head, src.Original.Size); words != "" {
		return nil, unreadable(words)
	}
	if r.demuxer != "mov" {
		return r, nil
	}
	if r.movie, err = isobmff.Read(r.window); err != nil {
		return nil, err
	}
	switch {
	case !r.movie.Found:
		return nil, errNoIndex
	case r.pictures() == nil && !r.movie.Damaged:
		return nil, unreadable("there is no video stream")
	}
	return r, nil
}

// tracks are those of a kind, in the file's order.
func (r *recording) tracks(handler string) (list []*isobmff.Track) {
	if r.movie == nil {
		return nil
	}
	for _, t := range r.movie.Tracks {
		if t.Handler == handler {
			list = append(list, t)
		}
	}
	return list
}

// pictures is the track that a player shows; nil where the index knows of none.
func (r *recording) pictures() *isobmff.Track {
	if list := r.tracks("vide"); len(list) > 0 {
		return list[0]
	}
	return nil
}

// indexed tells whether chunks and sounds can be taken from the original by its index alone. Else the recording is gone through once: see aside.go.
func (r *recording) indexed() bool {
	t := r.pictures()
	if t == nil || r.movie.Damaged || t.Timescale < 1 || t.Timescale > maxTimescale || t.Width < 2 || t.Height < 2 {
		return false
	}
	_, _, ok := r.movie.Shift(t)
	return ok
}

// edited tells whether the pictures have an edit list of several parts.
func (r *recording) edited() bool {
	t := r.pictures()
	if t == nil {
		return false
	}
	_, _, ok := r.movie.Shift(t)
	return !ok
}

// maxTimescale is what the encoder's time base takes without rounding anything.
const maxTimescale = 10_000_000

// judge turns a child's end into an error: the source's own failure first, then a context's end, and only then what the child says. The session is
// nil where the child read its standard input.
func (s *session) judge(err error) error {
	if s != nil && s.failure() != nil {
		return s.failure()
	}
	var ended *exit
	var over *over
	switch {
	case errors.As(err, &ended) && s != nil && s.asked.Load() == 0:
		return fmt.Errorf("the recording was never asked for: %w", err)
	case errors.As(err, &ended):
		ended.stderr = s.scrub(ended.stderr)
		return unreadable(ended.Error())
	case errors.As(err, &over), errors.Is(err, errFlood):
		return unreadable(err.Error())
	}
	return err
}

// scrub takes the loopback address out of what a child said: whoever reads the log could fetch the original while the call lasts. It takes
// the memory addresses out as well, and shortens lines.
func (s *session) scrub(text string) string {
	var out []string
	if s != nil {
		text = strings.ReplaceAll(text, s.url, "the recording")
	}
	for line := range strings.Lines(text) {
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
	if r.movie == nil {
		if r.short(r.window.head, r.src.Original.Size) {
			words = append(words, "the file is shorter than its header says: its end is missing")
		}
		return words
	}
	if r.movie.Cut {
		words = append(words, "the file is shorter than its index says: its end is missing")
	}
	if r.movie.Damaged {
		words = append(words, "the index is damaged in part")
	}
	return words
}

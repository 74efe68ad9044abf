package ffmpeg

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bwv/internal/evidence"
)

// checked is what the written proxy itself says.
type checked struct {
	seconds       float64 // of the picture, from 0 to the end of the last frame
	width, height int
	frames, bytes int64
	sound         bool
	starts        []start // of the fragments with pictures, in order
}

// start is where a fragment lies in the file, and when its first picture is due.
type start struct {
	offset  int64
	seconds float64
}

// errEmpty is a run that went well and shows nothing.
var errEmpty = fmt.Errorf("no picture could be decoded: %w", evidence.Unreadable)

// check reads the boxes of the proxy rather than believe the encoder's exit code: that there are pictures, that no time is
// negative, and that the playlist's byte ranges are the file. It corrects the playlist's durations.
func check(dir string) (c checked, err error) {
	path := filepath.Join(dir, evidence.ProxyFile)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return c, errEmpty
	}
	if err != nil {
		return c, fmt.Errorf("checking the proxy: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return c, fmt.Errorf("checking the proxy: %w", err)
	}
	c.bytes = info.Size()
	if err := c.media(localFile{f, c.bytes}); err != nil {
		return c, fmt.Errorf("checking the proxy: %w", err)
	}
	if c.frames == 0 {
		return c, errEmpty
	}
	if err := retime(filepath.Join(dir, evidence.Playlist), c); err != nil {
		return c, fmt.Errorf("checking the playlist: %w", err)
	}
	poster, err := os.Stat(filepath.Join(dir, evidence.Poster))
	if err == nil && poster.Size() == 0 {
		err = errors.New("it is empty")
	}
	if err != nil {
		return c, fmt.Errorf("checking the poster: %w", err)
	}
	return c, nil
}

type localFile struct {
	*os.File
	bytes int64
}

func (f localFile) size() int64 { return f.bytes }

func (c *checked) media(f localFile) error {
	x := &index{}
	w := &walker{file: f, unlimited: true} // ours: a long recording has many fragments
	return w.each(0, f.bytes, 0, func(b box) error {
		switch b.kind {
		case "moov":
			if err := x.movie(w, b); err != nil {
				return err
			}
			for _, t := range x.tracks {
				c.sound = c.sound || t.handler == "soun"
				if t.handler == "vide" {
					c.width, c.height = t.width, t.height
				}
			}
		case "moof":
			moof := b.from
			return w.each(b.from, b.to, 1, func(b box) error {
				if b.kind != "traf" {
					return nil
				}
				return c.fragment(w, b, x, moof)
			})
		}
		return nil
	})
}

// fragment adds up one track's part of a fragment (ISO/IEC 14496-12, section 8.8).
func (c *checked) fragment(w *walker, traf box, x *index, moof int64) error {
	var id, each, base, ticks, frames int64
	err := w.each(traf.from, traf.to, 2, func(b box) error {
		p, err := w.small(b, 16<<20)
		if err != nil {
			return err
		}
		switch b.kind {
		case "tfhd":
			id, each, err = fragmentHeader(p)
		case "tfdt":
			base, err = decodeTime(p)
		case "trun":
			var n, d int64
			n, d, err = runLength(p, each)
			frames, ticks = frames+n, ticks+d
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range x.tracks {
		if t.id == id && t.handler == "vide" && t.timescale > 0 {
			c.frames += frames
			c.starts = append(c.starts, start{moof, float64(base) / float64(t.timescale)})
			c.seconds = max(c.seconds, float64(base+ticks)/float64(t.timescale))
		}
	}
	return nil
}

func fragmentHeader(p []byte) (id, each int64, err error) {
	if len(p) < 8 {
		return 0, 0, fmt.Errorf("%w: tfhd of %d bytes", errIndex, len(p))
	}
	flags, at := u32(p)&0xffffff, 8
	if flags&0x1 != 0 {
		at += 8
	}
	if flags&0x2 != 0 {
		at += 4
	}
	if flags&0x8 != 0 && len(p) >= at+4 {
		each = u32(p[at:])
	}
	return u32(p[4:]), each, nil
}

// decodeTime refuses a time below 0: it is written as an unsigned number near the largest, and players then wait for it forever.
func decodeTime(p []byte) (int64, error) {
	var base int64
	switch {
	case len(p) >= 12 && p[0] == 1:
		base = u64(p[4:])
	case len(p) >= 8 && p[0] == 0:
		base = u32(p[4:])
	default:
		return 0, fmt.Errorf("%w: tfdt of %d bytes", errIndex, len(p))
	}
	if base < 0 {
		return 0, fmt.Errorf("%w: a decode time of %d", errIndex, base)
	}
	return base, nil
}

func runLength(p []byte, each int64) (samples, ticks int64, err error) {
	if len(p) < 8 {
		return 0, 0, fmt.Errorf("%w: trun of %d bytes", errIndex, len(p))
	}
	flags, at, width := u32(p)&0xffffff, 8, 0
	for _, flag := range []int64{0x1, 0x4} {
		if flags&flag != 0 {
			at += 4
		}
	}
	for _, flag := range []int64{0x100, 0x200, 0x400, 0x800} {
		if flags&flag != 0 {
			width += 4
		}
	}
	samples = u32(p[4:])
	if flags&0x100 == 0 {
		return samples, samples * each, nil
	}
	if int64(len(p)-at) < samples*int64(width) {
		return 0, 0, fmt.Errorf("%w: trun of %d bytes for %d samples", errIndex, len(p), samples)
	}
	for i := range samples {
		ticks += u32(p[at+int(i)*width:])
	}
	return samples, ticks, nil
}

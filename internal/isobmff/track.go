package isobmff

import (
	"fmt"
)

// Track is one track of a Movie. Its tables stay in the file.
type Track struct {
	ID            int64
	Handler       string   // vide, soun, meta, text ...
	Format        string   // of the first sample entry: avc1, hvc1, mp4a, gpmd
	Width, Height int      // of the first sample entry, video only
	Channels      int      // of the first sample entry, sound only
	Rate          int      // of the first sample entry, sound only; 0 where the entry cannot hold it (96 kHz)
	Timescale     int64    // > 0
	Duration      int64    // of mdhd, in Timescale; 0 when not said
	Matrix        [36]byte // of tkhd, verbatim: rotation
	Entries       []byte   // stsd, the whole box; at most 1 MB
	Header        []byte   // tkhd, the whole box
	MediaHeader   []byte   // mdhd, the whole box
	Edits         []Edit   // elst; nil when there is none
	Samples       int64    // in the moov's tables, as claimed; 0 in a file that has all of them in fragments
	Variable      bool     // samples differ in duration, the last one and rounding aside
	AllSync       bool     // no stss (in a fragmented file it says nothing)

	handling []byte // hdlr, the whole box
	relation []byte // tref, the whole box: which track has the time code
	brands   []byte // ftyp, the whole box: QuickTime's sample entries are read by other rules
	frame    frame  // how uncompressed sound lies in a chunk
	unit     bool   // every sample lasts one tick
	odd      bool   // a box in it ran past its container
	tables   map[string]box
	budget   *int64
}

const (
	maxEntries = 1 << 20
	maxEdits   = 4096
)

// read goes down to the tables of one track.
func (t *Track) read(w *walker, parent box, depth int) error {
	return w.each(parent.from, parent.to, depth, func(b box) error {
		t.odd = t.odd || b.cut
		switch b.kind {
		case "mdia", "minf", "stbl", "edts":
			return t.read(w, b, depth+1)
		case "tkhd", "mdhd", "hdlr", "stsd", "tref":
			return t.describe(w, b)
		case "elst":
			return t.edits(w, b)
		case "sbgp":
			p, err := w.src.hold(b.from, int(min(20, b.content())), w.ahead, w.end)
			if err == nil && len(p) == 20 && string(p[4:8]) == "rap " { // version 1 has another number in front of the count
				b.from += 4 * int64(min(p[0], 1))
				t.tables[b.kind] = b
			}
			return err
		case "stts", "ctts", "stsc", "stsz", "stz2", "stco", "co64", "stss", "stps":
			t.tables[b.kind] = b
			_, err := w.src.hold(b.from, int(min(12, b.content())), w.ahead, w.end) // the cursors start from here
			return err
		}
		return nil
	})
}

// describe keeps one of the boxes that go into other films as they are.
func (t *Track) describe(w *walker, b box) error {
	limit := int64(maxHeader)
	if b.kind == "stsd" {
		limit = maxEntries
	}
	if b.kind == "hdlr" && t.Handler != "" { // a QuickTime file has a second one, of the data reference, in minf: the first one counts
		return nil
	}
	p, err := w.whole(b, limit)
	if err != nil {
		return err
	}
	if *t.budget -= int64(len(p)); *t.budget < 0 {
		return fmt.Errorf("%w: headers of more than %d bytes", ErrDamaged, maxKept)
	}
	switch ok := true; b.kind {
	case "tkhd":
		t.Header = p
		if t.ID, t.Matrix, ok = placing(p); !ok {
			return fmt.Errorf("%w: box tkhd of %d bytes", ErrDamaged, len(p))
		}
	case "mdhd":
		t.MediaHeader = p
		if t.Timescale, t.Duration, ok = timing(p); !ok {
			return fmt.Errorf("%w: box mdhd of %d bytes", ErrDamaged, len(p))
		}
	case "hdlr":
		if len(p) >= 20 {
			t.handling, t.Handler = p, string(p[16:20])
		}
	case "stsd":
		t.Entries = p
	case "tref":
		t.relation = p
	}
	return nil
}

// placing reads number and matrix of a whole tkhd.
func placing(b []byte) (id int64, matrix [36]byte, ok bool) {
	p := b[min(8, len(b)):]
	switch {
	case len(p) >= 96 && p[0] == 1:
		return u32(p[20:]), [36]byte(p[52:]), true
	case len(p) >= 84 && p[0] == 0:
		return u32(p[12:]), [36]byte(p[40:]), true
	}
	return 0, matrix, false
}

// edits reads the edit list (section 8.6.6).
func (t *Track) edits(w *walker, elst box) error {
	p, err := w.src.hold(elst.from, int(min(8, elst.content())), w.ahead, w.end)
	if err != nil || len(p) < 8 {
		return err
	}
	width := int64(12)
	if p[0] == 1 {
		width = 20
	}
	c, err := newColumn(w.src, elst, 4, width)
	if err != nil {
		return err
	}
	t.odd, c.short = t.odd || c.short, false
	for p, err := c.next(); ; p, err = c.next() {
		if err != nil || p == nil {
			return err
		}
		if len(t.Edits) == maxEdits {
			return fmt.Errorf("%w: more than %d edits", ErrDamaged, maxEdits)
		}
		e := Edit{Duration: u32(p), MediaTime: i32(p[4:]), Rate: int32(i32(p[8:]))} //nolint:gosec // 32 bits wide
		if width == 20 {
			e = Edit{Duration: u64(p), MediaTime: u64(p[8:]), Rate: int32(i32(p[16:]))} //nolint:gosec // 32 bits wide
		}
		if e.Duration < 0 {
			return fmt.Errorf("%w: an edit of %d", ErrDamaged, e.Duration)
		}
		t.Edits = append(t.Edits, e)
	}
}

// summarize reads what is to be known before any sample is: the first sample entry, and whether the samples are equally long.
func (t *Track) summarize(src *source) error {
	if t.Matrix == [36]byte{} {
		t.Matrix = identity()
	}
	t.entry()
	_, listed := t.tables["stss"]
	t.AllSync = !listed
	stsz, err := t.sizes(src)
	if err != nil {
		return err
	}
	if stsz != nil {
		t.Samples = stsz.there()
	}
	return t.durations(src, stsz != nil)
}

// durations tells whether the samples are equally long, one tick of rounding and the last one aside, and counts them if nothing else does. It
// reads no further than to where they are known to differ: with a variable rate this table is long.
func (t *Track) durations(src *source, counted bool) error {
	stts, ok := t.tables["stts"]
	if !ok {
		return nil
	}
	c, err := newColumn(src, stts, 4, 8)
	if err != nil {
		return err
	}
	t.odd, c.short, c.block = t.odd || c.short, false, 2*maxBlock
	least, most, seen := int64(-1), int64(-1), int64(0)
	note := func(d int64) {
		if d == 0 && seen > 0 { // some muxers end with an empty one
			return
		}
		if least < 0 || d < least {
			least = d
		}
		most = max(most, d)
	}
	held, pending := int64(0), false // the duration of the last row, when it has one sample only: it may be the last sample
	t.unit = true
	for {
		p, err := c.next()
		if err != nil {
			return err
		}
		if p == nil {
			break
		}
		if pending {
			note(held)
		}
		n, d := u32(p), u32(p[4:])
		seen += n
		t.unit = t.unit && (d == 1 || n == 0)
		if held, pending = d, n == 1; n > 1 {
			note(d)
		}
		if counted && least >= 0 && most-least > 1 {
			t.Variable = true
			return nil
		}
	}
	t.Variable = least >= 0 && most-least > 1
	if !counted {
		t.Samples = seen
	}
	return nil
}

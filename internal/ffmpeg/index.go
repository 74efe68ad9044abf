package ffmpeg

import "fmt"

// index is what the moov of an MP4 or MOV file says, as far as ffprobe does not tell it.
type index struct {
	found      bool
	fragmented bool
	cut        bool // the file ends before its boxes do
	damaged    bool // something in it made no sense; what is here was read before that
	tracks     []track
	settings   []byte // the atom GPMF of the user data: what a GoPro says about itself
}

// track is one track; the boxes are where its sample tables lie.
type track struct {
	id        int64
	handler   string // vide, soun, meta
	format    string // of the first sample entry: avc1, gpmd
	width     int    // of the first sample entry, video only
	height    int
	timescale int64
	samples   int64
	variable  bool // samples differ in duration, the last one and rounding aside
	tables    map[string]box
}

const (
	maxIndex    = 512 << 20 // of moov: read through once, never held
	maxTracks   = 64
	maxSettings = 1 << 20
)

// readIndex finds the moov and reads its tables' summaries. A file without one has found = false. The error is only ever the store's: what is
// wrong with the file itself is for ffprobe to judge, which forgives more.
func readIndex(file at) (*index, error) {
	w := &walker{file: file}
	x := &index{}
	err := w.each(0, file.size(), 0, func(b box) error {
		x.cut = x.cut || b.cut
		switch {
		case b.kind == "moof":
			x.fragmented = true
		case x.found && b.kind == "mdat": // seen now whether it is whole
			return errStop
		}
		if b.kind != "moov" || x.found {
			return nil
		}
		if b.to-b.from > maxIndex {
			return fmt.Errorf("%w: a moov of %d bytes", errIndex, b.to-b.from)
		}
		x.found = true
		if err := x.movie(w, b); err != nil {
			return err
		}
		if x.fragmented { // what follows is long
			return errStop
		}
		return nil
	})
	if damaged(err) {
		x.damaged = true
		return x, nil
	}
	return x, past(err)
}

func (x *index) movie(w *walker, moov box) error {
	return w.each(moov.from, moov.to, 1, func(b box) error {
		switch b.kind {
		case "mvex":
			x.fragmented = true
		case "udta":
			return x.userData(w, b)
		case "trak":
			if len(x.tracks) == maxTracks {
				return fmt.Errorf("%w: more than %d tracks", errIndex, maxTracks)
			}
			t := track{tables: map[string]box{}}
			if err := t.read(w, b, 2); err != nil {
				return err
			}
			x.tracks = append(x.tracks, t)
		}
		return nil
	})
}

func (x *index) userData(w *walker, udta box) error {
	return w.each(udta.from, udta.to, 2, func(b box) error {
		if b.kind != "GPMF" || x.settings != nil || b.to-b.from > maxSettings {
			return nil
		}
		var err error
		x.settings, err = w.small(b, maxSettings)
		return err
	})
}

// read goes down to the tables of one track.
func (t *track) read(w *walker, parent box, depth int) error {
	return w.each(parent.from, parent.to, depth, func(b box) error {
		switch b.kind {
		case "mdia", "minf", "stbl":
			return t.read(w, b, depth+1)
		case "tkhd":
			return t.header(w, b, &t.id, 12, 20)
		case "mdhd":
			return t.header(w, b, &t.timescale, 12, 20)
		case "hdlr":
			return t.handled(w, b)
		case "stsd":
			return t.entry(w, b)
		case "stts":
			t.tables[b.kind] = b
			return t.durations(w, b)
		case "stsc", "stsz", "stco", "co64":
			t.tables[b.kind] = b
		}
		return nil
	})
}

// header reads the number that lies after the two times of a full box: they are 32 bits wide in version 0, 64 in version 1.
func (t *track) header(w *walker, b box, into *int64, narrow, wide int64) error {
	var p [24]byte
	if b.to-b.from < int64(len(p)) {
		return fmt.Errorf("%w: box %q of %d bytes", errIndex, b.kind, b.to-b.from)
	}
	if _, err := w.file.ReadAt(p[:], b.from); err != nil {
		return err
	}
	if p[0] == 1 {
		narrow = wide
	}
	*into = u32(p[narrow : narrow+4])
	return nil
}

// handled reads the kind of track. A QuickTime file has a second hdlr, of the data reference, in minf: the first one counts.
func (t *track) handled(w *walker, b box) error {
	var p [12]byte
	if t.handler != "" || b.to-b.from < int64(len(p)) {
		return nil
	}
	if _, err := w.file.ReadAt(p[:], b.from); err != nil {
		return err
	}
	t.handler = string(p[8:])
	return nil
}

// entry reads the first sample entry: its format, and where it is video its size (ISO/IEC 14496-12, section 12.1.3).
func (t *track) entry(w *walker, stsd box) error {
	var p [44]byte
	n := min(int64(len(p)), stsd.to-stsd.from)
	if n < 16 {
		return nil
	}
	if _, err := w.file.ReadAt(p[:n], stsd.from); err != nil {
		return err
	}
	t.format = string(p[12:16])
	if n == int64(len(p)) {
		t.width, t.height = int(u32(p[40:44])>>16), int(u32(p[40:44])&0xffff)
	}
	return nil
}

// durations counts the samples and tells whether they are equally long, one tick of rounding and the last one aside.
func (t *track) durations(w *walker, stts box) error {
	least, most, seen := int64(-1), int64(-1), int64(0)
	var held int64 // the duration of the last row, when it has one sample only: it may be the last sample
	note := func(d int64) {
		if d == 0 && seen > 0 { // some muxers end with an empty one
			return
		}
		if least < 0 || d < least {
			least = d
		}
		most = max(most, d)
	}
	pending := false
	err := w.table(stts, 4, 8, func(_ int64, p []byte) error {
		if pending {
			note(held)
		}
		count, d := u32(p), u32(p[4:])
		seen += count
		held, pending = d, count == 1
		if count > 1 {
			note(d)
		}
		return nil
	})
	t.samples, t.variable = seen, least >= 0 && most-least > 1
	return err
}

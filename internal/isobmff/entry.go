package isobmff

import (
	"encoding/binary"
	"math"
)

// frame is how many bytes so many samples of sound take; zero where the sample entry does not say.
type frame struct{ bytes, samples int64 }

// entry reads the first sample entry (section 12.1.3 and 12.2.3; for versions 1 and 2 of sound the QuickTime File Format's "Sound Sample
// Descriptions").
func (t *Track) entry() {
	p := firstEntry(t.Entries)
	if p == nil {
		return
	}
	t.Format = string(p[4:8])
	switch {
	case t.Handler == "vide" && len(p) >= 36:
		t.Width, t.Height = int(u16(p[32:])), int(u16(p[34:]))
	case t.Handler == "soun" && len(p) >= 36:
		t.sound(p)
	}
}

// firstEntry is the first sample entry of a whole stsd, with its header; nil when there is none.
func firstEntry(stsd []byte) []byte {
	if len(stsd) < 24 {
		return nil
	}
	p := stsd[16:]
	if size := u32(p); size >= 8 && size < int64(len(p)) {
		p = p[:size]
	}
	return p
}

func (t *Track) sound(p []byte) {
	t.Channels, t.Rate = int(u16(p[24:])), int(u32(p[32:])>>16)
	bits := u16(p[26:])
	switch version := u16(p[16:]); {
	case version == 1 && len(p) >= 52:
		if n, size := u32(p[36:]), u32(p[44:]); n > 0 && size > 0 {
			t.frame = frame{bytes: size, samples: n}
		}
	case version == 2 && len(p) >= 72:
		t.Rate = 0
		if rate := math.Float64frombits(binary.BigEndian.Uint64(p[40:])); rate >= 1 && rate < 1<<30 {
			t.Rate = int(rate)
		}
		if t.Channels = 0; u32(p[48:]) < 1<<16 {
			t.Channels = int(u32(p[48:]))
		}
		if n, size := u32(p[68:]), u32(p[64:]); n > 0 && size > 0 {
			t.frame = frame{bytes: size, samples: n}
		}
	}
	// Uncompressed sound has frames of one sample, whatever the size table says: QuickTime's writers put 1 there.
	switch t.Format {
	case "alaw", "ulaw":
		bits = 8
	case "in24":
		bits = 24
	case "in32", "fl32":
		bits = 32
	case "fl64":
		bits = 64
	case "raw ", "twos", "sowt":
	default:
		return
	}
	if version := u16(p[16:]); version < 2 && bits >= 8 && bits <= 64 && t.Channels > 0 {
		t.frame = frame{bytes: bits / 8 * int64(t.Channels), samples: 1}
	}
}

package isobmff

import "encoding/binary"

// InitTrack is one track of a fragmented film.
type InitTrack struct {
	ID            int64
	Handler       string
	Timescale     int64
	Width, Height int
	Matrix        [36]byte // zero: as it is
	Entries       []byte   // stsd, the whole box
}

// Init is ftyp and moov of a fragmented film with these tracks.
func Init(tracks ...InitTrack) []byte {
	w := &writer{}
	w.box("ftyp", func() { w.text("iso6\x00\x00\x02\x00iso6mp41") })
	w.box("moov", func() {
		next := int64(1)
		for _, t := range tracks {
			next = max(next, t.ID+1)
		}
		w.movieHeader(1000, 0, next)
		for _, t := range tracks {
			w.box("trak", func() { w.initTrack(t) })
		}
		w.box("mvex", func() {
			for _, t := range tracks {
				w.full("trex", 0, 0, func() { w.u32(t.ID, 1, 0, 0, 0) })
			}
		})
	})
	return w.b
}

func (w *writer) initTrack(t InitTrack) {
	w.trackHeader(t, 0)
	w.box("mdia", func() {
		w.mediaHeader(t.Timescale, 0)
		w.handler(t.Handler)
		w.box("minf", func() {
			w.information(t.Handler)
			w.box("stbl", func() {
				w.bytes(t.Entries)
				for _, kind := range []string{"stts", "stsc", "stco"} {
					w.full(kind, 0, 0, func() { w.u32(0) })
				}
				w.full("stsz", 0, 0, func() { w.u32(0, 0) })
			})
		})
	})
}

// Piece is one sample of a fragment to be written.
type Piece struct {
	Size, Duration, Composition int64
	Sync                        bool
}

// Flags of a sample that decoding can start at, and of one that it can't.
const (
	syncFlags = 2 << 24
	restFlags = flagDepends | flagNonSync
)

// Fragment is a moof and the header of an mdat that the pieces' bytes must follow. decode is at least 0: a time below would be written as one near
// the largest, and players would wait for it forever. Numbers that a trun cannot hold (sizes and durations above 32 bits, compositions above 31)
// are clamped: none comes from a file.
func Fragment(sequence uint32, track, decode int64, pieces []Piece) []byte {
	w := &writer{}
	has := runOffset | columns(pieces)
	total, place := int64(0), 0
	w.box("moof", func() {
		w.full("mfhd", 0, 0, func() { w.u32(int64(sequence)) })
		w.box("traf", func() {
			w.fragmentHeader(track, has, pieces)
			w.full("tfdt", 1, 0, func() { w.u64(max(decode, 0)) })
			w.full("trun", 1, has, func() {
				w.u32(int64(len(pieces)))
				place = len(w.b)
				w.u32(0)
				if has&runFirst != 0 {
					w.u32(flagsOf(pieces[0]))
				}
				for _, p := range pieces {
					total += clamp(p.Size, 0, maxU32)
					w.piece(p, has)
				}
			})
		})
	})
	w.data(total)
	binary.BigEndian.PutUint32(w.b[place:], uint32(len(w.b))) //nolint:gosec // moof and header: the pieces are in memory
	return w.b
}

// data is the header of an mdat of so many bytes.
func (w *writer) data(bytes int64) {
	if bytes+8 <= maxU32 {
		w.u32(bytes + 8)
		w.text("mdat")
		return
	}
	w.u32(1)
	w.text("mdat")
	w.u64(bytes + 16)
}

func flagsOf(p Piece) int64 {
	if p.Sync {
		return syncFlags
	}
	return restFlags
}

// columns says what the rows must have because the pieces differ in it; sizes always.
func columns(pieces []Piece) (has int64) {
	has = runSize
	for i, p := range pieces {
		if p.Duration != pieces[0].Duration {
			has |= runDuration
		}
		if p.Composition != 0 {
			has |= runTime
		}
		if i > 1 && p.Sync != pieces[1].Sync {
			has |= runFlags
		}
	}
	if len(pieces) > 1 && has&runFlags == 0 && pieces[0].Sync != pieces[1].Sync {
		has |= runFirst
	}
	return has
}

func (w *writer) fragmentHeader(track, has int64, pieces []Piece) {
	flags := int64(0x020000) // places count from the moof
	if len(pieces) > 0 {
		flags |= 0x8 | 0x20
	}
	w.full("tfhd", 0, flags, func() {
		w.u32(track)
		if len(pieces) > 0 {
			w.u32(clamp(pieces[0].Duration, 0, maxU32), flagsOf(pieces[min(1, len(pieces)-1)]))
		}
	})
}

func (w *writer) piece(p Piece, has int64) {
	if has&runDuration != 0 {
		w.u32(clamp(p.Duration, 0, maxU32))
	}
	w.u32(clamp(p.Size, 0, maxU32))
	if has&runFlags != 0 {
		w.u32(flagsOf(p))
	}
	if has&runTime != 0 {
		w.u32(clamp(p.Composition, -1<<31, 1<<31-1))
	}
}

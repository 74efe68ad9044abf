package isobmff

import "encoding/binary"

// writer makes boxes.
type writer struct{ b []byte }

func (w *writer) u16(v int64) { w.b = binary.BigEndian.AppendUint16(w.b, uint16(v)) } //nolint:gosec // callers clamp
func (w *writer) u32(values ...int64) {
	for _, v := range values {
		w.b = binary.BigEndian.AppendUint32(w.b, uint32(v))
	}
}                                //nolint:gosec // callers clamp
func (w *writer) u64(v int64)    { w.b = binary.BigEndian.AppendUint64(w.b, uint64(v)) } //nolint:gosec // callers clamp
func (w *writer) text(s string)  { w.b = append(w.b, s...) }
func (w *writer) bytes(p []byte) { w.b = append(w.b, p...) }
func (w *writer) zero(n int)     { w.b = append(w.b, make([]byte, n)...) }

// box is one box with what fill writes.
func (w *writer) box(kind string, fill func()) {
	at := len(w.b)
	w.u32(0)
	w.text(kind)
	fill()
	binary.BigEndian.PutUint32(w.b[at:], uint32(len(w.b)-at)) //nolint:gosec // boxes that could be larger are not made this way
}

// full is a box with version and flags.
func (w *writer) full(kind string, version, flags int64, fill func()) {
	w.box(kind, func() {
		w.u32(version<<24 | flags)
		fill()
	})
}

const maxU32 = 1<<32 - 1

// clamp keeps a number within what its field can say.
func clamp(v, least, most int64) int64 { return max(least, min(v, most)) }

func identity() (m [36]byte) {
	m[1], m[17], m[32] = 1, 1, 0x40
	return m
}

// mvhd, tkhd and mdhd of version 1, as far as a film of ours says anything.
func (w *writer) movieHeader(timescale, duration, next int64) {
	w.full("mvhd", 1, 0, func() {
		w.zero(16)
		w.u32(timescale)
		w.u64(duration)
		w.u32(1<<16, 1<<24)
		w.zero(8)
		m := identity()
		w.bytes(m[:])
		w.zero(24)
		w.u32(next)
	})
}

func (w *writer) trackHeader(t InitTrack, duration int64) {
	w.full("tkhd", 1, 3, func() {
		w.zero(16)
		w.u32(t.ID, 0)
		w.u64(duration)
		w.zero(12)
		volume := int64(0)
		if t.Handler == "soun" {
			volume = 0x100
		}
		w.u16(volume)
		w.zero(2)
		matrix := t.Matrix
		if matrix == [36]byte{} {
			matrix = identity()
		}
		w.bytes(matrix[:])
		w.u32(clamp(int64(t.Width), 0, 0xffff)<<16, clamp(int64(t.Height), 0, 0xffff)<<16)
	})
}

func (w *writer) mediaHeader(timescale, duration int64) {
	w.full("mdhd", 1, 0, func() {
		w.zero(16)
		w.u32(timescale)
		w.u64(duration)
		w.u16(0x55c4) // language: und
		w.u16(0)
	})
}

func (w *writer) handler(kind string) {
	w.full("hdlr", 0, 0, func() {
		w.u32(0)
		w.text((kind + "    ")[:4])
		w.zero(13)
	})
}

// information is the beginning of minf: what kind of media, and that the data is in this very file, whatever the original said.
func (w *writer) information(handler string) {
	switch handler {
	case "vide":
		w.full("vmhd", 0, 1, func() { w.zero(8) })
	case "soun":
		w.full("smhd", 0, 0, func() { w.zero(4) })
	default:
		w.full("nmhd", 0, 0, func() {})
	}
	w.box("dinf", func() {
		w.full("dref", 0, 0, func() {
			w.u32(1)
			w.full("url ", 0, 1, func() {})
		})
	})
}

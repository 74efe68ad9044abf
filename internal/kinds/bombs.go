package kinds

import (
	"bytes"
	"compress/zlib"
	"slices"
)

// side is the width and height of pictures that are large and empty: 256 million pixels, 400 MB once decoded. ffmpeg refuses 16,384.
const side = 16000

// bombs are small files that ask for much work.
func bombs() []Kind {
	return []Kind{
		written("bomb-jpeg", "1,000 pictures of 16,000 by 16,000, all in the same megabyte of zeros", "a.mov", func() []byte {
			picture := jpeg()
			offsets, sizes := make([]uint32, 1000), make([]uint32, 1000)
			for i := range sizes {
				sizes[i] = uint32(len(picture))
			}
			return showing(leaf("jpeg", entry()), picture, offsets, sizes)
		}),
		written("bomb-h264", "10,000 pictures of 16,000 by 16,000, of which all but the first are 12 bytes that say: as before", "a.mp4", func() []byte {
			config, data, offsets, sizes := skipped(10_000)
			return showing(leaf("avc1", entry(), leaf("avcC", config).bytes()), data, offsets, sizes)
		}),
	}
}

// entry is the fixed part of a sample entry of video.
func entry() []byte {
	return slices.Concat(make([]byte, 6), u16(1), make([]byte, 16), u16(side, side), u32(72<<16, 72<<16, 0), u16(1), make([]byte, 32), u16(24, 0xffff))
}

// showing is a film of 25 samples a second, which lie at offsets in data.
func showing(sample *box, data []byte, offsets, sizes []uint32) []byte {
	head := begin()
	var chunks, lengths []byte
	for i := range offsets {
		chunks = append(chunks, u32(uint32(len(head))+8+offsets[i])...)
		lengths = append(lengths, u32(sizes[i])...)
	}
	n := uint32(len(offsets))
	matrix := u32(1<<16, 0, 0, 0, 1<<16, 0, 0, 0, 1<<30)
	tables := nest("stbl", full("stsd", 0, 0, u32(1), sample.bytes()), tabled("stts", 0, [][]uint32{{n, 1}}), tabled("stsc", 0, [][]uint32{{1, 1, 1}}),
		full("stsz", 0, 0, u32(0, n), lengths), full("stco", 0, 0, u32(n), chunks), tabled("stss", 0, [][]uint32{{1}}))
	reference := nest("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1).bytes()))
	media := nest("mdia", full("mdhd", 0, 0, u32(0, 0, 25, n, 0x55c40000)), full("hdlr", 0, 0, u32(0), []byte("vide"), make([]byte, 13)),
		nest("minf", full("vmhd", 0, 1, make([]byte, 8)), reference, tables))
	track := nest("trak", full("tkhd", 0, 3, u32(0, 0, 1, 0, n*40, 0, 0, 0, 0), matrix, u32(side<<16, side<<16)), media)
	movie := full("mvhd", 0, 0, u32(0, 0, 1000, n*40, 1<<16, 1<<24, 0, 0), matrix, make([]byte, 24), u32(2))
	return slices.Concat(head, leaf("mdat", data).bytes(), nest("moov", movie, track).bytes())
}

// jpeg is an empty gray picture: each of its tables has one code of one bit, so a block of 64 pixels is two bits, both zero (ITU-T T.81).
func jpeg() []byte {
	segment := func(marker byte, body ...byte) []byte {
		return slices.Concat([]byte{0xff, marker}, u16(uint16(2+len(body))), body)
	}
	codes := func(class byte) []byte { return append([]byte{class, 1}, make([]byte, 15+1)...) }
	size := u16(side, side)
	return slices.Concat([]byte{0xff, 0xd8}, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...),
		segment(0xc0, append(append([]byte{8}, size...), 1, 1, 0x11, 0)...), segment(0xc4, codes(0)...), segment(0xc4, codes(0x10)...),
		segment(0xda, 1, 1, 0, 0, 63, 0), make([]byte, side/8*side/8*2/8), []byte{0xff, 0xd9})
}

// bits are written from the highest on (ITU-T H.264, clause 7.2 and 9.1).
type bits struct {
	b    []byte
	free int // of the last byte
}

func (w *bits) put(v uint64, n int) *bits {
	for i := n - 1; i >= 0; i-- {
		if w.free == 0 {
			w.b, w.free = append(w.b, 0), 8
		}
		w.free--
		w.b[len(w.b)-1] |= byte(v>>i&1) << w.free
	}
	return w
}

// ue writes numbers in Exp-Golomb codes.
func (w *bits) ue(numbers ...uint64) *bits {
	for _, v := range numbers {
		n := 0
		for (v+1)>>n > 1 {
			n++
		}
		w.put(0, n).put(v+1, n+1)
	}
	return w
}

// unit ends the bits, and makes them a NAL unit in which no three bytes look like a start code.
func (w *bits) unit(header byte) []byte {
	w.put(1, 1)
	out, zeros := []byte{header}, 0
	for _, b := range w.b {
		if zeros == 2 && b <= 3 {
			out, zeros = append(out, 3), 0
		}
		out = append(out, b)
		if zeros++; b != 0 {
			zeros = 0
		}
	}
	return out
}

// skipped is H.264: a picture of gray blocks, then pictures that skip every block. The first 16 of those are all there are, since frame numbers have four bits.
func skipped(n int) (config, data []byte, offsets, sizes []uint32) {
	const across = side / 16
	set := new(bits).put(66<<16|62, 24).ue(0, 0, 2, 1).put(0, 1).ue(across-1, across-1).put(0b1100, 4).unit(0x67)
	pictures := new(bits).ue(0, 0).put(0, 2).ue(0, 0, 0).put(0, 3).ue(0, 0, 0).put(0, 3).unit(0x68)
	config = slices.Concat([]byte{1, 66, 0, 62, 0xff, 0xe1}, u16(uint16(len(set))), set, []byte{1}, u16(uint16(len(pictures))), pictures)
	add := func(unit []byte) {
		offsets, sizes = append(offsets, uint32(len(data))), append(sizes, uint32(4+len(unit)))
		data = slices.Concat(data, u32(uint32(len(unit))), unit)
	}
	key := new(bits).ue(0, 7, 0).put(0, 4).ue(0).put(0, 2).ue(0)
	for range across * across {
		key.ue(3, 0, 0).put(1, 1) // 16x16, predicted as the mean of its neighbours, no chroma prediction, the same quantizer, no coefficient
	}
	add(key.unit(0x65))
	for i := 1; i < n; i++ {
		if i > 16 {
			offsets, sizes = append(offsets, offsets[i-16]), append(sizes, sizes[i-16])
			continue
		}
		add(new(bits).ue(0, 5, 0).put(uint64(i%16), 4).put(0, 3).ue(0, across*across).unit(0x41))
	}
	return config, data, offsets, sizes
}

// packed is so many zeros in the format of zlib, which takes less than a five hundredth of them.
func packed(n int) []byte {
	var out bytes.Buffer
	w, _ := zlib.NewWriterLevel(&out, zlib.BestSpeed) // a level that there is
	zeros := make([]byte, 1<<20)
	for ; n > 0; n -= len(zeros) {
		_, _ = w.Write(zeros[:min(n, len(zeros))]) // a buffer takes all
	}
	_ = w.Close()
	return out.Bytes()
}

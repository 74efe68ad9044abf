package kinds

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
)

// foreign are hostile files of other containers than ISO base media.
func foreign() []Kind {
	return slices.Concat(hostileStreams(), hostileMatroska(), hostileAVI())
}

// packet is one packet of a transport stream: 188 bytes.
func packet(pid int, start bool, payload ...byte) []byte {
	head := []byte{0x47, byte(pid >> 8), byte(pid), 0x10}
	if start {
		head[1] |= 0x40
	}
	p := append(head, payload...)
	return append(p, bytes.Repeat([]byte{0xff}, max(0, 188-len(p)))...)[:188]
}

// hostileStreams are transport streams.
func hostileStreams() []Kind {
	// A table of programs: so many, each with its map at the packet identifier that place gives.
	programs := func(n int, place func(i int) int) []byte {
		body := []byte{0, 1, 0xc1, 0, 0}
		for i := range n {
			body = append(body, byte(i>>8), byte(i+1), 0xe0|byte(place(i)>>8), byte(place(i)))
		}
		return slices.Concat([]byte{0, 0, 0xb0 | byte((len(body)+4)>>8), byte(len(body) + 4)}, body, []byte{0, 0, 0, 0})
	}
	return []Kind{
		written("ts-noise", "packets whose content is noise, for every packet identifier", "a.ts", func() []byte {
			noise := rand.New(rand.NewPCG(5, 6))
			var b []byte
			for range 5000 {
				p := make([]byte, 187)
				for i := range p {
					p[i] = byte(noise.Uint32())
				}
				b = append(append(b, 0x47), p...)
			}
			return b
		}),
		written("ts-tables", "tables that claim 4,095 bytes, and maps that are the table itself", "a.ts", func() []byte {
			b := packet(0, true, programs(40, func(i int) int { return i % 3 })...)
			for i := range 2000 {
				b = append(b, packet(i%3, true, 0, byte(2*(i%2)), 0xbf, 0xff, 0, 1, 0xc1, 0, 0, 0xe0, byte(i), 0xff, 0xff, 0x1b, 0xff, 0xff, 0xff, 0xff)...)
			}
			return b
		}),
		written("ts-streams", "8,000 streams that no table names", "a.ts", func() []byte {
			var b []byte
			for range 2 {
				for pid := range 8000 {
					b = append(b, packet(pid+64, true, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 1, 0, 1, 0, 0, 1, 0x67, 0x42, 0, 0x1e)...)
				}
			}
			return b
		}),
		written("ts-adaptation", "packets that are nothing but an adaptation field, which claims 255 bytes", "a.ts", func() []byte {
			p := packet(256, true, 255, 0x10)
			p[3] = 0x30
			return bytes.Repeat(p, 5000)
		}),
		{Name: "ts-clock-jumps", Words: "its clock jumps to 26 hours, back to the beginning, and on by 12 hours", Make: as(
			by("a.ts", "-t", "2", "-i", car, "-c", "copy"), jumping)},
	}
}

// jumping repeats a transport stream with other times: those of its packets of pictures and sound.
func jumping(b []byte) ([]byte, error) {
	all := slices.Clone(b)
	for _, shift := range []uint64{26 * 3600 * 90000, 0, 12 * 3600 * 90000} {
		part := slices.Clone(b)
		for at := 0; at+188 <= len(part); at += 188 {
			p := part[at : at+188]
			from := 4
			if p[3]&0x20 != 0 {
				from += 1 + int(p[4])
			}
			if p[1]&0x40 == 0 || from+14 > 188 || !bytes.Equal(p[from:from+3], []byte{0, 0, 1}) || p[from+7]&0x80 == 0 {
				continue
			}
			t := (uint64(p[from+9]>>1&7)<<30 | uint64(p[from+10])<<22 | uint64(p[from+11]>>1)<<15 | uint64(p[from+12])<<7 | uint64(p[from+13]>>1)) + shift
			p[from+9] = p[from+9]&0xf1 | byte(t>>30&7)<<1
			p[from+10], p[from+11] = byte(t>>22), byte(t>>15)<<1|1
			p[from+12], p[from+13] = byte(t>>7), byte(t)<<1|1
		}
		all = append(all, part...)
	}
	return all, nil
}

// element is one element of EBML (RFC 8794), with a size of eight bytes.
func element(id uint32, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return slices.Concat(bytes.TrimLeft(u32(id), "\x00"), u64(1<<56|uint64(len(body))), body)
}

// endless is the head of one whose size is unknown.
func endless(id uint32) []byte { return append(bytes.TrimLeft(u32(id), "\x00"), u64(1<<57-1)...) }

// matroska begins a file of one track of VP8 (RFC 9559).
func matroska(encodings ...[]byte) []byte {
	track := element(0xae, element(0xd7, []byte{1}), element(0x73c5, []byte{1}), element(0x83, []byte{1}), element(0x86, []byte("V_VP8")),
		element(0xe0, element(0xb0, u16(64)), element(0xba, u16(64))), bytes.Join(encodings, nil))
	return slices.Concat(element(0x1a45dfa3, element(0x4282, []byte("matroska")), element(0x4287, []byte{4}), element(0x4285, []byte{2})), endless(0x18538067), element(0x1654ae6b, track))
}

// hostileMatroska are files of Matroska.
func hostileMatroska() []Kind {
	made := func(name, words string, rest func() []byte) Kind {
		return written("mkv-"+name, words, "a.mkv", func() []byte { return append(matroska(), rest()...) })
	}
	cluster := func(blocks ...[]byte) []byte {
		return element(0x1f43b675, element(0xe7, []byte{0}), bytes.Join(blocks, nil))
	}
	return []Kind{
		made("lacing", "blocks laced of 256 frames, whose sizes are 2^56", func() []byte {
			block := slices.Concat([]byte{0x81, 0, 0, 0x86, 255}, bytes.Repeat(u64(1<<56|1<<55), 255))
			return cluster(bytes.Repeat(element(0xa3, block), 50))
		}),
		made("lacing-xiph", "a block laced of 256 frames, whose sizes never end", func() []byte {
			return cluster(element(0xa3, []byte{0x81, 0, 0, 0x82, 255}, bytes.Repeat([]byte{255}, 1<<16)))
		}),
		made("clusters", "20,000 clusters of unknown size, each in the one before", func() []byte { return bytes.Repeat(endless(0x1f43b675), 20_000) }),
		made("segments", "segments of unknown size in each other", func() []byte { return bytes.Repeat(endless(0x18538067), 20_000) }),
		made("tags", "tags in tags, 20,000 deep", func() []byte { return bytes.Repeat(endless(0x67c8), 20_000) }),
		made("size", "a cluster of 2^56-2 bytes", func() []byte { return append([]byte{0x1f, 0x43, 0xb6, 0x75}, u64(1<<57-2)...) }),
		made("cues-self", "cues that point to themselves, and a seek head that points to itself", func() []byte {
			at := uint64(len(matroska())) - uint64(bytes.Index(matroska(), endless(0x18538067))) - 12
			seek := element(0x114d9b74, element(0x4dbb, element(0x53ab, u32(0x114d9b74)), element(0x53ac, u64(at))))
			cues := element(0x1c53bb6b, element(0xbb, element(0xb3, []byte{0}), element(0xb7, element(0xf7, []byte{1}), element(0xf1, u64(at+uint64(len(seek)))))))
			return append(seek, cues...)
		}),
		made("clock", "a clock of zero nanoseconds, and one of 2^63", func() []byte {
			return slices.Concat(element(0x1549a966, element(0x2ad7b1, u64(0)), element(0x2ad7b1, u64(1<<63))), cluster(element(0xa3, []byte{0x81, 0x7f, 0xff, 0x80, 0x30, 1, 0})))
		}),
		written("mkv-packed", "frames that unpack to 256 MB of zeros each", "a.mkv", func() []byte {
			encoding := element(0x6d80, element(0x6240, element(0x5034, element(0x4254, []byte{0}))))
			block := element(0xa3, []byte{0x81, 0, 0, 0x80}, packed(256<<20))
			return append(matroska(encoding), cluster(bytes.Repeat(block, 4))...)
		}),
	}
}

// chunk is one chunk of RIFF.
func chunk(id string, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return slices.Concat([]byte(id), low(uint32(len(body))), body, make([]byte, len(body)%2))
}

// low writes numbers from the lowest byte on.
func low(numbers ...uint32) []byte {
	var b []byte
	for _, v := range numbers {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// avi is a file of one track of JPEG pictures; index is in its header, rest behind its media.
func avi(scale, rate, size uint32, index []byte, rest ...[]byte) []byte {
	header := chunk("avih", low(40000, 0, 0, 0x10, 25, 0, 1, 0, size, size, 0, 0, 0, 0))
	stream := chunk("strh", []byte("vidsMJPG"), low(0, 0, 0, scale, rate, 0, 25, 0, most, 0, 0, 0))
	format := chunk("strf", low(40, size, size, 24<<16|1), []byte("MJPG"), low(0, 0, 0, 0, 0))
	media := chunk("LIST", []byte("movi"), chunk("00dc", []byte{0xff, 0xd8, 0xff, 0xd9}))
	return chunk("RIFF", []byte("AVI "), chunk("LIST", []byte("hdrl"), header, chunk("LIST", []byte("strl"), stream, format, index)), media, bytes.Join(rest, nil))
}

// hostileAVI are files of AVI.
func hostileAVI() []Kind {
	return []Kind{
		written("avi-index-self", "an index of indexes, of which each is that index", "a.avi", func() []byte {
			head := slices.Concat([]byte{4, 0, 0, 0}, low(500), []byte("00dc"), make([]byte, 12))
			at := bytes.Index(avi(1, 25, 64, chunk("indx", head)), []byte("indx"))
			self := bytes.Repeat(slices.Concat(low(uint32(at), 0), low(24+16*500, 1)), 500)
			return avi(1, 25, 64, chunk("indx", head, self))
		}),
		written("avi-index-count", "an index that claims 4,294,967,295 entries", "a.avi", func() []byte {
			return avi(1, 25, 64, chunk("indx", []byte{4, 0, 0, 0}, low(most), []byte("00dc"), make([]byte, 12)), []byte("idx1"), low(most))
		}),
		written("avi-index-back", "an index of 100,000 entries that point before the file, and to each other", "a.avi", func() []byte {
			return avi(1, 25, 64, nil, chunk("idx1", bytes.Repeat(slices.Concat([]byte("00dc"), low(0x10, 0xfffffff0, most)), 100_000)))
		}),
		written("avi-lists", "lists in lists, 20,000 deep", "a.avi", func() []byte { return avi(1, 25, 64, bytes.Repeat([]byte("LIST\xff\xff\xff\x7fstrl"), 20_000)) }),
		written("avi-clock", "pictures at 0/0 a second", "a.avi", func() []byte { return avi(0, 0, 64, nil) }),
		written("avi-size", "pictures of 2,147,483,647 by 2,147,483,647", "a.avi", func() []byte { return avi(1, 25, 0x7fffffff, nil) }),
		written("avi-palette", "a header that claims 4 GB", "a.avi", func() []byte {
			return avi(1, 25, 64, slices.Concat([]byte("strf"), low(0xfffffff0), low(40)))
		}),
	}
}

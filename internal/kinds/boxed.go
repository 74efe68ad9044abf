package kinds

import (
	"bytes"
	"encoding/binary"
)

// begin is how every film begins.
func begin() []byte { return leaf("ftyp", []byte("isom"), u32(512), []byte("isomiso2mp41")).bytes() }

// boxed are films whose boxes have no sense.
func boxed() []Kind {
	film := func(name, words string, rest ...[]byte) Kind {
		return written("box-"+name, words, "a.mp4", func() []byte { return append(begin(), bytes.Join(rest, nil)...) })
	}
	head := func(size uint32, kind string) []byte { return append(u32(size), kind...) }
	return []Kind{
		film("nested-1000", "a moov in a moov, 1000 deep", deep("moov", 1000)),
		film("nested-100000", "a track in a track, 100,000 deep", head(8+8*100_000, "moov"), deep("trak", 100_000)),
		film("nested-beyond", "boxes in each other of which each claims 2 GB", bytes.Repeat(head(0x7fffffff, "moov"), 1000)),
		film("size-0-within", "a box to the end of the file, within another, again and again", head(8+3*8, "moov"), head(0, "trak"), head(0, "trak"), head(0, "trak")),
		film("size-0-first", "a moov to the end of the file, which is not far", head(0, "moov")),
		film("size-1-none", "a size of 64 bits that is 0", head(1, "moov"), u64(0), head(1, "moov"), u64(0)),
		film("size-1-small", "a size of 64 bits that ends within itself", head(1, "moov"), u64(9), head(8, "free")),
		film("size-1-huge", "a size of 2^63", head(1, "mdat"), u64(1<<63), head(8, "moov")),
		film("size-1-overflow", "a size of 2^64-1: the next box is before this one", head(1, "mdat"), u64(1<<64-1), head(8, "moov")),
		film("size-1-loops", "a size of 64 bits that leads back to the beginning when it wraps", head(1, "free"), u64(1<<64-28), head(8, "moov")),
		film("size-7", "a size less than the field that says it", head(7, "moov"), head(3, "moov")),
		film("size-4g", "a moov of 4 GB in a file of 40 bytes", head(0xffffffff, "moov")),
		film("child-larger", "a box larger than the one that it is in", head(24, "moov"), head(4096, "trak"), head(8, "tkhd")),
		film("many", "200,000 boxes of nothing: a reader that fetches each one's head asks 200,000 times", bytes.Repeat(head(8, "free"), 200_000), head(8, "moov")),
		film("no-sample", "a moov of nothing", head(8, "moov")),
		film("types", "boxes of unprintable types", head(8, "\x00\x00\x00\x00"), head(8, "\xff\xfe\n\x1b"), head(8, "%s%n"), head(24, "uuid"), make([]byte, 16)),
		written("box-noise", "noise after ftyp", "a.mp4", func() []byte {
			noise, _ := scratch(1 << 16)(make([]byte, 3<<16)) // it never fails
			return append(begin(), noise[(3<<16)*9/20:]...)
		}),
		written("box-compressed", "a compressed moov that claims 2 GB, and unpacks to 256 MB of zeros", "a.mov", func() []byte {
			return append(begin(), nest("moov", nest("cmov", leaf("dcom", []byte("zlib")), leaf("cmvd", u32(0x7fffffff), packed(256<<20)))).bytes()...)
		}),
	}
}

// deep is a box of a kind in a box of the kind, and so on: one byte string, since a thousand copies of each other would take their time.
func deep(kind string, n int) []byte {
	var b []byte
	for i := n; i > 0; i-- {
		b = append(binary.BigEndian.AppendUint32(b, uint32(8*i)), kind...)
	}
	return b
}

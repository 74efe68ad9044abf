package kinds

import (
	"bytes"
	"fmt"
	"slices"
)

// honest is a film of two seconds, plain; broken is the same in fragments. The hostile films differ from them in one lie, so that a reader gets as far as to it.
func honest() making { return by("a.mp4", "-t", "2", "-i", car, "-c", "copy") }

func broken() making {
	return by("a.mp4", "-t", "2", "-i", car, "-an", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
}

// lie changes the sample tables of the picture.
func lie(name, words string, change func(tables *box)) Kind {
	return Kind{Name: name, Words: words, Make: as(honest(), film(func(moov *box) error {
		tables := moov.tracks("vide")[0].in("mdia", "minf", "stbl")
		if tables == nil {
			return errBox
		}
		change(tables)
		return nil
	}))}
}

// set puts a box into another, in the place of the one of its kind.
func (b *box) set(one *box) {
	i := slices.IndexFunc(b.parts, func(p *box) bool { return p.kind == one.kind })
	if i < 0 {
		b.parts = append(b.parts, one)
		return
	}
	b.parts[i] = one
}

const (
	most    = 0xffffffff
	billion = 1_000_000_000
)

// counts are films whose tables claim more than there is.
func counts() []Kind {
	count := func(kind string, at int) Kind { // the count of a table, or of another field
		return lie("count-"+kind, "its "+kind+" claims 4,294,967,295 entries", func(t *box) {
			if t.in(kind) == nil {
				t.set(full(kind, 0, 0, u32(1, 1, 0)))
			}
			copy(t.in(kind).body[at:], u32(most))
		})
	}
	return []Kind{
		count("stsz", 8), count("stts", 4), count("stsc", 4), count("stco", 4), count("stss", 4), count("ctts", 4), count("stsd", 4),
		lie("count-samples-of-a-byte", "a billion samples of one byte, in tables of one entry", func(t *box) {
			t.set(full("stsz", 0, 0, u32(1, billion)))
			t.set(tabled("stts", 0, [][]uint32{{billion, 1}}))
			t.set(tabled("stsc", 0, [][]uint32{{1, billion, 1}}))
			t.set(tabled("stco", 0, [][]uint32{{48}}))
		}),
		lie("count-samples-of-nothing", "a billion samples of no size, whose table of sizes is not there", func(t *box) {
			t.set(full("stsz", 0, 0, u32(0, billion)))
			t.set(tabled("stts", 0, [][]uint32{{billion, 1}}))
			t.set(tabled("stsc", 0, [][]uint32{{1, billion, 1}}))
		}),
		lie("count-times", "its times are for 4,294,967,295 samples", func(t *box) { t.set(tabled("stts", 0, [][]uint32{{most, 1}})) }),
		lie("count-chunk", "a chunk of 4,294,967,295 samples", func(t *box) { t.set(tabled("stsc", 0, [][]uint32{{1, most, 1}})) }),
		lie("size-of-sample", "its one sample is of 2 GB", func(t *box) {
			t.set(full("stsz", 0, 0, u32(0, 1, 0x7fffffff)))
			t.set(tabled("stts", 0, [][]uint32{{1, 2000}}))
			t.set(tabled("stsc", 0, [][]uint32{{1, 1, 1}}))
		}),
	}
}

// nonsense are films whose tables and clocks lead nowhere.
func nonsense() []Kind {
	return []Kind{
		lie("chunks-backwards", "chunks numbered backwards and from zero, of a sample entry that is not there", func(t *box) {
			t.set(tabled("stsc", 0, [][]uint32{{9, 1, 77}, {0, 3, 0}, {most, 5, most}}))
		}),
		lie("offsets-beyond", "its chunks are behind the end of the file", func(t *box) {
			rows := t.in("stco").table(1)
			for _, row := range rows {
				row[0] = 0xfffffff0
			}
			t.set(tabled("stco", 0, rows))
		}),
		lie("offsets-overflow", "its chunks are at 2^64-1 and 2^63", func(t *box) {
			t.in("stco").kind = "co64"
			t.set(full("co64", 0, 0, u32(2), u64(1<<64-1, 1<<63)))
		}),
		lie("times-huge", "each sample lasts 4,294,967,295 ticks", func(t *box) {
			t.set(tabled("stts", 0, [][]uint32{{25, most}}))
			t.set(tabled("ctts", 1, [][]uint32{{25, 0x80000000}}))
		}),
		lie("times-none", "no sample lasts", func(t *box) { t.set(tabled("stts", 0, [][]uint32{{25, 0}})) }),
		lie("keyframes-none", "a table of keyframes that has none", func(t *box) { t.set(tabled("stss", 0, nil)) }),
		lie("keyframes-beyond", "keyframes backwards, twice, zero, and behind the last sample", func(t *box) {
			t.set(tabled("stss", 0, [][]uint32{{9}, {9}, {3}, {0}, {most}}))
		}),
		lie("picture-65535", "a picture of 65,535 by 65,535", func(t *box) { copy(t.in("stsd").body[8+8+24:], u16(65535, 65535)) }),
		lie("entry-short", "a sample entry that ends within its fields", func(t *box) { t.set(full("stsd", 0, 0, u32(1), leaf("avc1", u32(0)).bytes())) }),
		{Name: "clock-none", Words: "clocks of zero ticks a second", Make: as(honest(), film(func(moov *box) error {
			copy(moov.in("mvhd").body[12:], u32(0))
			for _, track := range append(moov.tracks("vide"), moov.tracks("soun")...) {
				copy(track.in("mdia", "mdhd").body[12:], u32(0))
			}
			return nil
		}))},
		edited("edit-overflow", "edits of 2^64-1 ticks from 2^63-1 on", u32(2), u64(1<<64-1, 1<<63-1), u32(1<<16), u64(1<<64-1, 1<<63), u32(1<<16)),
		edited("edit-count", "4,294,967,295 edits", u32(most), u64(100, 0), u32(1<<16)),
		edited("edit-rates", "edits that stand still, run backwards, and begin before the beginning", u32(3), u64(1000, 0), u32(0), u64(1000, 0), u32(0xffff0000), u64(1000, 1<<64-7), u32(1<<16)),
		edited("edit-many", "50,000 edits of the same picture", u32(50_000), bytes.Repeat(append(u64(100, 0), u32(1<<16)...), 50_000)),
	}
}

// edited gives the picture another edit list, of version 1.
func edited(name, words string, fields ...[]byte) Kind {
	return Kind{Name: name, Words: words, Make: as(honest(), film(func(moov *box) error {
		moov.tracks("vide")[0].set(nest("edts", full("elst", 1, 0, fields...)))
		return nil
	}))}
}

// references are films that name other files, or themselves too often.
func references(bait Bait) []Kind {
	refer := func(name, words string, entry *box) Kind {
		return Kind{Name: name, Words: words, Make: as(honest(), film(func(moov *box) error {
			for _, track := range append(moov.tracks("vide"), moov.tracks("soun")...) {
				track.in("mdia", "minf", "dinf").set(full("dref", 0, 0, u32(1), entry.bytes()))
			}
			return nil
		}))}
	}
	return []Kind{
		refer("refers-url", "its media are at an address", full("url ", 0, 0, []byte(bait.URL+"/a.mp4\x00"))),
		refer("refers-file", "its media are at a file's address", full("url ", 0, 0, []byte("file://"+bait.File+"\x00"))),
		refer("refers-alias", "its media are in another file, as QuickTime could say", alias(bait.File)),
		{Name: "refers-count", Words: "4,294,967,295 references", Make: as(honest(), film(func(moov *box) error {
			moov.tracks("vide")[0].in("mdia", "minf", "dinf").set(full("dref", 0, 0, u32(most), full("url ", 0, 1).bytes()))
			return nil
		}))},
		copies("tracks-100", 100), copies("tracks-5000", 5000),
	}
}

// copies is a film that shows the same media in many tracks.
func copies(name string, n int) Kind {
	return Kind{Name: name, Words: fmt.Sprintf("%d tracks of the same media", n), Make: as(honest(), film(func(moov *box) error {
		one := moov.tracks("vide")[0].bytes()
		for i := range n - len(moov.tracks("vide")) - len(moov.tracks("soun")) {
			more, err := boxes(one)
			if err != nil {
				return err
			}
			copy(more[0].in("tkhd").body[12:], u32(uint32(100+i)))
			moov.parts = append(moov.parts, more...)
		}
		return nil
	}))}
}

// alias is a data reference to a file by its path (QuickTime File Format, "Data references"; the record is Inside Macintosh's, with the path as its type 2).
func alias(path string) *box {
	record := slices.Concat(make([]byte, 10), []byte{3}, []byte("vol"), make([]byte, 24+12), []byte{10}, []byte("canary.mov"), make([]byte, 53+16+4+16))
	path += string(make([]byte, len(path)%2))
	record = slices.Concat(record, []byte{0, 2}, u16(uint16(len(path))), []byte(path), []byte{0xff, 0xff, 0, 0})
	return full("alis", 0, 0, record)
}

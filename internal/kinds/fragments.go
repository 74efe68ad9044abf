package kinds

import (
	"bytes"
	"slices"
)

// inserted changes the boxes of a fragmented film, and tells where the one that it puts in will be.
type inserted = func(at uint64) *box

// fragments are fragmented films with one lie.
func fragments() []Kind {
	return []Kind{
		moof("billion", "a run of a billion samples of no size", func(t *box) {
			t.set(full("tfhd", 0, 0x20018, u32(1, 1, 0))) // a duration of 1 and a size of 0 for each
			t.set(full("trun", 0, 0, u32(billion)))
		}),
		moof("count", "a run of 4,294,967,295 samples in a box of 20 bytes", func(t *box) { t.set(full("trun", 1, 0xf01, u32(most, 0))) }),
		moof("offset-before", "its media are 2 GB before it", func(t *box) { copy(t.in("trun").body[8:], u32(0x80000000)) }),
		moof("offset-overflow", "its media are at 2^64-1", func(t *box) { t.set(full("tfhd", 0, 1, u32(1), u64(1<<64-1))) }),
		moof("time-overflow", "it begins at 2^64-1", func(t *box) { t.set(full("tfdt", 1, 0, u64(1<<64-1))) }),
		moof("time-negative", "it begins at 2^63", func(t *box) { t.set(full("tfdt", 1, 0, u64(1<<63))) }),
		moof("track-unknown", "of a track that is not there", func(t *box) { copy(t.in("tfhd").body[4:], u32(4711)) }),
		fragment("many", "20,000 fragments of nothing", func(all []*box) []byte {
			run := nest("traf", full("tfhd", 0, 0x20000, u32(1)), full("tfdt", 0, 0, u32(0)), full("trun", 0, 0, u32(0)))
			return append(sequence(all), bytes.Repeat(nest("moof", full("mfhd", 0, 0, u32(1)), run).bytes(), 20_000)...)
		}),
		index("sidx-none", "an index of indexes that have no size", func(uint64) *box {
			return full("sidx", 0, 0, u32(1, 25000, 0, 0, 2, 0x80000000, 50000, 0, 0x80000000, 50000, 0))
		}),
		index("sidx-self", "an index of an index that is itself, by an offset that wraps", func(uint64) *box {
			const size = 8 + 4 + 8 + 16 + 4 + 24
			return full("sidx", 1, 0, u32(1, 25000), u64(0, 1<<64-size), u32(2, 0x80000000|size, 50000, 0, 0x80000000|size, 50000, 0))
		}),
		index("sidx-many", "an index of 65,535 references of no size and 4,294,967,295 ticks", func(uint64) *box {
			return full("sidx", 0, 0, u32(1, 25000, 0, 0, 65535), bytes.Repeat(u32(0, most, 0), 65535))
		}),
		random("mfra-self", "a table of fragments that points to itself", func(at uint64) *box {
			table := full("tfra", 1, 0, u32(1, 0, 2), u64(0, at), []byte{1, 1, 1}, u64(50000, at), []byte{1, 1, 1})
			return nest("mfra", table, full("mfro", 0, 0, u32(uint32(8+len(table.bytes())+16))))
		}),
		random("mfra-count", "a table of 4,294,967,295 fragments", func(at uint64) *box {
			table := full("tfra", 1, 0, u32(1, 0x3f, most), u64(0, at))
			return nest("mfra", table, full("mfro", 0, 0, u32(uint32(8+len(table.bytes())+16))))
		}),
		random("mfro-size", "a table that claims to be larger than the file", func(uint64) *box { return nest("mfra", full("mfro", 0, 0, u32(most))) }),
	}
}

// fragment changes the boxes of a fragmented film.
func fragment(name, words string, change func(all []*box) []byte) Kind {
	return Kind{Name: "fragment-" + name, Words: words, Make: as(broken(), func(b []byte) ([]byte, error) {
		all, err := boxes(b)
		if err == nil && first(all, "moof") < 0 {
			err = errBox
		}
		if err != nil {
			return nil, err
		}
		return change(all), nil
	})}
}

// moof changes the track in each fragment.
func moof(name, words string, change func(traf *box)) Kind {
	return fragment(name, words, func(all []*box) []byte {
		for _, one := range all {
			if one.kind == "moof" {
				change(one.in("traf"))
			}
		}
		return sequence(all)
	})
}

// index puts a box before the first fragment, where players look for an index.
func index(name, words string, sidx inserted) Kind {
	return fragment(name, words, func(all []*box) []byte {
		i := first(all, "moof")
		return slices.Concat(sequence(all[:i]), sidx(uint64(len(sequence(all[:i])))).bytes(), sequence(all[i:]))
	})
}

// random puts a box at the end, in the place of the table for random access.
func random(name, words string, mfra inserted) Kind {
	return fragment(name, words, func(all []*box) []byte {
		rest := sequence(slices.DeleteFunc(all, func(one *box) bool { return one.kind == "mfra" }))
		return append(rest, mfra(uint64(len(rest))).bytes()...)
	})
}

func first(all []*box, kind string) int {
	return slices.IndexFunc(all, func(one *box) bool { return one.kind == kind })
}

// sequence writes boxes one after the other.
func sequence(list []*box) []byte {
	var b []byte
	for _, one := range list {
		b = append(b, one.bytes()...)
	}
	return b
}

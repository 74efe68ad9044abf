package kinds

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
)

// damaged are recordings of which a part is lost. Each has its Intact, which shows what there was.
func damaged() []Kind {
	plain := by("a.mp4", "-i", car, "-c", "copy")
	first := by("a.mp4", "-i", car, "-c", "copy", "-movflags", "+faststart")
	pieces := by("a.mp4", "-i", car, "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof")
	reordered := by("a.mp4", "-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy")
	stream := by("a.ts", "-i", car, "-c", "copy")
	matroska := by("a.mkv", "-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy")
	avi := by("a.avi", "-i", road, "-c:v", "mjpeg", "-q:v", "6", "-vf", shrink+",format=yuvj420p", "-c:a", "pcm_s16le")
	made := func(name, words string, damage Damage, intact making, harm func([]byte) ([]byte, error)) Kind {
		return Kind{Name: name, Words: words, Damage: damage, Make: as(intact, harm), Intact: intact}
	}
	unfinished := func(name, words string, intact, sibling making, harm func([]byte) ([]byte, error)) Kind {
		k := made(name, words, NoMoov, intact, harm)
		k.Sibling = sibling
		return k
	}
	later := by("b.mp4", "-ss", "10", "-i", car, "-c", "copy")
	laterReordered := by("b.mp4", "-ss", "4", "-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy")
	return []Kind{
		made("cut-faststart", "the last third is missing, the index is there: a copy that broke off", Cut, first, cut),
		made("cut-fragmented", "the last third is missing, in the middle of a fragment: a battery that was pulled", Cut, pieces, cut),
		made("cut-ts", "the last third is missing, in the middle of a packet", Cut, stream, cut),
		made("cut-mkv", "the last third is missing, with the cues", Cut, matroska, cut),
		made("cut-avi", "the last third is missing, with the index", Cut, avi, cut),
		unfinished("no-moov", "the battery was pulled: two thirds of the media, whose box was never given its size, and no index", plain, later, pulled),
		unfinished("no-moov-b-frames", "the same, with B-frames", reordered, laterReordered, pulled),
		unfinished("no-moov-copy", "a copy that broke off before the index: the media's box claims more than there is", plain, later, cut),
		made("corrupt-middle", "4,000 bytes within one group of pictures are others", Corrupt, plain, scratch(4000)),
		made("corrupt-sectors", "64 KB in the middle are zeros: bad sectors", Corrupt, first, zeroed(64<<10)),
		made("corrupt-ts", "4,000 bytes in the middle of a transport stream are others", Corrupt, stream, scratch(4000)),
		made("corrupt-mkv", "4,000 bytes in the middle of Matroska are others", Corrupt, matroska, scratch(4000)),
	}
}

// cut leaves two thirds.
func cut(b []byte) ([]byte, error) { return b[:len(b)*2/3], nil }

// pulled leaves what is on a card when the power goes: media up to some point, in a box whose size would have been written at the end.
func pulled(b []byte) ([]byte, error) {
	for at := 0; at+8 <= len(b); {
		size := int(binary.BigEndian.Uint32(b[at:]))
		if string(b[at+4:at+8]) == "mdat" {
			left := slices.Clone(b[:at+size*2/3])
			copy(left[at:], u32(0))
			return left, nil
		}
		if size < 8 {
			break
		}
		at += size
	}
	return nil, fmt.Errorf("no media: %w", errBox)
}

// scratch overwrites n bytes with noise, always the same.
func scratch(n int) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		noise := rand.New(rand.NewPCG(1, 2))
		harmed := slices.Clone(b)
		for i := range n {
			harmed[len(b)*9/20+i] = byte(noise.Uint32())
		}
		return harmed, nil
	}
}

// zeroed overwrites n bytes with zeros.
func zeroed(n int) func(b []byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		harmed := slices.Clone(b)
		copy(harmed[len(b)*9/20:], bytes.Repeat([]byte{0}, n))
		return harmed, nil
	}
}

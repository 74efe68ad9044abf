package kinds

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// edits are films whose edit lists say that not everything in them is shown, or not from the beginning.
func edits() []Kind {
	return []Kind{
		{Name: "edit-trimmed", Words: "its beginning is cut off by an edit list, between two keyframes (a clip shared from a phone)", Make: by("a.mp4", "-ss", "2.5", "-i", car, "-c", "copy")},
		{Name: "edit-trimmed-b-frames", Words: "the same, with B-frames", Make: by("a.mp4", "-ss", "3.37", "-t", "15", "-i", person, "-c", "copy")},
		{Name: "edit-late", Words: "the picture begins two seconds late, by an empty edit", Make: by("a.mp4",
			"-itsoffset", "2", "-i", road, "-i", road, "-map", "0:v", "-map", "1:a", "-c", "copy")},
		{Name: "edit-several", Words: "two stretches are shown, and what is between them is not", Make: as(by("a.mp4", "-i", car, "-c", "copy"), film(cutOut))},
	}
}

// cutOut shows the first 6 seconds, then 12 to 26. The second stretch begins between two keyframes.
func cutOut(moov *box) error {
	second := scale(moov.in("mvhd"))
	for _, track := range append(moov.tracks("vide"), moov.tracks("soun")...) {
		ticks := scale(track.in("mdia", "mdhd"))
		elst := track.in("edts", "elst")
		if elst == nil {
			return errBox
		}
		begin := elst.table(3)[0][1] // the encoder's delay, which no player shows
		elst.body = tabled("elst", 0, [][]uint32{{6 * second, begin, 1 << 16}, {14 * second, begin + 12*ticks, 1 << 16}}).body
	}
	return nil
}

// spliced is an MP4 with two sample entries: the tables of two films of pictures, one behind the other.
func spliced(ctx context.Context, dir string) (string, error) {
	first, second, err := halves(ctx, dir, ".mp4")
	if err != nil {
		return "", err
	}
	a, err := os.ReadFile(first)
	if err != nil {
		return "", fmt.Errorf("splicing: %w", err)
	}
	b, err := os.ReadFile(second)
	if err != nil {
		return "", fmt.Errorf("splicing: %w", err)
	}
	joined, err := splice(a, b)
	path := filepath.Join(dir, "a.mp4")
	return path, errors.Join(err, os.WriteFile(path, joined, 0o600))
}

// splice appends the pictures of film b to those of film a, and leaves the sound of a: both end with their moov, and share their time scales.
func splice(a, b []byte) ([]byte, error) {
	of := func(b []byte) (moov *box, at int, err error) {
		all, err := boxes(b)
		if err != nil {
			return nil, 0, err
		}
		moov = all[len(all)-1]
		if moov.kind != "moov" || len(moov.tracks("vide")) != 1 {
			return nil, 0, errBox
		}
		return moov, len(b) - len(moov.bytes()), nil
	}
	first, end, err := of(a)
	if err != nil {
		return nil, err
	}
	second, size, err := of(b)
	if err != nil {
		return nil, err
	}
	pictures, more := first.tracks("vide")[0], second.tracks("vide")[0]
	into, from := pictures.in("mdia", "minf", "stbl"), more.in("mdia", "minf", "stbl")
	merge(into, from, uint32(end)+8) // all of b but its moov goes into a mdat of its own
	// The durations of the media, of the track, and of the film: nothing else says how long it is, once the edit list is off.
	ticks, perSecond := scale(pictures.in("mdia", "mdhd")), scale(first.in("mvhd"))
	var length uint32
	for _, row := range into.in("stts").table(2) {
		length += row[0] * row[1]
	}
	copy(pictures.in("mdia", "mdhd").body[16:], u32(length))
	shown := uint32(uint64(length) * uint64(perSecond) / uint64(ticks))
	copy(pictures.in("tkhd").body[20:], u32(shown))
	copy(first.in("mvhd").body[16:], u32(shown))
	pictures.in("edts", "elst").body = tabled("elst", 0, [][]uint32{{shown, pictures.in("edts", "elst").table(3)[0][1], 1 << 16}}).body
	return slices.Concat(a[:end], leaf("mdat", b[:size]).bytes(), first.bytes()), nil
}

// merge appends sample tables. What `from` points to has moved by so many bytes.
func merge(into, from *box, moved uint32) {
	samples, chunks := uint32(0), uint32(len(into.in("stco").table(1)))
	for _, row := range into.in("stts").table(2) {
		samples += row[0]
	}
	add := func(kind string, width int, change func(row []uint32)) {
		rows := from.in(kind).table(width)
		for _, row := range rows {
			change(row)
		}
		into.in(kind).body = tabled(kind, into.in(kind).body[0], append(into.in(kind).table(width), rows...)).body
	}
	add("stts", 2, func([]uint32) {})
	if into.in("ctts") != nil && from.in("ctts") != nil {
		add("ctts", 2, func([]uint32) {})
	}
	add("stss", 1, func(row []uint32) { row[0] += samples })
	add("stco", 1, func(row []uint32) { row[0] += moved })
	add("stsc", 3, func(row []uint32) { row[0], row[2] = row[0]+chunks, 2 })
	entries := into.in("stsd")
	entries.body = append(entries.body, from.in("stsd").body[8:]...)
	binary.BigEndian.PutUint32(entries.body[4:], 2)
	sizes, more := into.in("stsz"), from.in("stsz")
	sizes.body = append(sizes.body, more.body[12:]...)
	copy(sizes.body[8:], u32(uint32(len(sizes.body)-12)/4))
}

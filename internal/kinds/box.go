package kinds

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// box is one box of an ISO base media file (ISO/IEC 14496-12): what is written in it, then the boxes in it.
type box struct {
	kind  string
	body  []byte
	parts []*box
}

var errBox = errors.New("not the box that was expected")

// leaf is a box that ends with its own fields.
func leaf(kind string, fields ...[]byte) *box { return &box{kind: kind, body: bytes.Join(fields, nil)} }

// full is a box with a version and flags.
func full(kind string, version byte, flags uint32, fields ...[]byte) *box {
	return leaf(kind, u32(uint32(version)<<24|flags), bytes.Join(fields, nil))
}

// nest is a box of boxes.
func nest(kind string, parts ...*box) *box { return &box{kind: kind, parts: parts} }

func u16(v ...uint16) []byte {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint16(b, n)
	}
	return b
}

func u32(v ...uint32) []byte {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

func u64(v ...uint64) []byte {
	var b []byte
	for _, n := range v {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// bytes writes the box with a size of 32 bits.
func (b *box) bytes() []byte {
	out := append(u32(0), b.kind...)
	out = append(out, b.body...)
	for _, p := range b.parts {
		out = append(out, p.bytes()...)
	}
	binary.BigEndian.PutUint32(out, uint32(len(out)))
	return out
}

// nested are the kinds whose body is nothing but boxes.
func nested() []string {
	return []string{"moov", "trak", "mdia", "minf", "stbl", "edts", "dinf", "mvex", "moof", "traf", "mfra"}
}

// boxes reads a sequence of boxes: well-formed ones only, since ffmpeg has just written them.
func boxes(b []byte) ([]*box, error) {
	var list []*box
	for len(b) > 0 {
		if len(b) < 8 {
			return list, fmt.Errorf("%d bytes at the end: %w", len(b), errBox)
		}
		size, head := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		if size == 1 && len(b) >= 16 {
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < head || size > uint64(len(b)) {
			return list, fmt.Errorf("%q of %d bytes: %w", b[4:8], size, errBox)
		}
		one := &box{kind: string(b[4:8]), body: slices.Clone(b[head:size])}
		if slices.Contains(nested(), one.kind) {
			parts, err := boxes(one.body)
			if err != nil {
				return list, fmt.Errorf("in %s: %w", one.kind, err)
			}
			one.body, one.parts = nil, parts
		}
		list, b = append(list, one), b[size:]
	}
	return list, nil
}

// in finds the first box along a path, nil if there is none.
func (b *box) in(path ...string) *box {
	for _, kind := range path {
		i := -1
		if b != nil {
			i = slices.IndexFunc(b.parts, func(p *box) bool { return p.kind == kind })
		}
		if i < 0 {
			return nil
		}
		b = b.parts[i]
	}
	return b
}

// tracks are the tracks of a moov whose handler is of a kind: "vide", "soun".
func (b *box) tracks(handler string) []*box {
	var list []*box
	for _, p := range b.parts {
		if h := p.in("mdia", "hdlr"); h != nil && len(h.body) >= 12 && string(h.body[8:12]) == handler {
			list = append(list, p)
		}
	}
	return list
}

// scale is a track's ticks a second, or a film's when the box is a mvhd.
func scale(header *box) uint32 {
	if header.body[0] == 1 {
		return binary.BigEndian.Uint32(header.body[20:])
	}
	return binary.BigEndian.Uint32(header.body[12:])
}

// table reads the entries of a full box: a count, then so many entries of width 32-bit fields.
func (b *box) table(width int) [][]uint32 {
	if b == nil {
		return nil
	}
	var rows [][]uint32
	at := 8
	for range binary.BigEndian.Uint32(b.body[4:]) {
		var row []uint32
		for range width {
			row, at = append(row, binary.BigEndian.Uint32(b.body[at:])), at+4
		}
		rows = append(rows, row)
	}
	return rows
}

// tabled writes what table reads.
func tabled(kind string, version byte, rows [][]uint32) *box {
	body := u32(uint32(len(rows)))
	for _, row := range rows {
		body = append(body, u32(row...)...)
	}
	return full(kind, version, 0, body)
}

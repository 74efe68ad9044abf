package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Limits of the type decoder. A frame is at most 64 KiB and a message 1 MiB; what nests deeper or counts higher than
// this is not an honest client.
const (
	maxDepth    = 32
	maxElements = 1 << 16
)

// Type codes of AMQP 1.0 (OASIS AMQP 1.0 types, section 1.6) that the code names.
const (
	codeDescribed = 0x00
	codeNull      = 0x40
	codeList0     = 0x45
	codeList32    = 0xd0
	codeMap32     = 0xd1
	codeArray32   = 0xf0
)

var errShort = errors.New("value is cut short")

// symbol is the AMQP type of the same name; string is kept for AMQP strings.
type symbol string

// uuid is 16 bytes in the order of RFC 4122.
type uuid [16]byte

// described is a value with a descriptor; the descriptor is a uint64 or a symbol.
type described struct {
	descriptor any
	value      any
}

// pair is one entry of an AMQP map. Maps are kept in wire order, since keys need not be comparable in Go.
type pair struct{ key, value any }

// decoder reads AMQP values from b. It never reads past b and never allocates more than b could hold.
type decoder struct {
	b        []byte
	depth    int
	elements int
}

func (d *decoder) next(n int) ([]byte, error) {
	if n < 0 || n > len(d.b) {
		return nil, errShort
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v, nil
}

func (d *decoder) byte() (byte, error) {
	v, err := d.next(1)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// value reads one value with its constructor.
func (d *decoder) value() (any, error) {
	code, err := d.byte()
	if err != nil {
		return nil, err
	}
	if code == codeDescribed {
		return d.described()
	}
	return d.body(code)
}

func (d *decoder) enter() error {
	if d.depth++; d.depth > maxDepth {
		return fmt.Errorf("value nests deeper than %d", maxDepth)
	}
	return nil
}

func (d *decoder) described() (any, error) {
	if err := d.enter(); err != nil {
		return nil, err
	}
	defer func() { d.depth-- }()
	desc, err := d.value()
	if err != nil {
		return nil, err
	}
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	return described{desc, v}, nil
}

// body reads what follows the constructor code.
func (d *decoder) body(code byte) (any, error) {
	switch code >> 4 {
	case 0x4, 0x5, 0x6, 0x7, 0x8, 0x9:
		width := 0
		if code>>4 > 0x4 {
			width = 1 << (code>>4 - 5)
		}
		v, err := d.next(width)
		if err != nil {
			return nil, err
		}
		return fixed(code, v)
	case 0xa, 0xb:
		return d.variable(code)
	case 0xc, 0xd:
		return d.compound(code)
	case 0xe, 0xf:
		return d.array(code)
	}
	return nil, fmt.Errorf("unknown type code %#02x", code)
}

func fixed(code byte, v []byte) (any, error) {
	switch code {
	case codeNull:
		return nil, nil
	case 0x41:
		return true, nil
	case 0x42:
		return false, nil
	case 0x43:
		return uint32(0), nil
	case 0x44:
		return uint64(0), nil
	case codeList0:
		return []any{}, nil
	case 0x50:
		return v[0], nil
	case 0x51:
		return int8(v[0]), nil
	case 0x52:
		return uint32(v[0]), nil
	case 0x53:
		return uint64(v[0]), nil
	case 0x54:
		return int32(int8(v[0])), nil
	case 0x55:
		return int64(int8(v[0])), nil
	case 0x56:
		return v[0] != 0, nil
	case 0x60:
		return binary.BigEndian.Uint16(v), nil
	case 0x61:
		return int16(binary.BigEndian.Uint16(v)), nil
	case 0x70:
		return binary.BigEndian.Uint32(v), nil
	case 0x71:
		return int32(binary.BigEndian.Uint32(v)), nil
	case 0x72:
		return math.Float32frombits(binary.BigEndian.Uint32(v)), nil
	case 0x73:
		return rune(binary.BigEndian.Uint32(v)), nil
	case 0x80:
		return binary.BigEndian.Uint64(v), nil
	case 0x81:
		return int64(binary.BigEndian.Uint64(v)), nil
	case 0x82:
		return math.Float64frombits(binary.BigEndian.Uint64(v)), nil
	case 0x83:
		return time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC(), nil
	case 0x98:
		return uuid(v), nil
	case 0x74, 0x84, 0x94:
		return append([]byte(nil), v...), nil // decimals: carried, never computed with
	}
	return nil, fmt.Errorf("unknown type code %#02x", code)
}

// length reads a size or count that is one byte wide in the small encodings and four in the large ones.
func (d *decoder) length(wide bool) (int, error) {
	if !wide {
		v, err := d.byte()
		return int(v), err
	}
	v, err := d.next(4)
	if err != nil {
		return 0, err
	}
	n := binary.BigEndian.Uint32(v)
	if n > math.MaxInt32 {
		return 0, errShort
	}
	return int(n), nil
}

func (d *decoder) variable(code byte) (any, error) {
	n, err := d.length(code>>4 == 0xb)
	if err != nil {
		return nil, err
	}
	v, err := d.next(n)
	if err != nil {
		return nil, err
	}
	switch code & 0x0f {
	case 0x0:
		return append([]byte{}, v...), nil
	case 0x1:
		return string(v), nil
	case 0x3:
		return symbol(v), nil
	}
	return nil, fmt.Errorf("unknown type code %#02x", code)
}

// sub reads the head of a compound or array: its content as a decoder of its own, and the number of elements.
func (d *decoder) sub(wide bool) (*decoder, int, error) {
	if err := d.enter(); err != nil {
		return nil, 0, err
	}
	defer func() { d.depth-- }()
	size, err := d.length(wide)
	if err != nil {
		return nil, 0, err
	}
	content, err := d.next(size)
	if err != nil {
		return nil, 0, err
	}
	in := &decoder{b: content, depth: d.depth, elements: d.elements}
	count, err := in.length(wide)
	if err != nil {
		return nil, 0, err
	}
	if d.elements += count; d.elements > maxElements {
		return nil, 0, fmt.Errorf("value has more than %d elements", maxElements)
	}
	in.elements = d.elements
	return in, count, nil
}

func (d *decoder) compound(code byte) (any, error) {
	in, count, err := d.sub(code>>4 == 0xd)
	if err != nil {
		return nil, err
	}
	if count > len(in.b) {
		return nil, errShort // every element has a constructor of at least one byte
	}
	list := make([]any, count)
	for i := range list {
		if list[i], err = in.value(); err != nil {
			return nil, err
		}
	}
	d.elements = in.elements
	if len(in.b) != 0 {
		return nil, errors.New("compound is larger than its elements")
	}
	switch code & 0x0f {
	case 0x0:
		return list, nil
	case 0x1:
		if count%2 != 0 {
			return nil, errors.New("map has an odd number of elements")
		}
		m := make([]pair, count/2)
		for i := range m {
			m[i] = pair{list[2*i], list[2*i+1]}
		}
		return m, nil
	}
	return nil, fmt.Errorf("unknown type code %#02x", code)
}

func (d *decoder) array(code byte) (any, error) {
	if code&0x0f != 0 {
		return nil, fmt.Errorf("unknown type code %#02x", code)
	}
	in, count, err := d.sub(code>>4 == 0xf)
	if err != nil {
		return nil, err
	}
	elem, err := in.byte()
	if err != nil {
		return nil, err
	}
	if elem == codeDescribed {
		if _, err = in.value(); err != nil {
			return nil, err
		}
		if elem, err = in.byte(); err != nil {
			return nil, err
		}
	}
	if elem == codeDescribed || elem>>4 != 0x4 && count > len(in.b) {
		return nil, errShort
	}
	list := make([]any, count)
	for i := range list {
		if list[i], err = in.body(elem); err != nil {
			return nil, err
		}
	}
	d.elements = in.elements
	if len(in.b) != 0 {
		return nil, errors.New("array is larger than its elements")
	}
	return list, nil
}

package cosmos

import (
	"encoding/binary"
	"math"
)

// Keys in the store are concatenations of self-delimiting, order-preserving
// encodings of JSON values. Because no encoding is a prefix of another, the
// bitwise complement of one sorts in exactly the reverse order, which is how
// descending columns are stored.
//
//	document key:  partition key values, id
//	index key:     partition key values, column values, id (unless id is the last column)
const (
	tagUndefined = 0x01
	tagNull      = 0x02
	tagFalse     = 0x03
	tagTrue      = 0x04
	tagNumber    = 0x05
	tagString    = 0x06
	tagArray     = 0x07
	tagObject    = 0x08
)

// maxIndexedText is how much of a long string takes part in ordering; longer
// strings with the same beginning are ordered by id.
const maxIndexedText = 1024

// appendKey appends the ordered encoding of v. limit cuts texts; 0 keeps them whole.
func appendKey(dst []byte, v value, limit int) []byte {
	switch v.kind {
	case kindNull:
		return append(dst, tagNull)
	case kindBool:
		if v.b {
			return append(dst, tagTrue)
		}
		return append(dst, tagFalse)
	case kindNumber:
		return appendNumberKey(append(dst, tagNumber), v.n)
	case kindString:
		return appendTextKey(append(dst, tagString), v.s, limit)
	case kindArray:
		return appendTextKey(append(dst, tagArray), string(appendJSON(nil, v)), limit)
	case kindObject:
		return appendTextKey(append(dst, tagObject), string(appendJSON(nil, v)), limit)
	}
	return append(dst, tagUndefined)
}

func appendNumberKey(dst []byte, n float64) []byte {
	if n == 0 {
		n = 0 // negative zero equals zero
	}
	bits := math.Float64bits(n)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return binary.BigEndian.AppendUint64(dst, bits)
}

// appendTextKey writes s with zero bytes escaped, and a terminator that sorts
// before any continuation.
func appendTextKey(dst []byte, s string, limit int) []byte {
	return append(appendTextPrefix(dst, s, limit), 0, 0)
}

// appendTextPrefix is appendTextKey without the terminator: a prefix of the
// keys of all strings that start with s.
func appendTextPrefix(dst []byte, s string, limit int) []byte {
	if limit > 0 && len(s) > limit {
		s = s[:limit]
	}
	for i := 0; i < len(s); i++ {
		if dst = append(dst, s[i]); s[i] == 0 {
			dst = append(dst, 1)
		}
	}
	return dst
}

// appendIDKey appends the encoding of an item id.
func appendIDKey(dst []byte, id string) []byte {
	return appendTextKey(append(dst, tagString), id, 0)
}

// appendColumnKey appends a column's value in the column's direction.
func appendColumnKey(dst []byte, v value, desc bool) []byte {
	at := len(dst)
	dst = appendKey(dst, v, maxIndexedText)
	if desc {
		invert(dst[at:])
	}
	return dst
}

// invert complements b in place.
func invert(b []byte) {
	for i := range b {
		b[i] = ^b[i]
	}
}

// successor returns the smallest key greater than every key that starts with
// prefix, or nil when there is none.
func successor(prefix []byte) []byte {
	out := append([]byte(nil), prefix...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i]++; out[i] != 0 {
			return out[:i+1]
		}
	}
	return nil
}

// keyLen returns how many bytes the first n encoded values of k take.
func keyLen(k []byte, n int) int {
	at := 0
	for ; n > 0 && at < len(k); n-- {
		switch k[at] {
		case tagNumber:
			at += 9
		case tagString, tagArray, tagObject:
			for at++; at+1 < len(k) && (k[at] != 0 || k[at+1] != 0); at++ {
				if k[at] == 0 {
					at++
				}
			}
			at += 2
		default:
			at++
		}
	}
	return min(at, len(k))
}

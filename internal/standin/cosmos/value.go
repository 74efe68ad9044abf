package cosmos

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
)

// kind is the type of a JSON value as the query language sees it; the order of
// the constants is the order in which ORDER BY sorts mixed types.
type kind uint8

const (
	kindUndefined kind = iota
	kindNull
	kindBool
	kindNumber
	kindString
	kindArray
	kindObject
)

// value is one JSON value. Numbers are IEEE 754 doubles, as in Azure: an
// integer beyond 2^53 loses digits here just as it does there.
type value struct {
	kind kind
	b    bool
	n    float64
	s    string
	arr  []value
	obj  []member
}

// member is one property of an object; their order is kept.
type member struct {
	name string
	val  value
}

func boolValue(b bool) value      { return value{kind: kindBool, b: b} }
func numberValue(n float64) value { return value{kind: kindNumber, n: n} }
func stringValue(s string) value  { return value{kind: kindString, s: s} }

// get returns the named property of an object, or undefined.
func (v value) get(name string) value {
	for i := range v.obj {
		if v.obj[i].name == name {
			return v.obj[i].val
		}
	}
	return value{}
}

// at follows a path of property names, as partition keys and indexes use it.
func (v value) at(path []string) value {
	for _, p := range path {
		v = v.get(p)
	}
	return v
}

// set returns the object with the property replaced or appended.
func (v *value) set(name string, val value) {
	for i := range v.obj {
		if v.obj[i].name == name {
			v.obj[i].val = val
			return
		}
	}
	v.obj = append(v.obj, member{name, val})
}

// del removes the named property and says whether it was there.
func (v *value) del(name string) bool {
	for i := range v.obj {
		if v.obj[i].name == name {
			v.obj = slices.Delete(v.obj, i, i+1)
			return true
		}
	}
	return false
}

// depth is how deeply arrays and objects nest in v.
func depth(v value) int {
	n := 0
	for _, e := range v.arr {
		n = max(n, depth(e))
	}
	for _, m := range v.obj {
		n = max(n, depth(m.val))
	}
	if v.kind >= kindArray {
		n++
	}
	return n
}

// isTrue says whether a filter result keeps the document.
func (v value) isTrue() bool { return v.kind == kindBool && v.b }

// equal compares two defined values of one type; arrays by element, objects
// regardless of the order of their properties.
func equal(a, b value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case kindBool:
		return a.b == b.b
	case kindNumber:
		return a.n == b.n
	case kindString:
		return a.s == b.s
	case kindArray:
		return slices.EqualFunc(a.arr, b.arr, equal)
	case kindObject:
		if len(a.obj) != len(b.obj) {
			return false
		}
		for _, m := range a.obj {
			if o := b.get(m.name); o.kind == kindUndefined || !equal(m.val, o) {
				return false
			}
		}
	}
	return true
}

// contains says whether every property of part is in whole with an equal
// value: the partial match of ARRAY_CONTAINS, which looks one level deep.
func contains(whole, part value) bool {
	if whole.kind != kindObject || part.kind != kindObject {
		return equal(whole, part)
	}
	for _, m := range part.obj {
		if o := whole.get(m.name); o.kind == kindUndefined || !equal(o, m.val) {
			return false
		}
	}
	return true
}

// compare orders two primitive values of one type; ok is false for values that
// the language does not order (different types, arrays, objects, undefined).
func compare(a, b value) (c int, ok bool) {
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case kindNull:
		return 0, true
	case kindBool:
		return cmp.Compare(b2i(a.b), b2i(b.b)), true
	case kindNumber:
		return cmp.Compare(a.n, b.n), true
	case kindString:
		return strings.Compare(a.s, b.s), true
	}
	return 0, false
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// appendJSON appends the compact JSON text of v; undefined members are left out.
func appendJSON(dst []byte, v value) []byte {
	switch v.kind {
	case kindBool:
		return strconv.AppendBool(dst, v.b)
	case kindNumber:
		return appendNumber(dst, v.n)
	case kindString:
		return appendString(dst, v.s)
	case kindArray:
		dst = append(dst, '[')
		for i, e := range v.arr {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e)
		}
		return append(dst, ']')
	case kindObject:
		dst = append(dst, '{')
		sep := false
		for _, m := range v.obj {
			if m.val.kind == kindUndefined {
				continue
			}
			if sep {
				dst = append(dst, ',')
			}
			sep = true
			dst = append(appendString(dst, m.name), ':')
			dst = appendJSON(dst, m.val)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// appendNumber writes integers without an exponent up to 1e21, so that they
// decode into Go's integer types, and everything else in its shortest form.
func appendNumber(dst []byte, n float64) []byte {
	if n == math.Trunc(n) && math.Abs(n) < 1e21 {
		return strconv.AppendFloat(dst, n, 'f', -1, 64)
	}
	return strconv.AppendFloat(dst, n, 'g', -1, 64)
}

const hexDigits = "0123456789abcdef"

func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		start = i + 1
	}
	return append(append(dst, s[start:]...), '"')
}

// sameJSON says whether two JSON texts hold the same value.
func sameJSON(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errA := parseJSON(a)
	y, errB := parseJSON(b)
	return errA == nil && errB == nil && equal(x, y)
}

package servicebus

import (
	"encoding/binary"
	"time"
)

// composite is a described list, the shape of every performative and terminus.
type composite struct {
	code   uint64
	fields []any
}

// appendValue appends the encoding of v. It panics on a type this package never encodes: that is a fault of the
// caller, not of a client.
func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, codeNull)
	case bool:
		if v {
			return append(b, 0x41)
		}
		return append(b, 0x42)
	case uint8:
		return append(b, 0x50, v)
	case uint16:
		return binary.BigEndian.AppendUint16(append(b, 0x60), v)
	case uint32:
		return appendUint32(b, v)
	case uint64:
		if v < 256 {
			return append(b, 0x53, byte(v))
		}
		return binary.BigEndian.AppendUint64(append(b, 0x80), v)
	case int32:
		return binary.BigEndian.AppendUint32(append(b, 0x71), uint32(v))
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 0x81), uint64(v))
	case time.Time:
		return binary.BigEndian.AppendUint64(append(b, 0x83), uint64(v.UnixMilli()))
	case uuid:
		return append(append(b, 0x98), v[:]...)
	case []byte:
		return appendVariable(b, 0xa0, v)
	case string:
		return appendVariable(b, 0xa1, []byte(v))
	case symbol:
		return appendVariable(b, 0xa3, []byte(v))
	case []symbol:
		return appendSymbols(b, v)
	case []pair:
		return appendMap(b, v)
	case composite:
		return appendComposite(b, v)
	}
	panic("servicebus: cannot encode this type")
}

func appendUint32(b []byte, v uint32) []byte {
	switch {
	case v == 0:
		return append(b, 0x43)
	case v < 256:
		return append(b, 0x52, byte(v))
	}
	return binary.BigEndian.AppendUint32(append(b, 0x70), v)
}

func appendVariable(b []byte, code byte, v []byte) []byte {
	if len(v) < 256 {
		b = append(b, code, byte(len(v)))
	} else {
		b = binary.BigEndian.AppendUint32(append(b, code|0x10), uint32(len(v)))
	}
	return append(b, v...)
}

func appendSymbols(b []byte, list []symbol) []byte {
	b, start := openSized(b, codeArray32, len(list))
	b = append(b, 0xb3)
	for _, s := range list {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return closeSized(b, start)
}

func appendMap(b []byte, m []pair) []byte {
	b, start := openSized(b, codeMap32, 2*len(m))
	for _, p := range m {
		b = appendValue(appendValue(b, p.key), p.value)
	}
	return closeSized(b, start)
}

// appendComposite leaves out trailing nulls, as section 1.4 of the types specification allows.
func appendComposite(b []byte, c composite) []byte {
	b = appendValue(append(b, codeDescribed), c.code)
	n := len(c.fields)
	for n > 0 && c.fields[n-1] == nil {
		n--
	}
	if n == 0 {
		return append(b, codeList0)
	}
	b, start := openSized(b, codeList32, n)
	for _, f := range c.fields[:n] {
		b = appendValue(b, f)
	}
	return closeSized(b, start)
}

// openSized writes a four-byte header whose size closeSized fills in.
func openSized(b []byte, code byte, count int) ([]byte, int) {
	b = append(b, code, 0, 0, 0, 0)
	start := len(b)
	return binary.BigEndian.AppendUint32(b, uint32(count)), start
}

func closeSized(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start-4:], uint32(len(b)-start))
	return b
}

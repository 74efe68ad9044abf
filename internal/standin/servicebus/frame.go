package servicebus

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Frame layout, OASIS AMQP 1.0 transport, section 2.3.
const (
	frameHeaderSize = 8
	frameAMQP       = 0
	frameSASL       = 1
	maxFrameSize    = 65536
)

// Descriptors of the performatives (transport, section 2.7; security, section 5.3.3).
const (
	perfOpen        = 0x10
	perfBegin       = 0x11
	perfAttach      = 0x12
	perfFlow        = 0x13
	perfTransfer    = 0x14
	perfDisposition = 0x15
	perfDetach      = 0x16
	perfEnd         = 0x17
	perfClose       = 0x18
	saslMechanisms  = 0x40
	saslInit        = 0x41
	saslOutcome     = 0x44
)

// frame is one frame without its header; an empty body is a heartbeat.
type frame struct {
	kind    byte
	channel uint16
	body    []byte
}

// readFrame reads one frame of at most limit bytes. The body is the caller's.
func readFrame(r *bufio.Reader, limit uint32) (frame, error) {
	var h [frameHeaderSize]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return frame{}, err
	}
	size, doff := binary.BigEndian.Uint32(h[:4]), uint32(h[4])*4
	if size < frameHeaderSize || size > limit {
		return frame{}, fmt.Errorf("frame of %d bytes, want %d to %d", size, frameHeaderSize, limit)
	}
	if doff < frameHeaderSize || doff > size {
		return frame{}, fmt.Errorf("frame with its data at offset %d of %d", doff, size)
	}
	if h[5] > frameSASL {
		return frame{}, fmt.Errorf("frame of unknown type %d", h[5])
	}
	body := make([]byte, size-frameHeaderSize)
	if _, err := io.ReadFull(r, body); err != nil {
		return frame{}, fmt.Errorf("reading a frame of %d bytes: %w", size, err)
	}
	return frame{kind: h[5], channel: binary.BigEndian.Uint16(h[6:]), body: body[doff-frameHeaderSize:]}, nil
}

// appendFrame appends a frame with the performative p and payload.
func appendFrame(b []byte, kind byte, channel uint16, p composite, payload []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0, 2, kind, 0, 0)
	binary.BigEndian.PutUint16(b[start+6:], channel)
	b = appendComposite(b, p)
	b = append(b, payload...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendHeartbeat appends the empty frame that keeps a connection alive.
func appendHeartbeat(b []byte) []byte {
	return append(b, 0, 0, 0, frameHeaderSize, 2, frameAMQP, 0, 0)
}

// fields are the values of a performative, read by position. The first wrong type is kept in err.
type fields struct {
	list []any
	err  error
}

// parsePerformative splits a frame body into the descriptor, the fields and the payload that follows.
func parsePerformative(body []byte) (uint64, *fields, []byte, error) {
	d := decoder{b: body}
	v, err := d.value()
	if err != nil {
		return 0, nil, nil, fmt.Errorf("decoding a performative: %w", err)
	}
	code, list, ok := asComposite(v)
	if !ok {
		return 0, nil, nil, errors.New("frame body is not a performative")
	}
	return code, &fields{list: list}, d.b, nil
}

func asComposite(v any) (uint64, []any, bool) {
	dv, ok := v.(described)
	if !ok {
		return 0, nil, false
	}
	code, ok := dv.descriptor.(uint64)
	if !ok {
		return 0, nil, false
	}
	list, ok := dv.value.([]any)
	return code, list, ok
}

func (f *fields) any(i int) any {
	if i >= len(f.list) {
		return nil
	}
	return f.list[i]
}

func (f *fields) wrong(i int, v any) {
	if f.err == nil {
		f.err = fmt.Errorf("field %d has the wrong type %T", i, v)
	}
}

// required records an error when field i is null or missing.
func (f *fields) required(i int) {
	if f.any(i) == nil && f.err == nil {
		f.err = fmt.Errorf("field %d is required", i)
	}
}

// field returns field i as a T, or def when it is null.
func field[T any](f *fields, i int, def T) T {
	switch v := f.any(i).(type) {
	case nil:
	case T:
		return v
	default:
		f.wrong(i, v)
	}
	return def
}

// optional returns field i, or nil when it is null.
func optional[T any](f *fields, i int) *T {
	if f.any(i) == nil {
		return nil
	}
	v := field(f, i, *new(T))
	return &v
}

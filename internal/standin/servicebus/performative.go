package servicebus

import "strings"

// Descriptors of termini, delivery states and the error (messaging, sections 3.4 and 3.5; transport, section 2.8.14).
const (
	codeError       = 0x1d
	codeReceived    = 0x23
	codeAccepted    = 0x24
	codeRejected    = 0x25
	codeReleased    = 0x26
	codeModified    = 0x27
	codeSource      = 0x28
	codeTarget      = 0x29
	codeCoordinator = 0x30
)

// Settle modes (transport, sections 2.8.2 and 2.8.3).
const (
	sndUnsettled = uint8(0)
	sndSettled   = uint8(1)
	rcvFirst     = uint8(0)
)

// Roles (transport, section 2.8.1).
const (
	roleSender   = false
	roleReceiver = true
)

// wireError is an AMQP error: a condition such as amqp:not-found and words for people.
type wireError struct {
	condition   symbol
	description string
}

func (e *wireError) Error() string { return string(e.condition) + ": " + e.description }

func (e *wireError) encode() any {
	if e == nil {
		return nil
	}
	return composite{codeError, []any{e.condition, e.description}}
}

// Conditions the SDK acts on: see amqpConditionsToRecoveryKind in azservicebus v1.11.0.
const (
	condNotFound       = symbol("amqp:not-found")
	condNotImplemented = symbol("amqp:not-implemented")
	condNotAllowed     = symbol("amqp:not-allowed")
	condUnauthorized   = symbol("amqp:unauthorized-access")
	condInternal       = symbol("amqp:internal-error")
	condDecode         = symbol("amqp:decode-error")
	condInvalidField   = symbol("amqp:invalid-field")
	condResourceLimit  = symbol("amqp:resource-limit-exceeded")
	condFraming        = symbol("amqp:connection:framing-error")
	condForced         = symbol("amqp:connection:forced")
	condUnattached     = symbol("amqp:session:unattached-handle")
	condHandleInUse    = symbol("amqp:session:handle-in-use")
	condTooLarge       = symbol("amqp:link:message-size-exceeded")
	condTransferLimit  = symbol("amqp:link:transfer-limit-exceeded")
	condLockLost       = symbol("com.microsoft:message-lock-lost")
)

type attach struct {
	name         string
	handle       uint32
	role         bool
	snd, rcv     *uint8
	source       terminus
	target       terminus
	coordinator  bool
	initialCount uint32
}

// terminus is a source or target. present is false where the peer sent null.
type terminus struct {
	present bool
	address string
	filters []string
}

func parseAttach(f *fields) (attach, error) {
	for i := range 3 {
		f.required(i)
	}
	a := attach{
		name:         field(f, 0, ""),
		handle:       field(f, 1, uint32(0)),
		role:         field(f, 2, false),
		snd:          optional[uint8](f, 3),
		rcv:          optional[uint8](f, 4),
		initialCount: field(f, 9, uint32(0)),
	}
	a.source = parseTerminus(f, 5, codeSource)
	if code, _, ok := asComposite(f.any(6)); ok && code == codeCoordinator {
		a.coordinator = true
	} else {
		a.target = parseTerminus(f, 6, codeTarget)
	}
	return a, f.err
}

func parseTerminus(f *fields, i int, want uint64) terminus {
	v := f.any(i)
	if v == nil {
		return terminus{}
	}
	code, list, ok := asComposite(v)
	if !ok || code != want {
		f.wrong(i, v)
		return terminus{}
	}
	in := &fields{list: list}
	t := terminus{present: true, address: field(in, 0, "")}
	if want == codeSource {
		for _, p := range field(in, 7, []pair(nil)) {
			if k, ok := p.key.(symbol); ok {
				t.filters = append(t.filters, string(k))
			}
		}
	}
	if in.err != nil && f.err == nil {
		f.err = in.err
	}
	return t
}

func (t terminus) encode(code uint64) any {
	if !t.present {
		return nil
	}
	return composite{code, []any{t.address}}
}

type flow struct {
	nextIncoming   *uint32
	incomingWindow uint32
	nextOutgoing   uint32
	outgoingWindow uint32
	handle         *uint32
	deliveryCount  *uint32
	credit         *uint32
	drain, echo    bool
}

func parseFlow(f *fields) (flow, error) {
	for i := 1; i < 4; i++ {
		f.required(i)
	}
	fl := flow{
		nextIncoming:   optional[uint32](f, 0),
		incomingWindow: field(f, 1, uint32(0)),
		nextOutgoing:   field(f, 2, uint32(0)),
		outgoingWindow: field(f, 3, uint32(0)),
		handle:         optional[uint32](f, 4),
		deliveryCount:  optional[uint32](f, 5),
		credit:         optional[uint32](f, 6),
		drain:          field(f, 8, false),
		echo:           field(f, 9, false),
	}
	return fl, f.err
}

type transfer struct {
	handle     uint32
	deliveryID *uint32
	format     *uint32
	settled    bool
	more       bool
	aborted    bool
}

func parseTransfer(f *fields) (transfer, error) {
	f.required(0)
	t := transfer{
		handle:     field(f, 0, uint32(0)),
		deliveryID: optional[uint32](f, 1),
		format:     optional[uint32](f, 3),
		settled:    field(f, 4, false),
		more:       field(f, 5, false),
		aborted:    field(f, 9, false),
	}
	return t, f.err
}

type disposition struct {
	role        bool
	first, last uint32
	settled     bool
	state       any
}

func parseDisposition(f *fields) (disposition, error) {
	f.required(0)
	f.required(1)
	d := disposition{role: field(f, 0, false), first: field(f, 1, uint32(0)), settled: field(f, 3, false), state: f.any(4)}
	d.last = field(f, 2, d.first)
	return d, f.err
}

func encodeDisposition(role bool, id uint32, state any) composite {
	return composite{perfDisposition, []any{role, id, nil, true, state}}
}

func accepted() any                      { return composite{code: codeAccepted} }
func rejected(err *wireError) any        { return composite{codeRejected, []any{err.encode()}} }
func encodeEnd(err *wireError) composite { return composite{perfEnd, []any{err.encode()}} }

func encodeDetach(handle uint32, err *wireError) composite {
	return composite{perfDetach, []any{handle, true, err.encode()}}
}

// parseRejected returns the string values of a Rejected's error info: the reason and description of a dead-letter and
// whatever properties the client adds. Keys may be symbols or strings.
func parseRejected(list []any) map[string]any {
	_, errFields, ok := asComposite((&fields{list: list}).any(0))
	if !ok {
		return nil
	}
	info, _ := (&fields{list: errFields}).any(2).([]pair)
	props := stringKeys(info)
	for _, k := range []string{propReason, propDescription} {
		if v, ok := props[k]; ok {
			if _, isText := v.(string); !isText {
				delete(props, k) // the SDK panics on anything but a string
			}
		}
	}
	return props
}

func stringKeys(m []pair) map[string]any {
	out := make(map[string]any, len(m))
	for _, p := range m {
		switch k := p.key.(type) {
		case string:
			out[k] = plain(p.value)
		case symbol:
			out[string(k)] = plain(p.value)
		}
	}
	return out
}

// plain turns a decoded value into one that go-amqp's message codec encodes.
func plain(v any) any {
	switch v := v.(type) {
	case symbol:
		return string(v)
	case uuid:
		return amqpUUID(v)
	}
	return v
}

// entityPath is an address in the form the broker looks up: no scheme and host, no slashes around it, lower case.
func entityPath(address string) string {
	if i := strings.Index(address, "://"); i >= 0 {
		rest := address[i+3:]
		if j := strings.IndexByte(rest, '/'); j >= 0 {
			address = rest[j:]
		} else {
			address = ""
		}
	}
	return strings.ToLower(strings.Trim(address, "/"))
}

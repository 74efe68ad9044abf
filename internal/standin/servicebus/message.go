package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/go-amqp"
)

// Descriptors of the sections of a message (messaging, section 3.2).
const (
	secHeader        = 0x70
	secDeliveryAnn   = 0x71
	secMessageAnn    = 0x72
	secProperties    = 0x73
	secAppProperties = 0x74
	secData          = 0x75
	secSequence      = 0x76
	secValue         = 0x77
	secFooter        = 0x78
)

// batchFormat is the message-format of a transfer whose data sections are each an encoded message.
const batchFormat = 0x80013700

// maxMessageID is Azure's limit.
const maxMessageID = 128

// Annotations of Service Bus; the SDK panics on any other type than the one given here.
const (
	annSequence         = "x-opt-sequence-number"         // long
	annEnqueuedSequence = "x-opt-enqueue-sequence-number" // long
	annEnqueuedTime     = "x-opt-enqueued-time"           // timestamp
	annLockedUntil      = "x-opt-locked-until"            // timestamp
	annScheduled        = "x-opt-scheduled-enqueue-time"  // timestamp
	annState            = "x-opt-message-state"           // int
	annDeadLetterSource = "x-opt-deadletter-source"       // string
	annPartitionKey     = "x-opt-partition-key"           // string
	annLockToken        = "x-opt-lock-token"              // uuid, a delivery annotation
)

// sections are the parts of an encoded message, each with its descriptor. body is everything after the properties.
type sections struct {
	header, deliveryAnn, messageAnn, properties, appProperties, body []byte
}

// splitMessage checks that raw is a well-formed message and finds its sections.
func splitMessage(raw []byte) (sections, error) {
	var s sections
	d := decoder{b: raw}
	last := byte(0)
	for len(d.b) > 0 {
		start := len(raw) - len(d.b)
		code, err := d.section()
		if err != nil {
			return s, err
		}
		if code < last || code == last && code != secData && code != secSequence {
			return s, fmt.Errorf("message section %#02x after %#02x", code, last)
		}
		last = code
		part := raw[start : len(raw)-len(d.b)]
		switch code {
		case secHeader:
			s.header = part
		case secDeliveryAnn:
			s.deliveryAnn = part
		case secMessageAnn:
			s.messageAnn = part
		case secProperties:
			s.properties = part
		case secAppProperties:
			s.appProperties = part
		default:
			s.body = raw[len(raw)-len(d.b)-len(part)-len(s.body):][:len(s.body)+len(part)]
		}
	}
	if len(raw) == 0 {
		return s, errors.New("message is empty")
	}
	return s, nil
}

// section reads one described section and returns its code.
func (d *decoder) section() (byte, error) {
	if c, err := d.byte(); err != nil || c != codeDescribed {
		return 0, errors.New("message section without a descriptor")
	}
	desc, err := d.value()
	if err != nil {
		return 0, err
	}
	code, ok := desc.(uint64)
	if !ok || code < secHeader || code > secFooter {
		return 0, fmt.Errorf("unknown message section %v", desc)
	}
	if code == secData {
		return secData, d.skipBinary()
	}
	d.elements = 0
	v, err := d.value()
	if err != nil {
		return 0, err
	}
	switch v := v.(type) {
	case []any:
		ok = code == secHeader || code == secProperties || code == secSequence || code == secValue
	case []pair:
		ok = code != secHeader && code != secProperties && code != secSequence
		if ok && code != secValue {
			err = checkKeys(v)
		}
	default:
		ok = code == secValue
	}
	if !ok {
		return 0, fmt.Errorf("message section %#02x holds a %T", code, v)
	}
	return byte(code), err
}

// checkKeys refuses annotations and properties by anything but names and numbers: go-amqp panics over a key that Go
// cannot hash, here and in every client that would get the message.
func checkKeys(m []pair) error {
	for _, p := range m {
		switch p.key.(type) {
		case symbol, string, uint64, int64, int32:
		default:
			return fmt.Errorf("message section with a key of type %T", p.key)
		}
	}
	return nil
}

// skipBinary passes over a binary without copying it: bodies are large.
func (d *decoder) skipBinary() error {
	c, err := d.byte()
	if err != nil {
		return err
	}
	if c != 0xa0 && c != 0xb0 {
		return fmt.Errorf("data section of type %#02x", c)
	}
	n, err := d.length(c == 0xb0)
	if err != nil {
		return err
	}
	_, err = d.next(n)
	return err
}

// splitBatch returns the messages inside a batch.
func splitBatch(raw []byte) ([][]byte, error) {
	s, err := splitMessage(raw)
	if err != nil {
		return nil, err
	}
	var list [][]byte
	for d := (decoder{b: s.body}); len(d.b) > 0; {
		before := d.b
		code, err := d.section()
		if err != nil {
			return nil, err
		}
		if code != secData {
			continue
		}
		data := before[:len(before)-len(d.b)]
		list = append(list, dataContent(data))
	}
	if len(list) == 0 {
		return nil, errors.New("batch holds no message")
	}
	return list, nil
}

// dataContent strips descriptor and length from a data section that was already checked.
func dataContent(section []byte) []byte {
	d := decoder{b: section[1:]}
	_, _ = d.value()
	c, _ := d.byte()
	n, _ := d.length(c == 0xb0)
	v, _ := d.next(n)
	return v
}

// inbound is a message on its way into an entity.
type inbound struct {
	raw       []byte
	head      amqp.Message // all but the body
	scheduled time.Time    // zero: now
	ttl       time.Duration
	id        string // "" where the client gave no message-id
}

// parseInbound checks an encoded message and reads what the broker acts on.
func parseInbound(raw []byte) (inbound, error) {
	s, err := splitMessage(raw)
	if err != nil {
		return inbound{}, err
	}
	m := inbound{raw: raw}
	if err := m.head.UnmarshalBinary(raw[:len(raw)-len(s.body)]); err != nil {
		return inbound{}, fmt.Errorf("decoding a message: %w", err)
	}
	// Whatever is stored must be encodable again on delivery.
	if _, err := m.head.MarshalBinary(); err != nil {
		return inbound{}, fmt.Errorf("encoding a message: %w", err)
	}
	if v, ok := m.head.Annotations[annScheduled]; ok && v != nil {
		if m.scheduled, ok = v.(time.Time); !ok {
			return inbound{}, fmt.Errorf("annotation %s is a %T, want a timestamp", annScheduled, v)
		}
	}
	if v, ok := m.head.Annotations[annPartitionKey]; ok && v != nil {
		if _, ok = v.(string); !ok {
			return inbound{}, fmt.Errorf("annotation %s is a %T, want a string", annPartitionKey, v)
		}
	}
	if m.head.Header != nil {
		m.ttl = m.head.Header.TTL
	}
	if p := m.head.Properties; p != nil && p.MessageID != nil {
		if m.id = fmt.Sprint(p.MessageID); len(m.id) > maxMessageID {
			return inbound{}, fmt.Errorf("message-id of %d characters, want up to %d", len(m.id), maxMessageID)
		}
	}
	return m, nil
}

// outbound is what the broker knows about a message when it hands it out.
type outbound struct {
	seq         int64
	rec         record
	state       int32 // 0 active, 1 deferred, 2 scheduled
	lockedUntil time.Time
	token       *uuid // set only where the lock token travels inside the message
}

// encodeOutbound builds the message a receiver gets: header and annotations are the broker's, application properties
// are merged with what settlements changed, and everything else is byte for byte what was sent.
func encodeOutbound(raw []byte, o outbound) ([]byte, error) {
	s, err := splitMessage(raw)
	if err != nil {
		return nil, err
	}
	var m amqp.Message
	if err := m.UnmarshalBinary(append(append([]byte(nil), s.header...), s.messageAnn...)); err != nil {
		return nil, fmt.Errorf("decoding message %d: %w", o.seq, err)
	}
	if m.Header == nil {
		m.Header = &amqp.MessageHeader{Priority: 4}
	}
	m.Header.DeliveryCount = o.rec.count
	m.Header.TTL = time.Duration(o.rec.ttl) * time.Millisecond
	if m.Annotations == nil {
		m.Annotations = amqp.Annotations{}
	}
	m.Annotations[annSequence] = o.seq
	m.Annotations[annEnqueuedTime] = time.UnixMilli(o.rec.enqueued).UTC()
	m.Annotations[annState] = o.state
	if o.rec.origin != 0 {
		m.Annotations[annEnqueuedSequence] = o.rec.origin
	}
	if !o.lockedUntil.IsZero() {
		m.Annotations[annLockedUntil] = o.lockedUntil
	}
	if o.rec.source != "" {
		m.Annotations[annDeadLetterSource] = o.rec.source
	}
	if o.token != nil {
		m.DeliveryAnnotations = amqp.Annotations{annLockToken: amqp.UUID(*o.token)}
	}
	out, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encoding message %d: %w", o.seq, err)
	}
	props, err := mergeProperties(s.appProperties, o.rec.props)
	if err != nil {
		return nil, fmt.Errorf("encoding message %d: %w", o.seq, err)
	}
	out = append(append(out, s.properties...), props...)
	return append(out, s.body...), nil
}

// mergeProperties lays the application-properties section over on top of base; either may be empty.
func mergeProperties(base, over []byte) ([]byte, error) {
	if len(over) == 0 {
		return base, nil
	}
	var m, o amqp.Message
	if err := m.UnmarshalBinary(base); err != nil {
		return nil, err
	}
	if err := o.UnmarshalBinary(over); err != nil {
		return nil, err
	}
	if m.ApplicationProperties == nil {
		m.ApplicationProperties = map[string]any{}
	}
	for k, v := range o.ApplicationProperties {
		m.ApplicationProperties[k] = v
	}
	only := amqp.Message{ApplicationProperties: m.ApplicationProperties}
	return only.MarshalBinary()
}

// encodeProperties is the application-properties section that holds props; nil for none.
func encodeProperties(props map[string]any) ([]byte, error) {
	if len(props) == 0 {
		return nil, nil
	}
	m := amqp.Message{ApplicationProperties: props}
	b, err := m.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("encoding properties to modify: %w", err)
	}
	return b, nil
}

func amqpUUID(u uuid) amqp.UUID { return amqp.UUID(u) }

// deliveryTag is the lock token in the byte order of a .NET GUID, which is how the SDK reads it from the tag.
func deliveryTag(u uuid) []byte {
	t := make([]byte, 16)
	copy(t, u[:])
	binary.LittleEndian.PutUint32(t, binary.BigEndian.Uint32(u[:]))
	binary.LittleEndian.PutUint16(t[4:], binary.BigEndian.Uint16(u[4:]))
	binary.LittleEndian.PutUint16(t[6:], binary.BigEndian.Uint16(u[6:]))
	return t
}

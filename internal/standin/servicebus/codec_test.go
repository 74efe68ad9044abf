package servicebus

import (
	"bufio"
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// samples are values of every kind that is encoded.
func samples() []any {
	return []any{
		nil, true, false, uint8(7), uint16(300), uint32(0), uint32(9), uint32(70_000), uint64(0), uint64(1 << 40),
		int32(-5), int64(-1 << 40), time.UnixMilli(1_700_000_000_123).UTC(), uuid{1, 2, 3}, []byte("bytes"),
		string(bytes.Repeat([]byte("s"), 300)), symbol("sym"),
		[]pair{{symbol("k"), "v"}, {"n", uint32(1)}},
	}
}

func TestCodecRoundTrip(t *testing.T) {
	for _, want := range samples() {
		d := decoder{b: appendValue(nil, want)}
		got, err := d.value()
		if err != nil || !reflect.DeepEqual(got, want) || len(d.b) != 0 {
			t.Errorf("%v (%T): got %v (%T), %v, %d bytes left", want, want, got, got, err, len(d.b))
		}
	}
	d := decoder{b: appendValue(nil, composite{0x99, []any{nil, "x", nil}})}
	v, err := d.value()
	code, list, ok := asComposite(v)
	if err != nil || !ok || code != 0x99 || !reflect.DeepEqual(list, []any{nil, "x"}) {
		t.Errorf("composite: %v, %v", v, err)
	}
	d = decoder{b: appendValue(nil, []symbol{"a", "b"})}
	if v, err = d.value(); err != nil || !reflect.DeepEqual(v, []any{symbol("a"), symbol("b")}) {
		t.Errorf("array: %v, %v", v, err)
	}
}

// TestCodecReadsGoAMQP decodes what the other side encodes: every type there is.
func TestCodecReadsGoAMQP(t *testing.T) {
	m := amqp.Message{ApplicationProperties: map[string]any{}, Value: map[string]any{
		"list": []any{int8(-1), int16(-2), uint16(3), float32(1.5), 2.5}, "longs": []int64{1, 1 << 40}, "small": []int64{1, 2},
		"uuids": []amqp.UUID{{1}}, "times": []time.Time{time.UnixMilli(5)}, "bools": []bool{true, false}, "bytes": [][]byte{[]byte("x")},
		"strings": []string{"a"}, "map": map[string]any{"a": nil}, "empty": []any{},
	}}
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := splitMessage(b); err != nil {
		t.Fatal(err)
	}
	for i := range b { // every cut is an error, never a panic
		if s, err := splitMessage(b[:i]); err == nil && i > 0 && len(s.body) > 0 {
			t.Fatalf("%d of %d bytes are a message", i, len(b))
		}
	}
}

func TestDeliveryTagIsAGUID(t *testing.T) {
	u := uuid{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	want := []byte{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
	if got := deliveryTag(u); !bytes.Equal(got, want) {
		t.Errorf("tag %v, want %v", got, want)
	}
}

func TestEntityPath(t *testing.T) {
	for in, want := range map[string]string{
		"Ingest": "ingest", "/ingest/": "ingest", "amqps://host:1/Footage/Subscriptions/A/$DeadLetterQueue": "footage/subscriptions/a/$deadletterqueue",
		"sb://host": "", "": "",
	} {
		if got := entityPath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(appendHeartbeat(nil))
	f.Add(appendFrame(nil, frameAMQP, 1, composite{perfBegin, []any{nil, uint32(0), uint32(5000), uint32(5000)}}, nil))
	f.Add(appendFrame(nil, frameAMQP, 0, composite{perfTransfer, []any{uint32(0), uint32(1), []byte("t"), uint32(0)}}, []byte("payload")))
	f.Add(appendFrame(nil, frameAMQP, 0, composite{perfAttach, []any{"n", uint32(0), true, nil, nil,
		composite{codeSource, []any{"a", nil, nil, nil, nil, nil, nil, []pair{{symbol("f"), nil}}}}, composite{codeTarget, nil}}}, nil))
	f.Add(appendFrame(nil, frameAMQP, 0, composite{perfDisposition, []any{true, uint32(0), nil, false, rejected(errLockLost)}}, nil))
	f.Add(appendFrame(nil, frameAMQP, 0, composite{perfFlow, []any{uint32(0), uint32(1), uint32(2), uint32(3), uint32(0), uint32(0), uint32(9)}}, nil))
	f.Add([]byte{0, 0, 0, 9, 2, 0, 0, 0, 0xf0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		for {
			fr, err := readFrame(r, maxFrameSize)
			if err != nil {
				return
			}
			if len(fr.body) > len(in) {
				t.Fatalf("%d bytes out of %d", len(fr.body), len(in))
			}
			_, fl, _, err := parsePerformative(fr.body)
			if err != nil {
				continue
			}
			// Any of them may be what the peer claims.
			for _, parse := range []func(*fields) error{
				func(f *fields) error { _, err := parseAttach(f); return err },
				func(f *fields) error { _, err := parseFlow(f); return err },
				func(f *fields) error { _, err := parseTransfer(f); return err },
				func(f *fields) error {
					d, err := parseDisposition(f)
					if _, list, ok := asComposite(d.state); ok {
						parseRejected(list)
					}
					return err
				},
			} {
				_ = parse(&fields{list: fl.list})
			}
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, v := range samples() {
		f.Add(appendValue(nil, v))
	}
	f.Add([]byte{0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40})
	f.Add(bytes.Repeat([]byte{0}, 100))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := decoder{b: in}
		if _, err := d.value(); err == nil && len(d.b) >= len(in) {
			t.Fatal("a value of no bytes")
		}
	})
}

func FuzzMessage(f *testing.F) {
	m := amqp.NewMessage([]byte("body"))
	m.Header = &amqp.MessageHeader{TTL: time.Hour}
	m.Properties = &amqp.MessageProperties{MessageID: "1"}
	m.Annotations = amqp.Annotations{annScheduled: time.UnixMilli(1)}
	m.ApplicationProperties = map[string]any{"a": int64(1)}
	b, err := m.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	batch, err := (&amqp.Message{Data: [][]byte{b, b}}).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batch)
	over, err := encodeProperties(map[string]any{propReason: "r"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		_, _ = splitBatch(in)
		if _, err := parseInbound(in); err != nil {
			return
		}
		readable := (&amqp.Message{}).UnmarshalBinary(in) == nil // a body may hold types that go-amqp does not know
		// What was accepted must be deliverable, and readable by the client.
		out, err := encodeOutbound(in, outbound{seq: 1, rec: record{props: over, source: "q"}, lockedUntil: time.UnixMilli(1), token: &uuid{1}})
		if err != nil {
			t.Fatalf("accepted but not deliverable: %v", err)
		}
		var got amqp.Message
		if err := got.UnmarshalBinary(out); err != nil {
			if !readable {
				return
			}
			t.Fatalf("accepted but not readable: %v", err)
		}
		if got.Annotations[annSequence] != int64(1) || got.ApplicationProperties[propReason] != "r" {
			t.Fatalf("delivered as %+v", got)
		}
	})
}

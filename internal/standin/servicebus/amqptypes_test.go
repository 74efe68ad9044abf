package servicebus

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

// everyType holds each AMQP type that go-amqp can encode, small and large encodings of each.
func everyType() map[string]any {
	return map[string]any{
		"true": true, "false": false, "ubyte": uint8(200), "ushort": uint16(60_000), "uint": uint32(4_000_000_000), "smalluint": uint32(7), "uint0": uint32(0),
		"ulong": uint64(1 << 63), "smallulong": uint64(9), "ulong0": uint64(0), "byte": int8(-100), "short": int16(-30_000), "int": int32(-2_000_000_000),
		"smallint": int32(-3), "long": int64(-1 << 62), "smalllong": int64(5), "float": float32(1.5), "double": -2.25, "string": "é✓", "empty": "",
		"long string": string(bytes.Repeat([]byte("s"), 300)), "timestamp": time.UnixMilli(1_700_000_000_123).UTC(), "uuid": amqp.UUID{1, 2, 3, 15: 9},
		"symbol": amqp.Symbol("sym"), "binary": []byte{0, 255, 1}, "long binary": bytes.Repeat([]byte{7}, 300),
	}
}

// sameValue compares what was received with what was sent; go-amqp reads symbols as strings and times as local.
func sameValue(got, want any) bool {
	switch w := want.(type) {
	case amqp.Symbol:
		return got == string(w)
	case time.Time:
		g, ok := got.(time.Time)
		return ok && g.Equal(w)
	case []amqp.Symbol, []time.Time:
		return fmt.Sprint(local(got)) == fmt.Sprint(local(want))
	}
	return reflect.DeepEqual(got, want)
}

func local(v any) any {
	list, ok := v.([]time.Time)
	if !ok {
		return v
	}
	out := make([]int64, len(list))
	for i := range list {
		out[i] = list[i].UnixMilli()
	}
	return out
}

// roundTrip sends one message and receives it.
func roundTrip(t *testing.T, s *azservicebus.Sender, rc *azservicebus.Receiver, m *azservicebus.AMQPAnnotatedMessage) *azservicebus.ReceivedMessage {
	t.Helper()
	if err := s.SendAMQPAnnotatedMessage(testContext(t), m, nil); err != nil {
		t.Fatal(err)
	}
	return receive(t, rc, 1)[0]
}

func TestEveryTypeInBodies(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	values := everyType()
	for name, v := range map[string]any{
		"list": []any{int8(1), "two", []any{uint64(3)}, nil}, "map": map[string]any{"a": int32(1), "b": map[string]any{"c": []byte("d")}},
		"bytes": []int8{-1, 2}, "ushorts": []uint16{1, 60_000}, "shorts": []int16{-1, 2}, "uints": []uint32{1, 1 << 31}, "ints": []int32{-1, 2},
		"ulongs": []uint64{1, 1 << 63}, "longs": []int64{1 << 40, -1 << 62}, "floats": []float32{1.5}, "doubles": []float64{2.5}, "booleans": []bool{true, false},
		"strings": []string{"a", "b"}, "symbols": []amqp.Symbol{"a"}, "binaries": [][]byte{{1}, {2, 3}}, "uuids": []amqp.UUID{{1}, {2}},
		"timestamps": []time.Time{time.UnixMilli(5).UTC()},
	} {
		values[name] = v
	}
	for name, v := range values {
		m := roundTrip(t, s, rc, &azservicebus.AMQPAnnotatedMessage{Body: azservicebus.AMQPAnnotatedMessageBody{Value: v}})
		if got := m.RawAMQPMessage.Body.Value; !sameValue(got, v) {
			t.Errorf("%s: %v (%T) became %v (%T)", name, v, v, got, got)
		}
		finish(t, rc, m)
	}
	sequence := [][]any{{int64(1), "a"}, {true}}
	m := roundTrip(t, s, rc, &azservicebus.AMQPAnnotatedMessage{Body: azservicebus.AMQPAnnotatedMessageBody{Sequence: sequence}})
	if got := m.RawAMQPMessage.Body.Sequence; !reflect.DeepEqual(got, sequence) {
		t.Errorf("sequence %v became %v", sequence, got)
	}
	finish(t, rc, m)
	data := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("x"), 200_000), []byte("four")} // several frames
	m = roundTrip(t, s, rc, &azservicebus.AMQPAnnotatedMessage{Body: azservicebus.AMQPAnnotatedMessageBody{Data: data}})
	got := m.RawAMQPMessage.Body.Data
	if len(got) != len(data) {
		t.Fatalf("%d data sections became %d", len(data), len(got))
	}
	for i := range data {
		if !bytes.Equal(got[i], data[i]) {
			t.Errorf("data section %d changed", i)
		}
	}
}

func TestEveryTypeInProperties(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	want := everyType()
	annotations, footer := map[any]any{}, map[any]any{}
	for k, v := range want {
		annotations["x-"+k], footer[k] = v, v
	}
	now := time.UnixMilli(1_700_000_000_123).UTC()
	props := &azservicebus.AMQPAnnotatedMessageProperties{
		AbsoluteExpiryTime: &now, ContentEncoding: to.Ptr("gzip"), ContentType: to.Ptr("text/plain"), CorrelationID: uint64(1 << 40), CreationTime: &now,
		GroupID: to.Ptr("group"), GroupSequence: to.Ptr(uint32(7)), MessageID: "id", ReplyTo: to.Ptr("reply"), ReplyToGroupID: to.Ptr("rg"),
		Subject: to.Ptr("subject"), To: to.Ptr("to"), UserID: []byte("user"),
	}
	m := roundTrip(t, s, rc, &azservicebus.AMQPAnnotatedMessage{
		ApplicationProperties: want, MessageAnnotations: annotations, Footer: footer, Properties: props,
		Body: azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte("x")}},
	})
	check := func(m *azservicebus.ReceivedMessage) {
		t.Helper()
		for k, v := range want {
			if got := m.ApplicationProperties[k]; !sameValue(got, v) {
				t.Errorf("property %s: %v (%T) became %v (%T)", k, v, v, got, got)
			}
			if got := m.RawAMQPMessage.MessageAnnotations["x-"+k]; !sameValue(got, v) {
				t.Errorf("annotation %s: %v (%T) became %v (%T)", k, v, v, got, got)
			}
			if got := m.RawAMQPMessage.Footer[k]; !sameValue(got, v) {
				t.Errorf("footer %s: %v (%T) became %v (%T)", k, v, v, got, got)
			}
		}
		got := *m.RawAMQPMessage.Properties
		if got.AbsoluteExpiryTime == nil || got.CreationTime == nil || !got.AbsoluteExpiryTime.Equal(now) || !got.CreationTime.Equal(now) {
			t.Errorf("times %v and %v, want %v", got.AbsoluteExpiryTime, got.CreationTime, now)
		}
		got.AbsoluteExpiryTime, got.CreationTime = &now, &now // in another location
		if !reflect.DeepEqual(&got, props) {
			t.Errorf("properties %+v became %+v", *props, got)
		}
	}
	check(m)
	// What an abandonment adds changes nothing else, and keeps its own type.
	add := map[string]any{"added": int16(3), "string": "changed"}
	if err := rc.AbandonMessage(testContext(t), m, &azservicebus.AbandonMessageOptions{PropertiesToModify: add}); err != nil {
		t.Fatal(err)
	}
	m = receive(t, rc, 1)[0]
	want["string"], want["added"] = "changed", int16(3)
	for k, v := range want {
		if got := m.ApplicationProperties[k]; !sameValue(got, v) {
			t.Errorf("after abandoning, property %s: %v (%T) became %v (%T)", k, v, v, got, got)
		}
	}
	for _, id := range []any{uint64(1 << 40), amqp.UUID{7}, []byte{1, 2}, "text"} {
		finish(t, rc, m)
		m = roundTrip(t, s, rc, &azservicebus.AMQPAnnotatedMessage{
			Properties: &azservicebus.AMQPAnnotatedMessageProperties{CorrelationID: id}, Body: azservicebus.AMQPAnnotatedMessageBody{Value: "x"},
		})
		if got := m.RawAMQPMessage.Properties.CorrelationID; !sameValue(got, id) {
			t.Errorf("correlation-id %v (%T) became %v (%T)", id, id, got, got)
		}
	}
}

// TestTypesTheSDKCannotRead: a char or decimal passes in a body, byte for byte, and is refused where the broker or the
// SDK would have to read it.
func TestTypesTheSDKCannotRead(t *testing.T) {
	for name, code := range map[string][]byte{
		"char": {0x73, 0, 1, 0xf6, 0}, "decimal32": {0x74, 1, 2, 3, 4}, "decimal64": {0x84, 1, 2, 3, 4, 5, 6, 7, 8},
		"decimal128": append([]byte{0x94}, make([]byte, 16)...),
	} {
		body := append([]byte{0, 0x53, secValue}, code...)
		if _, err := parseInbound(body); err != nil {
			t.Errorf("%s in a body: %v", name, err)
		}
		out, err := encodeOutbound(body, outbound{seq: 1})
		if err != nil || !bytes.HasSuffix(out, body) {
			t.Errorf("%s in a body is delivered as %x, %v", name, out, err)
		}
		inside := append([]byte{0xa1, 1, 'k'}, code...)
		props := append([]byte{0, 0x53, secAppProperties, 0xc1, byte(len(inside) + 1), 2}, inside...)
		if _, err := parseInbound(append(props, body...)); err == nil {
			t.Errorf("%s in a property is accepted", name)
		}
	}
}

// TestKeysThatCannotBeHashed: go-amqp v1.7.0 panics over such annotations, so they must not get as far as it.
func TestKeysThatCannotBeHashed(t *testing.T) {
	r := newRig(t)
	p := r.peer(t)
	p.open()
	p.authorize()
	p.attach(2, roleSender, "ingest")
	p.expect(perfAttach)
	p.expect(perfFlow)
	for i, section := range []byte{secDeliveryAnn, secMessageAnn, secAppProperties, secFooter} {
		bad := []byte{0, 0x53, section, 0xc1, 5, 2, 0xa0, 1, 'k', 0x40}
		body := []byte{0, 0x53, secData, 0xa0, 1, 'x'}
		raw := append(bad, body...)
		if section == secFooter {
			raw = append(body, bad...)
		}
		p.send(perfTransfer, raw, uint32(2), uint32(i+1), []byte("t"), uint32(0))
		f := p.expect(perfDisposition)
		if code, _, _ := asComposite(f.any(4)); code != codeRejected {
			t.Errorf("section %#x: %v", section, f.list)
		}
	}
	send(t, newSender(t, r.client(), "ingest"), "still serving")
}

package functionshost

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestEncodeValue(t *testing.T) {
	at := time.Date(2026, 11, 22, 10, 11, 12, 987654321, time.UTC)
	cases := map[string]struct {
		value any
		want  string
	}{
		"bytes":           {[]byte("hello"), `"aGVsbG8="`},
		"no bytes":        {[]byte{}, `""`},
		"string":          {"hello", `"\"hello\""`},
		"JSON in it":      {`{"a":1}`, `"\"{\\\"a\\\":1}\""`},
		"markup":          {"<a&b>", `"\"<a&b>\""`},
		"integer":         {int64(42), `"42"`},
		"truth":           {true, `"true"`},
		"list":            {[]string{"a", "b"}, `"[\"a\",\"b\"]"`},
		"DateTime":        {dateTime(at), `"2026-11-22T10:11:12"`},
		"DateTimeOffset":  {dateTimeOffset(at), `"2026-11-22T10:11:12+00:00"`},
		"properties":      {map[string]any{"n": int64(3), "at": at, "nan": math.NaN()}, `{"at":"2026-11-22T10:11:12.987654321Z","n":3,"nan":"NaN"}`},
		"object":          {struct{}{}, `{}`},
		"end of the time": {dateTimeOffset(endOfTime()), `"9999-12-31T23:59:59+00:00"`},
	}
	for name, c := range cases {
		got, err := encodeValue(c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %s (%v), want %s", name, got, err, c.want)
		}
	}
}

func TestMetadataOfAMessage(t *testing.T) {
	text := func(s string) *string { return &s }
	at := time.Date(2026, 11, 22, 10, 11, 12, 0, time.UTC)
	number := int64(42)
	s := &busSource{namespace: "ns.servicebus.windows.net"}
	b := s.metadata(&azservicebus.ReceivedMessage{
		MessageID: "upload-42", ContentType: text("application/json"), Subject: text("bwv.upload"), CorrelationID: text("c-1"),
		ReplyTo: text("r"), To: text("t"), SessionID: text("dev1"), ReplyToSessionID: text("rs"), PartitionKey: text("p"), DeadLetterSource: text("d"),
		SequenceNumber: &number, EnqueuedTime: &at, LockToken: [16]byte{0x7e, 0xbe},
		ApplicationProperties: map[string]any{"tenant": "t1", "attempt": int64(3)},
		RawAMQPMessage:        &azservicebus.AMQPAnnotatedMessage{Header: &azservicebus.AMQPAnnotatedMessageHeader{DeliveryCount: 2, TTL: time.Hour}},
	})
	raw, err := b.encode()
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"MessageReceiver": `{}`, "MessageSession": `{}`, "MessageActions": `{}`, "SessionActions": `{}`, "ReceiveActions": `{}`,
		"DeliveryCount": `"3"`, "LockToken": `"\"7ebe0000-0000-0000-0000-000000000000\""`,
		"ExpiresAtUtc": `"2026-11-22T11:11:12"`, "ExpiresAt": `"2026-11-22T11:11:12+00:00"`,
		"EnqueuedTimeUtc": `"2026-11-22T10:11:12"`, "EnqueuedTime": `"2026-11-22T10:11:12+00:00"`,
		"MessageId": `"\"upload-42\""`, "ContentType": `"\"application/json\""`, "SequenceNumber": `"42"`,
		"Subject": `"\"bwv.upload\""`, "Label": `"\"bwv.upload\""`, "CorrelationId": `"\"c-1\""`, "ReplyTo": `"\"r\""`, "To": `"\"t\""`,
		"SessionId": `"\"dev1\""`, "ReplyToSessionId": `"\"rs\""`, "PartitionKey": `"\"p\""`, "DeadLetterSource": `"\"d\""`,
		"ApplicationProperties": `{"attempt":3,"tenant":"t1"}`, "UserProperties": `{"attempt":3,"tenant":"t1"}`,
	}
	for key, value := range want {
		if string(got[key]) != value {
			t.Errorf("%s is %s, want %s", key, got[key], value)
		}
	}
	mustContain(t, string(got["Client"]), `"FullyQualifiedNamespace":"ns.servicebus.windows.net","IsClosed":false,"TransportType":0,"Identifier":"ns.servicebus.windows.net-`)
	if len(got) != len(want)+1 {
		t.Errorf("%d keys, want %d: %s", len(got), len(want)+1, raw)
	}
	b = s.metadata(&azservicebus.ReceivedMessage{RawAMQPMessage: &azservicebus.AMQPAnnotatedMessage{}})
	raw, err = b.encode()
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 14 || string(got["DeliveryCount"]) != `"1"` || string(got["ExpiresAtUtc"]) != `"9999-12-31T23:59:59"` {
		t.Errorf("a bare message has %d keys: %s", len(got), raw)
	}
}

func TestPollutionNeedsAnObject(t *testing.T) {
	for _, body := range []string{"", "hello", "[1]", "{nope}", `"text"`, `{"a":1`} {
		b := newBindingData()
		b.put("MessageId", "m")
		b.pollute(body)
		if len(b.names) != 1 || b.values["messageid"] != "m" {
			t.Errorf("%q changed the metadata: %v", body, b.values)
		}
	}
	if got := invariant("2026-11-22T10:11:12+01:00"); got != "11/22/2026 09:11:12" {
		t.Errorf("a date with a zone is %q", got)
	}
	if got := invariant("2026-11-22T25:11:12Z"); got != "2026-11-22T25:11:12Z" {
		t.Errorf("no date became %q", got)
	}
}

func TestBodyOfAMessage(t *testing.T) {
	body, err := bodyOf(&azservicebus.ReceivedMessage{RawAMQPMessage: &azservicebus.AMQPAnnotatedMessage{Body: azservicebus.AMQPAnnotatedMessageBody{Data: [][]byte{[]byte("a"), []byte("b")}}}})
	if err != nil || string(body) != "ab" {
		t.Errorf("%q, %v", body, err)
	}
	if _, err = bodyOf(&azservicebus.ReceivedMessage{RawAMQPMessage: &azservicebus.AMQPAnnotatedMessage{Body: azservicebus.AMQPAnnotatedMessageBody{Value: "x"}}}); err == nil {
		t.Error("an AMQP value passed as a body")
	}
	if got := (&function{}).value([]byte{'a', 0xff}); got != "a\uFFFD" {
		t.Errorf("text that is not UTF-8 is %q", got)
	}
}

func TestNamespace(t *testing.T) {
	for connection, want := range map[string]string{
		"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=a;SharedAccessKey=b=": "ns.servicebus.windows.net",
		"Endpoint=sb://localhost:5673;UseDevelopmentEmulator=true":                          "localhost",
		"nonsense": "",
	} {
		if got := namespaceOf(connection); got != want {
			t.Errorf("%q: %q, want %q", connection, got, want)
		}
	}
}

package azfunc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

// message is what the triggers of these tests take.
type message struct {
	Evidence string `json:"evidence"`
	Epoch    int    `json:"epoch"`
}

const plainMessage = `{"evidence":"ev-1","epoch":3}`

// quoted encodes v as a JSON string, times over.
func quoted(v string, times int) string {
	for range times {
		b, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		v = string(b)
	}
	return v
}

func binary(v string) string { return quoted(base64.StdEncoding.EncodeToString([]byte(v)), 1) }

// envelope as the host sends it: metadata values are JSON in strings.
func wrap(value string) string {
	return `{"Data":{"work":` + value + `},"Metadata":{"MessageReceiver":{},"DeliveryCount":"2","MessageId":"\"m-7\"","EnqueuedTimeUtc":"2026-12-06T10:11:12",` +
		`"ApplicationProperties":{"attempt":3},"sys":{"MethodName":"metadata","UtcNow":"2026-11-22T10:11:13Z","RandGuid":"g"}}}`
}

func read(body string) (message, Invocation, error) {
	var m message
	r := httptest.NewRequest(http.MethodPost, "/metadata", strings.NewReader(body))
	r.Header.Set("X-Azure-Functions-InvocationId", "inv-1")
	call, err := decode(httptest.NewRecorder(), r, "metadata", "work", &m)
	return m, call, err
}

func TestDecode(t *testing.T) {
	full := Invocation{ID: "inv-1", Function: "metadata", Delivery: 2, MessageID: "m-7"}
	bare := Invocation{ID: "inv-1", Function: "metadata"}
	for name, c := range map[string]struct {
		body string
		call Invocation
	}{
		"binary":              {wrap(binary(plainMessage)), full},
		"binary with spaces":  {wrap(binary("\n " + plainMessage + "\n")), full},
		"string, twice over":  {wrap(quoted(plainMessage, 2)), full},
		"string, once":        {wrap(quoted(plainMessage, 1)), full},
		"object":              {wrap(plainMessage), full},
		"names in other case": {`{"data":{"work":` + plainMessage + `},"metadata":{}}`, bare},
		"Test/Run, sparse":    {`{"Data":{"work":` + binary(plainMessage) + `},"Metadata":{"DeliveryCount":"0","sys":{}}}`, bare},
		"Test/Run, as typed":  {`{"Data":{"work":` + quoted(plainMessage, 2) + `},"Metadata":{}}`, bare},
		"no metadata at all":  {`{"Data":{"work":` + plainMessage + `}}`, bare},
		"metadata unencoded":  {`{"Data":{"work":` + plainMessage + `},"Metadata":{"DeliveryCount":2,"MessageId":"m-7"}}`, full},
		"metadata of others":  {`{"Data":{"work":` + plainMessage + `},"Metadata":{"DeliveryCount":{"a":1},"MessageId":null}}`, Invocation{ID: "inv-1", Function: "metadata", MessageID: ""}},
		"more than one input": {`{"Data":{"other":"x","work":` + plainMessage + `},"Metadata":{}}`, bare},
	} {
		t.Run(name, func(t *testing.T) {
			m, call, err := read(c.body)
			if err != nil {
				t.Fatal(err)
			}
			if m != (message{"ev-1", 3}) {
				t.Errorf("message %+v", m)
			}
			if call != c.call {
				t.Errorf("got %+v, want %+v", call, c.call)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	deep := strings.Repeat("[", 20000) + strings.Repeat("]", 20000)
	for name, c := range map[string]struct {
		body string
		kind evidence.Kind
	}{
		"nothing":                  {``, evidence.Invalid},
		"no JSON":                  {`work`, evidence.Invalid},
		"an array":                 {`[]`, evidence.Invalid},
		"no data":                  {`{"Metadata":{}}`, evidence.Invalid},
		"another binding":          {`{"Data":{"event":{}},"Metadata":{}}`, evidence.Invalid},
		"the binding's other case": {`{"Data":{"Work":{}},"Metadata":{}}`, evidence.Invalid},
		"empty message":            {wrap(`""`), evidence.Invalid},
		"blank message":            {wrap(`"  "`), evidence.Invalid},
		"empty twice over":         {wrap(quoted("", 2)), evidence.Invalid},
		"no base64":                {wrap(`"!"`), evidence.Invalid},
		"base64 of no JSON":        {wrap(binary("hello")), evidence.Invalid},
		"base64 of half":           {wrap(binary(plainMessage[:12])), evidence.Invalid},
		"base64 of two":            {wrap(binary(plainMessage + plainMessage)), evidence.Invalid},
		"wrapped too often":        {wrap(quoted(plainMessage, 3)), evidence.Invalid},
		"wrong types":              {wrap(`{"evidence":1}`), evidence.Invalid},
		"a number":                 {wrap(`7`), evidence.Invalid},
		"deep":                     {wrap(deep), evidence.Invalid},
		"deep in a string":         {wrap(quoted(deep, 1)), evidence.Invalid},
		"deep in base64":           {wrap(binary(deep)), evidence.Invalid},
		"too large":                {wrap(quoted(strings.Repeat("a", maxEnvelope), 1)), evidence.TooLarge},
		"cut short":                {wrap(binary(plainMessage))[:30], evidence.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, call, err := read(c.body)
			var kind evidence.Kind
			if !errors.As(err, &kind) || kind != c.kind {
				t.Fatalf("%.200v is of kind %q, want %q", err, kind, c.kind)
			}
			if call.ID != "inv-1" || call.Function != "metadata" {
				t.Errorf("the invocation is lost: %+v", call)
			}
		})
	}
}

// A message of the largest size that Service Bus takes fits, in base64 and with its metadata.
func TestDecodeTakesTheLargestMessage(t *testing.T) {
	large := fmt.Sprintf(`{"evidence":"%s","epoch":3}`, strings.Repeat("e", 1<<20-100))
	m, _, err := read(wrap(binary(large)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Epoch != 3 || len(m.Evidence) != 1<<20-100 {
		t.Errorf("epoch %d, %d characters", m.Epoch, len(m.Evidence))
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		wrap(binary(plainMessage)), wrap(quoted(plainMessage, 2)), wrap(plainMessage), wrap(`""`), `{"Data":{"work":null}}`,
		`{"Data":{"work":"\""},"Metadata":{"DeliveryCount":"\"\\\"1\\\"\""}}`, `{"Data":{"work":"bnVsbA=="}}`, `{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, call, err := read(string(body))
		var kind evidence.Kind
		if err != nil && (!errors.As(err, &kind) || kind != evidence.Invalid && kind != evidence.TooLarge) {
			t.Fatalf("%v has kind %q: the caller cannot tell whose fault it is", err, kind)
		}
		if err == nil && !bytes.Contains(bytes.ToLower(body), []byte("work")) && !bytes.ContainsRune(body, '\\') {
			t.Fatalf("a message %+v out of nothing", m)
		}
		if call.ID != "inv-1" {
			t.Fatalf("the invocation is %q", call.ID)
		}
	})
}

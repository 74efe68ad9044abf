package functionshost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"
)

// dateTime is .NET's DateTime as the host writes it into metadata: seconds only, no zone.
type dateTime time.Time

// dateTimeOffset is .NET's DateTimeOffset there: seconds only, with the zone.
type dateTimeOffset time.Time

// endOfTime is DateTimeOffset.MaxValue, the expiry of a message that never expires.
func endOfTime() time.Time { return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC) }

// marshal writes JSON without Go's escapes for HTML, which Newtonsoft does not make.
func marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// encodeValue writes one value as GetHttpScriptInvocationContextValue does: bytes are base64 once, dates lose
// their fraction, objects are embedded, and strings, numbers and lists become strings that hold JSON.
func encodeValue(v any) (json.RawMessage, error) {
	switch t := v.(type) {
	case []byte, json.RawMessage:
		return marshal(t)
	case dateTime:
		return marshal(time.Time(t).UTC().Format("2006-01-02T15:04:05"))
	case dateTimeOffset:
		return marshal(time.Time(t).Format("2006-01-02T15:04:05-07:00"))
	case map[string]any:
		return marshal(properties(t))
	case string, bool, int, int32, int64, uint32, uint64, float64, []any, []string:
		inner, err := marshal(t)
		if err != nil {
			return nil, err
		}
		return marshal(string(inner))
	default: // an object
		return marshal(t)
	}
}

// properties makes a bag of AMQP values fit for JSON.
func properties(bag map[string]any) map[string]any {
	out := make(map[string]any, len(bag))
	for k, v := range bag {
		switch t := v.(type) {
		case time.Time:
			out[k] = t.UTC().Format(time.RFC3339Nano)
		case float64:
			out[k] = finite(t)
		case float32:
			out[k] = finite(float64(t))
		case fmt.Stringer:
			out[k] = t.String()
		default:
			out[k] = v
			if _, err := json.Marshal(v); err != nil {
				out[k] = fmt.Sprint(v)
			}
		}
	}
	return out
}

// finite writes NaN and the infinities as strings, as Newtonsoft does.
func finite(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return f
}

// bindingData is the host's dictionary of metadata: keys differ by more than case, a later value replaces an
// earlier one and keeps its spelling, and a nil value is no entry.
type bindingData struct {
	names  []string
	values map[string]any // by lower-case name
}

func newBindingData() *bindingData { return &bindingData{values: map[string]any{}} }

func (b *bindingData) put(name string, v any) {
	if v == nil {
		return
	}
	key := strings.ToLower(name)
	if _, ok := b.values[key]; !ok {
		b.names = append(b.names, name)
	}
	b.values[key] = v
}

// putText adds a string that may be absent.
func (b *bindingData) putText(name string, v *string) {
	if v != nil {
		b.put(name, *v)
	}
}

// pollute is Utility.ApplyBindingData: when the trigger's value is a string that looks like a JSON object, its
// top-level properties overwrite the metadata of the same name, whatever they are.
func (b *bindingData) pollute(body string) {
	trimmed := strings.TrimSpace(body)
	if !strings.HasPrefix(trimmed, "{") || !strings.HasSuffix(trimmed, "}") {
		return
	}
	d := json.NewDecoder(strings.NewReader(trimmed))
	d.UseNumber()
	var all map[string]any
	if d.Decode(&all) != nil {
		return
	}
	for _, name := range sortedKeys(all) {
		switch t := all[name].(type) {
		case nil, []any:
		case map[string]any:
			raw, err := marshal(t)
			if err == nil {
				b.put(name, raw)
			}
		case bool:
			b.put(name, map[bool]string{true: "True", false: "False"}[t])
		case json.Number:
			b.put(name, t.String())
		case string:
			b.put(name, invariant(t))
		}
	}
}

// invariant re-writes what Newtonsoft takes for a date in the invariant culture.
func invariant(s string) string {
	if len(s) < 19 || s[4] != '-' || s[10] != 'T' {
		return s
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format("01/02/2006 15:04:05")
		}
	}
	return s
}

// encode writes the metadata object. Keys that end with "trigger" are left out, in any case.
func (b *bindingData) encode() (json.RawMessage, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for _, name := range b.names {
		key := strings.ToLower(name)
		if strings.HasSuffix(key, "trigger") {
			continue
		}
		value, err := encodeValue(b.values[key])
		if err != nil {
			return nil, fmt.Errorf("writing metadata %s: %w", name, err)
		}
		quoted, err := marshal(name)
		if err != nil {
			return nil, fmt.Errorf("writing metadata %s: %w", name, err)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		out.Write(quoted)
		out.WriteByte(':')
		out.Write(value)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// system is the "sys" entry of every invocation's metadata.
type system struct {
	MethodName string
	UtcNow     string
	RandGuid   string
}

func newSystem(function string, now time.Time) system {
	return system{MethodName: function, UtcNow: now.UTC().Format("2006-01-02T15:04:05.9999999Z"), RandGuid: newID()}
}

// roundTrip is how Newtonsoft writes a DateTime inside an object: the fraction without trailing zeros, and no
// zone for the default value.
func roundTrip(t time.Time) string {
	if t.IsZero() {
		return "0001-01-01T00:00:00"
	}
	return t.UTC().Format("2006-01-02T15:04:05.9999999-07:00")
}

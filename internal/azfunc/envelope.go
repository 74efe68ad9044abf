package azfunc

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"bwv/internal/evidence"
)

// maxEnvelope bounds what a trigger call may send: a 1 MiB message in base64 with its metadata.
const maxEnvelope = 2 << 20

// Invocation is what the host says about one call.
type Invocation struct {
	ID        string // of the invocation
	Function  string
	Delivery  int    // 1 for the first; 0 where the trigger has none (timer, the portal's Test/Run)
	MessageID string // empty where there is none
}

// envelope is the host's invocation request: each binding's value by its name, and metadata whose values are JSON in strings.
type envelope struct {
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

// decode reads one trigger call. The binding's value ends in into.
func decode(w http.ResponseWriter, r *http.Request, function, binding string, into any) (Invocation, error) {
	call := Invocation{ID: r.Header.Get("X-Azure-Functions-InvocationId"), Function: function}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		return call, fmt.Errorf("reading the invocation of %s: %w: %w", function, err, evidence.TooLarge)
	}
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		return call, fmt.Errorf("invocation of %s is not the host's JSON: %w: %w", function, err, evidence.Invalid)
	}
	call.Delivery, _ = strconv.Atoi(text(e.Metadata["DeliveryCount"])) // absent in a Test/Run
	call.MessageID = text(e.Metadata["MessageId"])
	raw, ok := e.Data[binding]
	if !ok {
		return call, fmt.Errorf("invocation of %s has no binding %q: %w", function, binding, evidence.Invalid)
	}
	value, err := unwrap(raw)
	if err != nil {
		return call, fmt.Errorf("message for %s: %w: %w", function, err, evidence.Invalid)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return call, fmt.Errorf("message for %s: %w: %w", function, err, evidence.Invalid)
	}
	return call, nil
}

// unwrap finds the JSON in a binding's value. `dataType: binary` gives base64 in a string; a Test/Run or a string binding gives JSON in a
// string, once or twice over; an event or a timer is an object as it is. No JSON object or array is valid base64, so there is no doubt.
func unwrap(raw json.RawMessage) ([]byte, error) {
	for range 3 {
		if len(raw) == 0 || raw[0] != '"' {
			return raw, nil
		}
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, err
		}
		s = strings.TrimSpace(s)
		if s == "" {
			return nil, fmt.Errorf("it is empty")
		}
		if strings.ContainsAny(s[:1], `{["`) {
			raw = json.RawMessage(s)
			continue
		}
		return base64.StdEncoding.DecodeString(s)
	}
	return nil, fmt.Errorf("it is wrapped too often")
}

// text reads a metadata value: a JSON string that holds JSON text, or plain text.
func text(raw json.RawMessage) string {
	for range 2 {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			break
		}
		raw = json.RawMessage(s)
	}
	return string(raw)
}

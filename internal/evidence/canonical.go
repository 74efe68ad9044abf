package evidence

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// appendCanonical writes v as RFC 8785 JSON. v holds only what a custody entry can: objects with ASCII names, arrays, strings,
// integers, booleans and null.
func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendCanonicalString(b, name), ':')
			b = appendCanonical(b, v[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCanonical(b, item)
		}
		return append(b, ']')
	case string:
		return appendCanonicalString(b, v)
	case json.Number:
		return append(b, v...)
	case bool:
		return fmt.Append(b, v)
	default:
		return append(b, "null"...)
	}
}

func appendCanonicalString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20:
			if i := strings.IndexRune("\b\t\n\f\r", r); i >= 0 {
				b = append(b, '\\', "btnfr"[i])
			} else {
				b = fmt.Appendf(b, `\u%04x`, r)
			}
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}

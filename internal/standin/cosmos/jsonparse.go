package cosmos

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deeply a document may nest (Azure's documented limit is 128).
const maxDepth = 128

var errDepth = errors.New("json nests too deeply")

// parseJSON reads exactly one JSON value (RFC 8259). Stricter than Go's
// decoder: duplicate property names, invalid UTF-8, lone surrogates and numbers
// beyond a double are errors, so that no document means different things to
// different readers.
func parseJSON(data []byte) (value, error) { return parseWithin(data, maxDepth) }

// parseWithin is parseJSON with another limit to nesting.
func parseWithin(data []byte, depth int) (value, error) {
	p := jsonParser{data: data, strict: true, limit: depth}
	v, err := p.document()
	if err != nil {
		return value{}, fmt.Errorf("at byte %d: %w", p.pos, err)
	}
	return v, nil
}

// parseStored reads a document this package wrote: it skips the checks that
// were made when it came in.
func parseStored(data []byte) (value, error) {
	p := jsonParser{data: data, limit: maxDepth}
	return p.document()
}

type jsonParser struct {
	data   []byte
	pos    int
	depth  int
	limit  int
	strict bool
}

func (p *jsonParser) document() (value, error) {
	v, err := p.value()
	if err != nil {
		return v, err
	}
	if p.space(); p.pos != len(p.data) {
		return v, errors.New("something follows the json value")
	}
	return v, nil
}

func (p *jsonParser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) peek() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *jsonParser) value() (value, error) {
	p.space()
	switch c := p.peek(); {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		s, err := p.string()
		return stringValue(s), err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	case c == 't':
		return boolValue(true), p.word("true")
	case c == 'f':
		return boolValue(false), p.word("false")
	case c == 'n':
		return value{kind: kindNull}, p.word("null")
	case p.pos >= len(p.data):
		return value{}, errors.New("unexpected end of json")
	default:
		return value{}, fmt.Errorf("unexpected %q", c)
	}
}

func (p *jsonParser) word(w string) error {
	if len(p.data)-p.pos < len(w) || string(p.data[p.pos:p.pos+len(w)]) != w {
		return fmt.Errorf("unexpected %q", p.peek())
	}
	p.pos += len(w)
	return nil
}

func (p *jsonParser) enter() error {
	p.pos++
	if p.depth++; p.depth > p.limit {
		return errDepth
	}
	return nil
}

func (p *jsonParser) object() (value, error) {
	v := value{kind: kindObject}
	if err := p.enter(); err != nil {
		return v, err
	}
	var seen map[string]bool
	for first := true; ; first = false {
		p.space()
		if p.peek() == '}' && first {
			break
		}
		if p.peek() != '"' {
			return v, errors.New("expected a property name")
		}
		name, err := p.string()
		if err != nil {
			return v, err
		}
		if p.strict {
			if seen == nil {
				seen = make(map[string]bool)
			}
			if seen[name] {
				return v, fmt.Errorf("property %q appears twice", name)
			}
			seen[name] = true
		}
		if p.space(); p.peek() != ':' {
			return v, errors.New("expected ':'")
		}
		p.pos++
		m, err := p.value()
		if err != nil {
			return v, err
		}
		v.obj = append(v.obj, member{name, m})
		if p.space(); p.peek() == '}' {
			break
		}
		if p.peek() != ',' {
			return v, errors.New("expected ',' or '}'")
		}
		p.pos++
	}
	p.pos++
	p.depth--
	return v, nil
}

func (p *jsonParser) array() (value, error) {
	v := value{kind: kindArray}
	if err := p.enter(); err != nil {
		return v, err
	}
	for first := true; ; first = false {
		if p.space(); p.peek() == ']' && first {
			break
		}
		e, err := p.value()
		if err != nil {
			return v, err
		}
		v.arr = append(v.arr, e)
		if p.space(); p.peek() == ']' {
			break
		}
		if p.peek() != ',' {
			return v, errors.New("expected ',' or ']'")
		}
		p.pos++
	}
	p.pos++
	p.depth--
	return v, nil
}

func (p *jsonParser) number() (value, error) {
	start := p.pos
	if p.peek() == '-' {
		p.pos++
	}
	if p.peek() == '0' {
		p.pos++
	} else if !p.digits() {
		return value{}, errors.New("expected a digit")
	}
	if p.peek() == '.' {
		if p.pos++; !p.digits() {
			return value{}, errors.New("expected a digit after '.'")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		p.pos++
		if c := p.peek(); c == '+' || c == '-' {
			p.pos++
		}
		if !p.digits() {
			return value{}, errors.New("expected a digit in the exponent")
		}
	}
	n, err := strconv.ParseFloat(string(p.data[start:p.pos]), 64)
	if err != nil || math.IsInf(n, 0) {
		return value{}, errors.New("number does not fit a double")
	}
	return numberValue(n), nil
}

func (p *jsonParser) digits() bool {
	start := p.pos
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.pos++
	}
	return p.pos > start
}

func (p *jsonParser) string() (string, error) {
	p.pos++ // the opening quote
	start := p.pos
	for p.pos < len(p.data) {
		switch c := p.data[p.pos]; {
		case c == '"':
			s := p.data[start:p.pos]
			p.pos++
			if p.strict && !utf8.Valid(s) {
				return "", errors.New("string is not utf-8")
			}
			return string(s), nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", errors.New("control character in a string")
		default:
			p.pos++
		}
	}
	return "", errors.New("string does not end")
}

// escaped goes on with a string in which an escape was met.
func (p *jsonParser) escaped(start int) (string, error) {
	out := append([]byte(nil), p.data[start:p.pos]...)
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		p.pos++
		switch {
		case c == '"':
			if p.strict && !utf8.Valid(out) {
				return "", errors.New("string is not utf-8")
			}
			return string(out), nil
		case c < 0x20:
			return "", errors.New("control character in a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		e := p.peek()
		p.pos++
		switch e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, err := p.unicode()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
		default:
			return "", errors.New("invalid escape in a string")
		}
	}
	return "", errors.New("string does not end")
}

func (p *jsonParser) unicode() (rune, error) {
	r, err := p.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if p.word(`\u`) != nil {
		return 0, errors.New("lone surrogate in a string")
	}
	low, err := p.hex4()
	if err != nil {
		return 0, err
	}
	if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
		return 0, errors.New("lone surrogate in a string")
	}
	return r, nil
}

func (p *jsonParser) hex4() (rune, error) {
	if len(p.data)-p.pos < 4 {
		return 0, errors.New("unicode escape is too short")
	}
	n, err := strconv.ParseUint(string(p.data[p.pos:p.pos+4]), 16, 32)
	if err != nil {
		return 0, errors.New("unicode escape is not hexadecimal")
	}
	p.pos += 4
	return rune(n), nil
}

package gpmf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// width is the size of one number of a type, 0 for types that are no numbers here.
func width(kind byte) int {
	switch kind {
	case 'b', 'B':
		return 1
	case 's', 'S':
		return 2
	case 'l', 'L', 'f':
		return 4
	case 'j', 'J', 'd':
		return 8
	}
	return 0
}

func number(kind byte, b []byte) float64 {
	switch kind {
	case 'b':
		return float64(int8(b[0]))
	case 'B':
		return float64(b[0])
	case 's':
		return float64(int16(binary.BigEndian.Uint16(b)))
	case 'S':
		return float64(binary.BigEndian.Uint16(b))
	case 'l':
		return float64(int32(binary.BigEndian.Uint32(b)))
	case 'L':
		return float64(binary.BigEndian.Uint32(b))
	case 'f':
		return float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 'j':
		return float64(int64(binary.BigEndian.Uint64(b)))
	case 'J':
		return float64(binary.BigEndian.Uint64(b))
	case 'd':
		return math.Float64frombits(binary.BigEndian.Uint64(b))
	}
	return 0
}

// numbers reads a plain array, at most maxFields of it.
func (e element) numbers() []float64 {
	w := width(e.kind)
	if w == 0 {
		return nil
	}
	var out []float64
	for b := e.value; len(b) >= w && len(out) < maxFields; b = b[w:] {
		out = append(out, number(e.kind, b))
	}
	return out
}

func (e element) first() float64 {
	if w := width(e.kind); w > 0 && len(e.value) >= w {
		return number(e.kind, e.value)
	}
	return 0
}

// text reads a string up to its first zero byte, printable ASCII only.
func (e element) text() string {
	s, _, _ := strings.Cut(string(e.value), "\x00")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s))
}

// utc reads "yymmddhhmmss.sss"; zero when it is none.
func utc(s string) time.Time {
	t, err := time.Parse("060102150405.000", s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// fields gives the types of one structure's numbers.
func (e element) fields(s *stream) (string, error) {
	layout := s.layout
	if e.kind != '?' {
		w := width(e.kind)
		if w == 0 || e.size%w != 0 || e.size/w > maxFields {
			return "", fmt.Errorf("%w: %s of type %q", errMalformed, e.key, e.kind)
		}
		layout = strings.Repeat(string(e.kind), e.size/w)
	}
	total := 0
	for i := range len(layout) {
		w := width(layout[i])
		if w == 0 {
			return "", fmt.Errorf("%w: %s has a field of type %q", errMalformed, e.key, layout[i])
		}
		total += w
	}
	if len(layout) > maxFields || total != e.size {
		return "", fmt.Errorf("%w: %s: structures of %d bytes, their fields make %d", errMalformed, e.key, e.size, total)
	}
	return layout, nil
}

// least is the number of fields that each stream's structure has.
func least(key string) int {
	switch key {
	case "GPS5":
		return 5
	case "GPS9":
		return 9
	}
	return 10 // GPRI
}

func (p *parser) positions(e element, s *stream) error {
	if e.count == 0 {
		return nil
	}
	layout, err := e.fields(s)
	if err != nil {
		return err
	}
	if len(layout) < least(e.key) {
		return fmt.Errorf("%w: %s has %d fields", errMalformed, e.key, len(layout))
	}
	if p.found == nil {
		p.found = map[string][]Position{}
	}
	source := strings.ToLower(e.key)
	values := make([]float64, len(layout))
	for i := range e.count {
		b := e.value[i*e.size:]
		for f := range layout {
			w := width(layout[f])
			if values[f], err = scaled(number(layout[f], b), f, s.scale); err != nil {
				return fmt.Errorf("%s: %w", e.key, err)
			}
			b = b[w:]
		}
		at := position(e.key, values, s, i)
		at.Part = float64(i) / float64(e.count)
		p.found[source] = append(p.found[source], at)
	}
	return nil
}

func scaled(v float64, field int, scale []float64) (float64, error) {
	by := 1.0
	switch {
	case len(scale) == 1:
		by = scale[0]
	case field < len(scale):
		by = scale[field]
	}
	if by == 0 || math.IsNaN(by) || math.IsInf(by, 0) {
		return 0, fmt.Errorf("%w: a scale of %v", errMalformed, by)
	}
	return v / by, nil
}

func position(key string, v []float64, s *stream, i int) Position {
	switch key {
	case "GPS5": // latitude, longitude, altitude, speed, speed in space
		p := Position{Latitude: v[0], Longitude: v[1], Altitude: v[2], Fix: s.fix, Precision: s.precision}
		if i == 0 { // GPSU is the time of the payload's first position
			p.At = s.at
		}
		return p
	case "GPS9": // the first five of GPS5, then days since 2000, seconds since midnight, dilution, fix
		p := Position{Latitude: v[0], Longitude: v[1], Altitude: v[2], Fix: whole(v[8]), Precision: v[7]}
		if days, seconds := v[5], v[6]; days > 0 && days < 1<<16 && seconds >= 0 && seconds < 86401 {
			midnight := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, int(days))
			p.At = midnight.Add(time.Duration(math.Round(seconds*1000)) * time.Millisecond)
		}
		return p
	}
	// GPRI: seconds since start, latitude, longitude, altitude, dilution horizontal and vertical, speed, course, fix, satellites
	return Position{Latitude: v[1], Longitude: v[2], Altitude: v[3], Fix: whole(v[8]), Precision: v[4]}
}

// whole is a fix as a small number: anything else is none.
func whole(v float64) int {
	if v >= 0 && v <= 8 {
		return int(v)
	}
	return 0
}

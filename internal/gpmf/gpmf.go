package gpmf

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The streams that positions come from.
const (
	GPS5 = "gps5" // cameras up to 2021: a time and a fix for each payload, positions without a time of their own
	GPS9 = "gps9" // since HERO11: a time and a fix with each position
	GPRI = "gpri" // the receiver of a Karma drone that carries the camera
)

// Telemetry is what one payload says: a sample of a `gpmd` track, or the atom `GPMF` in a file's user data.
type Telemetry struct {
	Model     string // "GoPro Max"
	Serial    string // "C3353424500199"
	Firmware  string // "H19.03.01.30.00"
	Source    string // the stream that Positions come from: GPS5, GPS9, GPRI, or nothing
	Positions []Position
}

// Position is one reading of a receiver: WGS 84 degrees, metres.
type Position struct {
	Latitude  float64
	Longitude float64
	Altitude  float64
	Fix       int       // 0 none, 2 in the plane, 3 in space
	Precision float64   // dilution of precision; 0 when the payload does not say
	Part      float64   // where in the payload's time span, from 0 to below 1
	At        time.Time // by the satellites' clock; zero when this position has no time of its own
}

// Valid tells whether the receiver had a fix and the numbers can be a place on Earth.
func (p Position) Valid() bool {
	return p.Fix >= 2 && math.Abs(p.Latitude) <= 90 && math.Abs(p.Longitude) <= 180 && (p.Latitude != 0 || p.Longitude != 0) &&
		!math.IsNaN(p.Latitude) && !math.IsNaN(p.Longitude) && !math.IsNaN(p.Altitude) && !math.IsInf(p.Altitude, 0)
}

const (
	maxDepth  = 8
	maxFields = 64
)

// errMalformed is what every error of Parse wraps: the bytes are no GPMF, or damaged.
var errMalformed = errors.New("malformed telemetry")

// Parse reads one payload. With an error comes what was readable before it. The memory it takes is a small multiple of len(b).
func Parse(b []byte) (Telemetry, error) {
	var p parser
	err := p.level(b, 0, &device{}, &stream{})
	t := p.telemetry
	for _, source := range []string{GPS9, GPS5, GPRI} { // the one with the most to say about each position first
		if found := p.found[source]; anyValid(found) || (t.Source == "" && len(found) > 0) {
			t.Source, t.Positions = source, found
			if anyValid(found) {
				break
			}
		}
	}
	if t.Model == "" {
		t.Model = p.named
	}
	return t, err
}

func anyValid(ps []Position) bool {
	for _, p := range ps {
		if p.Valid() {
			return true
		}
	}
	return false
}

type parser struct {
	telemetry Telemetry
	named     string // DVNM, used where there is no MINF
	found     map[string][]Position
}

// device is the DEVC being read.
type device struct{ id uint32 }

// stream is the STRM being read: what the keys before the data say about it.
type stream struct {
	scale     []float64
	layout    string // TYPE: the fields of a structure
	fix       int
	precision float64
	at        time.Time
}

// element is one key with its values, still undecoded.
type element struct {
	key   string
	kind  byte
	size  int // of one structure
	count int
	value []byte
}

// next splits the first element off b.
func next(b []byte) (element, []byte, error) {
	if len(b) < 8 {
		return element{}, nil, fmt.Errorf("%w: %d bytes left, a key needs 8", errMalformed, len(b))
	}
	e := element{key: string(b[:4]), kind: b[4], size: int(b[5]), count: int(b[6])<<8 | int(b[7])}
	n := e.size * e.count
	if n > len(b)-8 {
		return element{}, nil, fmt.Errorf("%w: %q claims %d bytes, %d are there", errMalformed, e.key, n, len(b)-8)
	}
	e.value = b[8 : 8+n]
	return e, b[min(8+(n+3)&^3, len(b)):], nil
}

func (p *parser) level(b []byte, depth int, d *device, s *stream) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", errMalformed, maxDepth)
	}
	for len(b) > 0 {
		if b[0] == 0 { // padding up to the end
			return nil
		}
		e, rest, err := next(b)
		if err != nil {
			return err
		}
		b = rest
		if e.kind == 0 {
			err = p.nested(e, depth, d, s)
		} else {
			err = p.value(e, d, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) nested(e element, depth int, d *device, s *stream) error {
	switch e.key {
	case "DEVC":
		d = &device{}
		s = &stream{}
	case "STRM":
		s = &stream{}
	}
	return p.level(e.value, depth+1, d, s)
}

func (p *parser) value(e element, d *device, s *stream) error {
	switch e.key {
	case "DVID":
		d.id = uint32(e.first())
	case "DVNM":
		// A camera calls itself 1; others are what is mounted with it. HERO5 says only "Camera".
		if name := e.text(); d.id == 1 && name != "Camera" && name != "Global Settings" && name != "Highlights" {
			p.named = name
		}
	case "MINF":
		p.telemetry.Model = e.text()
	case "CASN":
		p.telemetry.Serial = e.text()
	case "FMWR":
		p.telemetry.Firmware = e.text()
	case "TYPE":
		s.layout = e.text()
	case "SCAL":
		s.scale = e.numbers()
	case "GPSF":
		s.fix = int(e.first())
	case "GPSP":
		s.precision = e.first() / 100
	case "GPSU":
		s.at = utc(e.text())
	case "GPS5", "GPS9", "GPRI":
		return p.positions(e, s)
	}
	return nil
}

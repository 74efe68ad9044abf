package gpmf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// klv writes one element.
func klv(key string, kind byte, size, count int, value []byte) []byte {
	b := append([]byte(key), kind, byte(size), byte(count>>8), byte(count))
	b = append(b, value...)
	return append(b, make([]byte, (4-len(value)%4)%4)...)
}

func nest(key string, parts ...[]byte) []byte {
	b := bytes.Join(parts, nil)
	return klv(key, 0, 1, len(b), b)
}

func numbers(values ...any) []byte {
	var b bytes.Buffer
	for _, v := range values {
		_ = binary.Write(&b, binary.BigEndian, v) // a buffer takes all
	}
	return b.Bytes()
}

// TestReal reads payloads cut out of real recordings (the sample clips of this repository).
func TestReal(t *testing.T) {
	for _, row := range []struct {
		file          string
		source        string
		count         int
		first         Position
		model, serial string
	}{
		{"max-0.gpmf", GPS5, 17, Position{Latitude: 33.12677, Longitude: -117.3273436, Altitude: -22.959, Fix: 3, Precision: 1.54, At: time.Date(2019, 11, 18, 23, 45, 14, 0, time.UTC)}, "GoPro Max", ""},
		{"max-3.gpmf", GPS5, 18, Position{Latitude: 33.1267398, Longitude: -117.3273219, Altitude: -23.19, Fix: 3, Precision: 1.77, At: time.Date(2019, 11, 18, 23, 45, 18, 450e6, time.UTC)}, "GoPro Max", ""},
		{"karma-0.gpmf", GPRI, 4, Position{Latitude: 33.125368, Longitude: -117.3310641, Altitude: 15.445, Fix: 3, Precision: 0.25}, "", ""},
		{"max-settings.gpmf", "", 0, Position{}, "GoPro Max", "C3353424500199"},
	} {
		t.Run(row.file, func(t *testing.T) {
			got, err := Parse(read(t, row.file))
			if err != nil {
				t.Fatal(err)
			}
			if got.Source != row.source || len(got.Positions) != row.count || got.Model != row.model || got.Serial != row.serial {
				t.Fatalf("%s %d %q %q", got.Source, len(got.Positions), got.Model, got.Serial)
			}
			if row.count == 0 {
				return
			}
			p := got.Positions[0]
			if math.Abs(p.Latitude-row.first.Latitude) > 1e-7 || math.Abs(p.Longitude-row.first.Longitude) > 1e-7 || math.Abs(p.Altitude-row.first.Altitude) > 1e-3 ||
				p.Fix != row.first.Fix || math.Abs(p.Precision-row.first.Precision) > 1e-6 || !p.At.Equal(row.first.At) || !p.Valid() {
				t.Errorf("%+v, not %+v", p, row.first)
			}
			for i, p := range got.Positions {
				if want := float64(i) / float64(row.count); p.Part != want || (i > 0 && !p.At.IsZero()) {
					t.Errorf("position %d: %+v", i, p)
				}
			}
		})
	}
}

// gps9 is a payload as HERO11 and later write it: no sample of one was to be had, so it is built by the specification.
func gps9(fix uint16) []byte {
	value := numbers(int32(515007000), int32(-1246000), int32(35000), int32(1000), int32(100), int32(9823), int32(36900500), uint16(120), fix)
	return nest("DEVC", klv("DVID", 'L', 4, 1, numbers(uint32(1))), klv("DVNM", 'c', 1, 12, []byte("HERO11 Black")), nest("STRM",
		klv("SCAL", 'l', 4, 9, numbers(int32(10000000), int32(10000000), int32(1000), int32(1000), int32(100), int32(1), int32(1000), int32(100), int32(1))),
		klv("TYPE", 'c', 1, 9, []byte("lllllllSS")),
		klv("GPS9", '?', 32, 1, value)))
}

func TestGPS9(t *testing.T) {
	got, err := Parse(gps9(3))
	if err != nil || got.Source != GPS9 || len(got.Positions) != 1 || got.Model != "HERO11 Black" {
		t.Fatalf("%+v, %v", got, err)
	}
	p := got.Positions[0]
	// 9823 days after 2000-01-01 is 2026-11-23.
	if want := time.Date(2026, 11, 23, 10, 15, 0, 500e6, time.UTC); !p.At.Equal(want) || p.Latitude != 51.5007 || p.Precision != 1.2 || !p.Valid() {
		t.Errorf("%+v", p)
	}
	if got, err := Parse(gps9(0)); err != nil || got.Positions[0].Valid() {
		t.Errorf("a position without a fix is valid: %+v, %v", got, err)
	}
}

// TestPrefers takes the stream that has a fix over one that has none.
func TestPrefers(t *testing.T) {
	both := append(gps9(0), read(t, "max-0.gpmf")...)
	got, err := Parse(both)
	if err != nil || got.Source != GPS5 || len(got.Positions) != 17 {
		t.Errorf("%s %d %v", got.Source, len(got.Positions), err)
	}
	got, err = Parse(append(gps9(3), read(t, "max-0.gpmf")...))
	if err != nil || got.Source != GPS9 {
		t.Errorf("%s %v", got.Source, err)
	}
}

func TestMalformed(t *testing.T) {
	deep := []byte("x")
	for range 12 {
		deep = nest("STRM", deep)
	}
	scale := func(by int32) []byte {
		return nest("DEVC", nest("STRM", klv("SCAL", 'l', 4, 1, numbers(by)), klv("GPS5", 'l', 20, 1, make([]byte, 20))))
	}
	for name, b := range map[string][]byte{
		"too short":         []byte("DEV"),
		"runs past its end": klv("DEVC", 0, 255, 65535, []byte("abc")),
		"too deep":          deep,
		"scale of zero":     scale(0),
		"odd structure":     nest("STRM", klv("GPS5", 'l', 19, 1, make([]byte, 19))),
		"too few fields":    nest("STRM", klv("GPS5", 'l', 16, 1, make([]byte, 16))),
		"no type":           nest("STRM", klv("GPS9", '?', 32, 1, make([]byte, 32))),
		"unknown type":      nest("STRM", klv("TYPE", 'c', 1, 9, []byte("zzzzzzzzz")), klv("GPS9", '?', 9, 1, make([]byte, 9))),
	} {
		if _, err := Parse(b); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := Parse(append(scale(1), 0, 0, 0, 0)); err != nil || len(got.Positions) != 1 || got.Positions[0].Valid() {
		t.Errorf("padding, and a receiver at 0, 0: %+v, %v", got, err)
	}
	if got, err := Parse(nil); err != nil || got.Source != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestPartial keeps what was read before the damage.
func TestPartial(t *testing.T) {
	got, err := Parse(append(read(t, "max-0.gpmf"), "DEVCxxx"...))
	if !errors.Is(err, errMalformed) || len(got.Positions) != 17 {
		t.Errorf("%d positions, %v", len(got.Positions), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"max-0.gpmf", "karma-0.gpmf", "max-settings.gpmf"} {
		f.Add(read(f, name))
	}
	f.Add(gps9(3))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err != nil && !errors.Is(err, errMalformed) {
			t.Errorf("%v", err)
		}
		if len(got.Positions)*5 > len(b) {
			t.Errorf("%d positions from %d bytes", len(got.Positions), len(b))
		}
		for _, p := range got.Positions {
			if p.Valid() && (math.Abs(p.Latitude) > 90 || math.IsNaN(p.Altitude)) || p.Part < 0 || p.Part >= 1 {
				t.Errorf("%+v", p)
			}
		}
		if strings.ContainsFunc(got.Model+got.Serial+got.Firmware, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q %q %q", got.Model, got.Serial, got.Firmware)
		}
	})
}

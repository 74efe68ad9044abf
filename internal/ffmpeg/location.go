package ffmpeg

import (
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/gpmf"
	"bwv/internal/isobmff"
)

const (
	maxPayload  = 1 << 20 // of one telemetry sample: a GoPro's have under 100 KiB
	maxPayloads = 3600    // read; of a longer track every second, third, ... one, since each costs a range
	apart       = 0.99    // seconds between fixes; a payload is due about once a second
)

// locate finds the fixes: the receiver's track where the file has one, else the one place in its tags.
func (r *recording) locate(f *evidence.Findings, a *answer) error {
	source, err := r.telemetry(f)
	if err != nil {
		return err
	}
	if len(f.Fixes) == 0 {
		source = "iso6709"
		for _, tag := range []string{"com.apple.quicktime.location.ISO6709", "location", "location-eng"} {
			if fix, ok := iso6709(a.Format.Tags[tag]); ok {
				f.Fixes = []evidence.Fix{fix}
				break
			}
		}
	}
	if n := len(f.Fixes); n > 0 {
		f.Media.Location = &evidence.Location{Source: source, Count: n, First: f.Fixes[0], Last: f.Fixes[n-1]}
	}
	return nil
}

// telemetry reads GoPro's track sample by sample. Damage in it costs fixes and a warning, not the recording.
func (r *recording) telemetry(f *evidence.Findings) (string, error) {
	if r.movie == nil {
		return "", nil
	}
	if len(r.movie.Settings) > 0 {
		said, err := gpmf.Parse(r.movie.Settings)
		f.Media.Camera = better(f.Media.Camera, said)
		if err != nil {
			f.Warnings = append(f.Warnings, "the camera's settings are damaged")
		}
	}
	for _, t := range r.tracks("meta") {
		if t.Format == "gpmd" {
			return r.payloads(t, f)
		}
	}
	return "", nil
}

// payloads reads the track's samples, all of them or, of a long one, every second, third, ...
func (r *recording) payloads(t *isobmff.Track, f *evidence.Findings) (string, error) {
	step := max(1, (t.Samples+maxPayloads-1)/maxPayloads)
	source, bad := "", 0
	samples := r.movie.Samples(t)
	for i := int64(0); i/step < maxPayloads; i++ {
		s, err := samples.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if isobmff.Damaged(err) {
			f.Warnings = append(f.Warnings, "the index of the telemetry is damaged")
			break
		}
		if err != nil {
			return "", err
		}
		if i%step != 0 {
			continue
		}
		said, ok, err := r.payload(s)
		if err != nil {
			return "", err
		}
		if !ok {
			bad++
		}
		f.Media.Camera = better(f.Media.Camera, said)
		if said.Source != "" && (source == "" || source == "gpmf-"+said.Source) {
			if take(f, said, float64(s.DTS)/float64(t.Timescale), float64(s.Duration)/float64(t.Timescale)) {
				source = "gpmf-" + said.Source
			}
		}
	}
	if bad > 0 {
		f.Warnings = append(f.Warnings, strconv.Itoa(bad)+" samples of the telemetry are damaged")
	}
	return source, nil
}

// payload reads one sample; not ok is the recording's own fault.
func (r *recording) payload(s isobmff.Sample) (said gpmf.Telemetry, ok bool, err error) {
	if s.Size > maxPayload {
		return said, false, nil
	}
	b := make([]byte, s.Size)
	if _, err := r.window.ReadAt(b, s.Offset); err != nil {
		if isobmff.Damaged(err) {
			err = nil
		}
		return said, false, err
	}
	said, damage := gpmf.Parse(b)
	return said, damage == nil, nil
}

// better fills in what telemetry knows; what the container's tags say already stays, but the model, which they seldom have right.
func better(c evidence.Camera, t gpmf.Telemetry) evidence.Camera {
	if t.Model != "" {
		c.Model = t.Model
		if c.Make == "" {
			c.Make = "GoPro"
		}
	}
	if t.Serial != "" {
		c.Serial = t.Serial
	}
	if c.Firmware == "" {
		c.Firmware = t.Firmware
	}
	return c
}

// take adds the positions of one payload that have a fix, at most one a second; true when there was one.
func take(f *evidence.Findings, said gpmf.Telemetry, from, seconds float64) bool {
	any := false
	for _, p := range said.Positions {
		if !p.Valid() {
			continue
		}
		any = true
		if f.Satellite.IsZero() && !p.At.IsZero() {
			f.Satellite = p.At
		}
		offset := from + p.Part*seconds
		if n := len(f.Fixes); n > 0 && offset < f.Fixes[n-1].Offset+apart {
			continue
		}
		f.Fixes = append(f.Fixes, evidence.Fix{
			Latitude: degrees(p.Latitude), Longitude: degrees(p.Longitude), Altitude: math.Round(p.Altitude*1000) / 1000,
			Offset: round(offset), At: p.At,
		})
	}
	return any
}

// degrees keeps seven places, a centimetre: what receivers give.
func degrees(v float64) float64 { return math.Round(v*1e7) / 1e7 }

// iso6709 reads a point by ISO 6709, annex H, as QuickTime and 3GPP write it: "+33.1268-117.3273/", also with minutes and seconds, with
// height and a reference system. A point of exactly 0, 0 is a receiver that had none.
func iso6709(s string) (evidence.Fix, bool) {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "/")
	s, _, _ = strings.Cut(s, "CRS")
	var parts []string
	for len(s) > 0 && len(parts) < 3 {
		if s[0] != '+' && s[0] != '-' {
			return evidence.Fix{}, false
		}
		end := strings.IndexAny(s[1:], "+-") + 1
		if end == 0 {
			end = len(s)
		}
		parts, s = append(parts, s[:end]), s[end:]
	}
	if len(parts) < 2 {
		return evidence.Fix{}, false
	}
	latitude, ok := angle(parts[0], 2)
	longitude, also := angle(parts[1], 3)
	if !ok || !also || math.Abs(latitude) > 90 || math.Abs(longitude) > 180 || (latitude == 0 && longitude == 0) {
		return evidence.Fix{}, false
	}
	f := evidence.Fix{Latitude: degrees(latitude), Longitude: degrees(longitude)}
	if len(parts) == 3 {
		f.Altitude = seconds(parts[2])
	}
	return f, true
}

// angle reads ±DD.D, ±DDMM.M or ±DDMMSS.S; wide is how many digits the degrees have.
func angle(s string, wide int) (float64, bool) {
	digits, fraction, _ := strings.Cut(s[1:], ".")
	for _, c := range digits + fraction {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	field := func(from, to int) float64 {
		text := digits[from:to]
		if to == len(digits) && fraction != "" {
			text += "." + fraction
		}
		return seconds(text)
	}
	var v float64
	switch len(digits) {
	case wide + 2:
		v = field(0, wide) + field(wide, wide+2)/60
	case wide + 4:
		v = field(0, wide) + field(wide, wide+2)/60 + field(wide+2, wide+4)/3600
	default:
		if len(digits) == 0 || len(digits) > wide {
			return 0, false
		}
		v = field(0, len(digits))
	}
	if s[0] == '-' {
		v = -v
	}
	return v, true
}

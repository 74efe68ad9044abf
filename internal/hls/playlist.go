// Package hls reads and writes playlists of HTTP Live Streaming (RFC 8216, and EXT-X-GAP of its successor draft).
package hls

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// ContentType is that of a playlist.
const ContentType = "application/vnd.apple.mpegurl"

// ErrPlaylist is what errors about a playlist's text wrap.
var ErrPlaylist = errors.New("not a playlist of ours")

// Range is a part of a file, in bytes.
type Range struct{ Offset, Bytes int64 }

func (r Range) String() string { return fmt.Sprintf("%d@%d", r.Bytes, r.Offset) }

// Segment is a stretch of media: a part of the file that URI names. A gap has a duration and nothing to fetch.
type Segment struct {
	URI     string
	Init    string // the header that it needs, where that is another than the playlist's
	Range   Range
	Seconds float64
	Gap     bool
}

// Media is a media playlist of one kind: fragmented MP4 by byte ranges, from its beginning. It is EVENT while it grows and stays so when it has
// ended: what was once in it never leaves it.
type Media struct {
	Target   int // seconds; no segment may round to more (RFC 8216 section 4.3.3.1)
	Init     string
	Segments []Segment
	Ended    bool
}

// Seconds is how far the playlist reaches.
func (m *Media) Seconds() float64 {
	var sum float64
	for _, s := range m.Segments {
		sum += s.Seconds
	}
	return sum
}

// Peak is the highest rate of a segment, in bits a second; a short one counts as half as long as the target (RFC 8216, section 4.1: "peak segment bit
// rate").
func (m *Media) Peak() int {
	var peak float64
	for _, s := range m.Segments {
		if !s.Gap {
			peak = max(peak, float64(8*s.Range.Bytes)/max(s.Seconds, float64(m.Target)/2, 1))
		}
	}
	return int(math.Ceil(peak))
}

// Add appends segments and raises the target where one of them is longer: which the RFC forbids for a growing playlist and players bear, since
// it takes a hole of more than the target in the recording itself.
func (m *Media) Add(segments ...Segment) {
	for _, s := range segments {
		m.Target = max(m.Target, int(math.Round(s.Seconds)))
		m.Segments = append(m.Segments, s)
	}
}

// Text writes the playlist.
func (m *Media) Text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n", m.Target)
	fmt.Fprintf(&b, "#EXT-X-MAP:URI=%q\n", m.Init)
	header := ""
	for _, s := range m.Segments {
		if s.Init != header {
			header = s.Init
			fmt.Fprintf(&b, "#EXT-X-MAP:URI=%q\n", cmp.Or(header, m.Init))
		}
		if s.Gap {
			b.WriteString("#EXT-X-GAP\n")
		}
		fmt.Fprintf(&b, "#EXTINF:%.6f,\n", s.Seconds)
		if !s.Gap {
			fmt.Fprintf(&b, "#EXT-X-BYTERANGE:%s\n", s.Range)
		}
		b.WriteString(s.URI + "\n")
	}
	if m.Ended {
		b.WriteString("#EXT-X-ENDLIST\n")
	}
	return b.Bytes()
}

const maxSegments = 1 << 20

// Parse reads what Text wrote. The error is ErrPlaylist for everything else: nobody else writes these files.
func Parse(text []byte) (*Media, error) {
	m := &Media{}
	var next Segment
	timed, ranged := false, false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		name, value, _ := strings.Cut(line, ":")
		var err error
		switch {
		case n == 0 && line != "#EXTM3U":
			err = ErrPlaylist
		case m.Ended:
			err = ErrPlaylist
		case name == "#EXT-X-TARGETDURATION":
			m.Target, err = strconv.Atoi(value)
		case name == "#EXT-X-MAP":
			var header string
			if header, err = quoted(value, "URI="); m.Init == "" {
				m.Init = header
			}
			next.Init = header
			if header == m.Init {
				next.Init = ""
			}
		case line == "#EXT-X-GAP":
			next.Gap = true
		case name == "#EXTINF":
			next.Seconds, err = seconds(strings.TrimSuffix(value, ","))
			timed = true
		case name == "#EXT-X-BYTERANGE":
			next.Range, err = parseRange(value)
			ranged = true
		case line == "#EXT-X-ENDLIST":
			m.Ended = true
		case strings.HasPrefix(line, "#"):
		default:
			if next.URI = line; line == "" || strings.ContainsFunc(line, unicode.IsControl) || !timed || ranged == next.Gap || len(m.Segments) == maxSegments {
				return nil, fmt.Errorf("%w: line %d", ErrPlaylist, n+1)
			}
			m.Segments = append(m.Segments, next)
			next, timed, ranged = Segment{Init: next.Init}, false, false // a header holds until there is another
		}
		if err != nil {
			return nil, fmt.Errorf("%w: line %d", ErrPlaylist, n+1)
		}
	}
	if err := lines.Err(); err != nil || m.Init == "" || m.Target <= 0 || timed || ranged || next.Gap {
		return nil, fmt.Errorf("%w: it is cut off", ErrPlaylist)
	}
	return m, nil
}

func seconds(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= 0 && v <= 1e9) {
		return 0, ErrPlaylist
	}
	return v, nil
}

func parseRange(s string) (r Range, err error) {
	length, offset, ok := strings.Cut(s, "@")
	if !ok {
		return r, ErrPlaylist
	}
	if r.Bytes, err = strconv.ParseInt(length, 10, 64); err != nil || r.Bytes <= 0 {
		return r, ErrPlaylist
	}
	if r.Offset, err = strconv.ParseInt(offset, 10, 64); err != nil || r.Offset < 0 {
		return r, ErrPlaylist
	}
	return r, nil
}

func quoted(s, name string) (string, error) {
	value, ok := strings.CutPrefix(s, name)
	if !ok {
		return "", ErrPlaylist
	}
	return strconv.Unquote(value)
}

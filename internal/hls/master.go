package hls

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// Sound is an audio rendition of a master playlist.
type Sound struct {
	URI, Name, Language string
	Codecs              string // RFC 6381
	Channels            int
}

// Master is a master playlist with one kind of pictures and the sounds that go with it.
type Master struct {
	URI           string // of the pictures' media playlist
	Width, Height int
	Codecs        string // RFC 6381, of the pictures
	BitsPerSecond int    // peak, pictures and one sound
	Sounds        []Sound
}

// Text writes the playlist. The first sound is the one that plays unless somebody chooses another.
func (m *Master) Text() []byte {
	var b bytes.Buffer
	b.WriteString("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n")
	codecs, group := m.Codecs, ""
	for n, s := range m.Sounds {
		choice := "DEFAULT=NO,AUTOSELECT=NO"
		if n == 0 {
			choice = "DEFAULT=YES,AUTOSELECT=YES"
			codecs, group = codecs+","+s.Codecs, `,AUDIO="sound"`
		}
		fmt.Fprintf(&b, `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME=%s,%s`, quote(s.Name), choice)
		if s.Language != "" {
			fmt.Fprintf(&b, ",LANGUAGE=%s", quote(s.Language))
		}
		fmt.Fprintf(&b, ",CHANNELS=\"%d\",URI=%s\n", s.Channels, quote(s.URI))
	}
	fmt.Fprintf(&b, "#EXT-X-STREAM-INF:BANDWIDTH=%d,CODECS=%s,RESOLUTION=%dx%d%s\n%s\n", m.BitsPerSecond, quote(codecs), m.Width, m.Height, group, m.URI)
	return b.Bytes()
}

// quote writes a quoted-string (RFC 8216 section 4.2), which has no escapes: what cannot be in one is left out. Some of it comes from recordings.
func quote(s string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r == '"' || unicode.IsControl(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s) + `"`
}

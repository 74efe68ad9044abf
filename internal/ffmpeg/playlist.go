package ffmpeg

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"bwv/internal/evidence"
)

// ranged is a range of bytes of the proxy.
type ranged struct{ from, to int64 }

// retime checks that the playlist's ranges begin at 0, follow each other and end where the file ends, and writes it anew with durations
// from the fragments' own times: ffmpeg adds up what it assumes a picture lasts, which is wrong where the rate varies.
func retime(path string, c checked) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	parts, err := ranges(text, c.bytes)
	if err != nil {
		return err
	}
	starts := make([]float64, 0, len(parts))
	for i, at := 1, 0; i < len(parts); i++ { // the first is the header
		for at < len(c.starts) && c.starts[at].offset < parts[i].from {
			at++
		}
		if at == len(c.starts) || c.starts[at].offset >= parts[i].to {
			return fmt.Errorf("%w: no picture in the segment at %d", errIndex, parts[i].from)
		}
		starts = append(starts, c.starts[at].seconds)
	}
	starts[0] = 0 // sound may begin before the picture
	var body bytes.Buffer
	longest := 0.0
	for i, from := range starts {
		to := c.seconds
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		longest = max(longest, to-from)
		p := parts[i+1]
		fmt.Fprintf(&body, "#EXTINF:%.6f,\n#EXT-X-BYTERANGE:%d@%d\n%s\n", to-from, p.to-p.from, p.from, evidence.ProxyFile)
	}
	head := fmt.Sprintf("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"+
		"#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP:URI=\"%s\",BYTERANGE=\"%d@0\"\n", int(math.Ceil(longest)), evidence.ProxyFile, parts[0].to)
	return os.WriteFile(path, []byte(head+body.String()+"#EXT-X-ENDLIST\n"), 0o600)
}

// ranges reads the byte ranges of a playlist: the header's first, then the segments'.
func ranges(text []byte, size int64) (parts []ranged, err error) {
	next, ended := int64(0), false
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		ended = ended || line == "#EXT-X-ENDLIST"
		value, ok := strings.CutPrefix(line, "#EXT-X-BYTERANGE:")
		if !ok {
			if _, value, ok = strings.Cut(line, "BYTERANGE=\""); !ok {
				continue
			}
			value = strings.TrimSuffix(value, "\"")
		}
		length, offset, _ := strings.Cut(value, "@")
		from, err := strconv.ParseInt(offset, 10, 64)
		n, also := strconv.ParseInt(length, 10, 64)
		if err != nil || also != nil || n <= 0 || from != next {
			return nil, fmt.Errorf("%w: range %q after %d", errIndex, value, next)
		}
		next = from + n
		parts = append(parts, ranged{from, next})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if !ended || next != size || len(parts) < 2 {
		return nil, fmt.Errorf("%w: %d ranges up to %d of %d, ended: %t", errIndex, len(parts), next, size, ended)
	}
	return parts, nil
}

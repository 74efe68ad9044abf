package journey

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"bwv/internal/evidence"
)

// Played is what a player got.
type Played struct {
	Segments int
	Seconds  float64
	Bytes    int64
}

// Play fetches one record's playlist and every segment it names, as a player does: by ranges, through the links alone.
func (c Client) Play(ctx context.Context, id evidence.ID) (Played, error) {
	answer, err := c.Do(ctx, http.MethodGet, "/api/evidence/"+string(id)+"/playback", nil)
	if err != nil {
		return Played{}, err
	}
	if answer.Status != http.StatusOK {
		return Played{}, fmt.Errorf("playback of %s: status %d: %.300s", id, answer.Status, answer.Body)
	}
	initial := regexp.MustCompile(`^#EXT-X-MAP:URI="([^"]+)",BYTERANGE="(\d+)@(\d+)"`)
	var played Played
	var length, offset int64
	ended := false
	for lines := bufio.NewScanner(bytes.NewReader(answer.Body)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#EXT-X-MAP"):
			m := initial.FindStringSubmatch(line)
			if m == nil {
				return played, fmt.Errorf("playlist of %s: %.60q has no byte range", id, line)
			}
			length, offset = number(m[2]), number(m[3])
			if err := played.fetch(ctx, m[1], offset, length); err != nil {
				return played, err
			}
		case strings.HasPrefix(line, "#EXTINF:"):
			seconds, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimPrefix(line, "#EXTINF:"), ","), 64)
			if err != nil {
				return played, fmt.Errorf("playlist of %s: %w", id, err)
			}
			played.Seconds += seconds
		case strings.HasPrefix(line, "#EXT-X-BYTERANGE:"):
			size, at, _ := strings.Cut(strings.TrimPrefix(line, "#EXT-X-BYTERANGE:"), "@")
			length, offset = number(size), number(at)
		case line == "#EXT-X-ENDLIST":
			ended = true
		case line != "" && line[0] != '#':
			if err := played.fetch(ctx, line, offset, length); err != nil {
				return played, err
			}
			played.Segments++
		}
	}
	if !ended || played.Segments == 0 {
		return played, fmt.Errorf("playlist of %s has %d segments, ended: %v", id, played.Segments, ended)
	}
	return played, nil
}

// number reads digits that a pattern has matched, or 0: the fetch that follows then fails.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

func (p *Played) fetch(ctx context.Context, link string, offset, length int64) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return fmt.Errorf("a segment's link does not parse") // the link is a key: it stays out of messages
	}
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("fetching a segment failed")
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusPartialContent || n != length {
		return fmt.Errorf("segment at %d: status %d, %d of %d bytes: %v", offset, response.StatusCode, n, length, err)
	}
	p.Bytes += n
	return nil
}

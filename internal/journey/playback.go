package journey

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/hls"
)

// Played is what a player got.
type Played struct {
	Seconds  float64 // of the pictures
	Gaps     float64 // seconds of them that there is nothing of
	Segments int     // of pictures and sounds
	Sounds   int
	Bytes    int64
	Ended    bool
	Files    map[string][]byte // by playlist: the header and all segments behind each other
}

// Play fetches one record's playlists and every segment they name, as a player does: by ranges, through the links alone. An error when the proxy has
// not ended.
func (c Client) Play(ctx context.Context, id evidence.ID) (Played, error) {
	played, err := c.Watch(ctx, id)
	if err == nil && !played.Ended {
		err = fmt.Errorf("the proxy of %s is still growing, at %.1f s", id, played.Seconds)
	}
	return played, err
}

// Watch is Play for a proxy that may still be growing.
func (c Client) Watch(ctx context.Context, id evidence.ID) (played Played, err error) {
	played.Files = map[string][]byte{}
	at := "/api/evidence/" + string(id) + "/playback"
	master, err := c.text(ctx, at)
	if err != nil {
		return played, err
	}
	names := []string{}
	for _, m := range regexp.MustCompile(`(?m)^(playback/[^\s#]+)$|URI="(playback/[^"]+)"`).FindAllStringSubmatch(string(master), -1) {
		names = append(names, strings.TrimPrefix(m[1]+m[2], "playback/"))
	}
	played.Ended = true
	for _, name := range names {
		text, err := c.text(ctx, at+"/"+name)
		if err != nil {
			return played, err
		}
		if err := played.media(ctx, name, text); err != nil {
			return played, fmt.Errorf("%s of %s: %w", name, id, err)
		}
	}
	if played.Segments == 0 {
		return played, fmt.Errorf("the master playlist of %s leads to nothing: %.200s", id, master)
	}
	return played, nil
}

func (c Client) text(ctx context.Context, path string) ([]byte, error) {
	answer, err := c.Do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, fmt.Errorf("%s: status %d: %.300s", path, answer.Status, answer.Body)
	}
	return answer.Body, nil
}

// media plays one media playlist.
func (p *Played) media(ctx context.Context, name string, text []byte) error {
	m, err := hls.Parse(text)
	if err != nil {
		return err
	}
	var file bytes.Buffer
	if err := p.fetch(ctx, &file, m.Init, hls.Range{}); err != nil {
		return err
	}
	for _, s := range m.Segments {
		if name == evidence.Pictures {
			p.Seconds += s.Seconds
		}
		if s.Gap {
			p.Gaps += s.Seconds
			continue
		}
		if err := p.fetch(ctx, &file, s.URI, s.Range); err != nil {
			return err
		}
		p.Segments++
	}
	if name != evidence.Pictures {
		p.Sounds++
	}
	p.Ended = p.Ended && m.Ended
	p.Files[name] = file.Bytes()
	return nil
}

// fetch reads a range of a file, all of it where the range is empty.
func (p *Played) fetch(ctx context.Context, into io.Writer, link string, part hls.Range) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return fmt.Errorf("a segment's link does not parse") // the link is a key: it stays out of messages
	}
	want := http.StatusOK
	if part.Bytes > 0 {
		want = http.StatusPartialContent
		r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", part.Offset, part.Offset+part.Bytes-1))
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("fetching a segment failed")
	}
	defer response.Body.Close()
	n, err := io.Copy(into, response.Body)
	if err != nil || response.StatusCode != want || part.Bytes > 0 && n != part.Bytes {
		return fmt.Errorf("segment at %s: status %d, %d bytes: %v", part, response.StatusCode, n, err)
	}
	p.Bytes += n
	return nil
}

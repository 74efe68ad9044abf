package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/hls"
	"bwv/internal/journey"
)

// first times the running system from the end of an upload until somebody can watch its beginning. The rest is not waited for. The lengths take turns:
// a busy minute of the machine must not always meet the same one.
func (p *proxies) first(ctx context.Context) error {
	all := map[time.Duration][]viewing{}
	for range p.uploads {
		for _, d := range p.lengths() {
			file, err := p.shift(ctx, d)
			if err != nil {
				return err
			}
			v, err := p.viewed(ctx, file)
			if err != nil {
				return fmt.Errorf("%s: %w", words(d), err)
			}
			all[d] = append(all[d], v)
		}
	}
	title("From the end of the upload to the first playable second")
	head("recording", "size", "upload", "record there", "**first second of pictures and sound fetched** (median, each)")
	for _, d := range p.lengths() {
		file, err := p.shift(ctx, d)
		if err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		var upload, record, playable []time.Duration
		each := ""
		for _, v := range all[d] {
			upload, record, playable = append(upload, v.upload), append(record, v.record), append(playable, v.playable)
			each += " " + seconds(v.playable)
		}
		line(words(d)+", "+frugalRate, megabytes(info.Size()), seconds(middle(upload)), seconds(middle(record)), fmt.Sprintf("**%s** (%s)", seconds(middle(playable)), each[1:]))
	}
	return nil
}

// viewing is one upload: how long it took, and what came how long after its end.
type viewing struct{ upload, record, playable time.Duration }

// viewed uploads a recording to a system of its own, since the making of the rest would be in the way of the next one.
func (p *proxies) viewed(ctx context.Context, file string) (v viewing, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp(p.dir, "machine-")
	if err != nil {
		return v, err
	}
	defer os.RemoveAll(dir)
	m, err := journey.NewMachine(ctx, dir, nil)
	if err != nil {
		return v, err
	}
	if err := m.Start(ctx); err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, m.Stop()) }()
	begun := time.Now()
	docked, err := m.Dock(ctx, file)
	if err != nil {
		return v, err
	}
	end := time.Now()
	v.upload = end.Sub(begun)
	wait := 10 * time.Millisecond
	for id := evidence.ID(""); v.playable == 0; {
		if id == "" {
			r, ok, err := find(ctx, m.Client, docked[0].Blob)
			if err != nil {
				return v, err
			}
			if ok {
				id, v.record = r.ID, time.Since(end)
				wait = 100 * time.Millisecond // asking takes the processor from what is asked for
			}
		} else if ok, err := beginning(ctx, m.Client, id); err != nil {
			return v, err
		} else if ok {
			v.playable = time.Since(end)
		}
		if err := journey.Until(ctx, time.Now().Add(wait)); err != nil {
			return v, err
		}
	}
	return v, nil
}

// beginning tells whether a player would have something to show and to be heard, and fetches it.
func beginning(ctx context.Context, c journey.Client, id evidence.ID) (bool, error) {
	at := "/api/evidence/" + string(id) + "/playback"
	master, err := page(ctx, c, at)
	if master == nil || err != nil {
		return false, err
	}
	names := regexp.MustCompile(`playback/[a-z0-9-]+\.m3u8`).FindAllString(string(master), -1)
	if len(names) == 0 {
		return false, fmt.Errorf("the master playlist names nothing: %.200s", master)
	}
	for _, name := range names {
		text, err := page(ctx, c, "/api/evidence/"+string(id)+"/"+name)
		if text == nil || err != nil {
			return false, err
		}
		media, err := hls.Parse(text)
		if err != nil {
			return false, err
		}
		i := slices.IndexFunc(media.Segments, func(s hls.Segment) bool { return !s.Gap })
		if i < 0 {
			return false, nil
		}
		if err := errors.Join(fetch(ctx, media.Init, ""), fetch(ctx, media.Segments[i].URI, span(media.Segments[i].Range))); err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
	return true, nil
}

func span(r hls.Range) string { return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Bytes-1) }

// page asks for a playlist; nil when it is not there yet.
func page(ctx context.Context, c journey.Client, path string) ([]byte, error) {
	answer, err := c.Do(ctx, http.MethodGet, path, nil)
	switch {
	case err != nil:
		return nil, err
	case answer.Status == http.StatusOK:
		return answer.Body, nil
	case answer.Status == http.StatusServiceUnavailable:
		return nil, nil
	}
	return nil, fmt.Errorf("%s: status %d: %.300s", path, answer.Status, answer.Body)
}

// fetch gets a file or a part of it. The link is a key, and stays out of messages.
func fetch(ctx context.Context, link, part string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return errors.New("a link that does not parse")
	}
	if part != "" {
		r.Header.Set("Range", part)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return errors.New("fetching failed")
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || n == 0 || response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("status %d, %d bytes: %w", response.StatusCode, n, err)
	}
	return nil
}

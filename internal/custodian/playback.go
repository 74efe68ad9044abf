package custodian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/hls"
)

const (
	maxPlaylist = 16 << 20       // 12 hours of 6-second segments are 0.7 MB
	sitting     = 12 * time.Hour // how long one entry of the chain covers a player that comes back for more of the playlists
)

// Playback returns the record's master playlist (RFC 8216); the media playlists that it names are asked for by Playlist. Handing it out is a custody
// entry, written first. Refused: there is nothing to play, for good. Unavailable: not yet.
func (k *Custodian) Playback(ctx context.Context, id evidence.ID, c evidence.Cause) (string, error) {
	r, err := k.playable(ctx, id)
	if err != nil {
		return "", err
	}
	if _, err := k.consult(ctx, id, evidence.OpPlay, c); err != nil {
		return "", err
	}
	text, err := k.text(ctx, r, evidence.Master)
	if err != nil {
		return "", err
	}
	return link(id, evidence.Master, text, func(name string) (string, error) { return "playback/" + name, nil })
}

// Playlist returns a media playlist or the storyboard of a record, with a short-lived link in place of each file name. It is asked for again and
// again while a proxy grows: the chain has an entry for the first time in a sitting of the same person, whatever they asked for first.
func (k *Custodian) Playlist(ctx context.Context, id evidence.ID, name string, c evidence.Cause) (string, error) {
	if !regexp.MustCompile(`^(video|sound-[0-9]{1,2})\.m3u8$`).MatchString(name) && name != evidence.Storyboard {
		return "", fmt.Errorf("%.60q is no playlist: %w", name, evidence.NotFound)
	}
	r, err := k.playable(ctx, id)
	if err != nil {
		return "", err
	}
	chain, err := k.Ledger.Chain(ctx, id)
	if err != nil {
		return "", err
	}
	if !played(chain, c) {
		if _, err := k.consult(ctx, id, evidence.OpPlay, c); err != nil {
			return "", err
		}
	}
	text, err := k.text(ctx, r, name)
	if err == nil && r.Proxy.State == evidence.ProxyGrowing && strings.HasPrefix(name, "sound") {
		text, err = k.within(ctx, r, name, text)
	}
	if err != nil {
		return "", err
	}
	links := map[string]string{}
	return link(id, name, text, func(name string) (string, error) {
		if links[name] == "" {
			link, err := k.Signer.Sign(ctx, id, name, k.LinkTTL)
			if err != nil {
				return "", fmt.Errorf("signing %s of %s: %w", name, id, err)
			}
			links[name] = link
		}
		return links[name], nil
	})
}

// played tells whether the chain has an entry of this sitting.
func played(chain []evidence.Entry, c evidence.Cause) bool {
	for _, e := range chain {
		if e.Operation == evidence.OpPlay && e.Outcome == evidence.OutcomeDone && e.Actor.ID == c.By.ID && c.At.Sub(e.At) < sitting {
			return true
		}
	}
	return false
}

func (k *Custodian) playable(ctx context.Context, id evidence.ID) (evidence.Record, error) {
	r, err := k.Ledger.Get(ctx, id)
	switch {
	case err != nil:
		return r, err
	case r.Gone():
		return r, fmt.Errorf("recording %s is %s: %w", id, r.Retention.State, evidence.Refused)
	case r.Proxy.State == evidence.ProxyFailed:
		return r, fmt.Errorf("recording %s has no proxy, since none could be made; the original is safe: %w", id, evidence.Refused)
	case r.Proxy.State == "":
		return r, fmt.Errorf("the proxy of %s is still being made; the original is safe: %w", id, evidence.Unavailable)
	}
	return r, nil
}

// text reads a whole playlist. Others than the master are away for a while when a proxy is made anew.
func (k *Custodian) text(ctx context.Context, r evidence.Record, name string) ([]byte, error) {
	body, err := k.Renditions.Get(ctx, r.ID, name)
	switch {
	case errors.Is(err, evidence.NotFound) && name == evidence.Master && r.Proxy.State == evidence.ProxyReady:
		return nil, fmt.Errorf("the playlist of %s is missing; reprocess the proxy: %w", r.ID, evidence.Refused)
	case errors.Is(err, evidence.NotFound):
		return nil, fmt.Errorf("%s of %s is being made; the original is safe: %w", name, r.ID, evidence.Unavailable)
	case err != nil:
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, maxPlaylist))
}

// within leaves out of a growing sound what reaches beyond the pictures as they are now: a player that has heard more than there is to see takes
// itself to be ahead of the recording, and jumps back.
func (k *Custodian) within(ctx context.Context, r evidence.Record, name string, text []byte) ([]byte, error) {
	pictures, err := k.text(ctx, r, evidence.Pictures)
	if err != nil {
		return nil, err
	}
	video, err := hls.Parse(pictures)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", evidence.Pictures, r.ID, err)
	}
	if video.Ended {
		return text, nil
	}
	sound, err := hls.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", name, r.ID, err)
	}
	edge, until, n := video.Seconds(), 0.0, 0
	for ; n < len(sound.Segments) && until+sound.Segments[n].Seconds <= edge; n++ {
		until += sound.Segments[n].Seconds
	}
	sound.Ended = sound.Ended && n == len(sound.Segments)
	sound.Segments = sound.Segments[:n]
	return sound.Text(), nil
}

// link puts the address of each rendition in place of its name: in lines that are one, in URI attributes (RFC 8216), and before the fragment of a
// storyboard's lines.
func link(id evidence.ID, page string, text []byte, address func(name string) (string, error)) (string, error) {
	place := func(name string) (string, error) {
		if !regexp.MustCompile(`^([a-z0-9-]+/)?[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name) {
			return "", fmt.Errorf("%s of %s names %.60q, which is none of its renditions; reprocess the proxy: %w", page, id, name, evidence.Refused)
		}
		return address(name)
	}
	cues := page == evidence.Storyboard
	attribute := regexp.MustCompile(`URI="([^"]*)"`)
	var out strings.Builder
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		name, fragment, _ := strings.Cut(line, "#")
		switch {
		case name != "" && (!cues || fragment != ""):
			link, err := place(name)
			if err != nil {
				return "", err
			}
			line = link + strings.TrimPrefix(line, name)
		case !cues:
			for _, m := range attribute.FindAllStringSubmatch(line, -1) {
				link, err := place(m[1])
				if err != nil {
					return "", err
				}
				line = strings.Replace(line, m[0], `URI="`+link+`"`, 1)
			}
		}
		out.WriteString(line + "\n")
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading %s of %s: %w", page, id, err)
	}
	return out.String(), nil
}

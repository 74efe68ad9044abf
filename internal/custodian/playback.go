package custodian

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"bwv/internal/evidence"
)

const maxPlaylist = 16 << 20 // 12 hours of 6-second segments are 0.7 MB

// Playback returns the record's HLS playlist with a short-lived link in place of each file name. Handing it out is a custody entry,
// written first. Refused: there is nothing to play, for good. Unavailable: not yet.
func (k *Custodian) Playback(ctx context.Context, id evidence.ID, c evidence.Cause) (string, error) {
	r, err := k.Ledger.Get(ctx, id)
	if err != nil {
		return "", err
	}
	switch {
	case r.Gone():
		return "", fmt.Errorf("recording %s is %s: %w", id, r.Retention.State, evidence.Refused)
	case r.Proxy.State == evidence.ProxyFailed:
		return "", fmt.Errorf("recording %s has no proxy, since none could be made; the original is safe: %w", id, evidence.Refused)
	case r.Proxy.State != evidence.ProxyReady:
		return "", fmt.Errorf("the proxy of %s is still being made; the original is safe: %w", id, evidence.Unavailable)
	}
	if _, err := k.consult(ctx, id, evidence.OpPlay, c); err != nil {
		return "", err
	}
	body, err := k.Renditions.Get(ctx, id, evidence.Playlist)
	if errors.Is(err, evidence.NotFound) {
		return "", fmt.Errorf("the playlist of %s is missing; reprocess the proxy: %w", id, evidence.Refused)
	}
	if err != nil {
		return "", err
	}
	defer body.Close()
	return k.link(ctx, id, io.LimitReader(body, maxPlaylist))
}

// link rewrites a media playlist (RFC 8216): each URI line and each URI attribute names a rendition of the record.
func (k *Custodian) link(ctx context.Context, id evidence.ID, playlist io.Reader) (string, error) {
	attribute := regexp.MustCompile(`URI="([^"]*)"`)
	links := map[string]string{}
	sign := func(name string) (string, error) {
		if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`).MatchString(name) {
			return "", fmt.Errorf("the playlist of %s names %.60q, which is none of its renditions; reprocess the proxy: %w", id, name, evidence.Refused)
		}
		if links[name] == "" {
			link, err := k.Signer.Sign(ctx, id, name, k.LinkTTL)
			if err != nil {
				return "", fmt.Errorf("signing %s of %s: %w", name, id, err)
			}
			links[name] = link
		}
		return links[name], nil
	}
	var out strings.Builder
	lines := bufio.NewScanner(playlist)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if line != "" && !strings.HasPrefix(line, "#") {
			link, err := sign(line)
			if err != nil {
				return "", err
			}
			line = link
		} else {
			for _, m := range attribute.FindAllStringSubmatch(line, -1) {
				link, err := sign(m[1])
				if err != nil {
					return "", err
				}
				line = strings.Replace(line, m[0], `URI="`+link+`"`, 1)
			}
		}
		out.WriteString(line + "\n")
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("reading the playlist of %s: %w", id, err)
	}
	return out.String(), nil
}

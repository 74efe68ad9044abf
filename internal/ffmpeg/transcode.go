package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"bwv/internal/evidence"
)

// Transcode makes the proxy of src and hands each rendition to put: the media, the poster and at last the playlist. The second value is
// warnings for people: the proxy is there, but something is wrong with the original.
//
// The order is the commit: a playlist in the store means that all it points to is there as well, so a crash before it leaves files that the
// next delivery writes again, and never a proxy that does not play.
//
// The error is evidence.Unreadable when nothing can be played; when the original itself cannot be read, it is the store's error; what put
// returns comes back as it is.
func (t *Tools) Transcode(ctx context.Context, src evidence.Source, put Put) (evidence.Proxy, []string, error) {
	p, warnings, err := t.transcode(ctx, src, put)
	if err != nil {
		return evidence.Proxy{}, nil, fmt.Errorf("making the proxy of %s: %w", src.Original.Path, err)
	}
	return p, warnings, nil
}

func (t *Tools) transcode(ctx context.Context, src evidence.Source, put Put) (p evidence.Proxy, warnings []string, err error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return p, nil, err
	}
	defer leave()
	r, release, err := t.open(ctx, src)
	defer release()
	if err != nil {
		return p, nil, err
	}
	r.window.close() // ffmpeg reads on its own from here on
	dir, err := t.temp.sub()
	if err != nil {
		return p, nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	made, err := t.encode(r, dir)
	if err != nil {
		return p, nil, err
	}
	p, warnings = made.proxy, append(r.oddities(), made.warnings...)
	if err := store(ctx, dir, made, src.Original, put); err != nil {
		return evidence.Proxy{}, nil, err
	}
	t.log.DebugContext(ctx, "transcoded", "path", src.Original.Path, slog.Int64("frames", p.Frames), "cpu", made.output.cpu)
	return p, warnings, nil
}

// made is a finished proxy in the temporary directory.
type made struct {
	proxy    evidence.Proxy
	warnings []string
	output   output
}

// encode runs ffmpeg once; a second time, without sound, only where the first run fails and there may be sound to leave out.
func (t *Tools) encode(r *recording, dir string) (made, error) {
	m, err := t.pass(r, dir, true)
	var ended *exit
	if err == nil || !errors.As(err, &ended) || ended.crashed || r.failure() != nil || !r.maySound() {
		return m, t.verdict(r, dir, err)
	}
	first := err
	m, err = t.pass(r, dir, false)
	if err != nil {
		return m, t.verdict(r, dir, first)
	}
	m.warnings = append(m.warnings, "the sound could not be decoded: the proxy is silent")
	return m, nil
}

func (t *Tools) pass(r *recording, dir string, sound bool) (m made, err error) {
	args, err := t.proxyArgs(r, sound)
	if err != nil {
		return m, err
	}
	if m.output, err = t.run(r.ctx, t.ffmpeg.path, dir, args, 64<<10); err != nil {
		return m, err
	}
	if err := r.failure(); err != nil { // the child ends well after a cut connection: it takes it for the end of the file
		return m, err
	}
	c, err := check(dir)
	if err != nil {
		return m, err
	}
	m.proxy = evidence.Proxy{
		State: evidence.ProxyReady, Seconds: round(c.seconds), Width: c.width, Height: c.height, HasAudio: c.sound,
		Bytes: c.bytes, Frames: c.frames, Tool: t.ffmpeg.version, Profile: profile(args),
	}
	m.warnings = r.doubts(m)
	return m, nil
}

// maySound tells whether there is a sound track to blame; without an index, there may be.
func (r *recording) maySound() bool {
	if r.index == nil || r.index.damaged {
		return true
	}
	for _, t := range r.index.tracks {
		if t.handler == "soun" {
			return true
		}
	}
	return false
}

// doubts compares what came out with what the index promises. Damaged pictures do not fail a proxy: what can be seen of a recording is
// worth seeing, and the original stays as it is.
func (r *recording) doubts(m made) (words []string) {
	if said := strings.TrimSpace(r.scrub(m.output.stderr)); said != "" {
		first, _, _ := strings.Cut(said, "\n")
		words = append(words, fmt.Sprintf("parts of the recording are damaged: %d complaints of the decoder, the first: %s", max(1, m.output.lines), first))
	}
	if r.index != nil && !r.index.fragmented {
		if tracks := r.index.video(); len(tracks) > 0 && m.proxy.Frames < tracks[0].samples {
			words = append(words, fmt.Sprintf("the index promises %d pictures, %d could be shown", tracks[0].samples, m.proxy.Frames))
		}
	}
	return words
}

// verdict says whose fault a failed run is. Only a child that ended by itself while the disk still takes files has judged the recording.
func (t *Tools) verdict(r *recording, dir string, err error) error {
	if err == nil {
		return nil
	}
	var ended *exit
	if errors.As(err, &ended) && r.failure() == nil {
		if full := os.WriteFile(filepath.Join(dir, "probe"), make([]byte, 1<<20), 0o600); full != nil {
			return fmt.Errorf("writing the proxy: %w", full)
		}
	}
	return r.judge(err)
}

// store hands the files over, the playlist last.
func store(ctx context.Context, dir string, m made, o evidence.Original, put Put) error {
	provenance := map[string]string{"tool": m.proxy.Tool, "parameters": ascii(m.proxy.Profile), "originaletag": ascii(o.ETag)}
	if len(m.warnings) > 0 {
		provenance["note"] = ascii(strings.Join(m.warnings, "; "))
	}
	for _, file := range []struct{ name, kind string }{
		{evidence.ProxyFile, "video/mp4"},
		{evidence.Poster, "image/jpeg"},
		{evidence.Playlist, "application/vnd.apple.mpegurl"},
	} {
		f, err := os.Open(filepath.Join(dir, file.name))
		if err != nil {
			return fmt.Errorf("reading the proxy: %w", err)
		}
		err = put(ctx, evidence.Rendition{Name: file.name, ContentType: file.kind, Provenance: provenance}, io.Reader(f))
		_ = f.Close() // read only
		if err != nil {
			return err
		}
	}
	return nil
}

// ascii makes a value fit for blob metadata, which travels in HTTP headers.
func ascii(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 2000)]
}

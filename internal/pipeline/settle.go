package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/hls"
)

// settle does what the playlists allow by now: a master playlist as soon as the beginning can be watched, and the record's word that the proxy is
// ready once every playlist has ended. Whoever lands something calls it afterwards; it may be called at any time, and any number of times.
func (a *Assembly) settle(ctx context.Context, id evidence.ID, c evidence.Cause) error {
	video, _, err := a.playlist(ctx, id, pictures())
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(video.Segments, func(s hls.Segment) bool { return !s.Gap }) { // nothing to see, or not yet
		if video.Ended {
			return a.blank(ctx, id, c)
		}
		return nil
	}
	sounds, known, err := a.sounds(ctx, id)
	if err != nil || !known {
		return err
	}
	var facts facts
	if err := a.read(ctx, id, picturePage, &facts); err != nil {
		return nothingYet(err)
	}
	ended := video.Ended
	size := bytesOf(video)
	for _, n := range heard(sounds) {
		m, _, err := a.playlist(ctx, id, sound(n))
		if err != nil || len(m.Segments) == 0 {
			return err
		}
		ended = ended && m.Ended
		size += bytesOf(m)
	}
	proxy := evidence.Proxy{State: evidence.ProxyGrowing, Width: facts.Width, Height: facts.Height, HasAudio: len(heard(sounds)) > 0,
		Tool: facts.Tool, Profile: facts.Profile, At: c.At.UTC()}
	if !ended {
		return a.grow(ctx, id, facts, sounds, proxy, c)
	}
	return a.complete(ctx, id, facts, sounds, video, size, proxy, c)
}

// nothingYet takes a page that is not there for a reason to wait.
func nothingYet(err error) error {
	if errors.Is(err, evidence.NotFound) {
		return nil
	}
	return err
}

func bytesOf(m *hls.Media) (sum int64) {
	for _, s := range m.Segments {
		sum += s.Range.Bytes
	}
	return sum
}

// grow says once that the beginning can be watched. Order: the master playlist, then the commit.
func (a *Assembly) grow(ctx context.Context, id evidence.ID, f facts, sounds []evidence.Sound, proxy evidence.Proxy, c evidence.Cause) error {
	if err := a.master(ctx, id, f, sounds, 0); err != nil {
		return err
	}
	_, err := evidence.Update(ctx, a.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() || r.Proxy.State == evidence.ProxyGrowing || r.Proxy.State == evidence.ProxyReady {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		return r.Render(proxy, nil, c)
	})
	return err
}

// master writes the master playlist. peak is the pictures' rate in bits a second where all of them are known.
func (a *Assembly) master(ctx context.Context, id evidence.ID, f facts, sounds []evidence.Sound, peak int) error {
	m := hls.Master{URI: evidence.Pictures, Width: f.Width, Height: f.Height, Codecs: f.Codecs, BitsPerSecond: max(peak, pictureBits) + soundBits}
	for _, n := range heard(sounds) {
		s := sounds[n]
		m.Sounds = append(m.Sounds, hls.Sound{URI: sound(n).playlist, Name: s.Name, Language: s.Language, Codecs: s.Codecs, Channels: s.Channels})
	}
	return a.Renditions.Put(ctx, id, evidence.Rendition{Name: evidence.Master, ContentType: hls.ContentType}, bytes.NewReader(m.Text()))
}

const (
	pictureBits = 2_000_000 // a second: what a chunk of pictures may take on average
	soundBits   = 200_000
)

// complete says that the proxy is ready, and what was wrong on the way. Order: what goes with it, then the commit.
func (a *Assembly) complete(ctx context.Context, id evidence.ID, f facts, sounds []evidence.Sound, video *hls.Media, size int64, proxy evidence.Proxy, c evidence.Cause) error {
	var p plan
	if err := a.read(ctx, id, planPage, &p); err != nil {
		return nothingYet(err)
	}
	names, err := a.Renditions.List(ctx, id)
	if err != nil {
		return err
	}
	if err := errors.Join(a.master(ctx, id, f, sounds, video.Peak()), a.storyboard(ctx, id, f, p, names), a.waveform(ctx, id, sounds)); err != nil {
		return err
	}
	proxy.State, proxy.Bytes, proxy.Frames, proxy.Seconds = evidence.ProxyReady, size, p.Frames, video.Seconds()
	found := finding{cause: c, stage: "proxy"}
	if err := a.report(ctx, id, names, p, sounds, &found); err != nil {
		return err
	}
	for _, s := range video.Segments {
		if s.Gap {
			proxy.Gaps += s.Seconds
		}
	}
	return a.end(ctx, id, names, proxy, found)
}

// blank says that there is a proxy's plan and nothing to see of it: that is none.
func (a *Assembly) blank(ctx context.Context, id evidence.ID, c evidence.Cause) error {
	names, err := a.Renditions.List(ctx, id)
	if err != nil {
		return err
	}
	gaps, err := a.gaps(ctx, id, names)
	if err != nil {
		return err
	}
	found := finding{cause: c, stage: "proxy"}
	found.add(evidence.ProblemProxy, "not one stretch could be made; the original is untouched: "+strings.Join(gaps, "; "))
	return a.end(ctx, id, names, evidence.Proxy{State: evidence.ProxyFailed, At: c.At.UTC()}, found)
}

// end takes away what was only needed for making a proxy, then records how it came out: a crash between has the message delivered again, and the rest
// taken. After the commit nobody would come back for it.
func (a *Assembly) end(ctx context.Context, id evidence.ID, names []string, proxy evidence.Proxy, found finding) error {
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, asidePrefix) }) {
		if err := a.Renditions.DeleteAll(ctx, id, asidePrefix); err != nil {
			return err
		}
	}
	r, err := evidence.Update(ctx, a.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		n, e, err := r.Render(proxy, found.list, found.cause)
		if err == nil && sameBut(r, n) {
			err = evidence.ErrUnchanged
		}
		return n, e, err
	})
	if err == nil && r.Gone() {
		return a.Renditions.DeleteAll(ctx, id, "")
	}
	return err
}

// gaps are, in words, the chunks that were given up.
func (a *Assembly) gaps(ctx context.Context, id evidence.ID, names []string) (words []string, err error) {
	for _, name := range names {
		chunk, given := strings.CutSuffix(name, ".gap")
		_, made := slices.BinarySearch(names, chunk+".mp4")
		if !given || made || !strings.HasPrefix(name, pictures().folder) {
			continue
		}
		var g gap
		if err := a.read(ctx, id, name, &g); err != nil {
			return nil, err
		}
		words = append(words, g.words())
	}
	return words, nil
}

// report turns what chunks and sounds complained of into entries for people.
func (a *Assembly) report(ctx context.Context, id evidence.ID, names []string, p plan, sounds []evidence.Sound, found *finding) error {
	gaps, err := a.gaps(ctx, id, names)
	if err != nil {
		return err
	}
	if len(gaps) > 0 {
		found.add(evidence.ProblemGap, fmt.Sprintf("%d stretches could not be made, the rest plays; the original is untouched: %s", len(gaps), strings.Join(gaps, "; ")))
	}
	var notes []string
	for _, name := range names {
		if !strings.HasPrefix(name, pictures().folder) || !strings.HasSuffix(name, ".note") {
			continue
		}
		var g gap
		if err := a.read(ctx, id, name, &g); err != nil {
			return err
		}
		notes = append(notes, g.words())
	}
	for _, s := range sounds {
		if words := cmp.Or(s.Failed, s.Note); words != "" {
			notes = append(notes, s.Name+": "+words)
		}
	}
	if notes = append(p.Warnings, notes...); len(notes) > 0 {
		found.add(evidence.ProblemMedia, strings.Join(notes, "; "))
	}
	return nil
}

// words say where in the recording it is, and why.
func (g gap) words() string {
	return fmt.Sprintf("%s-%s (%s)", clock(g.From), clock(g.To), g.Reason)
}

// clock writes seconds from the beginning as people read them.
func clock(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%d:%02d:%02d", int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60)
}

// storyboard lists the stills of the strips that are there.
func (a *Assembly) storyboard(ctx context.Context, id evidence.ID, f facts, p plan, names []string) error {
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	var stills []hls.Still
	height := stillHeight(f)
	for n := range p.chunks() {
		uri := pictures().part(n, "jpg")
		if !there[uri] {
			continue
		}
		from, to := float64(p.Borders[n])/float64(p.Timescale), float64(p.Borders[n+1])/float64(p.Timescale)
		for k, at := range evidence.Stills(from, to) {
			stills = append(stills, hls.Still{From: at, To: at + evidence.StillSeconds, URI: uri, X: k * evidence.StillWidth, W: evidence.StillWidth, H: height})
		}
	}
	r := evidence.Rendition{Name: evidence.Storyboard, ContentType: "text/vtt"}
	return a.Renditions.Put(ctx, id, r, bytes.NewReader(hls.Stills(stills)))
}

// stillHeight is what a still of the proxy's shape has, to an even number as the encoder takes it.
func stillHeight(f facts) int {
	if f.Width <= 0 {
		return 0
	}
	return max(2, (evidence.StillWidth*f.Height/f.Width)/2*2)
}

// waveform puts the peaks of the first sound into one file, in audiowaveform's data format, version 1: header of five 32-bit numbers, then pairs.
// Source: https://github.com/bbc/audiowaveform/blob/master/doc/DataFormat.md
func (a *Assembly) waveform(ctx context.Context, id evidence.ID, sounds []evidence.Sound) error {
	which := heard(sounds)
	if len(which) == 0 {
		return nil
	}
	var peaks bytes.Buffer
	for n := range sounds[which[0]].Takes {
		body, err := a.Renditions.Get(ctx, id, sound(which[0]).part(n, "peaks"))
		if errors.Is(err, evidence.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(&peaks, body)
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
	}
	var head []byte
	for _, v := range []uint32{1, 1, evidence.PeaksScale * evidence.PeaksRate, evidence.PeaksScale, uint32(peaks.Len() / 2)} { // version, 8 bits, sample rate, samples a pair, pairs
		head = binary.LittleEndian.AppendUint32(head, v)
	}
	r := evidence.Rendition{Name: evidence.Waveform, ContentType: "application/octet-stream"}
	return a.Renditions.Put(ctx, id, r, io.MultiReader(bytes.NewReader(head), &peaks))
}

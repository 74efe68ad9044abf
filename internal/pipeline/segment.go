package pipeline

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"bwv/internal/evidence"
)

// Segment makes one chunk of a proxy.
type Segment struct {
	Assembly  *Assembly
	Originals evidence.Originals
	Cutter    Cutter
}

const (
	outcomeStale = "stale" // of a proxy that is being made anew: its messages come again
	outcomeGap   = "gap"   // nothing could be made of this chunk, and the proxy says so
)

// Run makes the chunk that p asks for. Order: what goes with it, the chunk under its final name, then the playlist. A crash between has the message
// delivered again, which finds the chunk and brings the playlist forward.
func (s *Segment) Run(ctx context.Context, p evidence.Part, c evidence.Cause) (evidence.Result, error) {
	a := s.Assembly
	r, err := a.Ledger.Get(ctx, p.Evidence)
	if err != nil {
		return result(p.Evidence, ""), err
	}
	if r.Gone() {
		return result(r.ID, outcomeGone), a.Renditions.DeleteAll(ctx, r.ID, "")
	}
	done, err := a.has(ctx, r.ID, pictures(), p.Chunk)
	if err != nil {
		return result(r.ID, ""), err
	}
	outcome := outcomeAlready
	if done { // a part without a plan is being taken away: the playlist must not name it
		if _, err = a.chunk(ctx, r.ID, p.Chunk); errors.Is(err, evidence.NotFound) {
			outcome, err = outcomeStale, nil
		}
	} else {
		outcome, err = s.make(ctx, r, p.Chunk, c)
	}
	if err != nil || outcome == outcomeStale {
		return result(r.ID, outcome), err
	}
	return s.land(ctx, r.ID, outcome, c)
}

// land brings the playlist forward after a chunk was stored. A recording that goes meanwhile takes it along.
func (s *Segment) land(ctx context.Context, id evidence.ID, outcome string, c evidence.Cause) (evidence.Result, error) {
	a := s.Assembly
	total, err := a.total(ctx, id)
	if err != nil {
		return result(id, ""), err
	}
	m, err := a.advance(ctx, id, pictures(), total)
	if err != nil {
		return result(id, ""), err
	}
	r, err := a.Ledger.Get(ctx, id)
	if err != nil {
		return result(id, ""), err
	}
	if m.Ended || r.Proxy.State == "" || r.Proxy.State == evidence.ProxyFailed { // else it is said already that it grows
		if err := a.settle(ctx, id, c); err != nil {
			return result(id, ""), err
		}
		if r, err = a.Ledger.Get(ctx, id); err != nil {
			return result(id, ""), err
		}
	}
	if r.Gone() {
		return result(id, outcomeGone), a.Renditions.DeleteAll(ctx, id, "")
	}
	return result(id, outcome), nil
}

// make has the tool make a chunk and stores it; what can never be made is stored as a gap. What was made for a proxy that is being made anew meanwhile,
// perhaps of other stretches and by another version, is dropped.
func (s *Segment) make(ctx context.Context, r evidence.Record, n int, c evidence.Cause) (string, error) {
	a := s.Assembly
	wish, err := a.wish(ctx, r.ID, proxyWish)
	if err != nil {
		return "", err
	}
	chunk, err := a.chunk(ctx, r.ID, n)
	if errors.Is(err, evidence.NotFound) {
		return outcomeStale, nil
	}
	if err != nil {
		return "", err
	}
	clip, reason, err := s.clip(ctx, r, chunk, c)
	if err != nil {
		return "", err
	}
	switch now, err := a.chunk(ctx, r.ID, n); {
	case errors.Is(err, evidence.NotFound), err == nil && !reflect.DeepEqual(now, chunk):
		return outcomeStale, nil
	case err != nil:
		return "", err
	}
	if now, err := a.wish(ctx, r.ID, proxyWish); err != nil || now != wish {
		return outcomeStale, err
	}
	if reason != "" {
		return outcomeGap, a.giveUp(ctx, r.ID, chunk, reason)
	}
	return outcomeDone, a.keepClip(ctx, r, chunk, clip)
}

// clip is the chunk as the tool makes it, or the reason why it never will.
func (s *Segment) clip(ctx context.Context, r evidence.Record, chunk evidence.Chunk, c evidence.Cause) (clip evidence.Clip, reason string, err error) {
	found := finding{cause: c, stage: "proxy"}
	source, ok, err := original(ctx, s.Originals, r, &found)
	if err != nil {
		return clip, "", err
	}
	if !ok {
		return clip, found.list[0].Detail, nil
	}
	var aside evidence.Opener
	if chunk.Aside != "" {
		aside = func(ctx context.Context) (io.ReadCloser, error) {
			return s.Assembly.Renditions.Get(ctx, r.ID, chunk.Aside)
		}
	}
	clip, err = s.Cutter.Make(ctx, source, chunk, aside)
	if errors.Is(err, evidence.Unreadable) {
		return clip, err.Error(), nil
	}
	if err != nil {
		return clip, "", fmt.Errorf("making chunk %d of %s: %w", chunk.Number, r.ID, err)
	}
	return clip, "", nil
}

// giveUp notes that a chunk can never be made: the rest still plays.
func (a *Assembly) giveUp(ctx context.Context, id evidence.ID, chunk evidence.Chunk, reason string) error {
	from, to := chunk.Seconds()
	return a.write(ctx, id, pictures().part(chunk.Number, "gap"), gap{From: from, To: to, Reason: brief(reason)})
}

func brief(words string) string {
	const most = 200
	if len(words) > most {
		words = words[:most] + "..."
	}
	return words
}

// keepClip stores a chunk: its final name comes last, and says that the rest is there.
func (a *Assembly) keepClip(ctx context.Context, r evidence.Record, chunk evidence.Chunk, clip evidence.Clip) error {
	t := pictures()
	provenance := map[string]string{"tool": clip.Tool, "parameters": clip.Profile, "originaletag": r.Original.ETag, "sha256": r.Digest.Computed}
	if provenance["sha256"] == "" {
		provenance["sha256"] = r.Original.Claims.Digest // not yet computed: what the dock said, which digest compares
	}
	if chunk.Reference != nil {
		provenance["reference"], provenance["referenceetag"] = chunk.Reference.Path, chunk.Reference.ETag
	}
	if clip.Note != "" {
		from, to := chunk.Seconds()
		if err := a.write(ctx, r.ID, t.part(chunk.Number, "note"), gap{From: from, To: to, Reason: brief(clip.Note)}); err != nil {
			return err
		}
	}
	f := facts{Width: clip.Width, Height: clip.Height, Codecs: clip.Codecs, Tool: clip.Tool, Profile: clip.Profile}
	shared, err := a.introduce(ctx, r.ID, f, clip.Init, provenance)
	if err != nil {
		return err
	}
	if shared {
		clip.Init = nil
	}
	for _, file := range []struct {
		name, kind string
		body       []byte
	}{{t.part(chunk.Number, "init"), "video/mp4", clip.Init}, {evidence.Poster, "image/jpeg", clip.Poster}, {t.part(chunk.Number, "jpg"), "image/jpeg", clip.Strip}} {
		if len(file.body) == 0 {
			continue
		}
		rendition := evidence.Rendition{Name: file.name, ContentType: file.kind, Provenance: provenance}
		if err := a.Renditions.Put(ctx, r.ID, rendition, bytes.NewReader(file.body)); err != nil {
			return err
		}
	}
	return a.keep(ctx, r.ID, evidence.Rendition{Name: t.part(chunk.Number, "mp4"), ContentType: "video/mp4", Provenance: provenance}, clip.Media)
}

// introduce stores what the chunks of a proxy share, once: the first writer's. It tells whether this chunk's header is that one; a recording whose
// picture changes in the middle has chunks with headers of their own.
func (a *Assembly) introduce(ctx context.Context, id evidence.ID, f facts, header []byte, provenance map[string]string) (shared bool, err error) {
	name := pictures().folder + "init.mp4"
	r := evidence.Rendition{Name: name, ContentType: "video/mp4", Provenance: provenance}
	for range swapTries {
		there, _, err := a.Pages.Load(ctx, id, name)
		if err == nil {
			return bytes.Equal(there, header), nil
		}
		if !errors.Is(err, evidence.NotFound) {
			return false, err
		}
		if err := a.write(ctx, id, picturePage, f); err != nil {
			return false, err
		}
		if err := a.Pages.Swap(ctx, id, r, header, ""); err == nil {
			return true, nil
		} else if !errors.Is(err, evidence.Conflict) {
			return false, err
		}
	}
	return false, fmt.Errorf("storing the header of %s: %w", id, evidence.Unavailable)
}

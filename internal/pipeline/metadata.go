package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"bwv/internal/evidence"
)

// Prober reads what a recording says of itself.
type Prober interface {
	// Probe reads by ranges and never the whole file. Unreadable: it is no recording, or damaged beyond reading. A kind that
	// the source's reads returned (NotFound, Conflict, Unavailable) comes back as it is: the caller tries again by redelivery.
	Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error)
}

// Metadata reads what the recording says of itself.
type Metadata struct {
	Ledger     evidence.Ledger
	Originals  evidence.Originals
	Renditions evidence.Renditions
	Prober     Prober
}

// Run looks at one recording. Order: the location track first, then the commit that mentions it. A crash before the commit has the work
// done again; a bad recording is an entry on its record and never a failed message.
func (s *Metadata) Run(ctx context.Context, w evidence.Work, c evidence.Cause) (evidence.Result, error) {
	r, outcome, err := begin(ctx, s.Ledger, s.Renditions, w, func(r evidence.Record) bool { return r.Media.State != "" })
	if outcome != "" || err != nil {
		return result(w.Evidence, outcome), err
	}
	found := finding{cause: c, stage: "metadata"}
	media, started := evidence.Media{State: evidence.MediaUnreadable}, r.Started
	source, ok, err := original(ctx, s.Originals, r, &found)
	if err != nil {
		return result(r.ID, ""), err
	}
	if ok {
		if media, started, err = s.describe(ctx, source, r, &found); err != nil {
			return result(r.ID, ""), err
		}
	}
	return s.commit(ctx, r.ID, media, started, found)
}

// describe asks the tool, weighs the clocks and stores the location track.
func (s *Metadata) describe(ctx context.Context, source evidence.Source, r evidence.Record, found *finding) (evidence.Media, time.Time, error) {
	name, _ := evidence.ParseName(r.Original.Path)
	f, err := s.Prober.Probe(ctx, source)
	if errors.Is(err, evidence.Unreadable) {
		found.add(evidence.ProblemUnreadable, err.Error())
		return evidence.Media{State: evidence.MediaUnreadable}, r.Original.Created, nil
	}
	if err != nil {
		return evidence.Media{}, time.Time{}, fmt.Errorf("probing %s: %w", r.ID, err)
	}
	for _, warning := range f.Warnings {
		found.add(evidence.ProblemMedia, warning)
	}
	media, odd := f.Media, ""
	media.State = evidence.MediaReady
	media.Recorded, odd = recorded(f, r.Original.Claims.Recorded, name.Start, r.Original.Created)
	if odd != "" {
		found.add(evidence.ProblemClock, odd)
	}
	started := r.Original.Created
	if !media.Recorded.At.IsZero() { // the best there is, believed or not: it orders what people search, never what is erased
		started = media.Recorded.At
	}
	if len(f.Fixes) > 0 {
		track, err := geoJSON(f.Fixes)
		if err != nil {
			return media, started, fmt.Errorf("writing the track of %s: %w", r.ID, err)
		}
		provenance := map[string]string{"etag": r.Original.ETag, "tool": media.Tool}
		rendition := evidence.Rendition{Name: evidence.Track, ContentType: "application/geo+json", Provenance: provenance}
		if err := s.Renditions.Put(ctx, r.ID, rendition, bytes.NewReader(track)); err != nil {
			return media, started, fmt.Errorf("storing the track of %s: %w", r.ID, err)
		}
	}
	return media, started, nil
}

func (s *Metadata) commit(ctx context.Context, id evidence.ID, m evidence.Media, started time.Time, found finding) (evidence.Result, error) {
	outcome := outcomeDone
	if m.State == evidence.MediaUnreadable {
		outcome = "unreadable"
	}
	r, err := evidence.Update(ctx, s.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		n, e, err := r.Describe(m, started, found.list, found.cause)
		if err == nil && sameBut(r, n) {
			err = evidence.ErrUnchanged
		}
		return n, e, err
	})
	if err == nil && r.Gone() {
		return result(id, outcomeGone), s.Renditions.DeleteAll(ctx, id, "")
	}
	return result(id, outcome), err
}

// geoJSON writes a track as a Feature (RFC 7946): one position a fix, times and offsets beside them.
func geoJSON(fixes []evidence.Fix) ([]byte, error) {
	positions, offsets := make([][3]float64, len(fixes)), make([]float64, len(fixes))
	for i, f := range fixes {
		positions[i], offsets[i] = [3]float64{f.Longitude, f.Latitude, f.Altitude}, f.Offset
	}
	geometry := map[string]any{"type": "LineString", "coordinates": positions}
	if len(fixes) == 1 {
		geometry = map[string]any{"type": "Point", "coordinates": positions[0]}
	}
	return json.Marshal(map[string]any{"type": "Feature", "geometry": geometry,
		"properties": map[string]any{"offsets": offsets, "start": fixes[0].At}})
}

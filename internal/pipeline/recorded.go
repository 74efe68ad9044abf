package pipeline

import (
	"fmt"
	"time"

	"bwv/internal/evidence"
)

const (
	zoneSlack = 24 * time.Hour // cameras write local time as UTC: at most 14 hours off, a day covers it
	agreement = 2 * time.Minute
)

// recorded weighs what the recording, the dock and the name say about when it was made. The satellites' time is believed before the
// dock's claim, the claim before the camera's clock, the camera's clock only if the name bears it out, and the name alone never: it may come
// from a file's date. What is impossible (before 2000, or after the upload) is not even taken. odd is words for an attention entry, if any clock is impossible.
func recorded(f evidence.Findings, claim, name, uploaded time.Time) (r evidence.Recorded, odd string) {
	sources := []struct {
		at            time.Time
		source, words string
	}{
		{f.Satellite, "gps", "satellite time in the recording"},
		{claim, "claim", "given by the dock at upload"},
		{f.Container, "container", "the camera's clock"},
		{name, "name", "the file's name"},
	}
	for _, s := range sources {
		if s.at.IsZero() {
			continue
		}
		if why := impossible(s.at, uploaded); why != "" {
			if odd == "" {
				odd = fmt.Sprintf("%s says %s, which is %s", s.words, s.at.UTC().Format(time.RFC3339), why)
			}
			continue
		}
		if !r.At.IsZero() {
			continue
		}
		r = evidence.Recorded{At: s.at.UTC(), Source: s.source, Believed: true, Reason: s.words}
		if s.source == "name" || s.source == "container" && !near(s.at, name, zoneSlack) {
			r.Believed, r.Reason = false, "only "+s.words+" says so"
		}
	}
	if r.At.IsZero() {
		r.Reason = "nothing says when it was made"
		if odd != "" {
			r.Reason = odd
		}
	} else if r.Source != "container" && !f.Container.IsZero() && !near(r.At, f.Container, agreement) {
		r.Reason += fmt.Sprintf("; the camera's clock says %s", f.Container.UTC().Format(time.RFC3339))
	}
	return r, odd
}

func impossible(at, uploaded time.Time) string {
	switch {
	case at.Year() < 2000:
		return "before there were such cameras"
	case at.After(uploaded.Add(zoneSlack)):
		return "after the upload"
	}
	return ""
}

func near(a, b time.Time, within time.Duration) bool {
	return !a.IsZero() && !b.IsZero() && a.Sub(b).Abs() <= within
}

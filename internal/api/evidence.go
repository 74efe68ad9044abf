package api

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"bwv/internal/custodian"
	"bwv/internal/evidence"
)

// view is a record as the API shows it: the record, and links.
type view struct {
	evidence.Record
	Links map[string]string `json:"links"`
}

func show(r evidence.Record) view {
	at := "/api/evidence/" + string(r.ID)
	links := map[string]string{"self": at, "custody": at + "/custody"}
	switch r.Proxy.State {
	case evidence.ProxyReady:
		links["storyboard"] = at + "/playback/" + evidence.Storyboard
		fallthrough
	case evidence.ProxyGrowing: // its beginning
		links["playback"] = at + "/playback"
	}
	return view{Record: r, Links: links}
}

// Detail serves GET /api/evidence/{id}.
func (a *API) Detail(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	record, err := a.Custodian.Detail(r.Context(), id, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	v := show(record)
	poster, err := a.Custodian.Poster(r.Context(), record)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	if poster != "" {
		v.Links["poster"] = poster
	}
	encode(w, http.StatusOK, v)
	return evidence.Result{Evidence: id, Outcome: "shown"}, nil
}

// Search serves GET /api/evidence?unit=&officer=&camera=&incident=&category=&state=&from=&to=&attention=&limit=&next=.
func (a *API) Search(w http.ResponseWriter, r *http.Request, _ evidence.Cause) (evidence.Result, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // else a filter that was not understood would be no filter
		return evidence.Result{}, fmt.Errorf("the query is malformed: %w: %w", err, evidence.Invalid)
	}
	q, err := parseSearch(v)
	if err != nil {
		return evidence.Result{}, err
	}
	page, err := a.Custodian.Search(r.Context(), q)
	if err != nil {
		return evidence.Result{}, err
	}
	views := make([]view, len(page.Records))
	for i, record := range page.Records {
		views[i] = show(record)
	}
	encode(w, http.StatusOK, map[string]any{"evidence": views, "next": page.Next})
	return evidence.Result{Outcome: "found"}, nil
}

func parseSearch(v url.Values) (custodian.Search, error) {
	q := custodian.Search{Unit: v.Get("unit"), Next: v.Get("next"), Query: evidence.Query{
		Officer: v.Get("officer"), Camera: v.Get("camera"), Incident: v.Get("incident"), Category: v.Get("category"),
		State: evidence.State(v.Get("state")), Attention: v.Get("attention") == "true", Limit: 50,
	}}
	for name := range v {
		switch name {
		case "unit", "officer", "camera", "incident", "category", "state", "from", "to", "attention", "limit", "next":
		default:
			return q, fmt.Errorf("there is no filter %.40q: %w", name, evidence.Invalid)
		}
	}
	if text := v.Get("attention"); text != "" && text != "true" && text != "false" {
		return q, fmt.Errorf("attention is not true or false: %w", evidence.Invalid)
	}
	states := []evidence.State{"", evidence.Received, evidence.Scheduled, evidence.Flagged, evidence.Expiring, evidence.Expired}
	if !slices.Contains(states, q.State) {
		return q, fmt.Errorf("state is not one of %v: %w", states[1:], evidence.Invalid)
	}
	for name, into := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := v.Get(name); text != "" {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return q, fmt.Errorf("%s is not a time like 2026-11-22T10:15:00Z: %w", name, evidence.Invalid)
			}
			*into = t
		}
	}
	if text := v.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 200 {
			return q, fmt.Errorf("limit is not a number from 1 to 200: %w", evidence.Invalid)
		}
		q.Limit = n
	}
	return q, nil
}

// Flag serves POST /api/evidence/{id}/flag.
func (a *API) Flag(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	var q custodian.FlagRequest
	if err := decode(w, r, &q); err != nil {
		return evidence.Result{Evidence: id}, err
	}
	if q.Key, err = key(r); err != nil {
		return evidence.Result{Evidence: id}, err
	}
	record, flag, err := a.Custodian.Flag(r.Context(), id, q, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	encode(w, http.StatusCreated, map[string]any{"flag": flag, "evidence": show(record)})
	return evidence.Result{Evidence: id, Outcome: "flagged"}, nil
}

// Unflag serves POST /api/evidence/{id}/unflag.
func (a *API) Unflag(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	var q struct {
		Flag   string `json:"flag"`
		Reason string `json:"reason"`
	}
	if err := decode(w, r, &q); err != nil {
		return evidence.Result{Evidence: id}, err
	}
	record, err := a.Custodian.Unflag(r.Context(), id, q.Flag, q.Reason, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	encode(w, http.StatusOK, map[string]any{"evidence": show(record)})
	return evidence.Result{Evidence: id, Outcome: "unflagged"}, nil
}

// Audit serves GET /api/evidence/{id}/custody.
func (a *API) Audit(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	chain, err := a.Custodian.Audit(r.Context(), id, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	answer, outcome := map[string]any{"evidence": id, "entries": chain.Entries, "head": chain.Head, "unbroken": chain.Broken == nil}, "unbroken"
	if chain.Broken != nil {
		answer["problem"], outcome = chain.Broken.Error(), "broken"
	}
	encode(w, http.StatusOK, answer)
	return evidence.Result{Evidence: id, Outcome: outcome}, nil
}

// Playback serves GET /api/evidence/{id}/playback: an HLS master playlist (RFC 8216).
func (a *API) Playback(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	playlist, err := a.Custodian.Playback(r.Context(), id, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	text(w, "application/vnd.apple.mpegurl", playlist)
	return evidence.Result{Evidence: id, Outcome: "playing"}, nil
}

// Playlist serves GET /api/evidence/{id}/playback/{file}: what the master playlist names, and the storyboard.
func (a *API) Playlist(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	file := r.PathValue("file")
	playlist, err := a.Custodian.Playlist(r.Context(), id, file, c)
	if err != nil {
		return evidence.Result{Evidence: id}, err
	}
	kind := "application/vnd.apple.mpegurl"
	if file == evidence.Storyboard {
		kind = "text/vtt"
	}
	text(w, kind, playlist)
	return evidence.Result{Evidence: id, Outcome: "playing"}, nil
}

// text answers with what holds links: nobody may keep it.
func text(w http.ResponseWriter, kind, body string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, body) // the caller has gone: there is nobody to tell
}

// Resubmit serves POST /api/evidence/{id}/reprocess: it feeds the queue of stage reprocess.
func (a *API) Resubmit(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	id, err := subject(r)
	if err != nil {
		return evidence.Result{}, err
	}
	var q struct {
		Stages []evidence.Subject `json:"stages"`
		Reason string             `json:"reason"`
	}
	if err := decode(w, r, &q); err != nil {
		return evidence.Result{Evidence: id}, err
	}
	if err := a.Custodian.Reprocess(r.Context(), evidence.Reprocess{Evidence: id, Stages: q.Stages, Reason: q.Reason}, c); err != nil {
		return evidence.Result{Evidence: id}, err
	}
	encode(w, http.StatusAccepted, map[string]any{"evidence": id, "queued": true})
	return evidence.Result{Evidence: id, Outcome: "queued"}, nil
}

// Release serves POST /api/disposals/release: disposal goes on after the breaker tripped.
func (a *API) Release(w http.ResponseWriter, r *http.Request, c evidence.Cause) (evidence.Result, error) {
	var q struct {
		Reason string `json:"reason"`
	}
	if err := decode(w, r, &q); err != nil {
		return evidence.Result{}, err
	}
	if err := a.Custodian.Release(r.Context(), q.Reason, c); err != nil {
		return evidence.Result{}, err
	}
	encode(w, http.StatusOK, map[string]any{"released": true})
	return evidence.Result{Outcome: "released"}, nil
}

package functions_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"

	"bwv/internal/evidence"
)

type shown struct {
	evidence.Record
	Links map[string]string
}

func TestDetail(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	a := w.ask(http.MethodGet, "/api/evidence/"+string(r.ID), "")
	var got shown
	w.want(a, http.StatusOK, &got)
	at := "/api/evidence/" + string(r.ID)
	want := map[string]string{"self": at, "custody": at + "/custody", "playback": at + "/playback", "storyboard": at + "/playback/storyboard.vtt",
		"poster": "https://store.example/" + string(r.ID) + "/poster.jpg?for=10m0s"}
	if got.ID != r.ID || got.Digest.Computed != r.Digest.Computed || !reflect.DeepEqual(got.Links, want) {
		t.Errorf("got %+v", got)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("header %v", a.header)
	}
	if e := w.last(r.ID); e.Operation != evidence.OpView || e.Actor.Name != "PC Ada Morris" || e.Correlation == "" || got.Head.Number != e.Number {
		t.Errorf("entry %+v", e)
	}
	for path := range got.Links {
		if link := got.Links[path]; strings.HasPrefix(link, "/") && path != "self" {
			w.want(w.ask(http.MethodGet, link, ""), http.StatusOK, nil)
		}
	}
}

func TestDetailIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodGet, "/api/evidence/%s", "")
}

// Before there is anything to watch there is no link to it; of an erased recording its tombstone is shown.
func TestDetailWithoutProxy(t *testing.T) {
	w := newWorld(t)
	fresh := w.catalogued("lambeth", 2, "video")
	var got shown
	w.want(w.ask(http.MethodGet, "/api/evidence/"+string(fresh), ""), http.StatusOK, &got)
	if len(got.Links) != 2 || len(w.signer.signed) != 0 {
		t.Errorf("links %v", got.Links)
	}
	gone := w.expired().ID
	got = shown{}
	w.want(w.ask(http.MethodGet, "/api/evidence/"+string(gone), ""), http.StatusOK, &got)
	if got.Tombstone == nil || len(got.Links) != 2 || len(w.signer.signed) != 0 {
		t.Errorf("got %+v", got)
	}
}

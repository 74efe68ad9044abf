package functions_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"bwv/internal/azfunc"
	"bwv/internal/evidence"
)

type found struct {
	Evidence []shown
	Next     string
}

func (w *world) search(query string) found {
	w.t.Helper()
	var got found
	w.want(w.ask(http.MethodGet, "/api/evidence?"+query, ""), http.StatusOK, &got)
	return got
}

func ids(f found) []evidence.ID {
	list := make([]evidence.ID, len(f.Evidence))
	for i, e := range f.Evidence {
		list[i] = e.ID
	}
	return list
}

// library has recordings of three units over four months, two at each instant: 24 in 12 shards. It returns their ids in the order of a listing.
func library(t *testing.T) (*world, []evidence.ID) {
	t.Helper()
	w := newWorld(t)
	start := w.now
	for n := range 24 {
		w.now = start.AddDate(0, n/6, n%6/3)
		w.catalogued([]string{"lambeth", "camden", "lambeth-north"}[n%3], n, "video")
	}
	w.now = start.AddDate(0, 4, 0)
	records := w.ledger.Records()
	slices.SortFunc(records, func(a, b evidence.Record) int {
		if a.Key().Before(b.Key()) {
			return -1
		}
		return 1
	})
	list := make([]evidence.ID, len(records))
	for i, r := range records {
		list[i] = r.ID
	}
	shards, err := w.ledger.Shards(t.Context())
	if err != nil || len(list) != 24 || len(shards) != 12 {
		t.Fatalf("%d records in %d shards: %v", len(list), len(shards), err)
	}
	return w, list
}

func TestSearchPages(t *testing.T) {
	w, all := library(t)
	entries := len(w.ledger.Entries())
	for _, limit := range []int{1, 2, 5, 7, 23, 24, 25, 200} {
		var got []evidence.ID
		next, pages := "", 0
		for {
			page := w.search(fmt.Sprintf("limit=%d&next=%s", limit, next))
			got = append(got, ids(page)...)
			if pages++; page.Next == "" || pages > 30 {
				break
			}
			if len(page.Evidence) != limit {
				t.Errorf("limit %d: a page of %d that is not the last", limit, len(page.Evidence))
			}
			next = page.Next
		}
		if !slices.Equal(got, all) {
			t.Errorf("limit %d: got %d of %d, or in another order", limit, len(got), len(all))
		}
	}
	if n := len(w.ledger.Entries()); n != entries {
		t.Errorf("searching wrote %d custody entries", n-entries)
	}
}

// What is uploaded between two pages neither repeats nor hides anything.
func TestSearchGoesOnWhereItWas(t *testing.T) {
	w, all := library(t)
	first := w.search("limit=10")
	w.catalogued("camden", 99, "video")
	second := w.search("limit=14&next=" + first.Next)
	if got := append(ids(first), ids(second)...); !slices.Equal(got, all) {
		t.Errorf("got %v", got)
	}
}

func TestSearchFilters(t *testing.T) {
	w, all := library(t)
	flagged := all[3]
	w.flag(flagged, "", "court")
	odd := w.catalogued("Not-A-Unit", 50, "video")
	all = append([]evidence.ID{odd}, all...) // the newest
	for query, want := range map[string]func(evidence.Record) bool{
		"":                       func(evidence.Record) bool { return true },
		"unit=lambeth":           func(r evidence.Record) bool { return r.Unit == "lambeth" },
		"unit=nowhere":           func(evidence.Record) bool { return false },
		"officer=P1":             func(r evidence.Record) bool { return r.Officer == "P1" },
		"camera=X1&unit=camden":  func(r evidence.Record) bool { return r.Camera == "X1" && r.Unit == "camden" },
		"incident=CAD-7":         func(r evidence.Record) bool { return r.Incident == "CAD-7" },
		"category=none":          func(evidence.Record) bool { return false },
		"state=flagged":          func(r evidence.Record) bool { return r.ID == flagged },
		"state=received&limit=3": nil,
		"attention=true":         func(r evidence.Record) bool { return r.ID == odd },
		"attention=false":        func(evidence.Record) bool { return true },
		"from=2026-12-23T00:00:00Z&to=2027-01-23T00:00:00Z": func(r evidence.Record) bool {
			return !r.Started.Before(time.Date(2026, 12, 23, 0, 0, 0, 0, time.UTC)) && r.Started.Before(time.Date(2027, 1, 23, 0, 0, 0, 0, time.UTC))
		},
		"from=2026-11-22T10:15:00Z&to=2026-11-22T10:15:00Z":        func(evidence.Record) bool { return false },
		"from=2026-11-22T11:15:00%2B01:00&to=2026-11-22T10:15:01Z": func(r evidence.Record) bool { return r.Started.Equal(time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC)) },
		"from=2027-02-01T00:00:00Z&unit=lambeth-north&state=received": func(r evidence.Record) bool {
			return r.ID != flagged && r.Unit == "lambeth-north" && r.Started.After(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC))
		},
	} {
		got := w.search(query)
		if want == nil {
			if len(got.Evidence) != 3 || got.Next == "" {
				t.Errorf("%s: %d, next %q", query, len(got.Evidence), got.Next)
			}
			continue
		}
		var list []evidence.ID
		for _, id := range all {
			if want(w.get(id)) {
				list = append(list, id)
			}
		}
		if !slices.Equal(ids(got), list) {
			t.Errorf("%s: got %v, want %v", query, ids(got), list)
		}
		if got.Next != "" {
			t.Errorf("%s: next %q", query, got.Next)
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	w := newWorld(t)
	for query, word := range map[string]string{
		"sort=asc": "no filter", "unit=lambeth&path=a": "no filter", "Unit=lambeth": "no filter",
		"attention=1": "attention", "attention=True": "attention", "state=gone": "state", "state=Flagged": "state",
		"unit=%zz": "malformed", "unit=lambeth;state=flagged": "malformed",
		"limit=0": "limit", "limit=201": "limit", "limit=-1": "limit", "limit=many": "limit", "limit=1e2": "limit",
		"from=yesterday": "from", "to=2026-11-22": "to", "from=2026-11-22T10:15:00": "from",
		"next=x": "next", "next=e30": "next", "next=" + strings.Repeat("A", 2000): "next", "next=bnVsbA": "next",
	} {
		w.refused(w.ask(http.MethodGet, "/api/evidence?"+query, ""), http.StatusBadRequest, word)
	}
	w.refused(w.send(http.MethodGet, "/api/evidence", nil, nil), http.StatusUnauthorized, azfunc.DevelopmentHeader)
	if got := w.search(""); got.Evidence == nil || len(got.Evidence) != 0 || got.Next != "" {
		t.Errorf("of nothing: %+v", got)
	}
}

package functions_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bwv/internal/evidence"
)

func (w *world) unflag(id evidence.ID, flag, reason string) answer {
	w.t.Helper()
	return w.ask(http.MethodPost, "/api/evidence/"+string(id)+"/unflag", fmt.Sprintf(`{"flag":%q,"reason":%q}`, flag, reason))
}

// The last flag's end starts a full new window, however long the recording was kept before.
func TestUnflag(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	court, complaint := w.flag(r.ID, "", "court").Flag.ID, w.flag(r.ID, "", "complaint").Flag.ID
	w.now = r.Retention.Due.Add(100 * 24 * time.Hour)

	w.want(w.unflag(r.ID, court, "verdict"), http.StatusOK, nil)
	if r := w.in(r.ID, evidence.Flagged); len(r.Flags) != 1 || len(w.disposals.Pending()) > 0 {
		t.Errorf("flags %+v, pending %v", r.Flags, w.disposals.Pending())
	}
	var got struct{ Evidence evidence.Record }
	w.want(w.unflag(r.ID, complaint, "settled"), http.StatusOK, &got)
	if got.Evidence.Retention.State != evidence.Scheduled {
		t.Errorf("answer %+v", got)
	}
	now := w.in(r.ID, evidence.Scheduled)
	if want := w.now.Add(keep); !now.Retention.Due.Equal(want) || len(now.Flags) > 0 {
		t.Errorf("due %s, want %s; flags %+v", now.Retention.Due, want, now.Flags)
	}
	if p, ok := w.disposals.Pending()[now.Retention.Sequence]; !ok || len(w.disposals.Pending()) != 1 || p.Disposal.Epoch != now.Retention.Epoch || !p.At.Equal(now.Retention.Due) {
		t.Errorf("pending %v for %+v", w.disposals.Pending(), now.Retention)
	}
	if e := w.last(r.ID); e.Actor.ID != "development:officer" || e.Reason != "settled" || e.Changes["flag"] != complaint {
		t.Errorf("entry %+v", e)
	}
	w.must("expire", w.disposal(now), 1)
	w.in(r.ID, evidence.Expired)
}

func TestUnflagIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodPost, "/api/evidence/%s/unflag", `{"flag":"f","reason":"r"}`)
}

func TestUnflagRefuses(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	w.refused(w.unflag(r.ID, "nothing", "r"), http.StatusNotFound, "has no flag")
	flag := w.flag(r.ID, "", "court").Flag.ID
	before := w.state()
	w.refused(w.unflag(r.ID, flag, ""), http.StatusBadRequest, "reason is missing")
	w.refused(w.unflag(r.ID, flag, " \n"), http.StatusBadRequest, "reason is missing")
	w.refused(w.unflag(r.ID, flag, strings.Repeat("r", 1001)), http.StatusBadRequest, "longer than")
	w.refused(w.unflag(r.ID, "", "r"), http.StatusBadRequest, "flag is missing")
	w.refused(w.unflag(r.ID, flag+"x", "r"), http.StatusNotFound, "has no flag")
	if w.state() != before {
		t.Error("something changed")
	}
	w.want(w.unflag(r.ID, flag, "r"), http.StatusOK, nil)
	w.refused(w.unflag(r.ID, flag, "r"), http.StatusNotFound, "has no flag")
}

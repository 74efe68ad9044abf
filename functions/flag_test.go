package functions_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"bwv/internal/azfunc"
	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func flagBody(purpose, reference, reason string) string {
	return fmt.Sprintf(`{"purpose":%q,"reference":%q,"reason":%q}`, purpose, reference, reason)
}

type flagged struct {
	Flag     evidence.Flag
	Evidence evidence.Record
}

// flag flags a recording and returns the answer; key is the Idempotency-Key, if any.
func (w *world) flag(id evidence.ID, key string, purpose string) flagged {
	w.t.Helper()
	header := map[string]string{azfunc.DevelopmentHeader: "officer"}
	if key != "" {
		header["Idempotency-Key"] = key
	}
	var got flagged
	w.want(w.send(http.MethodPost, "/api/evidence/"+string(id)+"/flag", strings.NewReader(flagBody(purpose, "CRIME-1", "asked by the court")), header), http.StatusCreated, &got)
	return got
}

func TestFlag(t *testing.T) {
	w := newWorld(t)
	r := w.scheduled("lambeth", 1)
	got := w.flag(r.ID, "", "court")
	if f := got.Flag; f.ID == "" || f.Purpose != evidence.Court || f.Reference != "CRIME-1" || f.Reason != "asked by the court" || f.By.ID != "development:officer" || !f.At.Equal(w.now) {
		t.Errorf("flag %+v", f)
	}
	if got.Evidence.ID != r.ID || got.Evidence.Retention.State != evidence.Flagged {
		t.Errorf("evidence %+v", got.Evidence)
	}
	now := w.in(r.ID, evidence.Flagged)
	if len(w.disposals.Pending()) > 0 || now.Retention.Sequence != 0 || now.Retention.Epoch == r.Retention.Epoch {
		t.Errorf("pending %v, retention %+v", w.disposals.Pending(), now.Retention)
	}
	w.now = r.Retention.Due.Add(keep)
	w.taken(w.tick())
	w.in(r.ID, evidence.Flagged)
}

func TestFlagIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodPost, "/api/evidence/%s/flag", flagBody("court", "C-1", "r"))
}

func TestFlagTwiceWithOneKey(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	first := w.flag(id, "key-1", "court")
	state := w.state()
	w.now = w.now.Add(time.Minute)
	second := w.flag(id, "key-1", "court")
	if r := w.get(id); len(r.Flags) != 1 || w.state() != state {
		t.Errorf("flags %+v", r.Flags)
	}
	if first.Flag.ID != second.Flag.ID || !second.Flag.At.Equal(first.Flag.At) {
		t.Errorf("first %+v, second %+v", first.Flag, second.Flag)
	}
}

// The answer to the first request was lost, so the client asks again with the same key.
func TestFlagAfterAFault(t *testing.T) {
	for name, fault := range map[string]memory.Fault{"lost": memory.Lost, "ghost": memory.Ghost} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.scheduled("lambeth", 1).ID
			w.ledger.Next = fault
			a := w.send(http.MethodPost, "/api/evidence/"+string(id)+"/flag", strings.NewReader(flagBody("court", "CRIME-1", "asked by the court")),
				map[string]string{azfunc.DevelopmentHeader: "officer", "Idempotency-Key": "key-1"})
			w.refused(a, http.StatusServiceUnavailable)
			w.flag(id, "key-1", "court")
			if r := w.in(id, evidence.Flagged); len(r.Flags) != 1 {
				t.Errorf("flags %+v", r.Flags)
			}
		})
	}
}

func TestSeveralFlags(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	court, complaint, again := w.flag(id, "", "court"), w.flag(id, "", "complaint"), w.flag(id, "", "court")
	r := w.in(id, evidence.Flagged)
	if len(r.Flags) != 3 || court.Flag.ID == again.Flag.ID || court.Flag.ID == complaint.Flag.ID {
		t.Errorf("flags %+v", r.Flags)
	}
}

// A recording that is gone, or going, cannot be kept any more, and the person who asks is told so.
func TestFlagTooLate(t *testing.T) {
	for name, record := range map[string]func(*world) evidence.Record{"expired": (*world).expired, "expiring": (*world).expiring} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := record(w)
			before := w.state()
			a := w.ask(http.MethodPost, "/api/evidence/"+string(r.ID)+"/flag", flagBody("court", "C-1", "r"))
			w.refused(a, http.StatusConflict, string(r.ID), "is "+name, "it was due on "+r.Retention.Due.Format(time.RFC3339), "can no longer be kept")
			if w.state() != before {
				t.Error("something changed")
			}
		})
	}
}

func TestFlagRefuses(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	before := w.state()
	for body, word := range map[string]string{
		flagBody("holiday", "C-1", "r"):                                                    "choose from",
		flagBody("", "C-1", "r"):                                                           "choose from",
		flagBody("court", "", "r"):                                                         "reference is missing",
		flagBody("court", " \t", "r"):                                                      "reference is missing",
		flagBody("court", "C-1", ""):                                                       "reason is missing",
		flagBody("court", strings.Repeat("c", 101), "r"):                                   "longer than 100 characters",
		flagBody("court", "C-1", strings.Repeat("r", 1001)):                                "longer than 1000 characters",
		`{"purpose":"court","reference":"C\u0000","reason":"r"}`:                           "not text",
		`{"purpose":"court","reference":"C","reason":"r","review":"2020-01-01T00:00:00Z"}`: "not in the future",
		`{"purpose":"court","reference":"C","reason":"r","review":"soon"}`:                 "not the JSON expected",
		`{"purpose":"court","reference":"C","reason":"r","Key":"k","-":"k"}`:               "unknown field",
		`{"purpose":"court","reference":"C","reason":"r","by":{"id":"chief"}}`:             "unknown field",
	} {
		w.refused(w.ask(http.MethodPost, "/api/evidence/"+string(id)+"/flag", body), http.StatusBadRequest, word)
	}
	for _, key := range []string{"a b", strings.Repeat("k", 65), "k/1", "ключ"} {
		a := w.send(http.MethodPost, "/api/evidence/"+string(id)+"/flag", strings.NewReader(flagBody("court", "C-1", "r")),
			map[string]string{azfunc.DevelopmentHeader: "officer", "Idempotency-Key": key})
		w.refused(a, http.StatusBadRequest, "Idempotency-Key")
	}
	if w.state() != before {
		t.Error("something changed")
	}
}

// TestFlagKeyUsedTwice asks for two different flags with one key: the second must not be taken for the first.
func TestFlagKeyUsedTwice(t *testing.T) {
	w := newWorld(t)
	id := w.scheduled("lambeth", 1).ID
	w.flag(id, "key-1", "court")
	header := map[string]string{azfunc.DevelopmentHeader: "officer", "Idempotency-Key": "key-1"}
	w.refused(w.send(http.MethodPost, "/api/evidence/"+string(id)+"/flag", strings.NewReader(flagBody("complaint", "PC-2", "another")), header), http.StatusConflict, "another flag")
	if r := w.get(id); len(r.Flags) != 1 || r.Flags[0].Purpose != evidence.Court {
		t.Errorf("flags %+v", r.Flags)
	}
}

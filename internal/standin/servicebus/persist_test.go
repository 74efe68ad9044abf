package servicebus

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

func TestStateSurvivesRestart(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	send(t, s, "done", "abandoned", "deferred", "dead", "locked", "active")
	list := receive(t, rc, 5)
	finish(t, rc, list[0])
	if err := rc.AbandonMessage(testContext(t), list[1], &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if err := rc.DeferMessage(testContext(t), list[2], nil); err != nil {
		t.Fatal(err)
	}
	if err := rc.DeadLetterMessage(testContext(t), list[3], &azservicebus.DeadLetterOptions{Reason: to.Ptr("r")}); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(48 * time.Hour)
	seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("later")}, {Body: []byte("never")}}, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CancelScheduledMessages(testContext(t), seqs[1:], nil); err != nil {
		t.Fatal(err)
	}

	r = r.restart()
	c = r.client()
	s, rc = newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	// A restart ends locks without counting a delivery.
	got := receive(t, rc, 3)
	wantBodies(t, got, "abandoned", "locked", "active")
	for i, want := range []uint32{2, 1, 1} {
		if got[i].DeliveryCount != want {
			t.Errorf("%q: delivery count %d, want %d", got[i].Body, got[i].DeliveryCount, want)
		}
	}
	if got[0].ApplicationProperties["k"] != "v" {
		t.Errorf("properties %v", got[0].ApplicationProperties)
	}
	finish(t, rc, got...)
	deferred, err := rc.ReceiveDeferredMessages(testContext(t), []int64{*list[2].SequenceNumber}, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, deferred, "deferred")
	wantBodies(t, receive(t, deadReceiver(t, c, "ingest"), 1), "dead")
	send(t, s, "new")
	next := receive(t, rc, 1)[0]
	if *next.SequenceNumber <= seqs[1] {
		t.Errorf("sequence number %d was given out before %d", *next.SequenceNumber, seqs[1])
	}
	finish(t, rc, next)

	r.srv.Advance(47 * time.Hour)
	empty(t, rc)
	r = r.restart() // the clock is kept too
	rc = newReceiver(t, r.client(), "ingest", nil)
	empty(t, rc)
	r.srv.Advance(time.Hour)
	wantBodies(t, receive(t, rc, 1), "later")
}

func TestWhatFellDueWhileDownFiresAtStart(t *testing.T) {
	r := newRig(t)
	s := newSender(t, r.client(), "footage")
	at := time.Now().Add(150 * time.Millisecond)
	if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("a")}}, at, nil); err != nil {
		t.Fatal(err)
	}
	r.stop()
	eventually(t, "the message is due", func() bool { return time.Now().After(at) })
	r = startRig(t, r.dir, Options{})
	wantBodies(t, receive(t, newReceiver(t, r.client(), "footage/all", nil), 1), "a")
}

func TestInjectedClock(t *testing.T) {
	fixed := time.Date(2031, 1, 2, 3, 4, 5, 0, time.UTC)
	r := startRig(t, t.TempDir(), Options{Now: func() time.Time { return fixed }})
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("a")}}, fixed.Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	empty(t, rc)
	r.srv.Advance(-time.Hour) // ignored
	r.srv.Advance(time.Hour)
	m := receive(t, rc, 1)[0]
	if !m.EnqueuedTime.Equal(fixed.Add(time.Hour)) || !m.LockedUntil.Equal(fixed.Add(time.Hour+time.Minute)) {
		t.Errorf("enqueued %s, locked until %s", m.EnqueuedTime, m.LockedUntil)
	}
}

func TestOpenRefuses(t *testing.T) {
	r := newRig(t)
	cfg := parseTestConfig(t)
	if _, err := Open(cfg, Options{Dir: r.dir, Key: "k"}); err == nil {
		t.Error("two servers on one directory")
	}
	if _, err := Open(cfg, Options{Dir: t.TempDir()}); err == nil {
		t.Error("no key")
	}
	if _, err := Open(Config{}, Options{Dir: t.TempDir(), Key: "k"}); err == nil {
		t.Error("no namespace")
	}
}

func TestAdmin(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s := newSender(t, c, "ingest")
	send(t, s, "a", "b", "c")
	rc := newReceiver(t, c, "ingest", nil)
	list := receive(t, rc, 2)
	if err := rc.DeadLetterMessage(testContext(t), list[0], nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("l")}}, time.Now().Add(time.Hour), nil); err != nil {
		t.Fatal(err)
	}
	h := r.srv.Admin()
	do := func(method, path, body string) (int, []byte) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(method, path, strings.NewReader(body)))
		return rec.Code, rec.Body.Bytes()
	}
	code, body := do("GET", "/entities", "")
	var entities []status
	if err := json.Unmarshal(body, &entities); err != nil || code != http.StatusOK {
		t.Fatalf("%d, %v: %s", code, err, body)
	}
	if entities[0] != (status{Name: "ingest", Active: 1, Scheduled: 1, Locked: 1, DeadLettered: 1}) {
		t.Errorf("entities %+v", entities[0])
	}
	if len(entities) != 9 || entities[6].Name != "footage/Subscriptions/metadata" {
		t.Errorf("%d entities: %+v", len(entities), entities)
	}
	clock := func(code int, body []byte) time.Time {
		t.Helper()
		var c clockReply
		if err := json.Unmarshal(body, &c); err != nil || code != http.StatusOK {
			t.Fatalf("%d, %v: %s", code, err, body)
		}
		return c.Now
	}
	before := clock(do("GET", "/clock", ""))
	after := clock(do("POST", "/clock/advance", `{"by":"744h"}`))
	if d := after.Sub(before); d < 744*time.Hour || d > 745*time.Hour {
		t.Errorf("advanced by %s", d)
	}
	for _, bad := range []string{``, `{}`, `{"by":"-1h"}`, `{"by":"x"}`, `{"by":"1h","at":1}`, `{"by":"9999999h"}`, `[]`} {
		if code, _ := do("POST", "/clock/advance", bad); code != http.StatusBadRequest {
			t.Errorf("%q: %d", bad, code)
		}
	}
	if code, _ := do("GET", "/clock/advance", ""); code != http.StatusMethodNotAllowed {
		t.Errorf("GET /clock/advance: %d", code)
	}
	if !bytes.Contains(body, []byte(`"deadLettered":1`)) {
		t.Errorf("entities %s", body)
	}
}

// TestStoreFailure takes the disk away: nothing is acknowledged, nothing is lost, and what was locked stays locked.
func TestStoreFailure(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	send(t, s, "kept")
	m := receive(t, rc, 1)[0]
	conn, session := r.raw(t)
	defer conn.Close()
	raw, err := session.NewSender(testContext(t), "ingest", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.srv.broker.store.db.Close(); err != nil {
		t.Fatal(err)
	}
	wantCondition(t, raw.Send(testContext(t), amqp.NewMessage([]byte("lost")), nil), amqp.ErrCondInternalError)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // the SDK tries settlements again, whatever its options say
	defer cancel()
	if err := rc.CompleteMessage(ctx, m, nil); err == nil {
		t.Error("a completion was acknowledged")
	}
	if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("x")}}, time.Now().Add(time.Hour), nil); err == nil {
		t.Error("a schedule was acknowledged")
	}
	if n := r.srv.broker.find("ingest").counts(); n.locked != 1 || n.active != 0 {
		t.Errorf("counts %+v", n)
	}
	r.stop()
	r = startRig(t, r.dir, Options{})
	wantBodies(t, receive(t, newReceiver(t, r.client(), "ingest", nil), 1), "kept")
	if st := r.status("ingest"); st.Active != 0 || st.Scheduled != 0 {
		t.Errorf("status %+v", st)
	}
}

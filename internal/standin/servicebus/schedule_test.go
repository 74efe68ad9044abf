package servicebus

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestScheduleByAnnotation(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	at := time.Now().Add(time.Hour)
	if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte("later"), ScheduledEnqueueTime: &at}, nil); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Hour)
	if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte("now"), ScheduledEnqueueTime: &past}, nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, rc, 1)
	wantBodies(t, got, "now")
	finish(t, rc, got...)
	r.srv.Advance(time.Hour)
	wantBodies(t, receive(t, rc, 1), "later")
}

func TestScheduledMessageIsNeverEarlyAndSoonThere(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	at := time.Now().Add(700 * time.Millisecond)
	if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("a")}}, at, nil); err != nil {
		t.Fatal(err)
	}
	m := receive(t, rc, 1)[0]
	if early := at.Truncate(time.Millisecond).Sub(*m.EnqueuedTime); early > 0 {
		t.Errorf("enqueued %s early", early)
	}
	if late := m.EnqueuedTime.Sub(at); late > time.Second {
		t.Errorf("enqueued %s late", late)
	}
}

func TestScheduleMany(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s := newSender(t, c, "ingest")
	at := time.Now().Add(time.Hour)
	for i := range 12 {
		var list []*azservicebus.Message
		for j := range 100 {
			list = append(list, &azservicebus.Message{Body: fmt.Appendf(nil, "%d", i*100+j)})
		}
		if _, err := s.ScheduleMessages(testContext(t), list, at, nil); err != nil {
			t.Fatal(err)
		}
	}
	list := make([]*azservicebus.Message, 101)
	for i := range list {
		list[i] = &azservicebus.Message{Body: []byte("x")}
	}
	if _, err := s.ScheduleMessages(testContext(t), list, at, nil); err == nil {
		t.Error("101 messages in one call were accepted")
	}
	r.srv.Advance(time.Hour) // more than two batches are due
	rc := newReceiver(t, c, "ingest", nil)
	got := receive(t, rc, 1200)
	// Between two calls the SDK releases what has arrived, so arrival is not in order; the numbers are.
	slices.SortFunc(got, func(a, b *azservicebus.ReceivedMessage) int { return cmp.Compare(*a.SequenceNumber, *b.SequenceNumber) })
	for i, m := range got {
		if string(m.Body) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q: enqueued out of order", i, m.Body)
		}
	}
	if st := r.status("ingest"); st.Scheduled != 0 || st.Locked != 1200 {
		t.Errorf("status %+v", st)
	}
}

func TestPeek(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	send(t, s, "deferred", "locked", "active")
	list := receive(t, rc, 2)
	if err := rc.DeferMessage(testContext(t), list[0], nil); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(time.Hour)
	seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("scheduled")}}, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := rc.PeekMessages(testContext(t), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, got, "deferred", "locked", "active", "scheduled")
	states := []azservicebus.MessageState{azservicebus.MessageStateDeferred, azservicebus.MessageStateActive, azservicebus.MessageStateActive, azservicebus.MessageStateScheduled}
	for i, m := range got {
		if m.State != states[i] || m.LockToken != [16]byte{} || m.LockedUntil != nil {
			t.Errorf("%q: state %d, want %d; token %x", m.Body, m.State, states[i], m.LockToken)
		}
	}
	if *got[3].SequenceNumber != seqs[0] || got[3].ScheduledEnqueueTime.UnixMilli() != at.UnixMilli() {
		t.Errorf("scheduled message %d at %s", *got[3].SequenceNumber, got[3].ScheduledEnqueueTime)
	}
	if got, err = rc.PeekMessages(testContext(t), 10, nil); err != nil || len(got) != 0 { // it goes on behind the last
		t.Fatalf("%d messages, %v", len(got), err)
	}
	got, err = rc.PeekMessages(testContext(t), 1, &azservicebus.PeekMessagesOptions{FromSequenceNumber: to.Ptr(int64(2))})
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, got, "locked")
	if err := s.CancelScheduledMessages(testContext(t), seqs, nil); err != nil {
		t.Fatal(err)
	}
	got, err = rc.PeekMessages(testContext(t), 10, &azservicebus.PeekMessagesOptions{FromSequenceNumber: to.Ptr(int64(0))})
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, got, "deferred", "locked", "active")
}

func TestTimeToLive(t *testing.T) {
	r := newRig(t)
	c := r.client()
	for _, q := range []string{"dead", "drop", "ingest"} {
		s := newSender(t, c, q)
		send(t, s, "default")
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte("own"), TimeToLive: to.Ptr(time.Minute)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte("long"), TimeToLive: to.Ptr(100 * 24 * time.Hour)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	// Locked, a message does not expire; given up, it does.
	rc := newReceiver(t, c, "dead", nil)
	locked := receive(t, rc, 1)[0]
	r.srv.Advance(55 * time.Second)
	if err := rc.RenewMessageLock(testContext(t), locked, nil); err != nil {
		t.Fatal(err)
	}
	r.srv.Advance(10 * time.Second)
	dead := deadReceiver(t, c, "dead")
	got := receive(t, dead, 1)
	wantBodies(t, got, "own")
	if *got[0].DeadLetterReason != "TTLExpiredException" {
		t.Errorf("reason %q", *got[0].DeadLetterReason)
	}
	finish(t, dead, got...)
	r.srv.Advance(2 * time.Hour) // a time to live longer than the queue's is cut to it
	eventually(t, "the others are dead-lettered", func() bool { return r.status("dead").DeadLettered == 2 })
	wantBodies(t, receive(t, dead, 2), "default", "long")
	eventually(t, "everything in drop expires", func() bool { return r.status("drop").Active == 0 })
	eventually(t, "one message in ingest expires", func() bool { return r.status("ingest").Active == 2 })
	if st := r.status("drop"); st.DeadLettered != 0 {
		t.Errorf("status %+v", st)
	}
	wantCode(t, rc.CompleteMessage(testContext(t), locked, nil), azservicebus.CodeLockLost)
}

func TestDuplicateDetection(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "once"), newReceiver(t, c, "once", nil)
	put := func(id, body string) {
		t.Helper()
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: []byte(body), MessageID: &id}, nil); err != nil {
			t.Fatal(err)
		}
	}
	put("1", "a")
	put("1", "b") // accepted and dropped
	put("2", "c")
	got := receive(t, rc, 2)
	wantBodies(t, got, "a", "c")
	finish(t, rc, got...)
	put("1", "d") // remembered although it is gone
	empty(t, rc)
	r.srv.Advance(21 * time.Second)
	put("1", "e")
	wantBodies(t, receive(t, rc, 1), "e")
}

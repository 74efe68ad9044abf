package servicebus

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestAbandonRaisesDeliveryCountUntilDeadLetter(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "short"), newReceiver(t, c, "short", nil)
	send(t, s, "poison")
	var seq int64
	for i := uint32(1); i <= 3; i++ {
		m := receive(t, rc, 1)[0]
		if m.DeliveryCount != i {
			t.Fatalf("delivery %d says %d", i, m.DeliveryCount)
		}
		if i > 1 && m.ApplicationProperties["try"] != int64(i-1) {
			t.Fatalf("modified properties %v", m.ApplicationProperties)
		}
		seq = *m.SequenceNumber
		err := rc.AbandonMessage(testContext(t), m, &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"try": int64(i)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	empty(t, rc)
	dead := deadReceiver(t, c, "short")
	m := receive(t, dead, 1)[0]
	if *m.DeadLetterReason != "MaxDeliveryCountExceeded" || *m.DeadLetterErrorDescription == "" || *m.SequenceNumber != seq ||
		m.ApplicationProperties["try"] != int64(3) || *m.DeadLetterSource != "short" {
		t.Errorf("dead letter: reason %q, description %q, sequence %d, properties %v, source %q",
			*m.DeadLetterReason, *m.DeadLetterErrorDescription, *m.SequenceNumber, m.ApplicationProperties, *m.DeadLetterSource)
	}
	// A dead-letter queue does not count deliveries: seen in the SDK's live tests.
	count := m.DeliveryCount
	if err := dead.AbandonMessage(testContext(t), m, nil); err != nil {
		t.Fatal(err)
	}
	if m = receive(t, dead, 1)[0]; m.DeliveryCount != count {
		t.Errorf("delivery count in the dead-letter queue went from %d to %d", count, m.DeliveryCount)
	}
	finish(t, dead, m)
	if st := r.status("short"); st.DeadLettered != 0 || st.Active != 0 {
		t.Errorf("left over: %+v", st)
	}
}

func TestDeadLetter(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc, dead := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil), deadReceiver(t, c, "ingest")
	send(t, s, "a", "b")
	list := receive(t, rc, 2)
	err := rc.DeadLetterMessage(testContext(t), list[0], &azservicebus.DeadLetterOptions{
		Reason: to.Ptr("why"), ErrorDescription: to.Ptr("because"), PropertiesToModify: map[string]any{"extra": "yes"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.DeadLetterMessage(testContext(t), list[1], nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, dead, 2)
	wantBodies(t, got, "a", "b")
	if *got[0].DeadLetterReason != "why" || *got[0].DeadLetterErrorDescription != "because" || got[0].ApplicationProperties["extra"] != "yes" {
		t.Errorf("dead letter %+v", got[0])
	}
	if got[0].DeliveryCount != 1 || *got[1].DeadLetterReason != "" {
		t.Errorf("delivery count %d, reason %q", got[0].DeliveryCount, *got[1].DeadLetterReason)
	}
	if err := dead.DeadLetterMessage(testContext(t), got[0], nil); err == nil {
		t.Error("a dead letter was dead-lettered")
	}
	finish(t, dead, got[1])
}

func TestDeferred(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc, dead := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil), deadReceiver(t, c, "ingest")
	send(t, s, "a", "b", "c", "d")
	var seqs []int64
	for _, m := range receive(t, rc, 4) {
		seqs = append(seqs, *m.SequenceNumber)
		err := rc.DeferMessage(testContext(t), m, &azservicebus.DeferMessageOptions{PropertiesToModify: map[string]any{"later": "yes"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	empty(t, rc)
	if st := r.status("ingest"); st.Deferred != 4 || st.Active != 0 {
		t.Fatalf("status %+v", st)
	}
	list, err := rc.ReceiveDeferredMessages(testContext(t), seqs, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, list, "a", "b", "c", "d")
	if list[0].State != azservicebus.MessageStateDeferred || list[0].ApplicationProperties["later"] != "yes" || list[0].LockedUntil == nil {
		t.Errorf("deferred message %+v", list[0])
	}
	_, err = rc.ReceiveDeferredMessages(testContext(t), seqs[:1], nil)
	wantCode(t, err, azservicebus.CodeNotFound) // locked
	finish(t, rc, list[0])
	// Abandoned, it stays deferred and has one more failed delivery.
	if err := rc.AbandonMessage(testContext(t), list[1], nil); err != nil {
		t.Fatal(err)
	}
	again, err := rc.ReceiveDeferredMessages(testContext(t), seqs[1:2], nil)
	if err != nil {
		t.Fatal(err)
	}
	if again[0].DeliveryCount != list[1].DeliveryCount+1 {
		t.Errorf("delivery count %d after %d", again[0].DeliveryCount, list[1].DeliveryCount)
	}
	err = rc.DeadLetterMessage(testContext(t), again[0], &azservicebus.DeadLetterOptions{Reason: to.Ptr("r"), ErrorDescription: to.Ptr("d")})
	if err != nil {
		t.Fatal(err)
	}
	buried := receive(t, dead, 1)[0]
	if *buried.DeadLetterReason != "r" || *buried.DeadLetterErrorDescription != "d" || string(buried.Body) != "b" {
		t.Errorf("dead letter %+v", buried)
	}
	if err := rc.DeferMessage(testContext(t), list[2], nil); err != nil {
		t.Fatal(err)
	}
	if err := rc.RenewMessageLock(testContext(t), list[3], nil); err != nil {
		t.Fatal(err)
	}
	finish(t, rc, list[3])
	once := newReceiver(t, c, "ingest", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	last, err := once.ReceiveDeferredMessages(testContext(t), seqs[2:3], nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, last, "c")
	if st := r.status("ingest"); st.Deferred != 0 || st.Locked != 0 {
		t.Errorf("left over: %+v", st)
	}
}

func TestLockExpiryRedeliversAndLateSettlementFails(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "short"), newReceiver(t, c, "short", nil)
	send(t, s, "a")
	first := receive(t, rc, 1)[0]
	second := receive(t, rc, 1)[0] // after a second, when the lock has run out
	if second.DeliveryCount != 2 || *second.SequenceNumber != *first.SequenceNumber || second.LockToken == first.LockToken {
		t.Errorf("delivery %d, sequence %d, same token %t", second.DeliveryCount, *second.SequenceNumber, second.LockToken == first.LockToken)
	}
	wantCode(t, rc.CompleteMessage(testContext(t), first, nil), azservicebus.CodeLockLost)
	wantCode(t, rc.RenewMessageLock(testContext(t), first, nil), azservicebus.CodeLockLost)
	wantCode(t, rc.AbandonMessage(testContext(t), &azservicebus.ReceivedMessage{LockToken: first.LockToken}, nil), azservicebus.CodeLockLost)
	finish(t, rc, second)
	if st := r.status("short"); st.Active+st.Locked+st.DeadLettered != 0 {
		t.Errorf("left over: %+v", st)
	}
}

func TestRenewKeepsTheLock(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	send(t, s, "a")
	m := receive(t, rc, 1)[0]
	r.srv.Advance(50 * time.Second)
	was := *m.LockedUntil
	if err := rc.RenewMessageLock(testContext(t), m, nil); err != nil {
		t.Fatal(err)
	}
	if d := m.LockedUntil.Sub(was); d < 49*time.Second {
		t.Errorf("renewed by %s only", d)
	}
	r.srv.Advance(50 * time.Second) // past the first lock, within the renewed one
	other := newReceiver(t, r.client(), "ingest", nil)
	empty(t, other)
	finish(t, rc, m)
	r.srv.Advance(time.Hour)
	empty(t, other)
}

func TestSettleOnTheManagementLinkAfterReconnecting(t *testing.T) {
	r := newRig(t)
	c := r.client()
	send(t, newSender(t, c, "ingest"), "a", "b", "c", "d")
	first := newReceiver(t, c, "ingest", nil)
	list := receive(t, first, 4)
	if err := first.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
	rc := newReceiver(t, c, "ingest", nil)
	empty(t, rc) // closing the link leaves the locks
	bare := func(m *azservicebus.ReceivedMessage) *azservicebus.ReceivedMessage {
		return &azservicebus.ReceivedMessage{LockToken: m.LockToken}
	}
	finish(t, rc, bare(list[0]))
	if err := rc.AbandonMessage(testContext(t), bare(list[1]), &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	if err := rc.DeadLetterMessage(testContext(t), bare(list[2]), &azservicebus.DeadLetterOptions{Reason: to.Ptr("r")}); err != nil {
		t.Fatal(err)
	}
	if err := rc.DeferMessage(testContext(t), bare(list[3]), nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, rc, 1)
	wantBodies(t, got, "b")
	if got[0].DeliveryCount != 2 || got[0].ApplicationProperties["k"] != "v" {
		t.Errorf("abandoned message %+v", got[0])
	}
	if st := r.status("ingest"); st.DeadLettered != 1 || st.Deferred != 1 || st.Locked != 1 || st.Active != 0 {
		t.Errorf("status %+v", st)
	}
	finish(t, rc, got...)
}

func TestReceiveAndDelete(t *testing.T) {
	r := newRig(t)
	c := r.client()
	send(t, newSender(t, c, "ingest"), "a", "b", "c")
	rc := newReceiver(t, c, "ingest", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	got := receive(t, rc, 3)
	wantBodies(t, got, "a", "b", "c")
	if got[0].LockedUntil != nil {
		t.Error("a message that is already deleted has a lock")
	}
	if st := r.status("ingest"); st.Active+st.Locked != 0 {
		t.Errorf("left over: %+v", st)
	}
}

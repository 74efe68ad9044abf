package servicebus

import (
	"bytes"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestSendReceiveComplete(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "INGEST", nil)
	msg := &azservicebus.Message{
		Body: []byte("hello"), MessageID: to.Ptr("id-1"), Subject: to.Ptr("received"), CorrelationID: to.Ptr("corr"),
		ContentType: to.Ptr("application/json"), To: to.Ptr("to"), ReplyTo: to.Ptr("reply"), PartitionKey: to.Ptr("p"),
		ApplicationProperties: map[string]any{"n": int64(7), "s": "text", "b": true},
		TimeToLive:            to.Ptr(time.Hour),
	}
	before := time.Now().Add(-time.Second)
	if err := s.SendMessage(testContext(t), msg, nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, rc, 1)[0]
	if string(got.Body) != "hello" || got.MessageID != "id-1" || *got.Subject != "received" || *got.CorrelationID != "corr" ||
		*got.ContentType != "application/json" || *got.To != "to" || *got.ReplyTo != "reply" || *got.PartitionKey != "p" {
		t.Errorf("message changed on its way: %+v", got)
	}
	if got.ApplicationProperties["n"] != int64(7) || got.ApplicationProperties["s"] != "text" || got.ApplicationProperties["b"] != true {
		t.Errorf("properties changed: %v", got.ApplicationProperties)
	}
	if *got.SequenceNumber != 1 || got.DeliveryCount != 1 || got.State != azservicebus.MessageStateActive {
		t.Errorf("sequence %d, delivery %d, state %d", *got.SequenceNumber, got.DeliveryCount, got.State)
	}
	if got.EnqueuedTime.Before(before) || !got.ExpiresAt.Equal(got.EnqueuedTime.Add(time.Hour)) {
		t.Errorf("enqueued %s, expires %s", got.EnqueuedTime, got.ExpiresAt)
	}
	if d := time.Until(*got.LockedUntil); d < 50*time.Second || d > 61*time.Second {
		t.Errorf("locked for %s, want a minute", d)
	}
	finish(t, rc, got)
	empty(t, rc)
	if st := r.status("ingest"); st != (status{Name: "ingest"}) {
		t.Errorf("left over: %+v", st)
	}
}

func TestLargeMessageBothWays(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	body := bytes.Repeat([]byte("0123456789abcdef"), 60_000) // 960 kB: 15 frames
	if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: body}, nil); err != nil {
		t.Fatal(err)
	}
	got := receive(t, rc, 1)[0]
	if !bytes.Equal(got.Body, body) {
		t.Fatal("body changed on its way")
	}
	finish(t, rc, got)
}

func TestScheduleAndCancel(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	at := time.Now().Add(time.Hour)
	seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{{Body: []byte("a")}, {Body: []byte("b")}}, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(seqs) != 2 || seqs[1] <= seqs[0] {
		t.Fatalf("sequence numbers %v", seqs)
	}
	if n := r.status("ingest").Scheduled; n != 2 {
		t.Fatalf("%d scheduled, want 2", n)
	}
	if err := s.CancelScheduledMessages(testContext(t), seqs[:1], nil); err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.CancelScheduledMessages(testContext(t), seqs, nil), azservicebus.CodeNotFound)
	if n := r.status("ingest").Scheduled; n != 1 {
		t.Fatalf("%d scheduled, want 1: a failed cancellation cancels nothing", n)
	}
	empty(t, rc)
	r.srv.Advance(2 * time.Hour)
	got := receive(t, rc, 1)
	wantBodies(t, got, "b")
	if *got[0].SequenceNumber <= seqs[1] {
		t.Errorf("sequence %d, want a new one after %d", *got[0].SequenceNumber, seqs[1])
	}
	wantCode(t, s.CancelScheduledMessages(testContext(t), seqs[1:], nil), azservicebus.CodeNotFound)
	finish(t, rc, got...)
}

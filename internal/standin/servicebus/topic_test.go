package servicebus

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

func TestTopicFilters(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s := newSender(t, c, "footage")
	for _, m := range []*azservicebus.Message{
		{Body: []byte("one"), Subject: to.Ptr("received")},
		{Body: []byte("two"), Subject: to.Ptr("Received")}, // values are compared exactly
		{Body: []byte("three"), ApplicationProperties: map[string]any{"kind": "video", "part": int64(2)}},
		{Body: []byte("four"), ApplicationProperties: map[string]any{"kind": "video", "part": int64(3)}},
		{Body: []byte("five"), Subject: to.Ptr("received"), ApplicationProperties: map[string]any{"kind": "video", "part": int32(2)}},
	} {
		if err := s.SendMessage(testContext(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	for sub, want := range map[string][]string{
		"footage/metadata": {"one", "five"},
		"footage/proxy":    {"one", "three", "five"}, // one copy, though both rules match the last
		"footage/all":      {"one", "two", "three", "four", "five"},
	} {
		rc := newReceiver(t, c, sub, nil)
		got := receive(t, rc, len(want))
		wantBodies(t, got, want...)
		last := got[len(got)-1]
		if *last.SequenceNumber != int64(len(want)) || *last.EnqueuedSequenceNumber != 5 {
			t.Errorf("%s: sequence %d of topic sequence %d", sub, *last.SequenceNumber, *last.EnqueuedSequenceNumber)
		}
		finish(t, rc, got...)
		empty(t, rc)
	}
}

func TestScheduledTopicMessageIsRoutedWhenDue(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s := newSender(t, c, "footage")
	at := time.Now().Add(31 * 24 * time.Hour)
	seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{
		{Body: []byte("a"), Subject: to.Ptr("received")}, {Body: []byte("b"), Subject: to.Ptr("other")}, {Body: []byte("c"), Subject: to.Ptr("received")},
	}, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.status("footage"); st.Scheduled != 3 || st.Active != 0 {
		t.Fatalf("status %+v", st)
	}
	if err := s.CancelScheduledMessages(testContext(t), seqs[2:], nil); err != nil {
		t.Fatal(err)
	}
	metadata, all := newReceiver(t, c, "footage/metadata", nil), newReceiver(t, c, "footage/all", nil)
	r.srv.Advance(31*24*time.Hour - time.Minute)
	empty(t, all)
	r.srv.Advance(time.Minute)
	got := receive(t, all, 2)
	wantBodies(t, got, "a", "b")
	wantBodies(t, receive(t, metadata, 1), "a")
	empty(t, metadata)
	if got[0].ScheduledEnqueueTime.UnixMilli() != at.UnixMilli() {
		t.Errorf("scheduled for %s, want %s", got[0].ScheduledEnqueueTime, at)
	}
}

func TestTopicDeadLetterQueueBelongsToTheSubscription(t *testing.T) {
	r := newRig(t)
	c := r.client()
	send(t, newSender(t, c, "footage"), "a")
	rc := newReceiver(t, c, "footage/all", nil)
	if err := rc.DeadLetterMessage(testContext(t), receive(t, rc, 1)[0], &azservicebus.DeadLetterOptions{Reason: to.Ptr("r")}); err != nil {
		t.Fatal(err)
	}
	dead := deadReceiver(t, c, "footage/all")
	got := receive(t, dead, 1)
	wantBodies(t, got, "a")
	finish(t, dead, got...)
	transfer := newReceiver(t, c, "footage/all", &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueTransfer})
	empty(t, transfer)
}

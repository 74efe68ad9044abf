package servicebus

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

func TestReleasedDoesNotRaiseTheDeliveryCount(t *testing.T) {
	r := newRig(t)
	send(t, newSender(t, r.client(), "short"), "a")
	conn, session := r.raw(t)
	defer conn.Close()
	rc, err := session.NewReceiver(testContext(t), "short", &amqp.ReceiverOptions{SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // more often than MaxDeliveryCount
		m, err := rc.Receive(testContext(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Header.DeliveryCount != 0 {
			t.Fatalf("delivery count %d", m.Header.DeliveryCount)
		}
		if err := rc.ReleaseMessage(testContext(t), m); err != nil {
			t.Fatal(err)
		}
	}
	m, err := rc.Receive(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.srv.Advance(2 * time.Second)
	wantCondition(t, rc.ReleaseMessage(testContext(t), m), amqp.ErrCond(condLockLost))
}

func TestDrain(t *testing.T) {
	r := newRig(t)
	send(t, newSender(t, r.client(), "ingest"), "a", "b")
	conn, session := r.raw(t)
	defer conn.Close()
	rc, err := session.NewReceiver(testContext(t), "ingest", &amqp.ReceiverOptions{Credit: -1, SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
	if err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		if err := rc.IssueCredit(10); err != nil {
			t.Fatal(err)
		}
		for range 2 - 2*round { // credit that is not used yet is what a drain takes back
			m, err := rc.Receive(testContext(t), nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := rc.AcceptMessage(testContext(t), m); err != nil {
				t.Fatal(err)
			}
		}
		if err := rc.DrainCredit(testContext(t), nil); err != nil {
			t.Fatal(err)
		}
		if m := rc.Prefetched(); m != nil {
			t.Fatalf("round %d: received %q", round, m.GetData())
		}
	}
	send(t, newSender(t, r.client(), "ingest"), "c")
	if st := r.status("ingest"); st.Active != 1 {
		t.Fatalf("status %+v: sent without credit", st)
	}
	if err := rc.IssueCredit(1); err != nil {
		t.Fatal(err)
	}
	if _, err := rc.Receive(testContext(t), nil); err != nil {
		t.Fatal(err)
	}
}

// TestSessionWindows sends more transfers over one session than its window of 5000 holds, both ways.
func TestSessionWindows(t *testing.T) {
	const n = 6000
	r := newRig(t)
	conn, session := r.raw(t)
	defer conn.Close()
	s, err := session.NewSender(testContext(t), "ingest", nil)
	if err != nil {
		t.Fatal(err)
	}
	receipts := make([]amqp.SendReceipt, n)
	for i := range receipts {
		m := amqp.NewMessage(fmt.Append(nil, i))
		if receipts[i], err = s.SendWithReceipt(testContext(t), m, nil); err != nil {
			t.Fatal(err)
		}
	}
	for i := range receipts {
		state, err := receipts[i].Wait(testContext(t))
		if _, ok := state.(*amqp.StateAccepted); !ok || err != nil {
			t.Fatalf("message %d: %v, %v", i, state, err)
		}
	}
	rc, err := session.NewReceiver(testContext(t), "ingest", &amqp.ReceiverOptions{Credit: n, SettlementMode: amqp.ReceiverSettleModeFirst.Ptr()})
	if err != nil {
		t.Fatal(err)
	}
	ctx := testContext(t)
	for i := range n {
		m, err := rc.Receive(ctx, nil)
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if string(m.GetData()) != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, m.GetData())
		}
		if err := rc.AcceptMessage(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all are settled", func() bool { st := r.status("ingest"); return st.Active+st.Locked == 0 })
}

func TestCompetingReceiversGetEachMessageOnce(t *testing.T) {
	const n = 200
	r := newRig(t)
	send(t, newSender(t, r.client(), "ingest"), "warm up")
	c := r.client()
	finish(t, newReceiver(t, c, "ingest", nil), receive(t, newReceiver(t, c, "ingest", nil), 1)...)
	seen := make(chan string, 4*n)
	ctx, cancel := context.WithCancel(testContext(t))
	done := make(chan struct{})
	for range 3 {
		rc := newReceiver(t, r.client(), "ingest", nil)
		go func() {
			defer func() { done <- struct{}{} }()
			for ctx.Err() == nil {
				list, _ := rc.ReceiveMessages(ctx, 7, nil)
				for _, m := range list {
					if err := rc.CompleteMessage(context.WithoutCancel(ctx), m, nil); err != nil {
						t.Error(err)
					}
					seen <- string(m.Body)
				}
			}
		}()
	}
	s := newSender(t, r.client(), "ingest")
	for i := range n {
		send(t, s, fmt.Sprint(i))
	}
	got := map[string]int{}
	for range n {
		select {
		case b := <-seen:
			got[b]++
		case <-time.After(15 * time.Second):
			t.Fatalf("only %d messages arrived", len(got))
		}
	}
	cancel()
	for range 3 {
		<-done
	}
	if len(got) != n || len(seen) != 0 {
		t.Errorf("%d different messages and %d more, want %d and 0", len(got), len(seen), n)
	}
}

// stalled is a connection whose client stops reading when told to.
type stalled struct {
	net.Conn
	stop atomic.Bool
	over chan struct{}
}

func (s *stalled) Read(b []byte) (int, error) {
	if s.stop.Load() {
		<-s.over
		return 0, net.ErrClosed
	}
	return s.Conn.Read(b)
}

func TestAClientThatDoesNotReadBlocksNobody(t *testing.T) {
	r := newRig(t)
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	slow := &stalled{Conn: nc, over: make(chan struct{})}
	conn, err := amqp.NewConn(testContext(t), slow, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: r.addr})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { close(slow.over); _ = conn.Close() }()
	session, err := conn.NewSession(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	audience := "amqp://" + r.addr + "/"
	if _, err = call(t, session, "$cbs", map[string]any{"operation": "put-token", "type": tokenTypeSAS, "name": audience},
		sign(audience, testKey, KeyName, time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	if _, err = session.NewReceiver(testContext(t), "ingest", &amqp.ReceiverOptions{Credit: 5000}); err != nil {
		t.Fatal(err)
	}
	slow.stop.Store(true)

	c := r.client()
	s := newSender(t, c, "ingest")
	body := make([]byte, 500_000)
	const n = 40 // 20 MB: more than buffers hold
	for range n {
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: body}, nil); err != nil {
			t.Fatal(err)
		}
	}
	rc := newReceiver(t, c, "ingest", nil)
	got := receive(t, rc, 10)
	finish(t, rc, got...)
	// What the slow client holds comes back when its locks run out.
	r.srv.Advance(2 * time.Minute)
	for left := n - len(got); left > 0; {
		list := receive(t, rc, 1)
		finish(t, rc, list...)
		left -= len(list)
	}
}

func TestHeartbeats(t *testing.T) {
	r := startRig(t, t.TempDir(), Options{heartbeat: 30 * time.Millisecond})
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	count := &counting{Conn: nc}
	conn, err := amqp.NewConn(testContext(t), count, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: r.addr, IdleTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before := count.read.Load()
	eventually(t, "ten empty frames arrive", func() bool { return count.read.Load()-before >= 80 })
	if conn.Err() != nil {
		t.Error(conn.Err())
	}
}

func TestHeartbeatIntervalFollowsTheClient(t *testing.T) {
	quiet := &conn{srv: &Server{heartbeat: time.Minute}, peerIdle: 30 * time.Second}
	if d := quiet.heartbeatInterval(); d != 15*time.Second {
		t.Errorf("interval %s, want half of what the client advertises", d)
	}
}

type counting struct {
	net.Conn
	read atomic.Int64
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.read.Add(int64(n))
	return n, err
}

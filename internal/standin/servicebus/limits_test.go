package servicebus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"
)

func TestAFullEntity(t *testing.T) {
	r := startRig(t, t.TempDir(), Options{entitySize: 10_000})
	c := r.client()
	message := func(n int) *azservicebus.Message { return &azservicebus.Message{Body: make([]byte, n)} }
	full := func(s *azservicebus.Sender) {
		t.Helper()
		wantCondition(t, s.SendMessage(testContext(t), message(5000), nil), amqp.ErrCondResourceLimitExceeded)
	}
	for round, entity := range []string{"ingest", "footage"} {
		at := time.Now().Add(time.Duration(round+1) * time.Hour)
		s := newSender(t, c, entity)
		receiver, name := entity, entity
		if entity == "footage" { // one of its subscriptions has rules that match
			receiver, name = "footage/all", "footage/Subscriptions/all"
		}
		rc := newReceiver(t, c, receiver, nil)
		if err := s.SendMessage(testContext(t), message(5000), nil); err != nil {
			t.Fatal(err)
		}
		full(s)
		send(t, s, "the link is still good") // and a smaller one fits
		if _, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{message(4000)}, at, nil); err != nil {
			t.Fatal(err)
		}
		batch, err := s.NewMessageBatch(testContext(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // the first would fit: all or none
			if err := batch.AddMessage(message(300), nil); err != nil {
				t.Fatal(err)
			}
		}
		wantCondition(t, s.SendMessageBatch(testContext(t), batch, nil), amqp.ErrCondResourceLimitExceeded)
		_, err = s.ScheduleMessages(testContext(t), []*azservicebus.Message{message(4000)}, at, nil)
		if err == nil || !strings.Contains(err.Error(), "403") { // the SDK has no code for it
			t.Fatalf("scheduling into a full entity: %v", err)
		}
		if n := r.status(name).Active; n != 2 {
			t.Fatalf("%d messages are there, want 2", n)
		}
		// A scheduled message has its place already; a dead letter keeps its.
		r.srv.Advance(time.Hour)
		list := receive(t, rc, 3)
		if err := rc.DeadLetterMessage(testContext(t), list[0], nil); err != nil {
			t.Fatal(err)
		}
		full(s)
		dead := deadReceiver(t, c, receiver)
		finish(t, dead, receive(t, dead, 1)...)
		if err := s.SendMessage(testContext(t), message(5000), nil); err != nil {
			t.Fatal(err)
		}
		finish(t, rc, list[1:]...)
		finish(t, rc, receive(t, rc, 1)...)
		seqs, err := s.ScheduleMessages(testContext(t), []*azservicebus.Message{message(9000)}, at.Add(24*time.Hour), nil)
		if err != nil {
			t.Fatal(err)
		}
		full(s)
		if err := s.CancelScheduledMessages(testContext(t), seqs, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.SendMessage(testContext(t), message(9000), nil); err != nil {
			t.Fatal(err)
		}
	}
	r.stop()
	r = startRig(t, r.dir, Options{entitySize: 10_000}) // the count is kept
	s := newSender(t, r.client(), "ingest")
	full(s)
	rc := newReceiver(t, r.client(), "ingest", nil)
	finish(t, rc, receive(t, rc, 1)...)
	if err := s.SendMessage(testContext(t), message(9000), nil); err != nil {
		t.Fatal(err)
	}
}

func TestLimitOfModifiedProperties(t *testing.T) {
	r := newRig(t)
	c := r.client()
	send(t, newSender(t, c, "ingest"), "a")
	rc := newReceiver(t, c, "ingest", nil)
	m := receive(t, rc, 1)[0]
	add := func(key string) error {
		return rc.AbandonMessage(testContext(t), m, &azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{key: strings.Repeat("x", 30_000)}})
	}
	for i := range 2 {
		if err := add(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
		m = receive(t, rc, 1)[0]
	}
	if err := add("2"); err == nil {
		t.Error("90 kB of properties were accepted")
	}
	if st := r.status("ingest"); st.Locked != 1 {
		t.Errorf("status %+v: the lock is gone", st)
	}
	if err := rc.AbandonMessage(testContext(t), &azservicebus.ReceivedMessage{LockToken: m.LockToken},
		&azservicebus.AbandonMessageOptions{PropertiesToModify: map[string]any{"2": strings.Repeat("x", 30_000)}}); err == nil {
		t.Error("90 kB of properties were accepted on the management link")
	}
	finish(t, rc, &azservicebus.ReceivedMessage{LockToken: m.LockToken})
}

func TestLimitOfDeferredMessagesInOneCall(t *testing.T) {
	r := newRig(t)
	c := r.client()
	s, rc := newSender(t, c, "ingest"), newReceiver(t, c, "ingest", nil)
	var seqs []int64
	for range 10 { // 9 MB
		if err := s.SendMessage(testContext(t), &azservicebus.Message{Body: make([]byte, 900_000)}, nil); err != nil {
			t.Fatal(err)
		}
		m := receive(t, rc, 1)[0]
		if err := rc.DeferMessage(testContext(t), m, nil); err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, *m.SequenceNumber)
	}
	_, err := rc.ReceiveDeferredMessages(testContext(t), seqs, nil)
	wantCondition(t, err, amqp.ErrCondNotAllowed)
	list, err := rc.ReceiveDeferredMessages(testContext(t), seqs[:5], nil)
	if err != nil || len(list) != 5 {
		t.Fatalf("%d messages, %v", len(list), err)
	}
}

func TestLimitsOfOneConnection(t *testing.T) {
	r := newRig(t)
	conn, session := r.raw(t)
	defer conn.Close()
	// Links over all sessions.
	sessions := []*amqp.Session{session}
	for range 4 {
		s, err := conn.NewSession(testContext(t), nil)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	opened := 0
	var refused error
	for i := 0; refused == nil && i <= maxConnLinks; i++ {
		if _, refused = sessions[i%len(sessions)].NewSender(testContext(t), "ingest", nil); refused == nil {
			opened++
		}
	}
	if opened != maxConnLinks {
		t.Errorf("%d links were opened, want %d", opened, maxConnLinks)
	}
	wantCondition(t, refused, amqp.ErrCondResourceLimitExceeded)

	// Unfinished messages over all links.
	p := r.peer(t)
	p.open()
	p.authorize()
	chunk := bytes.Repeat([]byte("x"), 60_000)
	for handle := uint32(2); ; handle++ {
		if handle > 20 {
			t.Fatal("twenty unfinished messages of a megabyte were taken")
		}
		p.attach(handle, roleSender, "ingest")
		code, _, _ := p.next()
		if code == perfDetach {
			break
		}
		p.expect(perfFlow)
		for range 16 {
			p.send(perfTransfer, chunk, handle, handle, []byte("t"), uint32(0), nil, true)
		}
	}

	// Sessions.
	q := r.peer(t)
	q.open()
	for ch := 1; ch <= maxSessions; ch++ {
		q.write(appendFrame(nil, frameAMQP, uint16(ch), composite{perfBegin, []any{nil, uint32(0), uint32(1), uint32(1)}}, nil))
		if ch < maxSessions {
			q.expect(perfBegin)
		}
	}
	q.wantError(perfClose, 0, condFraming)
	send(t, newSender(t, r.client(), "ingest"), "still serving")
}

func TestAnswersNobodyTakes(t *testing.T) {
	r := newRig(t)
	send(t, newSender(t, r.client(), "ingest"), strings.Repeat("x", 900_000))
	conn, session := r.raw(t)
	defer conn.Close()
	s, err := session.NewSender(testContext(t), "ingest/$management", nil)
	if err != nil {
		t.Fatal(err)
	}
	replyTo := "me"
	if _, err = session.NewReceiver(testContext(t), "ingest/$management", &amqp.ReceiverOptions{TargetAddress: replyTo, Credit: -1}); err != nil {
		t.Fatal(err)
	}
	peek := &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: "q", ReplyTo: &replyTo},
		ApplicationProperties: map[string]any{"operation": "com.microsoft:peek-message"},
		Value:                 map[string]any{"from-sequence-number": int64(1), "message-count": int32(1)},
	}
	for range replyBytes/900_000 + 2 {
		if err = s.Send(testContext(t), peek, nil); err != nil {
			break
		}
	}
	eventually(t, "the connection is ended", func() bool { return conn.Err() != nil })
	var e *amqp.ConnError
	if !errors.As(conn.Err(), &e) || e.RemoteErr == nil || e.RemoteErr.Condition != amqp.ErrCondResourceLimitExceeded {
		t.Errorf("connection ended with %v", conn.Err())
	}
}

func TestConnectionsAtATime(t *testing.T) {
	r := startRig(t, t.TempDir(), Options{connections: 3})
	first := r.peer(t)
	first.open()
	for range 2 {
		r.peer(t).open()
	}
	r.peer(t).wantEOF()
	_ = first.nc.Close()
	eventually(t, "there is room again", func() bool {
		r.srv.mu.Lock()
		defer r.srv.mu.Unlock()
		return len(r.srv.conns) < 3
	})
	r.peer(t).open()
}

// TestWhatOneConnectionMakesUsKeep: tokens, deliveries to settle, bytes to write.
func TestWhatOneConnectionMakesUsKeep(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(&Server{log: slog.New(slog.DiscardHandler), key: []byte(testKey)}, ours)
	for i := range maxClaims {
		c.claims[fmt.Sprint(i)] = time.Now().Add(time.Hour)
	}
	put := func(path string) int32 {
		audience := "sb://host/" + path
		return c.putToken(&amqp.Message{
			ApplicationProperties: map[string]any{"operation": "put-token", "type": tokenTypeSAS, "name": audience},
			Value:                 sign(audience, testKey, KeyName, time.Now().Add(time.Hour)),
		}).status
	}
	if one, again := put("one too many"), put("7"); one != 403 || again != 202 {
		t.Errorf("one token too many is answered %d, one that is renewed %d", one, again)
	}
	s := newSession(c, 0, 0, 0)
	for id := range uint32(2*maxUnsettled + 10) {
		s.nextDelivery = id + 1
		s.track(id, delivery{})
	}
	if n := len(s.unsettled); n > maxUnsettled {
		t.Errorf("%d deliveries are remembered", n)
	}
	if _, ok := s.unsettled[2*maxUnsettled+9]; !ok {
		t.Error("the latest delivery is forgotten")
	}
	frame := make([]byte, maxFrameSize)
	taken := 0
	for c.out.put(frame) {
		if taken += len(frame); taken > 2*outboxLimit {
			t.Fatal("there is no limit to what waits to be written")
		}
	}
	if _, err := ours.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection is kept: %v", err)
	}
}

// TestDeadClients: clients that vanish in the middle of something hold up nobody.
func TestDeadClients(t *testing.T) {
	r := newRig(t)
	for name, die := range map[string]func(*peer){
		"silent":        func(*peer) {},
		"half a header": func(p *peer) { p.write([]byte("AMQP")) },
		"half a frame":  func(p *peer) { p.open(); p.write([]byte{0, 0, 1, 0, 2}) },
		"half a message": func(p *peer) {
			p.open()
			p.authorize()
			p.attach(2, roleSender, "ingest")
			p.send(perfTransfer, []byte("x"), uint32(2), uint32(1), []byte("t"), uint32(0), nil, true)
		},
		"with a lock": func(p *peer) {
			p.open()
			p.authorize()
			p.attach(2, roleReceiver, "short")
			p.send(perfFlow, nil, uint32(1), uint32(100), uint32(1), uint32(100), uint32(2), uint32(0), uint32(1))
			p.expect(perfAttach)
			p.expect(perfTransfer)
			if err := p.nc.(*net.TCPConn).SetLinger(0); err != nil { // a reset, not a farewell
				p.t.Fatal(err)
			}
			_ = p.nc.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.client()
			s, rc := newSender(t, c, "short"), newReceiver(t, c, "short", nil)
			send(t, s, name)
			die(r.peer(t))
			r.srv.Advance(2 * time.Second) // what it had locked
			got := receive(t, rc, 1)
			wantBodies(t, got, name)
			finish(t, rc, got...)
		})
	}
}

// TestPeekDeadLetters completes TestPeek: the one state that has an entity of its own.
func TestPeekDeadLetters(t *testing.T) {
	r := newRig(t)
	c := r.client()
	send(t, newSender(t, c, "ingest"), "a", "b")
	rc, dead := newReceiver(t, c, "ingest", nil), deadReceiver(t, c, "ingest")
	for _, m := range receive(t, rc, 2) {
		if err := rc.DeadLetterMessage(testContext(t), m, &azservicebus.DeadLetterOptions{Reason: to.Ptr("why")}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := dead.PeekMessages(testContext(t), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	wantBodies(t, got, "a", "b")
	if *got[0].DeadLetterReason != "why" || got[0].LockedUntil != nil {
		t.Errorf("peeked %+v", got[0])
	}
}

// TestTokensOfTheSDK uses signatures made beforehand, as the SDK takes them in a connection string.
func TestTokensOfTheSDK(t *testing.T) {
	r := newRig(t)
	send(t, newSender(t, r.client(), "once"), "there")
	later, entity := time.Now().Add(time.Hour), "amqp://"+r.addr+"/ingest"
	for name, test := range map[string]struct {
		token string
		ok    bool
	}{
		"good":       {sign(entity, testKey, KeyName, later), true},
		"namespace":  {sign("amqp://"+r.addr, testKey, KeyName, later), true},
		"signature":  {sign(entity, "another key", KeyName, later), false},
		"key name":   {sign(entity, testKey, "Listen", later), false},
		"expired":    {sign(entity, testKey, KeyName, time.Now().Add(-time.Second)), false},
		"entity":     {sign("amqp://"+r.addr+"/once", testKey, KeyName, later), false},
		"host":       {sign("amqp://elsewhere/ingest", testKey, KeyName, later), false},
		"not signed": {"SharedAccessSignature sr=x", false},
	} {
		c, err := azservicebus.NewClientFromConnectionString("Endpoint=sb://"+r.addr+";SharedAccessSignature="+test.token+";UseDevelopmentEmulator=true",
			&azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}})
		if err != nil {
			t.Fatal(err)
		}
		err = newSender(t, c, "ingest").SendMessage(testContext(t), &azservicebus.Message{Body: []byte("x")}, nil)
		if test.ok && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !test.ok {
			wantCode(t, err, azservicebus.CodeUnauthorizedAccess)
		}
		if err := c.Close(testContext(t)); err != nil {
			t.Error(err)
		}
	}
}

package servicebus

// Sizes of what a pump takes at a time.
const (
	pumpMessages = 64
	pumpBytes    = 1 << 20
	maxReplies   = 1000     // answers waiting for a client that gives no credit
	replyBytes   = 16 << 20 // of them
)

// outLink is a link on which the client receives: from an entity, or the answers of $cbs or $management. A goroutine
// of its own, the pump, does the sending, so that a client that does not read holds up nobody else.
type outLink struct {
	s       *session
	node    node
	handle  uint32
	replyTo string
	settled bool // messages are sent settled: receive-and-delete, and answers
	wake    chan struct{}
	over    chan struct{} // closed by stop

	// Under session.mu.
	gone    bool
	credit  uint32
	count   uint32 // deliveries sent
	drain   bool
	replies [][]byte
	waiting int // bytes of them
}

func (s *session) attachOut(a attach, n node) {
	l := &outLink{
		s: s, node: n, handle: a.handle, replyTo: a.target.address,
		settled: n.kind != nodeEntity || a.snd != nil && *a.snd == sndSettled,
		wake:    make(chan struct{}, 1),
		over:    make(chan struct{}),
	}
	s.links[a.handle] = l
	snd := sndUnsettled
	if l.settled {
		snd = sndSettled
	}
	s.send(a.reply(uint32(0), nil, snd), nil)
	s.c.pumps.Add(1)
	go func() {
		defer s.c.pumps.Done()
		l.pump()
	}()
}

func (l *outLink) address() string { return l.node.path }

func (l *outLink) stop() {
	if !l.gone {
		l.gone = true
		close(l.over)
	}
}

// flow sets the credit: link-credit(snd) = delivery-count(rcv) + link-credit(rcv) - delivery-count(snd), section 2.6.7.
func (l *outLink) flow(fl flow) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if fl.credit != nil {
		count := uint32(0)
		if fl.deliveryCount != nil {
			count = *fl.deliveryCount
		}
		if l.credit = count + *fl.credit - l.count; int32(l.credit) < 0 {
			l.credit = 0 // the client has not yet seen what is on its way
		}
	}
	l.drain = fl.drain
	if fl.echo && !fl.drain {
		l.s.sendLocked(l.s.linkFlow(l.handle, l.count, l.credit, false), nil)
	}
	signal(l.wake)
}

// pump sends messages while there is credit, until the link is over.
func (l *outLink) pump() {
	if b := l.node.box; l.node.kind == nodeEntity {
		b.watch(l.wake)
		defer b.unwatch(l.wake)
	}
	for {
		if !l.s.c.out.wait() {
			return
		}
		l.s.mu.Lock()
		credit, gone := l.credit, l.gone
		l.s.mu.Unlock()
		if gone {
			return
		}
		sent := 0
		if credit > 0 && l.node.kind == nodeEntity {
			sent = l.sendLeased(int(min(credit, pumpMessages)))
		} else if credit > 0 {
			sent = l.sendReply()
		}
		if sent > 0 {
			continue
		}
		l.drained()
		select {
		case <-l.wake:
		case <-l.over:
			return
		}
	}
}

// drained gives up the credit that is left after a drain has found nothing more to send (section 2.6.7).
func (l *outLink) drained() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if !l.drain || l.gone {
		return
	}
	l.drain = false
	l.count += l.credit
	l.credit = 0
	l.s.sendLocked(l.s.linkFlow(l.handle, l.count, 0, true), nil)
}

// sendLeased leases up to n messages and sends them. What cannot be sent any more is given back: the client never saw it.
func (l *outLink) sendLeased(n int) int {
	br, b := l.s.c.srv.broker, l.node.box
	leases := b.take(br.nowMS(), n, pumpBytes)
	if len(leases) == 0 {
		return 0
	}
	var payloads [][]byte
	var err error
	if l.settled {
		payloads, err = br.consume(b, leases)
	} else {
		payloads, err = br.payloads(b, leases, false)
	}
	if err != nil {
		l.s.c.log.Error("messages could not be read", "entity", b.name, "error", err)
		return 0 // the locks run out
	}
	for i, lease := range leases {
		if payloads[i] == nil {
			continue // logged; the lock runs out, and in the end the message is dead-lettered
		}
		if !l.settled && lease.until <= br.nowMS() {
			continue // it waited for a slow client for so long that others have it now
		}
		if !l.transmit(payloads[i], lease.token) && !l.settled {
			b.release(lease.token, br.nowMS())
		}
	}
	return len(leases)
}

func (l *outLink) sendReply() int {
	l.s.mu.Lock()
	var payload []byte
	if len(l.replies) > 0 {
		payload = l.replies[0]
		l.replies = l.replies[1:]
		l.waiting -= len(payload)
	}
	l.s.mu.Unlock()
	if payload == nil {
		return 0
	}
	l.transmit(payload, uuid{})
	return 1
}

// reply queues an answer. A client that asks but never takes the answers loses its connection.
func (l *outLink) reply(payload []byte) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.waiting += len(payload); len(l.replies) >= maxReplies || l.waiting > replyBytes {
		go l.s.c.fail(&wireError{condResourceLimit, "too many answers are waiting"})
		return
	}
	l.replies = append(l.replies, payload)
	signal(l.wake)
}

// transmit sends one message in as many frames as it takes. False means that the client cannot have got all of it.
func (l *outLink) transmit(payload []byte, token uuid) bool {
	const overhead = 96 // frame header and transfer with its tag
	chunk := int(l.s.c.peerMaxFrame) - overhead
	var id uint32
	for first := true; first || len(payload) > 0; first = false {
		if !l.s.c.out.wait() || !l.awaitWindow() {
			return false
		}
		n := min(len(payload), chunk)
		part := payload[:n]
		payload = payload[n:]
		l.s.mu.Lock()
		if l.gone || l.s.closed || first && l.credit == 0 {
			l.s.mu.Unlock()
			return false
		}
		fields := []any{l.handle, nil, nil, nil, l.settled, len(payload) > 0}
		if first {
			id = l.s.nextDelivery
			l.s.nextDelivery++
			l.credit--
			l.count++
			fields[1], fields[2], fields[3] = id, deliveryTag(token), uint32(0)
			if !l.settled {
				l.s.track(id, delivery{l, token})
			}
		}
		l.s.nextOutgoing++
		l.s.window--
		l.s.sendLocked(composite{perfTransfer, fields}, part)
		l.s.mu.Unlock()
	}
	return true
}

// awaitWindow waits until the client takes another transfer frame, or the link is over.
func (l *outLink) awaitWindow() bool {
	for {
		l.s.mu.Lock()
		open, gone := int32(l.s.window) > 0, l.gone
		l.s.mu.Unlock()
		if gone {
			return false
		}
		if open {
			return true
		}
		select {
		case <-l.wake:
		case <-l.over:
			return false
		}
	}
}

// settle acts on the client's outcome for a delivery and answers it, unless the client has settled it by itself.
func (l *outLink) settle(id uint32, token uuid, code uint64, list []any, silent bool) {
	done := func(err error) {
		if silent {
			return
		}
		state := any(composite{code: code})
		if err != nil {
			we := asWireError(err)
			if we.condition == condInternal {
				// Rejected would do harm: the SDK tries again, and the second try of a message that go-amqp takes for
				// settled succeeds without asking anybody. Without the connection it cannot tell its caller that all is well.
				l.s.c.log.Error("a settlement could not be stored", "entity", l.node.path, "error", err)
				l.s.c.fail(we)
				return
			}
			state = rejected(we)
		}
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		if !l.gone {
			l.s.sendLocked(encodeDisposition(roleSender, id, state), nil)
		}
	}
	br, b := l.s.c.srv.broker, l.node.box
	f := &fields{list: list}
	switch code {
	case codeAccepted:
		br.settle(b, token, outcome{verdict: complete}, done)
	case codeReleased:
		if !b.release(token, br.nowMS()) {
			done(errLockLost)
			return
		}
		done(nil)
	case codeModified:
		o := outcome{verdict: abandon, props: stringKeys(field(f, 2, []pair(nil)))}
		if field(f, 1, false) {
			o.verdict = deferral
		}
		br.settle(b, token, o, done)
	case codeRejected:
		br.settle(b, token, outcome{verdict: deadLetter, props: parseRejected(list)}, done)
	default:
		done(&wireError{condNotImplemented, "this outcome is not implemented by this stand-in"})
	}
}

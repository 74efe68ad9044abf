package servicebus

import (
	"fmt"
	"sync"
)

// Limits of one session.
const (
	sessionWindow = 5000 // frames, as go-amqp's
	maxLinks      = 256
	maxUnsettled  = 1 << 16 // deliveries remembered for settlement; older ones answer as a lost lock
)

// session multiplexes links over one channel. The connection's reader owns links; what the pumps share is under mu.
type session struct {
	c       *conn
	channel uint16
	links   map[uint32]link // by handle; the same number both ways
	endSent bool

	mu           sync.Mutex
	closed       bool
	nextIncoming uint32 // transfer frames received
	sinceFlow    uint32
	nextOutgoing uint32 // transfer frames sent
	window       uint32 // transfer frames the client takes yet
	nextDelivery uint32
	unsettled    map[uint32]delivery
}

// delivery is a message sent and not yet settled.
type delivery struct {
	out   *outLink
	token uuid
}

// link is either end of a link, as the session sees it.
type link interface {
	address() string // "" where there is nothing behind it
	flow(flow)
	stop() // no frames after it; called by the reader, with session.mu held
}

func newSession(c *conn, channel uint16, nextIncoming, window uint32) *session {
	return &session{
		c: c, channel: channel, links: map[uint32]link{},
		nextIncoming: nextIncoming, window: window,
		unsettled: map[uint32]delivery{},
	}
}

// close stops every link; the session sends nothing more.
func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, l := range s.links {
		l.stop()
	}
	clear(s.links)
	clear(s.unsettled)
}

// send writes a frame on the session's channel unless it is over.
func (s *session) send(p composite, payload []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendLocked(p, payload)
}

func (s *session) sendLocked(p composite, payload []byte) {
	if !s.closed {
		s.c.out.put(appendFrame(nil, frameAMQP, s.channel, p, payload))
	}
}

// handle acts on one frame. A *wireError ends the session, any other error the connection.
func (s *session) handle(code uint64, f *fields, payload []byte) error {
	switch code {
	case perfAttach:
		a, err := parseAttach(f)
		if err != nil {
			return fmt.Errorf("attach: %w", err)
		}
		return s.attach(a)
	case perfFlow:
		fl, err := parseFlow(f)
		if err != nil {
			return fmt.Errorf("flow: %w", err)
		}
		return s.onFlow(fl)
	case perfTransfer:
		t, err := parseTransfer(f)
		if err != nil {
			return fmt.Errorf("transfer: %w", err)
		}
		return s.onTransfer(t, payload)
	case perfDisposition:
		d, err := parseDisposition(f)
		if err != nil {
			return fmt.Errorf("disposition: %w", err)
		}
		return s.onDisposition(d)
	case perfDetach:
		f.required(0)
		handle := field(f, 0, uint32(0))
		if f.err != nil {
			return fmt.Errorf("detach: %w", f.err)
		}
		return s.onDetach(handle)
	}
	return fmt.Errorf("unknown performative %#02x", code)
}

// onFlow updates the window (transport, section 2.5.6) and, with a handle, the link.
func (s *session) onFlow(fl flow) error {
	s.mu.Lock()
	next := uint32(0) // our initial outgoing id
	if fl.nextIncoming != nil {
		next = *fl.nextIncoming
	}
	s.window = fl.incomingWindow + next - s.nextOutgoing
	s.nextIncoming = fl.nextOutgoing
	for _, l := range s.links {
		if o, ok := l.(*outLink); ok {
			signal(o.wake)
		}
	}
	s.mu.Unlock()
	if fl.handle == nil {
		if fl.echo {
			s.send(s.sessionFlow(), nil)
		}
		return nil
	}
	l, ok := s.links[*fl.handle]
	if !ok {
		return &wireError{condUnattached, fmt.Sprintf("flow on handle %d", *fl.handle)}
	}
	l.flow(fl)
	return nil
}

// flowFields is the session's part of a flow. The caller holds mu.
func (s *session) flowFields() []any {
	return []any{s.nextIncoming, uint32(sessionWindow), s.nextOutgoing, uint32(sessionWindow)}
}

func (s *session) sessionFlow() composite {
	s.mu.Lock()
	defer s.mu.Unlock()
	return composite{perfFlow, s.flowFields()}
}

// linkFlow is a flow with a link's state. The caller holds mu.
func (s *session) linkFlow(handle, count, credit uint32, drain bool) composite {
	return composite{perfFlow, append(s.flowFields(), handle, count, credit, nil, drain)}
}

func (s *session) onTransfer(t transfer, payload []byte) error {
	s.mu.Lock()
	s.nextIncoming++
	if s.sinceFlow++; s.sinceFlow >= sessionWindow/2 {
		s.sinceFlow = 0
		s.sendLocked(composite{perfFlow, s.flowFields()}, nil)
	}
	s.mu.Unlock()
	l, ok := s.links[t.handle]
	if !ok {
		return &wireError{condUnattached, fmt.Sprintf("transfer on handle %d", t.handle)}
	}
	in, ok := l.(*inLink)
	if !ok {
		if _, stopped := l.(*deadLink); stopped {
			return nil
		}
		return &wireError{condNotAllowed, fmt.Sprintf("transfer on handle %d, where we are the sender", t.handle)}
	}
	in.transfer(t, payload)
	return nil
}

// onDisposition settles what the client decided about deliveries of ours; those of its own it settles are done already.
func (s *session) onDisposition(d disposition) error {
	if d.role != roleReceiver {
		return nil
	}
	if d.last-d.first >= maxUnsettled {
		return &wireError{condNotAllowed, fmt.Sprintf("disposition of deliveries %d to %d", d.first, d.last)}
	}
	code, list, ok := asComposite(d.state)
	if !ok || code == codeReceived {
		return nil
	}
	for id := d.first; ; id++ {
		s.mu.Lock()
		del, known := s.unsettled[id]
		delete(s.unsettled, id)
		sent := int32(id-s.nextDelivery) < 0
		s.mu.Unlock()
		if known {
			del.out.settle(id, del.token, code, list, d.settled)
		} else if sent && !d.settled {
			s.send(encodeDisposition(roleSender, id, rejected(errLockLost)), nil)
		}
		if id == d.last || !sent {
			return nil
		}
	}
}

// track remembers a delivery for its settlement. The caller holds mu.
func (s *session) track(id uint32, d delivery) {
	s.unsettled[id] = d
	if len(s.unsettled) > maxUnsettled {
		for old := range s.unsettled {
			if id-old > maxUnsettled/2 {
				delete(s.unsettled, old)
			}
		}
	}
}

func (s *session) onDetach(handle uint32) error {
	l, ok := s.links[handle]
	if !ok {
		return &wireError{condUnattached, fmt.Sprintf("detach of handle %d", handle)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l.stop()
	delete(s.links, handle)
	if _, ours := l.(*deadLink); !ours {
		s.sendLocked(encodeDetach(handle, nil), nil)
	}
	return nil
}

// detach ends a link from our side; its handle stays taken until the client has answered.
func (s *session) detach(handle uint32, err *wireError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.links[handle]; ok {
		l.stop()
	}
	s.links[handle] = &deadLink{}
	s.sendLocked(encodeDetach(handle, err), nil)
}

// deadLink holds the handle of a link that we have detached.
type deadLink struct{}

func (*deadLink) address() string { return "" }
func (*deadLink) flow(flow)       {}
func (*deadLink) stop()           {}

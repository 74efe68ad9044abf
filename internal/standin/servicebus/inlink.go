package servicebus

import (
	"errors"
	"fmt"
)

// linkCredit is how many messages a client may send ahead.
const linkCredit = 1000

// inLink is a link on which the client sends: to an entity, to $cbs or to $management.
type inLink struct {
	s      *session
	node   node
	handle uint32

	// Owned by the reader.
	count   uint32 // deliveries received
	credit  uint32
	partial []byte
	first   transfer // of the delivery that is being received
	more    bool

	gone bool // under session.mu
}

func (s *session) attachIn(a attach, n node) {
	l := &inLink{s: s, node: n, handle: a.handle, count: a.initialCount, credit: linkCredit}
	s.links[a.handle] = l
	const sndMixed = 2
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendLocked(a.reply(nil, uint64(MaxMessageSize), sndMixed), nil)
	s.sendLocked(s.linkFlow(l.handle, l.count, l.credit, false), nil)
}

func (l *inLink) address() string { return l.node.path }

func (l *inLink) stop() {
	l.gone = true
	l.hold(nil)
}

// hold keeps b of the delivery that is being received, in place of what was kept before.
func (l *inLink) hold(b []byte) {
	l.s.c.partial += len(b) - len(l.partial)
	l.partial = b
}

func (l *inLink) flow(fl flow) {
	if !fl.echo {
		return
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.sendLocked(l.s.linkFlow(l.handle, l.count, l.credit, false), nil)
}

// transfer takes one frame of a delivery.
func (l *inLink) transfer(t transfer, payload []byte) {
	if !l.more {
		if t.deliveryID == nil || l.credit == 0 {
			l.s.detach(l.handle, &wireError{condTransferLimit, "transfer without a delivery-id or without credit"})
			return
		}
		l.first = t
	}
	if l.more = t.more; t.aborted {
		l.more = false
		l.hold(nil)
		return
	}
	if len(l.partial)+len(payload) > MaxMessageSize {
		l.s.detach(l.handle, &wireError{condTooLarge, fmt.Sprintf("The received message is larger than the limit of %d bytes.", MaxMessageSize)})
		return
	}
	raw := payload // the frame's buffer is ours
	if t.more || l.partial != nil {
		raw = append(l.partial, payload...)
	}
	if t.more {
		if l.hold(raw); l.s.c.partial > maxPartial {
			l.s.detach(l.handle, &wireError{condResourceLimit, "too many unfinished messages on one connection"})
		}
		return
	}
	l.hold(nil)
	l.count++
	if l.credit--; l.credit < linkCredit/2 {
		l.credit = linkCredit
		l.s.mu.Lock()
		l.s.sendLocked(l.s.linkFlow(l.handle, l.count, l.credit, false), nil)
		l.s.mu.Unlock()
	}
	l.deliver(raw, t.settled || l.first.settled)
}

// deliver acts on a whole message. Its disposition follows when the message is on disk, or when it is refused.
func (l *inLink) deliver(raw []byte, settled bool) {
	id := *l.first.deliveryID
	done := func(err error) {
		if err != nil {
			l.s.c.log.Info("message refused", "address", l.node.path, "error", err)
		}
		if !settled {
			l.confirm(id, err)
		}
	}
	if l.node.kind != nodeEntity {
		l.request(raw, done)
		return
	}
	msgs, err := l.parse(raw)
	if err != nil {
		done(&wireError{condDecode, err.Error()})
		return
	}
	budget := l.s.c.srv.budget
	budget.acquire(len(raw))
	l.s.c.srv.broker.send(l.node.box, msgs, func(_ []int64, err error) {
		budget.release(len(raw))
		done(err)
	})
}

func (l *inLink) parse(raw []byte) ([]inbound, error) {
	list := [][]byte{raw}
	if f := l.first.format; f != nil && *f == batchFormat {
		var err error
		if list, err = splitBatch(raw); err != nil {
			return nil, err
		}
	}
	msgs := make([]inbound, len(list))
	for i, b := range list {
		m, err := parseInbound(b)
		if err != nil {
			return nil, err
		}
		msgs[i] = m
	}
	return msgs, nil
}

// confirm settles a delivery of the client's, unless the link is over: go-amqp ends the session over a disposition
// for a link it has detached.
func (l *inLink) confirm(id uint32, err error) {
	state := accepted()
	if err != nil {
		state = rejected(asWireError(err))
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if !l.gone {
		l.s.sendLocked(encodeDisposition(roleReceiver, id, state), nil)
	}
}

// asWireError turns what is not meant for clients, a failure of the store, into an internal error.
func asWireError(err error) *wireError {
	var we *wireError
	if errors.As(err, &we) {
		return we
	}
	return &wireError{condInternal, "the operation could not be stored"}
}

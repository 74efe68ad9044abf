package servicebus

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

type nodeKind int

const (
	nodeEntity nodeKind = iota
	nodeManagement
	nodeCBS
)

// node is what a link is attached to.
type node struct {
	kind nodeKind
	path string
	box  *box // nil for $cbs
}

const managementSuffix = "/$management"

// resolve finds the node at an address, for a link on which the client sends or receives.
func (c *conn) resolve(address string, clientSends bool) (node, *wireError) {
	path := entityPath(address)
	if path == cbsPath {
		return node{kind: nodeCBS, path: path}, nil
	}
	if !c.authorized(path, time.Now()) {
		return node{}, &wireError{condUnauthorized, fmt.Sprintf("Unauthorized access. 'Send' or 'Listen' claim(s) are required to perform this operation on '%s'.", address)}
	}
	n := node{kind: nodeEntity, path: path}
	if rest, ok := strings.CutSuffix(path, managementSuffix); ok {
		n.kind, path = nodeManagement, rest
	}
	if n.box = c.srv.broker.find(path); n.box == nil {
		return node{}, &wireError{condNotFound, fmt.Sprintf("The messaging entity '%s' could not be found.", address)}
	}
	if n.kind == nodeManagement {
		return n, nil
	}
	switch k := n.box.kind; {
	case clientSends && k != kindQueue && k != kindTopic:
		return node{}, &wireError{condNotAllowed, fmt.Sprintf("Messages cannot be sent to '%s': it is a subscription or a sub-queue.", address)}
	case !clientSends && k == kindTopic:
		return node{}, &wireError{condNotAllowed, fmt.Sprintf("Messages cannot be received from the topic '%s': use a subscription.", address)}
	}
	return n, nil
}

// unsupported names what an attach asks for that this stand-in does not do.
func unsupported(a attach) *wireError {
	switch {
	case a.coordinator:
		return &wireError{condNotImplemented, "transactions are not implemented by this stand-in"}
	case slices.ContainsFunc(a.source.filters, func(f string) bool { return strings.Contains(f, "session") }):
		return &wireError{condNotImplemented, "sessions are not implemented by this stand-in"}
	case a.role == roleReceiver && len(a.source.filters) > 0:
		return &wireError{condNotImplemented, fmt.Sprintf("filter %s is not implemented by this stand-in", a.source.filters[0])}
	}
	return nil
}

// links counts those of every session.
func (c *conn) links() int {
	n := 0
	for _, s := range c.sessions {
		n += len(s.links)
	}
	return n
}

// attach opens a link, or refuses it as section 2.6.3 asks: an attach without a terminus, then a detach that says why.
func (s *session) attach(a attach) error {
	if _, taken := s.links[a.handle]; taken || a.handle >= maxLinks {
		return &wireError{condHandleInUse, fmt.Sprintf("handle %d", a.handle)}
	}
	clientSends := a.role == roleSender
	address := a.source.address
	if clientSends {
		address = a.target.address
	}
	refusal := unsupported(a)
	if s.c.links() >= maxConnLinks {
		refusal = &wireError{condResourceLimit, fmt.Sprintf("more than %d links on one connection", maxConnLinks)}
	}
	var n node
	if refusal == nil {
		n, refusal = s.c.resolve(address, clientSends)
	}
	if refusal != nil {
		s.c.log.Info("link refused", "address", address, "reason", refusal.Error())
		s.send(composite{perfAttach, []any{a.name, a.handle, !a.role, nil, nil, nil, nil, nil, nil, uint32(0)}}, nil)
		s.links[a.handle] = &deadLink{}
		s.send(encodeDetach(a.handle, refusal), nil)
		return nil
	}
	if clientSends {
		s.attachIn(a, n)
	} else {
		s.attachOut(a, n)
	}
	return nil
}

// reply is the attach that answers a: the settle modes asked for, since the SDK gives up when they differ.
func (a attach) reply(count any, maxMessage any, defaultSnd uint8) composite {
	snd, rcv := defaultSnd, rcvFirst
	if a.snd != nil {
		snd = *a.snd
	}
	if a.rcv != nil {
		rcv = *a.rcv
	}
	a.source.present, a.target.present = true, true
	return composite{perfAttach, []any{
		a.name, a.handle, !a.role, snd, rcv, a.source.encode(codeSource), a.target.encode(codeTarget), nil, nil, count, maxMessage,
	}}
}

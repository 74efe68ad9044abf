package servicebus

import (
	"errors"
	"fmt"
	"sync"

	"github.com/Azure/go-amqp"
)

// response is the answer to a request on $cbs or $management; status is an HTTP status.
// https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response
type response struct {
	status      int32
	description string
	body        map[string]any
	cbs         bool // $cbs names its properties differently
}

// maxSchedule is how many messages one schedule call may hold.
const maxSchedule = 100

// request acts on a message to $cbs or $management. done settles the message itself: with an error where there is
// nobody to answer to or nothing to answer, which fails the SDK's call at once; the answer goes out on the link whose
// target is the request's reply-to.
func (l *inLink) request(raw []byte, done func(error)) {
	var req amqp.Message
	if _, err := splitMessage(raw); err != nil {
		done(&wireError{condDecode, err.Error()})
		return
	}
	if err := req.UnmarshalBinary(raw); err != nil {
		done(&wireError{condDecode, err.Error()})
		return
	}
	out := l.replyLink(&req)
	if out == nil {
		done(&wireError{condNotAllowed, "the request has no reply-to with a link on this connection"})
		return
	}
	respond := func(r response) {
		payload, err := r.encode(req.Properties.MessageID)
		if err != nil {
			l.s.c.log.Error("an answer could not be encoded", "address", l.node.path, "error", err)
			return
		}
		out.reply(payload)
	}
	if l.node.kind == nodeCBS {
		done(nil)
		respond(l.s.c.putToken(&req))
		return
	}
	if err := l.manage(&req, len(raw), respond); err != nil {
		done(err)
		return
	}
	done(nil)
}

// replyLink finds the link that takes the answer.
func (l *inLink) replyLink(req *amqp.Message) *outLink {
	if req.Properties == nil || req.Properties.ReplyTo == nil {
		return nil
	}
	for _, s := range l.s.c.sessions {
		for _, other := range s.links {
			out, ok := other.(*outLink)
			if ok && out.node.path == l.node.path && out.replyTo == *req.Properties.ReplyTo {
				return out
			}
		}
	}
	return nil
}

// lockLost is the answer about a lock that is not there any more.
func lockLost() response { return response{status: 410, description: errLockLost.description} }

func (r response) encode(correlation any) ([]byte, error) {
	status, description := "statusCode", "statusDescription"
	if r.cbs {
		status, description = "status-code", "status-description"
	}
	body := r.body
	if body == nil {
		body = map[string]any{}
	}
	m := amqp.Message{
		Properties:            &amqp.MessageProperties{CorrelationID: correlation},
		ApplicationProperties: map[string]any{status: r.status, description: r.description},
		Value:                 body,
	}
	return m.MarshalBinary()
}

// manage runs one management operation. An error refuses the request as such.
func (l *inLink) manage(req *amqp.Message, size int, respond func(response)) error {
	op, _ := req.ApplicationProperties["operation"].(string)
	args := arguments(req.Value)
	canSend := l.node.box.kind == kindQueue || l.node.box.kind == kindTopic
	switch op {
	case "com.microsoft:schedule-message", "com.microsoft:cancel-scheduled-message":
		if !canSend {
			return &wireError{condNotAllowed, "only queues and topics take scheduled messages"}
		}
	}
	switch op {
	case "com.microsoft:schedule-message":
		return l.scheduleMessages(args, size, respond)
	case "com.microsoft:cancel-scheduled-message":
		return l.cancelScheduled(args, respond)
	case "com.microsoft:peek-message":
		return l.peekMessages(args, respond)
	case "com.microsoft:receive-by-sequence-number":
		return l.receiveDeferred(args, respond)
	case "com.microsoft:renew-lock":
		return l.renewLocks(args, respond)
	case "com.microsoft:update-disposition":
		return l.updateDisposition(args, respond)
	}
	return &wireError{condNotImplemented, fmt.Sprintf("operation %q is not implemented by this stand-in", op)}
}

// arguments are the body of a request; go-amqp decodes a map as one of two types.
func arguments(v any) map[string]any {
	switch m := v.(type) {
	case map[string]any:
		return m
	case map[any]any:
		out := map[string]any{}
		for k, v := range m {
			if s, ok := k.(string); ok {
				out[s] = v
			}
		}
		return out
	}
	return nil
}

// slice reads an argument that is an AMQP array or, from other SDKs, a list.
func slice[T any](args map[string]any, key string) ([]T, error) {
	switch v := args[key].(type) {
	case []T:
		if len(v) > 0 {
			return v, nil
		}
	case []any:
		out := make([]T, len(v))
		for i := range v {
			t, ok := v[i].(T)
			if !ok {
				return nil, &wireError{condInvalidField, fmt.Sprintf("%s holds a %T", key, v[i])}
			}
			out[i] = t
		}
		if len(v) > 0 {
			return out, nil
		}
	}
	return nil, &wireError{condInvalidField, fmt.Sprintf("%s is a %T or empty", key, args[key])}
}

func (l *inLink) scheduleMessages(args map[string]any, size int, respond func(response)) error {
	list, err := slice[any](args, "messages")
	if err != nil {
		return err
	}
	if len(list) > maxSchedule {
		return &wireError{condNotAllowed, fmt.Sprintf("%d messages in one schedule call, want up to %d", len(list), maxSchedule)}
	}
	msgs := make([]inbound, len(list))
	for i, v := range list {
		raw, ok := arguments(v)["message"].([]byte)
		if !ok {
			return &wireError{condInvalidField, "a message to schedule has no bytes"}
		}
		if msgs[i], err = parseInbound(raw); err != nil {
			return &wireError{condDecode, err.Error()}
		}
	}
	budget := l.s.c.srv.budget
	budget.acquire(size)
	l.s.c.srv.broker.send(l.node.box, msgs, func(seqs []int64, err error) {
		budget.release(size)
		if err != nil {
			respond(failure(err))
			return
		}
		respond(response{status: 200, description: "OK", body: map[string]any{"sequence-numbers": seqs}})
	})
	return nil
}

// failure is the answer to what could not be stored: 500 makes the SDK try again, 403 is Azure's for a full entity.
func failure(err error) response {
	we := asWireError(err)
	if we.condition == condResourceLimit {
		return response{status: 403, description: we.description}
	}
	return response{status: 500, description: we.description}
}

func (l *inLink) cancelScheduled(args map[string]any, respond func(response)) error {
	seqs, err := slice[int64](args, "sequence-numbers")
	if err != nil {
		return err
	}
	l.s.c.srv.broker.cancel(l.node.box, seqs, func(found bool, err error) {
		switch {
		case err != nil:
			respond(failure(err))
		case !found:
			respond(response{status: 404, description: "Failed to find the specified message: it is unknown, or already enqueued. No message was cancelled."})
		default:
			respond(response{status: 200, description: "OK"})
		}
	})
	return nil
}

func (l *inLink) peekMessages(args map[string]any, respond func(response)) error {
	from, ok1 := args["from-sequence-number"].(int64)
	n, ok2 := args["message-count"].(int32)
	if !ok1 || !ok2 || n < 1 {
		return &wireError{condInvalidField, "from-sequence-number is a long and message-count a positive int"}
	}
	payloads, err := l.s.c.srv.broker.peek(l.node.box, from, int(n))
	if err != nil {
		l.s.c.log.Error("peek failed", "entity", l.node.box.name, "error", err)
		respond(failure(err))
		return nil
	}
	respond(messagesResponse(payloads, nil))
	return nil
}

func messagesResponse(payloads [][]byte, leases []lease) response {
	if len(payloads) == 0 {
		return response{status: 204, description: "No messages"}
	}
	list := make([]any, len(payloads))
	for i, p := range payloads {
		m := map[string]any{"message": p}
		if leases != nil {
			m["lock-token"] = amqpUUID(leases[i].token)
		}
		list[i] = m
	}
	return response{status: 200, description: "OK", body: map[string]any{"messages": list}}
}

func (l *inLink) receiveDeferred(args map[string]any, respond func(response)) error {
	seqs, err := slice[int64](args, "sequence-numbers")
	if err != nil {
		return err
	}
	mode, ok := args["receiver-settle-mode"].(uint32)
	if !ok || mode > 1 {
		return &wireError{condInvalidField, "receiver-settle-mode is 0 or 1"}
	}
	br, b := l.s.c.srv.broker, l.node.box
	leases, err := b.takeDeferred(seqs, br.nowMS())
	if errors.Is(err, errNotDeferred) {
		respond(response{status: 404, description: errNotDeferred.description})
		return nil
	}
	if err != nil {
		return err
	}
	if mode == 1 {
		payloads, err := br.payloads(b, leases, true)
		if err = errors.Join(err, unreadable(payloads)); err != nil {
			respond(failure(err)) // the locks run out
			return nil
		}
		respond(messagesResponse(payloads, leases))
		return nil
	}
	l.s.c.pumps.Add(1)
	go func() { // waits for the disk, which the reader must not
		defer l.s.c.pumps.Done()
		payloads, err := br.consume(b, leases)
		if err = errors.Join(err, unreadable(payloads)); err != nil {
			respond(failure(err))
			return
		}
		respond(messagesResponse(payloads, nil))
	}()
	return nil
}

func unreadable(payloads [][]byte) error {
	for _, p := range payloads {
		if p == nil {
			return errors.New("a message cannot be read")
		}
	}
	return nil
}

func lockTokens(args map[string]any) ([]uuid, error) {
	list, err := slice[amqp.UUID](args, "lock-tokens")
	if err != nil {
		return nil, err
	}
	out := make([]uuid, len(list))
	for i, t := range list {
		out[i] = uuid(t)
	}
	return out, nil
}

func (l *inLink) renewLocks(args map[string]any, respond func(response)) error {
	tokens, err := lockTokens(args)
	if err != nil {
		return err
	}
	until, ok := l.node.box.renew(tokens, l.s.c.srv.broker.nowMS())
	if !ok {
		respond(lockLost())
		return nil
	}
	respond(response{status: 200, description: "OK", body: map[string]any{"expirations": until}})
	return nil
}

func (l *inLink) updateDisposition(args map[string]any, respond func(response)) error {
	tokens, err := lockTokens(args)
	if err != nil {
		return err
	}
	o := outcome{props: map[string]any{}}
	for k, v := range arguments(args["properties-to-modify"]) {
		o.props[k] = v
	}
	switch s, _ := args["disposition-status"].(string); s {
	case "completed":
		o.verdict, o.props = complete, nil
	case "abandoned":
		o.verdict = abandon
	case "defered", "deferred":
		o.verdict = deferral
	case "suspended":
		o.verdict = deadLetter
		for key, prop := range map[string]string{"deadletter-reason": propReason, "deadletter-description": propDescription} {
			if v, ok := args[key].(string); ok {
				o.props[prop] = v
			}
		}
	default:
		return &wireError{condNotImplemented, fmt.Sprintf("disposition %q is not implemented by this stand-in", s)}
	}
	l.settleAll(tokens, o, respond)
	return nil
}

// settleAll settles each message by itself and answers once, with the first failure if there is one.
func (l *inLink) settleAll(tokens []uuid, o outcome, respond func(response)) {
	var mu sync.Mutex
	var failed error
	left := len(tokens)
	done := func(err error) {
		mu.Lock()
		failed = errors.Join(failed, err)
		left--
		last, result := left == 0, failed
		mu.Unlock()
		switch {
		case !last:
		case result == nil:
			respond(response{status: 200, description: "OK"})
		case errors.Is(result, errLockLost):
			respond(lockLost())
		case errors.Is(result, errNoDead), errors.Is(result, errTooMany):
			respond(response{status: 401, description: result.Error()}) // the SDK does not try again
		default:
			respond(failure(result))
		}
	}
	for _, t := range tokens {
		l.s.c.srv.broker.settle(l.node.box, t, o, done)
	}
}

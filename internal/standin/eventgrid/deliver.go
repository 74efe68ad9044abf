package eventgrid

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

const (
	batchSize   = 32
	sendTimeout = 15 * time.Second
	// glance is how often a worker looks at the clock, which tests and the local stack can move.
	glance = 250 * time.Millisecond
)

// message is an event as the queue gets it.
type message struct {
	ID         string
	Body       []byte
	Properties map[string]any
}

// sender delivers to a queue. It returns when the queue has the message, or an error; it need not
// try again, the worker does by its schedule.
type sender interface {
	send(ctx context.Context, queue string, m message) error
}

// worker delivers the events of one subscription, so that a queue that is away holds up no other.
type worker struct {
	s         *Server
	sub       Subscription
	to        sender
	own       *bus // closed with the worker
	woken     chan struct{}
	duplicate atomic.Int64
	swap      atomic.Bool
}

func newWorker(s *Server, sub Subscription, to sender) *worker {
	w := &worker{s: s, sub: sub, to: to, woken: make(chan struct{}, 1)}
	if to == nil {
		w.own = &bus{connection: s.o.ConnectionString}
		w.to = w.own
	}
	return w
}

func (w *worker) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (w *worker) run(ctx context.Context) {
	if w.own != nil {
		defer w.own.close()
	}
	for {
		wait := w.round(ctx)
		if ctx.Err() != nil {
			return
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-w.woken:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round delivers what is due and returns how long to wait for more.
func (w *worker) round(ctx context.Context) time.Duration {
	ready, next, err := w.s.outbox.due(w.sub.Name, w.s.o.Now(), batchSize)
	if err != nil {
		w.s.log.ErrorContext(ctx, "outbox", "subscription", w.sub.Name, "err", err)
		return time.Second
	}
	if w.swap.Load() {
		if len(ready) == 1 {
			return glance // the first waits for the second
		}
		if len(ready) > 1 {
			ready[0], ready[1] = ready[1], ready[0]
			w.swap.Store(false)
		}
	}
	if err := w.deliver(ctx, ready); err != nil {
		if ctx.Err() == nil {
			w.s.log.ErrorContext(ctx, "outbox", "subscription", w.sub.Name, "err", err)
		}
		return time.Second
	}
	switch {
	case len(ready) > 0:
		return 0
	case next.IsZero():
		return time.Hour // woken by the next event
	default:
		return min(glance, max(0, next.Sub(w.s.o.Now())))
	}
}

// deliver sends one after the other. What was sent is removed afterwards, in one go: a crash in
// between delivers again, which Event Grid does too.
func (w *worker) deliver(ctx context.Context, ready []delivery) error {
	var done []delivery
	var failed error
	for _, d := range ready {
		if failed = w.attempt(ctx, d); failed != nil {
			if ctx.Err() != nil {
				break // closing: not an attempt that failed
			}
			if err := w.fail(ctx, d, failed); err != nil {
				return err
			}
			break // the others would wait for the same queue; they are due in the next round
		}
		done = append(done, d)
	}
	if len(done) == 0 {
		return nil
	}
	return w.s.outbox.delivered(w.sub.Name, done)
}

func (w *worker) attempt(ctx context.Context, d delivery) error {
	m, err := w.message(d)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := w.to.send(ctx, w.sub.Queue, m); err != nil {
		return err
	}
	if w.duplicate.Load() > 0 {
		w.duplicate.Add(-1)
		return w.to.send(ctx, w.sub.Queue, m)
	}
	return nil
}

// message makes what Event Grid hands to a Service Bus destination.
// Source: https://learn.microsoft.com/azure/event-grid/handler-service-bus
func (w *worker) message(d delivery) (message, error) {
	body, err := json.Marshal(d.Event)
	if err != nil {
		return message{}, fmt.Errorf("encoding event %s: %w", d.Event.ID, err)
	}
	return message{ID: d.Event.ID, Body: body, Properties: map[string]any{
		"aeg-event-type":        "Notification",
		"aeg-subscription-name": strings.ToUpper(w.sub.Name),
		"aeg-delivery-count":    fmt.Sprint(d.Attempts),
		"aeg-data-version":      d.Event.DataVersion,
		"aeg-metadata-version":  d.Event.MetadataVersion,
	}}, nil
}

// fail puts the event back for later, or buries it when it had its chances.
func (w *worker) fail(ctx context.Context, d delivery, cause error) error {
	now := w.s.o.Now()
	d.Attempts, d.Last = d.Attempts+1, now
	wait := w.s.o.Retry[min(d.Attempts, len(w.s.o.Retry))-1]
	end := d.Born.Add(w.s.o.TimeToLive)
	if now.Before(end) {
		wait = min(wait, end.Sub(now)) // the last attempt is made when its time is over
	}
	w.s.log.WarnContext(ctx, "event not delivered", "subscription", w.sub.Name, "queue", w.sub.Queue,
		"event", d.Event.ID, "attempt", d.Attempts, "again in", wait, "err", cause)
	reason := ""
	if !now.Before(end) {
		reason = "TimeToLiveExceeded"
	} else if d.Attempts >= w.s.o.MaxAttempts {
		reason = "MaxDeliveryAttemptsExceeded"
	}
	if reason != "" {
		err := w.bury(ctx, d, reason, cause)
		if err == nil {
			return w.s.outbox.delivered(w.sub.Name, []delivery{d})
		}
		// Azure drops the event when its dead-letter container is away for 4 h; here it waits.
		w.s.log.ErrorContext(ctx, "event not dead-lettered", "event", d.Event.ID, "err", err)
	}
	return w.s.outbox.postpone(w.sub.Name, d, now.Add(wait))
}

// deadLetter is the event with the fields that Event Grid adds.
// Source: https://learn.microsoft.com/azure/event-grid/manage-event-delivery
type deadLetter struct {
	event
	DeadLetterReason        string `json:"deadLetterReason"`
	DeliveryAttempts        int    `json:"deliveryAttempts"`
	LastDeliveryOutcome     string `json:"lastDeliveryOutcome"`
	PublishTime             string `json:"publishTime"`
	LastDeliveryAttemptTime string `json:"lastDeliveryAttemptTime"`
}

func (w *worker) bury(ctx context.Context, d delivery, reason string, cause error) error {
	content, err := json.Marshal([]deadLetter{{
		event: d.Event, DeadLetterReason: reason, DeliveryAttempts: d.Attempts, LastDeliveryOutcome: cause.Error(),
		PublishTime:             d.Born.UTC().Format(eventTimeLayout),
		LastDeliveryAttemptTime: d.Last.UTC().Format(eventTimeLayout),
	}})
	if err != nil {
		return fmt.Errorf("encoding dead letter %s: %w", d.Event.ID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	if err := w.s.store.bury(ctx, deadLetterName(w.sub.Name, d), content); err != nil {
		return err
	}
	w.s.log.ErrorContext(ctx, "event dead-lettered", "subscription", w.sub.Name, "event", d.Event.ID, "reason", reason)
	return nil
}

// deadLetterName is SUBSCRIPTION/year/month/day/hour/id.json: in upper case, without leading zeros.
// Source: https://learn.microsoft.com/azure/event-grid/manage-event-delivery
func deadLetterName(subscription string, d delivery) string {
	at := d.Born.UTC()
	return fmt.Sprintf("%s/%d/%d/%d/%d/%s.json", strings.ToUpper(subscription), at.Year(), at.Month(), at.Day(), at.Hour(), d.Event.ID)
}

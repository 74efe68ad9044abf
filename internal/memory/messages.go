package memory

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"bwv/internal/evidence"
)

// recorder keeps what was sent until somebody drains it.
type recorder[T any] struct {
	Faults

	mu   sync.Mutex
	sent []T
}

func (q *recorder[T]) send(ctx context.Context, op string, message T) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.apply(op, func() error {
		q.sent = append(q.sent, message)
		return nil
	})
}

// Drain takes out and returns what was sent, in order.
func (q *recorder[T]) Drain() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	sent := q.sent
	q.sent = nil
	return sent
}

// Works is an evidence.Works; the zero value is empty and ready.
type Works struct{ recorder[Announcement] }

// Announcement is one message on the topic.
type Announcement struct {
	Subject evidence.Subject
	Work    evidence.Work
}

// For tells whether the stage's subscription gets the message.
func (a Announcement) For(stage evidence.Subject) bool {
	return a.Subject == evidence.SubjectReceived || a.Subject == stage
}

// Announce implements evidence.Works; an unknown subject would reach nobody and is Invalid.
func (q *Works) Announce(ctx context.Context, subject evidence.Subject, w evidence.Work) error {
	switch subject {
	case evidence.SubjectReceived, evidence.SubjectMetadata, evidence.SubjectDigest, evidence.SubjectProxy, evidence.SubjectRetention:
		return q.send(ctx, "announce", Announcement{Subject: subject, Work: w})
	}
	return fmt.Errorf("announcing %s: nobody has subject %q: %w", w.Evidence, subject, evidence.Invalid)
}

// Requests is an evidence.Requests; the zero value is empty and ready.
type Requests struct{ recorder[evidence.Reprocess] }

// Request implements evidence.Requests.
func (q *Requests) Request(ctx context.Context, r evidence.Reprocess) error {
	r.Stages, r.By.Roles = slices.Clone(r.Stages), slices.Clone(r.By.Roles)
	return q.send(ctx, "request", r)
}

// Arrivals is an evidence.Arrivals; the zero value is empty and ready.
type Arrivals struct{ recorder[evidence.Original] }

// Arrive implements evidence.Arrivals.
func (q *Arrivals) Arrive(ctx context.Context, o evidence.Original) error {
	return q.send(ctx, "arrive", o)
}

// Parts is an evidence.Parts; the zero value is empty and ready.
type Parts struct{ recorder[evidence.Part] }

// Dispatch implements evidence.Parts: of several, a lost request loses all of them.
func (q *Parts) Dispatch(ctx context.Context, parts []evidence.Part) error {
	if err := alive(ctx); err != nil {
		return fmt.Errorf("dispatch: %w", err)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.apply("dispatch", func() error {
		q.sent = append(q.sent, parts...)
		return nil
	})
}

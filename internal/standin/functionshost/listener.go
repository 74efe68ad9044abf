package functionshost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// message is one locked message of a queue or subscription.
type message struct {
	payload     func() (payload, error)
	sequence    int64
	lockedUntil time.Time // by the broker's clock; zero when unknown
	native      any
}

// source hands out messages under a lock. receive is called by one goroutine, the others by many.
//
// receive blocks until a message is there or ctx ends; no message and no error means: call again. Errors are
// retried by the caller, for ever. errLockLost from renew or settle means that the message is no longer ours.
type source interface {
	receive(ctx context.Context) (*message, error)
	renew(ctx context.Context, m *message) (until time.Time, err error)
	settle(ctx context.Context, m *message, done bool) error
	close()
}

var errLockLost = errors.New("the message's lock was lost")

const (
	backoffFirst  = 250 * time.Millisecond
	backoffMax    = 5 * time.Second
	settleTime    = 30 * time.Second
	settleAtClose = 2 * time.Second
	renewBuffer   = 10 * time.Second
	maxLock       = 5 * time.Minute // what Service Bus allows; more means that the clocks differ
	skewedRenewal = 2 * time.Second
	soonestRenew  = 100 * time.Millisecond
)

// listener feeds one function from its source, at most maxCalls messages at a time.
type listener struct {
	source     source
	maxCalls   int
	maxRenewal time.Duration
	now        func() time.Time
	log        *slog.Logger
	handle     func(*message) error
	closing    <-chan struct{} // the host is stopping: settle quickly
}

// run receives until ctx ends, then waits for the calls in flight and closes the source.
func (l *listener) run(ctx context.Context) {
	var calls sync.WaitGroup
	defer l.source.close()
	defer calls.Wait()
	slots := make(chan struct{}, l.maxCalls)
	delay := backoffFirst
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		asked := time.Now()
		m, err := l.source.receive(ctx)
		if m != nil {
			delay = backoffFirst
			if ctx.Err() != nil { // arrived while stopping: back at once instead of after its lock
				calls.Go(func() { l.settle(m, false) })
				return
			}
			calls.Go(func() {
				defer func() { <-slots }()
				l.process(m)
			})
			continue
		}
		<-slots
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if time.Since(asked) > delay {
				delay = backoffFirst
				continue
			}
		} else {
			l.log.Warn("receiving messages; trying again", "after", delay.String(), "error", err.Error())
		}
		if !pause(ctx, delay) {
			return
		}
		delay = min(2*delay, backoffMax)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// process calls the function while the lock is kept, completes on success and abandons on failure.
func (l *listener) process(m *message) {
	renewing, stop := context.WithCancel(context.Background())
	var keeper sync.WaitGroup
	keeper.Go(func() { l.keepLock(renewing, m) })
	err := l.handle(m)
	stop()
	keeper.Wait()
	l.settle(m, err == nil)
}

// settle completes or abandons. A crash or an error here lets the lock expire: the message comes again.
func (l *listener) settle(m *message, done bool) {
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	var watch sync.WaitGroup
	settled := make(chan struct{})
	watch.Go(func() {
		select {
		case <-settled:
			return
		case <-l.closing:
		}
		t := time.NewTimer(settleAtClose)
		defer t.Stop()
		select {
		case <-settled:
		case <-t.C:
			cancel()
		}
	})
	err := l.source.settle(ctx, m, done)
	close(settled)
	watch.Wait()
	if err != nil {
		l.log.Error("settling a message: it will be delivered again", "sequence", m.sequence, "complete", done, "error", err.Error())
	}
}

// keepLock renews the lock before it ends, for maxRenewal at most; then, or when it is lost, the call goes on
// without it and its completion fails.
func (l *listener) keepLock(ctx context.Context, m *message) {
	if l.maxRenewal == 0 {
		return
	}
	started := time.Now()
	for {
		if !pause(ctx, renewalDelay(m.lockedUntil, l.now())) {
			return
		}
		if time.Since(started) > l.maxRenewal {
			l.log.Warn("a message's lock is no longer renewed: maxAutoLockRenewalDuration is over", "sequence", m.sequence)
			return
		}
		until, err := l.source.renew(ctx, m)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLockLost):
			l.log.Error("a message's lock was lost while its function runs: it is delivered again", "sequence", m.sequence)
			return
		case err != nil:
			l.log.Warn("renewing a message's lock", "sequence", m.sequence, "error", err.Error())
			if !pause(ctx, backoffFirst) {
				return
			}
		default:
			m.lockedUntil = until
		}
	}
}

// renewalDelay is when to renew next: half the rest of the lock before its end, 10 seconds at most
// (ReceiverManager.CalculateRenewDelay). Where the broker's clock is plainly another, it is a short fixed time.
func renewalDelay(until, now time.Time) time.Duration {
	left := until.Sub(now)
	if until.IsZero() || left > maxLock || left <= 0 {
		return skewedRenewal
	}
	return max(left-min(left/2, renewBuffer), soonestRenew)
}

// handleMessage is a listener's call of its function.
func (h *Host) handleMessage(f *function, m *message) error {
	p, err := m.payload()
	if err != nil {
		h.log.Error("a message cannot be handed to its function", "function", f.name, "sequence", m.sequence, "error", err.Error())
		return fmt.Errorf("reading message %d: %w", m.sequence, err)
	}
	return h.invoke(h.life, f, p)
}

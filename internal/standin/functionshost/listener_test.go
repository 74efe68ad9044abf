package functionshost

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeSource hands out numbered messages and writes down what became of them.
type fakeSource struct {
	mu       sync.Mutex
	next     int64
	last     int64 // no message after this one
	faults   []error
	lock     time.Duration
	renewals map[int64]int
	done     map[int64]bool
	lost     bool
	stuck    chan struct{} // settle waits for its context
	closed   bool
}

func (s *fakeSource) receive(ctx context.Context) (*message, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) > 0 {
		err := s.faults[0]
		s.faults = s.faults[1:]
		return nil, err // nil, nil is an empty slice
	}
	if s.next >= s.last {
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return nil, ctx.Err()
	}
	s.next++
	return &message{sequence: s.next, lockedUntil: time.Now().Add(s.lock)}, nil
}

func (s *fakeSource) renew(_ context.Context, m *message) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renewals[m.sequence]++
	if s.lost {
		return time.Time{}, errLockLost
	}
	return time.Now().Add(s.lock), nil
}

func (s *fakeSource) settle(ctx context.Context, m *message, done bool) error {
	if s.stuck != nil {
		close(s.stuck)
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[m.sequence] = done
	return nil
}

func (s *fakeSource) close() { s.closed = true }

func (s *fakeSource) settled() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.done)
}

func newFake(last int64) *fakeSource {
	return &fakeSource{last: last, lock: 400 * time.Millisecond, renewals: map[int64]int{}, done: map[int64]bool{}}
}

// listen runs a listener until the returned function is called.
func listen(s *fakeSource, calls int, renewal time.Duration, handle func(*message) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	closing := make(chan struct{})
	l := &listener{source: s, maxCalls: calls, maxRenewal: renewal, now: time.Now, log: slog.New(slog.DiscardHandler), handle: handle, closing: closing}
	var wait sync.WaitGroup
	wait.Go(func() { l.run(ctx) })
	return func() { cancel(); close(closing); wait.Wait() }
}

func TestListenerSettlesAndBoundsItsCalls(t *testing.T) {
	t.Parallel()
	s := newFake(20)
	s.faults = []error{nil, errors.New("the broker is away"), nil}
	var now, most atomic.Int64
	stop := listen(s, 3, 0, func(m *message) error {
		n := now.Add(1)
		defer now.Add(-1)
		for {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(5 * time.Millisecond)
		if m.sequence%2 == 0 {
			return errors.New("no")
		}
		return nil
	})
	Until(t, "all messages", func() bool { return s.settled() == 20 })
	stop()
	for n, done := range s.done {
		if done != (n%2 == 1) {
			t.Errorf("message %d: complete is %v", n, done)
		}
	}
	if most.Load() != 3 || !s.closed {
		t.Errorf("%d at once, want 3; closed %v", most.Load(), s.closed)
	}
}

func TestListenerKeepsTheLock(t *testing.T) {
	t.Parallel()
	s := newFake(1)
	release := make(chan struct{})
	stop := listen(s, 1, time.Hour, func(*message) error { <-release; return nil })
	renewals := func() int { s.mu.Lock(); defer s.mu.Unlock(); return s.renewals[1] }
	Until(t, "several renewals", func() bool { return renewals() >= 3 })
	close(release)
	Until(t, "the message", func() bool { return s.settled() == 1 })
	stop()
	if n := renewals(); n > 20 {
		t.Errorf("%d renewals of a lock of 400 ms", n)
	}
}

func TestListenerStopsRenewing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lost    bool
		renewal time.Duration
		most    int
	}{"lost": {true, time.Hour, 1}, "over": {false, 300 * time.Millisecond, 2}, "none": {false, 0, 0}} {
		s := newFake(1)
		s.lost = c.lost
		stop := listen(s, 1, c.renewal, func(*message) error { time.Sleep(time.Second); return nil })
		Until(t, "the message", func() bool { return s.settled() == 1 })
		stop()
		if n := s.renewals[1]; n > c.most || (c.most > 0 && n == 0) {
			t.Errorf("%s: %d renewals, want 1 to %d", name, n, c.most)
		}
	}
}

func TestClosingDoesNotWaitForTheBroker(t *testing.T) {
	t.Parallel()
	s := newFake(1)
	s.stuck = make(chan struct{})
	stop := listen(s, 1, 0, func(*message) error { return nil })
	<-s.stuck
	started := time.Now()
	stop()
	if time.Since(started) > settleTime/2 {
		t.Error("closing waited for a broker that is away")
	}
}

func TestRenewalDelay(t *testing.T) {
	now := time.Now()
	for left, want := range map[time.Duration]time.Duration{
		time.Minute: 50 * time.Second, 10 * time.Second: 5 * time.Second, time.Second: 500 * time.Millisecond,
		100 * time.Millisecond: soonestRenew, -time.Second: skewedRenewal, 31 * 24 * time.Hour: skewedRenewal,
	} {
		if got := renewalDelay(now.Add(left), now); got != want {
			t.Errorf("%v left: %v, want %v", left, got, want)
		}
	}
	if got := renewalDelay(time.Time{}, now); got != skewedRenewal {
		t.Errorf("unknown: %v", got)
	}
}

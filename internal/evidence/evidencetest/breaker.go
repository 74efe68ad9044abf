package evidencetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bwv/internal/evidence"
)

// Breaker is the contract of evidence.Breaker. open returns one that never counted anything.
func Breaker(t *testing.T, open func(t *testing.T) evidence.Breaker) {
	for name, test := range map[string]func(*testing.T, evidence.Breaker){
		"trips above the limit":   trips,
		"stays until released":    stays,
		"a new hour":              newHour,
		"the hour is the clock's": clockHour,
		"nothing is allowed":      nothingAllowed,
		"release without need":    releaseEarly,
		"many at once":            manyAtOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func admit(t *testing.T, b evidence.Breaker, at time.Time, limit int, want bool) {
	t.Helper()
	got, err := b.Admit(t.Context(), at, limit)
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("admitted: %t, want %t", got, want)
	}
}

func tripped(t *testing.T, b evidence.Breaker, want bool) {
	t.Helper()
	got, err := b.Tripped(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Fatalf("tripped: %t, want %t", got, want)
	}
}

func release(t *testing.T, b evidence.Breaker) {
	t.Helper()
	if err := b.Release(t.Context(), cause("checked")); err != nil {
		t.Fatal(err)
	}
	tripped(t, b, false)
}

func trips(t *testing.T, b evidence.Breaker) {
	tripped(t, b, false)
	for n := range 3 {
		admit(t, b, noon().Add(time.Duration(n)*time.Minute), 3, true)
	}
	tripped(t, b, false)
	admit(t, b, noon().Add(4*time.Minute), 3, false)
	tripped(t, b, true)
}

func stays(t *testing.T, b evidence.Breaker) {
	admit(t, b, noon(), 1, true)
	admit(t, b, noon(), 1, false)
	for hour := range 4 {
		admit(t, b, noon().Add(time.Duration(hour)*time.Hour), 100, false)
		tripped(t, b, true)
	}
	release(t, b)
	for range 2 { // the count starts anew
		admit(t, b, noon().Add(3*time.Hour), 2, true)
	}
	admit(t, b, noon().Add(3*time.Hour), 2, false)
	tripped(t, b, true)
}

func newHour(t *testing.T, b evidence.Breaker) {
	for hour := range 5 {
		for range 2 {
			admit(t, b, noon().Add(time.Duration(hour)*time.Hour), 2, true)
		}
	}
	tripped(t, b, false)
}

func clockHour(t *testing.T, b evidence.Breaker) {
	admit(t, b, noon().Add(59*time.Minute), 1, true)
	admit(t, b, noon().Add(60*time.Minute), 1, true)
	admit(t, b, noon().Add(120*time.Minute-1).In(time.FixedZone("half an hour off", 1800)), 1, false)
}

func nothingAllowed(t *testing.T, b evidence.Breaker) {
	admit(t, b, noon(), 0, false)
	tripped(t, b, true)
}

func releaseEarly(t *testing.T, b evidence.Breaker) {
	release(t, b)
	admit(t, b, noon(), 1, true)
	release(t, b)
	admit(t, b, noon(), 1, true)
}

func manyAtOnce(t *testing.T, b evidence.Breaker) {
	const limit = 10
	var admitted atomic.Int32
	var group sync.WaitGroup
	errs := make(chan error, 16)
	for range 8 {
		group.Go(func() {
			for range 2 {
				ok, err := b.Admit(t.Context(), noon(), limit)
				if err != nil {
					errs <- err
				}
				if ok {
					admitted.Add(1)
				}
			}
		})
	}
	group.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	if n := admitted.Load(); n != limit {
		t.Fatalf("%d of 16 were admitted, the limit is %d", n, limit)
	}
	tripped(t, b, true)
}

package memory_test

import (
	"testing"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/evidence/evidencetest"
	"bwv/internal/memory"
)

func TestLedger(t *testing.T) {
	evidencetest.Ledger(t, func(*testing.T) (evidence.Ledger, evidence.Catalogue) {
		l := &memory.Ledger{}
		return l, l
	})
}

func TestOriginals(t *testing.T) {
	evidencetest.Originals(t, func(t *testing.T) (evidence.Originals, evidencetest.Uploader) {
		store := &memory.Originals{}
		return store, func(path string, body []byte, claims evidence.Claims) {
			if _, err := store.Upload(path, body, claims, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRenditions(t *testing.T) {
	evidencetest.Renditions(t, func(*testing.T) evidence.Renditions { return &memory.Renditions{} })
}

func TestPages(t *testing.T) {
	evidencetest.Pages(t, func(*testing.T) (evidence.Pages, evidence.Renditions) {
		s := &memory.Renditions{}
		return s, s
	})
}

func TestBreaker(t *testing.T) {
	evidencetest.Breaker(t, func(*testing.T) evidence.Breaker { return &memory.Breaker{} })
}

// from receives what drain returns, asking again until the deadline.
func from[T any](drain func() []T) evidencetest.Receive[T] {
	var waiting []T
	return func(deadline time.Time) (T, bool) {
		for {
			if waiting = append(waiting, drain()...); len(waiting) > 0 {
				m := waiting[0]
				waiting = waiting[1:]
				return m, true
			}
			if time.Now().After(deadline) {
				var none T
				return none, false
			}
			time.Sleep(time.Millisecond)
		}
	}
}

func TestDisposals(t *testing.T) {
	evidencetest.Disposals(t, func(*testing.T) (evidence.Disposals, evidencetest.Receive[evidence.Disposal]) {
		q := &memory.Disposals{}
		return q, from(func() []evidence.Disposal { return q.Due(time.Now()) })
	})
}

func TestWorks(t *testing.T) {
	evidencetest.Works(t, func(*testing.T) (evidence.Works, func(evidence.Subject) evidencetest.Receive[evidence.Work]) {
		q := &memory.Works{}
		waiting := map[evidence.Subject][]evidence.Work{}
		return q, func(stage evidence.Subject) evidencetest.Receive[evidence.Work] {
			return from(func() []evidence.Work {
				for _, a := range q.Drain() {
					for _, s := range []evidence.Subject{evidence.SubjectMetadata, evidence.SubjectDigest, evidence.SubjectProxy, evidence.SubjectRetention} {
						if a.For(s) {
							waiting[s] = append(waiting[s], a.Work)
						}
					}
				}
				mine := waiting[stage]
				waiting[stage] = nil
				return mine
			})
		}
	})
}

func TestParts(t *testing.T) {
	evidencetest.Parts(t, func(*testing.T) (evidence.Parts, evidencetest.Receive[evidence.Part]) {
		q := &memory.Parts{}
		return q, from(q.Drain)
	})
}

func TestRequests(t *testing.T) {
	evidencetest.Requests(t, func(*testing.T) (evidence.Requests, evidencetest.Receive[evidence.Reprocess]) {
		q := &memory.Requests{}
		return q, from(q.Drain)
	})
}

func TestArrivals(t *testing.T) {
	evidencetest.Arrivals(t, func(*testing.T) (evidence.Arrivals, evidencetest.Receive[evidence.Original]) {
		q := &memory.Arrivals{}
		return q, from(func() []evidence.Original {
			var events []evidence.Original
			for _, o := range q.Drain() { // an event carries less than the whole original
				events = append(events, evidence.Original{Path: o.Path, ETag: o.ETag, Size: o.Size, Created: o.Created})
			}
			return events
		})
	})
}

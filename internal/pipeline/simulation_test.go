package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/memory"
	"bwv/internal/pipeline"
)

// TestSimulation runs the whole protocol, the very code that is deployed, through random histories: uploads, flags, unflags, disposals that
// come late, twice or never, calls that are lost or whose reply is lost at any point, and other people's moves in between any read and
// its commit. After each step: what is flagged is there, and what is gone was due. At the end: what nobody flagged is gone within
// an hour of its due date, chains verify, and each change has one entry.
func TestSimulation(t *testing.T) {
	seeds := 25
	if text := os.Getenv("SIMULATION_SEEDS"); text != "" {
		var err error
		if seeds, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	total := map[string]int{}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // so that the seed alone says what comes to pass
				s := newSimulation(t, uint64(seed))
				for range 150 {
					s.step()
					s.check()
				}
				s.settle()
				for name, n := range s.seen {
					total[name] += n
				}
			})
		})
	}
	t.Logf("seen: %v", total)
	for _, name := range []string{"lost", "ghost", "interleaved", "flag", "flag refused", "unflag", "expired", "disposal twice", "disposal dropped", "reconcile"} {
		if total[name] == 0 {
			t.Errorf("no history had %q: the simulation does not cover what it is for", name)
		}
	}
}

type simulation struct {
	*world
	random  *rand.Rand
	broken  bool             // calls fail
	events  []pipeline.Event // not yet ingested
	paths   map[evidence.ID]string
	flagged map[evidence.ID]map[string]bool // flags whose success somebody was told
	seen    map[string]int
	nested  bool
	uploads int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	s := &simulation{world: newWorld(t), random: rand.New(rand.NewPCG(seed, 31)), broken: true,
		paths: map[evidence.ID]string{}, flagged: map[evidence.ID]map[string]bool{}, seen: map[string]int{}}
	plan := func(string) memory.Fault {
		if !s.broken || s.random.IntN(12) > 0 {
			return memory.None
		}
		if s.random.IntN(2) == 0 {
			s.seen["lost"]++
			return memory.Lost
		}
		s.seen["ghost"]++
		return memory.Ghost
	}
	s.world.faults(plan)
	s.tool.orderly = true
	s.protocol.Ledger = between{s.ledger, s}
	return s
}

// between lets somebody else move just before a commit: the worst moment.
type between struct {
	*memory.Ledger
	s *simulation
}

func (b between) Commit(ctx context.Context, next evidence.Record, e evidence.Entry) (evidence.Record, error) {
	if b.s.broken && !b.s.nested && b.s.random.IntN(5) == 0 {
		b.s.nested = true
		b.s.seen["interleaved"]++
		b.s.person(next.ID)
		b.s.nested = false
	}
	return b.Ledger.Commit(ctx, next, e)
}

func (s *simulation) step() {
	switch n := s.random.IntN(20); {
	case n < 3 && s.uploads < 6:
		s.uploads++
		s.events = append(s.events, s.upload(path(s.uploads), fmt.Sprintf("%s %x", []string{"video", "tape"}[s.random.IntN(2)], s.random.IntN(1<<8))))
	case n < 7 && len(s.events) > 0:
		i := s.random.IntN(len(s.events))
		got, err := s.ingest.Run(s.t.Context(), s.events[i], s.cause("ingest"))
		if got.Evidence != "" {
			s.paths[got.Evidence] = s.events[i].Subject[len("/blobServices/default/containers/footage/blobs/"):]
		}
		if err == nil && s.random.IntN(3) > 0 { // else it comes once more
			s.events = append(s.events[:i], s.events[i+1:]...)
		}
	case n < 10:
		s.work(func(d delivery, err error) {
			if s.random.IntN(4) > 0 { // else it was dead-lettered: reconcile's business
				_ = d.send()
			}
		})
	case n < 14:
		if ids := s.ids(); len(ids) > 0 {
			s.person(ids[s.random.IntN(len(ids))])
		}
	case n < 17:
		s.now = s.now.Add(time.Duration(s.random.Int64N(int64(8 * 24 * time.Hour))))
		s.deliver()
	case n < 18:
		s.originalTouched()
	default:
		s.seen["reconcile"]++
		_, _ = s.reconcile.Run(s.t.Context(), s.cause("reconcile")) // what it could not repair it finds again
		s.arrive()
	}
}

// ids lists the records in an order that depends on nothing but the seed.
func (s *simulation) ids() []evidence.ID { return slices.Sorted(maps.Keys(s.paths)) }

// person flags or unflags one record.
func (s *simulation) person(id evidence.ID) {
	r, err := s.ledger.Get(s.t.Context(), id)
	if err != nil {
		return
	}
	if r.Flagged() && s.random.IntN(2) == 0 {
		flag := r.Flags[s.random.IntN(len(r.Flags))].ID
		delete(s.flagged[id], flag) // from the request on, nobody may rely on it
		s.seen["unflag"]++
		_, _ = s.protocol.Unflag(s.t.Context(), id, flag, s.cause("person"))
		return
	}
	flag := evidence.Flag{ID: fmt.Sprint(s.random.IntN(3)), Purpose: evidence.Court, Reference: "R", Reason: "r", At: s.now}
	if _, ok := r.FlagByID(flag.ID); ok {
		return
	}
	before := s.seen["unflag"]
	_, err = s.protocol.Flag(s.t.Context(), id, flag, s.cause("person"))
	if err == nil {
		if _, ok := s.get(id).FlagByID(flag.ID); !ok {
			if s.seen["unflag"] == before { // else somebody ended it in the middle of the call
				s.t.Fatalf("flag %s of %s was granted but is not there", flag.ID, id)
			}
			return
		}
		if s.flagged[id] == nil {
			s.flagged[id] = map[string]bool{}
		}
		s.flagged[id][flag.ID] = true
		s.seen["flag"]++
	} else if errors.Is(err, evidence.Refused) {
		s.seen["flag refused"]++
	}
}

// deliver gives the disposals that are due to expire; a failed one comes again, some come twice, some are lost for good.
func (s *simulation) deliver() {
	for _, d := range s.disposals.Due(s.now) {
		if s.broken && s.random.IntN(15) == 0 {
			s.seen["disposal dropped"]++
			continue
		}
		for try := range 10 {
			got, err := s.expire.Run(s.t.Context(), d, s.cause("expire"))
			if got.Outcome == "expired" && err == nil {
				s.seen["expired"]++
			}
			if err == nil && (try > 0 || s.random.IntN(4) > 0) {
				break
			}
			s.seen["disposal twice"]++
		}
		s.check()
	}
}

func (s *simulation) originalTouched() {
	if ids := s.ids(); len(ids) > 0 {
		s.originals.Touch(s.paths[ids[s.random.IntN(len(ids))]]) // a tier or a hold moves the ETag
	}
}

func (s *simulation) arrive() {
	for _, o := range s.arrivals.Drain() {
		s.events = append(s.events, eventOf(o))
	}
}

// check holds the invariants that must be true at every moment.
func (s *simulation) check() {
	s.t.Helper()
	for _, id := range s.ids() {
		p := s.paths[id]
		r, err := s.ledger.Get(s.t.Context(), id)
		if errors.Is(err, evidence.NotFound) {
			continue // the commit that would have stored it was lost
		}
		if err != nil {
			s.t.Fatal(err)
		}
		_, err = s.originals.Stat(s.t.Context(), p)
		gone := errors.Is(err, evidence.NotFound)
		if gone && (r.Flagged() || len(s.flagged[id]) > 0) {
			s.t.Fatalf("DELETED WHAT WAS FLAGGED: %s (%s)", id, r.Retention.State)
		}
		for flag := range s.flagged[id] {
			if _, ok := r.FlagByID(flag); !ok {
				s.t.Fatalf("flag %s of %s vanished", flag, id)
			}
		}
		if gone && s.now.Before(r.Original.Created.Add(keep)) {
			s.t.Fatalf("%s went before its due date", id)
		}
		if gone && !r.Gone() {
			s.t.Fatalf("%s is gone, its record says %s", id, r.Retention.State)
		}
	}
}

// settle ends the faults and lets time pass: what nobody flagged must go, what is flagged must stay.
func (s *simulation) settle() {
	s.broken = false
	end := s.now.Add(keep + 3*24*time.Hour)
	for s.now.Before(end) {
		if _, err := s.reconcile.Run(s.t.Context(), s.cause("reconcile")); err != nil {
			s.t.Fatal(err)
		}
		s.arrive()
		for _, e := range s.events {
			got, err := s.ingest.Run(s.t.Context(), e, s.cause("ingest"))
			if err != nil {
				s.t.Fatal(err)
			}
			s.paths[got.Evidence] = e.Subject[len("/blobServices/default/containers/footage/blobs/"):]
		}
		s.events = nil
		s.done()
		s.now = s.now.Add(2 * time.Second) // what reconcile just sent comes within a second
		s.deliver()
		s.check()
		s.overdue()
		s.now = s.now.Add(day)
		s.deliver()
	}
	for _, id := range s.ids() {
		chain := s.verify(id)
		if n := count(chain, evidence.OpReceive); n != 1 {
			s.t.Fatalf("%s was received %d times", id, n)
		}
		if n := count(chain, evidence.OpExpired); n > 1 {
			s.t.Fatalf("%s was erased %d times", id, n)
		}
		if r := s.get(id); len(r.Unended()) > 0 {
			s.t.Fatalf("%s is %s, and nobody ended %v", id, r.Retention.State, r.Unended())
		} else if len(r.Attention) > 0 {
			s.t.Fatalf("%s wants attention: %q", id, problems(r))
		} else if !r.Gone() {
			s.plays(id)
		}
		if r := s.get(id); r.Tombstone != nil && r.Tombstone.Original != evidence.FoundPresent {
			s.t.Fatalf("tombstone of %s says the original was %s: nobody else deleted it", id, r.Tombstone.Original)
		}
	}
	if n := len(s.ledger.Records()); n != len(s.paths) {
		s.t.Fatalf("%d records of %d uploads", n, len(s.paths))
	}
}

// day is how often the service runs while things settle.
const day = 24 * time.Hour

// overdue finds what should be gone: due for more than an hour and one run of the service, and not flagged.
func (s *simulation) overdue() {
	for _, id := range s.ids() {
		p := s.paths[id]
		r := s.get(id)
		_, err := s.originals.Stat(s.t.Context(), p)
		there := err == nil
		if there && !r.Flagged() && r.Retention.State != evidence.Received && s.now.Sub(r.Retention.Due) > time.Hour+day {
			s.t.Fatalf("KEPT WHAT NOBODY FLAGGED: %s is %s, due %s, now %s: %+v pending %v", id, r.Retention.State, r.Retention.Due, s.now, r.Retention, s.disposals.Pending())
		}
		if !there {
			if left, _ := s.renditions.List(s.t.Context(), id); len(left) > 0 && r.Retention.State == evidence.Expired {
				s.t.Fatalf("%s is erased, but its renditions %v are there", id, left)
			}
		}
	}
}

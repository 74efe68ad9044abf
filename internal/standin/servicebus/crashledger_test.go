package servicebus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// fate is where a message may be; a set, since what was not acknowledged may have happened or not.
type fate uint8

const (
	nowhere fate = 1 << iota
	scheduled
	active // or locked
	postponed
	buried
)

// tracked is what the campaign knows of one message.
type tracked struct {
	may       fate
	due       int64 // ms; 0: not scheduled
	timed     bool  // it was stored before it was due, so its firing can be judged
	fired     bool  // and has been
	seen      bool  // the server has had it
	out       bool  // a consumer holds it, in this life of the server
	seq       int64 // of a scheduled or deferred message
	abandoned int
}

// life is one process, from before its start to after its end, in ms.
type life struct{ from, to int64 }

// ledger is the campaign's account of what the server acknowledged.
type ledger struct {
	t      *testing.T
	mu     sync.Mutex
	all    map[string]*tracked
	groups [][]string // stored together or not at all, to be judged after the crash
	lives  []life
	acked  map[string]int // operations, by name
	fires  int
	asleep int   // of them fell due while no server ran
	latest int64 // ms after it was due, or after the server's start
}

func newLedger(t *testing.T) *ledger {
	return &ledger{t: t, all: map[string]*tracked{}, acked: map[string]int{}}
}

// act runs one operation on some messages. Meanwhile, and for good if it fails, they may also be at to; acknowledged,
// they are nowhere else.
func (l *ledger) act(name string, ids []string, to fate, do func() error) error {
	l.each(ids, func(m *tracked) { m.may |= to })
	err := do()
	if err != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(ids) > 1 {
			l.groups = append(l.groups, ids)
		}
		return err
	}
	l.each(ids, func(m *tracked) {
		m.may = to
		m.seen = m.seen || to != nowhere
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[name]++
	return nil
}

func (l *ledger) each(ids []string, do func(*tracked)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		m := l.all[id]
		if m == nil {
			m = &tracked{may: nowhere}
			l.all[id] = m
		}
		do(m)
	}
}

// body carries an id and its own length, so that one that was cut short shows.
func body(id string, size int) []byte {
	head := fmt.Sprintf("%s %d ", id, size)
	return append([]byte(head), make([]byte, size)...)
}

func parseBody(b []byte) (string, error) {
	var id string
	var size int
	if _, err := fmt.Sscanf(string(b[:min(len(b), 64)]), "%s %d ", &id, &size); err != nil {
		return "", fmt.Errorf("body %.64q: %w", b, err)
	}
	if want := len(body(id, size)); want != len(b) {
		return "", fmt.Errorf("message %s has %d bytes, want %d", id, len(b), want)
	}
	return id, nil
}

// received judges a delivery.
func (l *ledger) received(m *azservicebus.ReceivedMessage) string {
	id, err := parseBody(m.Body)
	if err != nil {
		l.t.Error(err)
		return ""
	}
	l.each([]string{id}, func(k *tracked) {
		switch {
		case k.may&(active|scheduled|postponed) == 0:
			l.t.Errorf("message %s was delivered although it was acknowledged to be elsewhere (%b)", id, k.may)
		case k.out:
			l.t.Errorf("message %s was delivered twice", id)
		case time.Now().UnixMilli() < k.due:
			l.t.Errorf("message %s was delivered early", id)
		}
		k.out, k.seen = true, true
		if k.may&scheduled != 0 {
			k.may = k.may&^scheduled | active
		}
		l.fire(id, k, m.EnqueuedTime.UnixMilli())
	})
	return id
}

// fire judges when a scheduled message was enqueued. The caller holds mu.
func (l *ledger) fire(id string, k *tracked, at int64) {
	if k.due == 0 || k.fired {
		return
	}
	k.fired = true
	l.fires++
	if at < k.due {
		l.t.Errorf("message %s fired %d ms early", id, k.due-at)
	}
	if !k.timed {
		return
	}
	for i, life := range l.lives {
		begin := max(k.due, life.from)
		if at > life.to && life.to != 0 {
			if life.to-begin > l.bound() {
				l.t.Errorf("message %s did not fire in the %d ms that a server ran", id, life.to-begin)
			}
			continue
		}
		if i > 0 && k.due > l.lives[i-1].to && k.due < life.from {
			l.asleep++
		}
		if late := at - begin; late > l.bound() {
			l.t.Errorf("message %s fired %d ms late", id, late)
		} else {
			l.latest = max(l.latest, late)
		}
		return
	}
}

// bound is the latest a message may fire, in ms: a second in a campaign, more in the short run among other tests.
func (l *ledger) bound() int64 {
	if crashRounds() < campaignRounds {
		return 5000
	}
	return 1000
}

// sighting is where a peek has found a message.
type sighting struct {
	at  fate
	n   int // how often outside the schedule
	seq int64
}

// look peeks at everything there is.
func (l *ledger) look(c *azservicebus.Client) map[string]*sighting {
	l.t.Helper()
	found := map[string]*sighting{}
	note := func(rc *azservicebus.Receiver, dead bool) {
		for {
			list, err := rc.PeekMessages(testContext(l.t), 250, nil)
			if err != nil {
				l.t.Fatal(err)
			}
			if len(list) == 0 {
				return
			}
			for _, m := range list {
				id, err := parseBody(m.Body)
				if err != nil {
					l.t.Error(err)
				}
				s := found[id]
				if s == nil {
					s = &sighting{}
					found[id] = s
				}
				s.seq = *m.SequenceNumber
				switch {
				case m.State == azservicebus.MessageStateScheduled:
					s.at |= scheduled
					continue
				case dead:
					s.at |= buried
				case m.State == azservicebus.MessageStateDeferred:
					s.at |= postponed
				default:
					s.at |= active
				}
				s.n++
				l.each([]string{id}, func(k *tracked) { l.fire(id, k, m.EnqueuedTime.UnixMilli()) })
			}
		}
	}
	note(newReceiver(l.t, c, "ingest", nil), false)
	note(deadReceiver(l.t, c, "ingest"), true)
	return found
}

// settleUp compares what is there after a crash with what may be, and takes it for the truth from then on.
func (l *ledger) settleUp(found map[string]*sighting) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now().UnixMilli()
	for id, m := range l.all {
		s := found[id]
		if s == nil {
			s = &sighting{at: nowhere}
		}
		at := s.at
		if at&active != 0 {
			at &^= scheduled // it fell due while we were looking
		}
		may := m.may
		if m.due != 0 && m.due <= now && may&scheduled != 0 {
			may |= active
		}
		if at&^may != 0 || s.n > 1 {
			l.t.Errorf("message %s, due %d, is at %b %d times, and may be at %b", id, m.due, s.at, s.n, m.may)
		}
		m.may, m.out = at, false
		m.seen = m.seen || at != nowhere
		if s.seq != 0 {
			m.seq = s.seq
		}
	}
	for id := range found {
		if l.all[id] == nil {
			l.t.Errorf("message %s was never sent", id)
		}
	}
	for _, ids := range l.groups {
		first := l.all[ids[0]]
		for _, id := range ids[1:] {
			if m := l.all[id]; m.seen != first.seen || (m.may == nowhere) != (first.may == nowhere) && !m.fired && !first.fired && m.due != 0 {
				l.t.Errorf("messages %v were stored or cancelled by half", ids)
				break
			}
		}
	}
	l.groups = nil
}

func (l *ledger) String() string {
	var parts []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(l.acked)) {
		parts = append(parts, fmt.Sprintf("%d %s", l.acked[name], name))
		total += l.acked[name]
	}
	return fmt.Sprintf("%d acknowledged operations checked (%s); %d scheduled messages fired, %d of them due while no server ran, the latest %d ms after it was due or the server's start",
		total, strings.Join(parts, ", "), l.fires, l.asleep, l.latest)
}

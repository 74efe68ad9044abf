package memory_test

import (
	"errors"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

func look(r evidence.Record) (evidence.Record, evidence.Entry, error) {
	return r.Consult(evidence.OpView, nil, evidence.Cause{By: evidence.Stage("test"), At: noon()})
}

func stored(t *testing.T) (*memory.Ledger, evidence.ID) {
	t.Helper()
	l := &memory.Ledger{}
	r, e := received(t)
	if _, err := l.Commit(t.Context(), r, e); err != nil {
		t.Fatal(err)
	}
	return l, r.ID
}

// TestUpdateAgain has somebody who moves the record on between the read and the commit, a given number of times.
func TestUpdateAgain(t *testing.T) {
	for _, c := range []struct {
		times int
		want  error
	}{{0, nil}, {1, nil}, {7, nil}, {8, evidence.Conflict}} {
		l, id := stored(t)
		moved := 0
		r, err := evidence.Update(t.Context(), l, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			if moved < c.times {
				moved++
				n, e, err := look(r)
				if err == nil {
					_, err = l.Commit(t.Context(), n, e)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			return look(r)
		})
		if !errors.Is(err, c.want) {
			t.Fatalf("moved %d times: %v, want %v", c.times, err, c.want)
		}
		want := c.times + 2
		if c.want != nil {
			want--
		}
		if n := len(l.Entries()); n != want {
			t.Fatalf("moved %d times: %d entries, want %d", c.times, n, want)
		}
		if err == nil && r.Head.Number != want {
			t.Fatalf("moved %d times: returned the record of entry %d", c.times, r.Head.Number)
		}
	}
}

func TestUpdateStops(t *testing.T) {
	l, id := stored(t)
	refused := errors.New("no")
	for name, c := range map[string]struct {
		id    evidence.ID
		fault memory.Fault
		step  error
		want  error
	}{
		"unchanged": {id, memory.None, evidence.ErrUnchanged, nil},
		"refused":   {id, memory.None, refused, refused},
		"missing":   {"lambeth-202611-aaaaaaaaaaaaaaaaaaaa", memory.None, nil, evidence.NotFound},
		"lost":      {id, memory.Lost, nil, evidence.Unavailable},
	} {
		l.Next = c.fault
		steps := 0
		_, err := evidence.Update(t.Context(), l, c.id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
			steps++
			if c.step != nil {
				return r, evidence.Entry{}, c.step
			}
			return look(r)
		})
		if !errors.Is(err, c.want) || steps > 1 {
			t.Fatalf("%s: %v after %d steps, want %v", name, err, steps, c.want)
		}
		l.Next = memory.None
	}
	if n := len(l.Entries()); n != 1 {
		t.Fatalf("%d entries", n)
	}
	// the commit happened, the caller does not know: it must not be taken again
	l.Next = memory.Ghost
	if _, err := evidence.Update(t.Context(), l, id, look); !errors.Is(err, evidence.Unavailable) {
		t.Fatal(err)
	}
	if n := len(l.Entries()); n != 2 {
		t.Fatalf("%d entries", n)
	}
}

package functions_test

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"bwv/internal/evidence"
	"bwv/internal/memory"
)

type custody struct {
	Evidence evidence.ID
	Entries  []evidence.Entry
	Head     evidence.Head
	Unbroken bool
	Problem  string
}

func (w *world) audit(id evidence.ID) custody {
	w.t.Helper()
	var got custody
	w.want(w.ask(http.MethodGet, "/api/evidence/"+string(id)+"/custody", ""), http.StatusOK, &got)
	return got
}

// The chain over the wire verifies without asking us: it is what anybody can check.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	r := w.expired()
	got := w.audit(r.ID)
	if err := evidence.VerifyChain(got.Entries, got.Head); err != nil {
		t.Error(err)
	}
	if !got.Unbroken || got.Problem != "" || got.Evidence != r.ID {
		t.Errorf("got %+v", got)
	}
	want := []evidence.Operation{evidence.OpReceive, evidence.OpMetadata, evidence.OpDigest, evidence.OpProxy, evidence.OpSchedule, evidence.OpProxy, evidence.OpExpiring, evidence.OpExpired, evidence.OpAudit}
	var have []evidence.Operation
	for _, e := range got.Entries {
		have = append(have, e.Operation)
	}
	if !slices.Equal(have, want) {
		t.Errorf("operations %v", have)
	}
	if e := got.Entries[len(got.Entries)-1]; e.Actor.ID != "development:officer" {
		t.Errorf("the look itself: %+v", e)
	}
}

func TestAuditIsGuarded(t *testing.T) {
	newWorld(t).guarded(http.MethodGet, "/api/evidence/%s/custody", "")
}

// tampered is a ledger in which somebody got at the stored entries.
type tampered struct {
	*memory.Ledger
	alter func([]evidence.Entry) []evidence.Entry
}

func (l tampered) Chain(ctx context.Context, id evidence.ID) ([]evidence.Entry, error) {
	entries, err := l.Ledger.Chain(ctx, id)
	return l.alter(entries), err
}

func TestAuditFindsTampering(t *testing.T) {
	for name, c := range map[string]struct {
		alter func([]evidence.Entry) []evidence.Entry
		words string
	}{
		"altered": {func(l []evidence.Entry) []evidence.Entry { l[1].Actor.ID = "somebody else"; return l }, "custody entry 2 was altered"},
		"altered and sealed": {func(l []evidence.Entry) []evidence.Entry {
			l[1].Reason = "x"
			l[1].Hash, _ = l[1].Seal()
			return l
		}, "custody entry 3 does not follow the one before"},
		"left out":        {func(l []evidence.Entry) []evidence.Entry { return slices.Delete(l, 1, 2) }, "custody entry 3 stands where 2 should"},
		"cut off":         {func(l []evidence.Entry) []evidence.Entry { return l[:3] }, "custody chain ends at entry 3, the record says 7"},
		"in other order":  {func(l []evidence.Entry) []evidence.Entry { l[1], l[2] = l[2], l[1]; return l }, "custody entry 3 stands where 2 should"},
		"of another":      {func(l []evidence.Entry) []evidence.Entry { l[2].Evidence = unknown; return l }, "custody entry 3 is of another record"},
		"nothing is left": {func([]evidence.Entry) []evidence.Entry { return nil }, "custody chain ends at entry 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.scheduled("lambeth", 1).ID
			w.custodian.Ledger = tampered{w.ledger, c.alter}
			got := w.audit(id)
			if got.Unbroken || len(got.Problem) < len(c.words) || got.Problem[:len(c.words)] != c.words {
				t.Errorf("unbroken: %v, problem %q, want %q", got.Unbroken, got.Problem, c.words)
			}
		})
	}
}

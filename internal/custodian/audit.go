package custodian

import (
	"context"

	"bwv/internal/evidence"
)

// Chain is a record's custody chain and whether it is whole.
type Chain struct {
	Entries []evidence.Entry
	Head    evidence.Head
	Broken  error // what is wrong with it, in words; nil when it verifies up to the record's head
}

// Audit reads and verifies a record's custody chain. Reading it is an entry too, which the answer has at its end.
func (k *Custodian) Audit(ctx context.Context, id evidence.ID, c evidence.Cause) (Chain, error) {
	r, err := k.consult(ctx, id, evidence.OpAudit, c)
	if err != nil {
		return Chain{}, err
	}
	entries, err := k.Ledger.Chain(ctx, id)
	if err != nil {
		return Chain{}, err
	}
	if len(entries) > r.Head.Number { // somebody was at it meanwhile: what came after our look is not part of the answer
		entries = entries[:r.Head.Number]
	}
	return Chain{Entries: entries, Head: r.Head, Broken: evidence.VerifyChain(entries, r.Head)}, nil
}

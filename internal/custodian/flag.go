package custodian

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"bwv/internal/evidence"
)

// FlagRequest is what a person gives to keep a recording.
type FlagRequest struct {
	Purpose   evidence.Purpose `json:"purpose"`
	Reference string           `json:"reference"` // crime, complaint or request number
	Reason    string           `json:"reason"`
	Review    time.Time        `json:"review,omitzero"`
	Key       string           `json:"-"` // idempotency key: the same key again is the same flag
}

// Flag keeps a recording. When it returns without an error the recording is safe. A recording that is gone, or going, is Refused.
func (k *Custodian) Flag(ctx context.Context, id evidence.ID, q FlagRequest, c evidence.Cause) (evidence.Record, evidence.Flag, error) {
	if !slices.Contains(evidence.Purposes(), q.Purpose) {
		return evidence.Record{}, evidence.Flag{}, fmt.Errorf("purpose %.40q: choose from %v: %w", q.Purpose, evidence.Purposes(), evidence.Invalid)
	}
	if err := words("reference", q.Reference, 100); err != nil {
		return evidence.Record{}, evidence.Flag{}, err
	}
	if err := words("reason", q.Reason, 1000); err != nil {
		return evidence.Record{}, evidence.Flag{}, err
	}
	if !q.Review.IsZero() && !q.Review.After(c.At) {
		return evidence.Record{}, evidence.Flag{}, fmt.Errorf("review date %s is not in the future: %w", q.Review.Format(time.DateOnly), evidence.Invalid)
	}
	flag := evidence.Flag{ID: flagID(q.Key), Purpose: q.Purpose, Reference: q.Reference, Reason: q.Reason, By: c.By, At: c.At.UTC(), Review: q.Review}
	c.Reason = q.Reason
	r, err := k.Protocol.Flag(ctx, id, flag, c)
	if err != nil {
		return r, flag, err
	}
	if stored, ok := r.FlagByID(flag.ID); ok {
		if stored.Purpose != q.Purpose || stored.Reference != q.Reference || stored.Reason != q.Reason {
			return r, stored, fmt.Errorf("idempotency key %s was used for another flag of %s: %w", q.Key, id, evidence.Refused)
		}
		flag = stored
	}
	return r, flag, nil
}

// Unflag ends one flag; the last one's end starts a full new window. It needs a reason.
func (k *Custodian) Unflag(ctx context.Context, id evidence.ID, flag, reason string, c evidence.Cause) (evidence.Record, error) {
	if err := words("reason", reason, 1000); err != nil {
		return evidence.Record{}, err
	}
	if err := words("flag", flag, 64); err != nil {
		return evidence.Record{}, err
	}
	r, err := k.Ledger.Get(ctx, id)
	if err != nil {
		return r, err
	}
	if _, ok := r.FlagByID(flag); !ok {
		return r, fmt.Errorf("recording %s has no flag %.64q: %w", id, flag, evidence.NotFound)
	}
	c.Reason = reason
	return k.Protocol.Unflag(ctx, id, flag, c)
}

func flagID(key string) string {
	if key != "" {
		return key
	}
	return strings.ToLower(rand.Text()[:16])
}

// words checks text that a person must give.
func words(what, s string, most int) error {
	switch {
	case strings.TrimSpace(s) == "":
		return fmt.Errorf("%s is missing: %w", what, evidence.Invalid)
	case !utf8.ValidString(s), strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 && r != '\n' && r != '\t' }):
		return fmt.Errorf("%s has characters that are not text: %w", what, evidence.Invalid)
	case utf8.RuneCountInString(s) > most:
		return fmt.Errorf("%s is longer than %d characters: %w", what, most, evidence.Invalid)
	}
	return nil
}

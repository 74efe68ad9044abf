package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bwv/internal/evidence"
)

// Listener reads a recording from end to end.
type Listener interface {
	// Read goes on where from ended, hashes every byte in order, and takes the sound out on the way. After each stretch it calls save with how far
	// it has come and with the takes since the last call: the same ones again after a stretch that was not saved. A recording that cannot be read
	// as one has a digest all the same. Kinds of the source's reads and of save come back as they are.
	Read(ctx context.Context, s evidence.Source, from evidence.Reading, save func(context.Context, evidence.Reading, []evidence.Take) error) (evidence.Reading, error)
}

// Digest reads each original once: its SHA-256, and its sound.
type Digest struct {
	Assembly  *Assembly
	Originals evidence.Originals
	Listener  Listener
	HeadStart time.Duration // how long the reading waits for the pictures of the recording's beginning, once its sound is there; 0 is not at all
}

const (
	digestPage = "digest.json"      // evidence.Reading
	digestWish = "digest-wish.json" // the message that had it read anew
)

// Run reads one recording. Order: takes, then how far the reading has come, and at its end the commit. A killed invocation is delivered again and
// goes on from what was saved last.
func (s *Digest) Run(ctx context.Context, w evidence.Work, c evidence.Cause) (evidence.Result, error) {
	a := s.Assembly
	r, outcome, err := begin(ctx, a.Ledger, a.Renditions, w, func(r evidence.Record) bool { return !r.Digest.At.IsZero() })
	if outcome != "" || err != nil {
		return result(w.Evidence, outcome), err
	}
	if w.Again && !r.Digest.At.IsZero() {
		if err := s.anew(ctx, r.ID, c.Correlation); err != nil {
			return result(r.ID, ""), err
		}
	}
	found := finding{cause: c, stage: "digest"}
	digest := evidence.Digest{Claimed: r.Original.Claims.Digest}
	source, ok, err := original(ctx, s.Originals, r, &found)
	if err != nil {
		return result(r.ID, ""), err
	}
	if ok {
		if digest.Computed, err = s.read(ctx, r, source, c); err != nil {
			return result(r.ID, ""), err
		}
	}
	return s.commit(ctx, r.ID, digest, found)
}

// anew takes an earlier reading away, once for each wish: a delivery that was killed goes on with what it began. Order: the sound, then the page that
// says whose it is: where another stage made it, it stays.
func (s *Digest) anew(ctx context.Context, id evidence.ID, wish string) error {
	a := s.Assembly
	last, err := a.wish(ctx, id, digestWish)
	if err != nil || last == wish && wish != "" {
		return err
	}
	var before evidence.Reading
	if err := a.read(ctx, id, digestPage, &before); err != nil && !errors.Is(err, evidence.NotFound) {
		return err
	}
	if before.Sounds != nil {
		if err := a.Renditions.DeleteAll(ctx, id, soundPrefix); err != nil {
			return err
		}
	}
	if err := a.Renditions.DeleteAll(ctx, id, digestPage); err != nil {
		return err
	}
	return a.write(ctx, id, digestWish, wish)
}

// read goes through the original and returns its SHA-256, hex.
func (s *Digest) read(ctx context.Context, r evidence.Record, source evidence.Source, c evidence.Cause) (string, error) {
	a := s.Assembly
	var from evidence.Reading
	if err := a.read(ctx, r.ID, digestPage, &from); err != nil && !errors.Is(err, evidence.NotFound) {
		return "", err
	}
	provenance := map[string]string{"originaletag": r.Original.ETag, "sha256": r.Original.Claims.Digest}
	watched, waited := false, false
	save := func(ctx context.Context, now evidence.Reading, takes []evidence.Take) (err error) {
		if now.Sounds != nil {
			if err := a.keepTakes(ctx, r.ID, now.Sounds, takes, provenance); err != nil {
				return err
			}
		}
		if err := a.write(ctx, r.ID, digestPage, now); err != nil {
			return err
		}
		if !watched && now.Sounds != nil && begun(now.Sounds) {
			watched = true // the recording's beginning may be complete
			if err := a.settle(ctx, r.ID, c); err != nil {
				return err
			}
		}
		if waited || now.Offset == source.Original.Size || now.Sounds != nil && !watched { // the beginning of the sound is waited for, too
			return nil
		}
		waited, err = a.giveWay(ctx, r.ID, s.HeadStart)
		return err
	}
	end, err := s.Listener.Read(ctx, source, from, save)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", r.ID, err)
	}
	if end.Offset != source.Original.Size {
		return "", fmt.Errorf("reading %s: got %d of %d bytes: %w", r.ID, end.Offset, source.Original.Size, evidence.Unavailable)
	}
	hash := sha256.New()
	if err := hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(end.State); err != nil { //nolint:forcetypeassert // documented of crypto/sha256
		return "", fmt.Errorf("reading %s: the digest's state: %w", r.ID, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), a.settle(ctx, r.ID, c)
}

// commit compares the digest with what was claimed at upload and records it.
func (s *Digest) commit(ctx context.Context, id evidence.ID, d evidence.Digest, found finding) (evidence.Result, error) {
	outcome := outcomeDone
	d.At = found.cause.At.UTC()
	if d.Claimed != "" && d.Computed != "" {
		matches := d.Claimed == d.Computed
		d.Matches = &matches
		if !matches {
			outcome = "mismatch"
			slog.ErrorContext(ctx, "digest.mismatch", "evidence", id, "claimed", d.Claimed, "computed", d.Computed)
			found.add(evidence.ProblemDigest, "the stored bytes have another SHA-256 than the dock claimed: compare with the camera before it is cleared")
		}
	}
	r, err := evidence.Update(ctx, s.Assembly.Ledger, id, func(r evidence.Record) (evidence.Record, evidence.Entry, error) {
		if r.Gone() {
			return r, evidence.Entry{}, evidence.ErrUnchanged
		}
		n, e, err := r.Fix(d, found.list, found.cause)
		if err == nil && sameBut(r, n) && !r.Digest.At.IsZero() {
			err = evidence.ErrUnchanged
		}
		return n, e, err
	})
	if err == nil && r.Gone() {
		return result(id, outcomeGone), s.Assembly.Renditions.DeleteAll(ctx, id, "")
	}
	return result(id, outcome), err
}

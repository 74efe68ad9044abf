package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Actor is who did it, with the rights held at that moment: a person, or a stage of the pipeline.
type Actor struct {
	ID        string   `json:"id"` // Entra object id, "stage:<name>", or "development:<name>" on one machine
	Name      string   `json:"name,omitempty"`
	Roles     []string `json:"roles,omitempty"`
	Unit      string   `json:"unit,omitempty"`
	Clearance string   `json:"clearance,omitempty"`
}

// Stage is the actor of a pipeline stage.
func Stage(name string) Actor { return Actor{ID: "stage:" + name} }

// Cause is why, by whom and when something is done to a record; it becomes part of the custody entry.
type Cause struct {
	By          Actor
	At          time.Time
	Reason      string
	Rule        string // what authorised it, e.g. "retention 744h0m0s"
	Recipient   string // of a disclosure
	Correlation string // invocation id
}

// Operation is what a custody entry records. The classes are those of the Data Protection Act 2018 s.62(1).
type Operation string

// The operations, by class.
const (
	OpReceive   Operation = "collection:receive"
	OpMetadata  Operation = "alteration:metadata"
	OpDigest    Operation = "alteration:digest"
	OpProxy     Operation = "alteration:proxy"
	OpNote      Operation = "alteration:attention"
	OpSchedule  Operation = "alteration:schedule"
	OpDefer     Operation = "alteration:defer"
	OpFlag      Operation = "alteration:flag"
	OpUnflag    Operation = "alteration:unflag"
	OpCancel    Operation = "alteration:cancel"
	OpReprocess Operation = "alteration:reprocess"
	OpReconcile Operation = "alteration:reconcile"
	OpView      Operation = "consultation:view"
	OpPlay      Operation = "consultation:play"
	OpAudit     Operation = "consultation:audit"
	OpExpiring  Operation = "erasure:begin"
	OpExpired   Operation = "erasure:end"
)

// Outcome of an operation; a denied attempt is an entry too.
const (
	OutcomeDone   = "done"
	OutcomeDenied = "denied"
)

// Entry is one link of a record's custody chain.
type Entry struct {
	Evidence    ID                `json:"evidence"`
	Number      int               `json:"number"` // gap-free from 1
	At          time.Time         `json:"at"`     // UTC
	Actor       Actor             `json:"actor"`
	Operation   Operation         `json:"operation"`
	Outcome     string            `json:"outcome"`
	Reason      string            `json:"reason,omitempty"`
	Rule        string            `json:"rule,omitempty"`
	Recipient   string            `json:"recipient,omitempty"`
	Correlation string            `json:"correlation,omitempty"`
	Before      State             `json:"before,omitempty"`
	After       State             `json:"after,omitempty"`
	Digest      string            `json:"digest,omitempty"`  // of the original, once computed
	Changes     map[string]string `json:"changes,omitempty"` // what changed, never content
	Previous    string            `json:"previous"`          // hash of the entry before, empty for the first
	Hash        string            `json:"hash"`
}

// Head is the end of a record's chain.
type Head struct {
	Number int    `json:"number"`
	Hash   string `json:"hash"`
}

// Seal computes the entry's hash: hex SHA-256 over the previous hash's bytes and the canonical JSON (RFC 8785) of the
// entry without its hash.
func (e Entry) Seal() (string, error) {
	e.Hash = ""
	previous, err := hex.DecodeString(e.Previous)
	if err != nil {
		return "", fmt.Errorf("custody entry %d of %s: previous hash: %w", e.Number, e.Evidence, Invalid)
	}
	canonical, err := e.canonical()
	if err != nil {
		return "", fmt.Errorf("custody entry %d of %s: %w", e.Number, e.Evidence, err)
	}
	sum := sha256.Sum256(append(previous, canonical...))
	return hex.EncodeToString(sum[:]), nil
}

func (e Entry) canonical() ([]byte, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return nil, err
	}
	delete(tree, "hash")
	return appendCanonical(nil, tree), nil
}

// VerifyChain checks that entries are the whole chain of one record up to head: gap-free, each sealed on the one before.
// The error names the first entry that is wrong.
func VerifyChain(entries []Entry, head Head) error {
	previous := ""
	for i, e := range entries {
		if e.Number != i+1 {
			return fmt.Errorf("custody entry %d stands where %d should: %w", e.Number, i+1, Invalid)
		}
		if e.Evidence != entries[0].Evidence {
			return fmt.Errorf("custody entry %d is of another record: %w", e.Number, Invalid)
		}
		if e.Previous != previous {
			return fmt.Errorf("custody entry %d does not follow the one before: %w", e.Number, Invalid)
		}
		hash, err := e.Seal()
		if err != nil {
			return err
		}
		if hash != e.Hash {
			return fmt.Errorf("custody entry %d was altered: %w", e.Number, Invalid)
		}
		previous = hash
	}
	if len(entries) != head.Number || previous != head.Hash {
		return fmt.Errorf("custody chain ends at entry %d, the record says %d: %w", len(entries), head.Number, Invalid)
	}
	return nil
}

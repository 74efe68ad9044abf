package evidence

import (
	"slices"
	"time"
)

// State is where a record stands in its life: see lifecycle.go for the moves.
type State string

// The states.
const (
	Received  State = "received"  // catalogued; no disposal is pending yet
	Scheduled State = "scheduled" // a disposal is pending
	Flagged   State = "flagged"   // kept until the last flag ends
	Expiring  State = "expiring"  // being erased: too late to flag
	Expired   State = "expired"   // gone; the tombstone stays
)

// Record is all that is known about one upload: the unit of consistency.
type Record struct {
	ID        ID          `json:"id"`
	Shard     string      `json:"shard"` // partition key
	Type      string      `json:"type"`  // "evidence"
	Unit      string      `json:"unit"`
	Officer   string      `json:"officer,omitempty"`
	Camera    string      `json:"camera,omitempty"`
	Incident  string      `json:"incident,omitempty"`
	Category  string      `json:"category,omitempty"`
	Started   time.Time   `json:"started"` // best known start of the recording; the upload's time until better is known
	Original  Original    `json:"original"`
	Retention Retention   `json:"retention"`
	Flags     []Flag      `json:"flags,omitempty"`
	Digest    Digest      `json:"digest,omitzero"`
	Media     Media       `json:"media,omitzero"`
	Proxy     Proxy       `json:"proxy,omitzero"`
	Attention []Attention `json:"attention,omitempty"`
	Tombstone *Tombstone  `json:"tombstone,omitempty"`
	Head      Head        `json:"custody"`
	// Version is the ledger's ETag: empty for a record that was never stored.
	Version string `json:"-"`
}

// Retention is the record's side of the retention protocol; the Service Bus message is only a hint.
type Retention struct {
	State    State     `json:"state"`
	Due      time.Time `json:"due,omitzero"`              // nothing is erased before it
	Fires    time.Time `json:"fires,omitzero"`            // when the pending message comes: due, or later if deferred
	Epoch    int       `json:"epoch"`                     // grows with each disposal and flag; a message of another epoch means nothing
	Sequence int64     `json:"sequence,string,omitempty"` // of the pending scheduled message; a string in JSON, since it may pass 2^53
	Released time.Time `json:"released,omitzero"`         // when the last flag ended: a new full window starts there
}

// Flag keeps a record. It ends by outcome, not by a date; Review is when somebody must look at it again.
type Flag struct {
	ID        string    `json:"id"`
	Purpose   Purpose   `json:"purpose"`
	Reference string    `json:"reference"`
	Reason    string    `json:"reason"`
	By        Actor     `json:"by"`
	At        time.Time `json:"at"`
	Review    time.Time `json:"review,omitzero"`
}

// Purpose is what a flagged recording is kept for.
type Purpose string

// The purposes.
const (
	Court         Purpose = "court"
	Complaint     Purpose = "complaint"
	Misconduct    Purpose = "misconduct"
	SubjectAccess Purpose = "subject-access"
	StopAndSearch Purpose = "stop-and-search"
	Training      Purpose = "training"
	OtherPurpose  Purpose = "other"
)

// Purposes lists the purposes that may be given.
func Purposes() []Purpose {
	return []Purpose{Court, Complaint, Misconduct, SubjectAccess, StopAndSearch, Training, OtherPurpose}
}

// Attention is something about a record that a person should look at. One problem of one stage has one entry.
type Attention struct {
	Stage   string    `json:"stage"`
	Problem string    `json:"problem"` // a fixed word: see the Problem constants
	Detail  string    `json:"detail,omitempty"`
	At      time.Time `json:"at"`
}

// Problems that stages report.
const (
	ProblemName       = "name-not-understood"
	ProblemMissing    = "original-missing"
	ProblemReplaced   = "original-replaced"
	ProblemUnreadable = "unreadable"
	ProblemDigest     = "digest-mismatch"
	ProblemClaim      = "claim-not-understood"
	ProblemClock      = "recorded-time-not-believed"
	ProblemMedia      = "media-warning"
	ProblemProxy      = "proxy-failed"
	ProblemGap        = "proxy-has-gaps"
	ProblemLocation   = "location-not-kept"
	ProblemUnended    = "stage-not-ended"
)

// Tombstone is what stays of an erased recording: never content.
type Tombstone struct {
	Digest    string    `json:"sha256,omitempty"`
	Size      int64     `json:"size"`
	Created   time.Time `json:"created"`
	Due       time.Time `json:"due"`
	Erased    time.Time `json:"erased,omitzero"` // zero while the erasure is going on
	Rule      string    `json:"rule"`
	ETag      string    `json:"etag"` // of the version that was erased: may differ from the ETag at upload
	Approvals []string  `json:"approvals,omitempty"`
	Original  Found     `json:"original"` // as it was found when its erasure began
}

// Found says how the erasure found the original.
type Found string

// What an erasure can find.
const (
	FoundPresent  Found = "present"
	FoundMissing  Found = "missing"  // somebody else had deleted it
	FoundReplaced Found = "replaced" // another upload has its name: not ours to delete
)

// Flagged tells whether anybody keeps the record.
func (r Record) Flagged() bool { return len(r.Flags) > 0 }

// FlagByID returns the flag of that ID.
func (r Record) FlagByID(id string) (Flag, bool) {
	i := slices.IndexFunc(r.Flags, func(f Flag) bool { return f.ID == id })
	if i < 0 {
		return Flag{}, false
	}
	return r.Flags[i], true
}

// Gone tells whether the recording is erased or being erased.
func (r Record) Gone() bool { return r.Retention.State == Expiring || r.Retention.State == Expired }

// Unended are the stages of its processing that have not come to their end, by what the record says; none of what is gone.
func (r Record) Unended() (stages []Subject) {
	if r.Gone() {
		return nil
	}
	if r.Media.State == "" {
		stages = append(stages, SubjectMetadata)
	}
	if r.Digest.At.IsZero() {
		stages = append(stages, SubjectDigest)
	}
	if r.Proxy.State == "" || r.Proxy.State == ProxyGrowing {
		stages = append(stages, SubjectProxy)
	}
	return stages
}

// note puts a in place of the entry about the same problem of the same stage, or at the end.
func note(list []Attention, a Attention) []Attention {
	list = slices.Clone(list)
	i := slices.IndexFunc(list, func(b Attention) bool { return b.Stage == a.Stage && b.Problem == a.Problem })
	if i < 0 {
		return append(list, a)
	}
	list[i] = a
	return list
}

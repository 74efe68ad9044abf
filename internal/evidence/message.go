package evidence

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Disposal is the message that comes when a record is due: only a hint, since the record decides.
type Disposal struct {
	Evidence ID  `json:"evidence"`
	Epoch    int `json:"epoch"`
}

// Disposals is the queue `expire` with what is scheduled on it.
type Disposals interface {
	// Schedule makes d come at or after at and returns the sequence number that cancels it. After an error it may have been scheduled.
	Schedule(ctx context.Context, d Disposal, at time.Time) (sequence int64, err error)
	// Cancel takes back a scheduled message; NotFound when it has come already or was cancelled.
	Cancel(ctx context.Context, sequence int64) error
}

// Subject says which stages a Work message is for.
type Subject string

// The subjects of topic `footage`: SubjectReceived goes to every stage, the others to the stage of that name.
const (
	SubjectReceived  Subject = "received"
	SubjectMetadata  Subject = "metadata"
	SubjectDigest    Subject = "digest"
	SubjectProxy     Subject = "proxy"
	SubjectRetention Subject = "retention"
)

// Work asks the stages of its subject to do their part for one record.
type Work struct {
	Evidence ID   `json:"evidence"`
	Again    bool `json:"again,omitempty"` // even if it was done before
}

// Works is the topic `footage`.
type Works interface {
	// Announce sends w to the stages of subject. After an error it may have been sent; every stage bears it twice.
	Announce(ctx context.Context, subject Subject, w Work) error
}

// Reprocess asks for stages to be done again: the message of queue `reprocess`.
type Reprocess struct {
	Evidence ID        `json:"evidence"`
	Stages   []Subject `json:"stages,omitempty"` // metadata, digest, proxy, retention; none means the first three
	By       Actor     `json:"by,omitzero"`
	Reason   string    `json:"reason,omitempty"`
}

// Again names the stages that q asks for; Invalid when one of them cannot be done again.
func (q Reprocess) Again() ([]Subject, error) {
	if len(q.Stages) == 0 {
		return []Subject{SubjectMetadata, SubjectDigest, SubjectProxy}, nil
	}
	may := []Subject{SubjectMetadata, SubjectDigest, SubjectProxy, SubjectRetention}
	for _, stage := range q.Stages {
		if !slices.Contains(may, stage) {
			return nil, fmt.Errorf("stage %.40q cannot be done again: choose from %v: %w", stage, may, Invalid)
		}
	}
	return q.Stages, nil
}

// Requests is the queue `reprocess`.
type Requests interface {
	// Request puts q on the queue. After an error it may be there.
	Request(ctx context.Context, q Reprocess) error
}

// Arrivals is the queue `ingest`: Event Grid fills it, and reconcile for what Event Grid lost.
type Arrivals interface {
	// Arrive announces an upload as Event Grid would have. After an error it may have been sent.
	Arrive(ctx context.Context, o Original) error
}

// Result is what a stage or a request came to, for the log line: which record, and one fixed word.
type Result struct {
	Evidence ID
	Outcome  string
}

package pipeline

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"bwv/internal/evidence"
)

// Ingest turns an upload into a record: catalogue it, then announce it to the other stages by one message.
type Ingest struct {
	Ledger    evidence.Ledger
	Catalogue evidence.Catalogue
	Originals evidence.Originals
	Works     evidence.Works
}

// Event is a Microsoft.Storage.BlobCreated event in the Event Grid schema, as Event Grid puts it on the queue `ingest`.
type Event struct {
	Type    string    `json:"eventType"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"eventTime"`
	Data    struct {
		API    string `json:"api"`
		ETag   string `json:"eTag"`
		Length int64  `json:"contentLength"`
	} `json:"data"`
}

const (
	blobCreated   = "Microsoft.Storage.BlobCreated"
	footageBlobs  = "/blobServices/default/containers/footage/blobs/"
	maxBlobName   = 1024 // Azure: naming and referencing containers, blobs, and metadata
	eventSkew     = time.Minute
	missingWindow = 24 * time.Hour
)

// UnmarshalJSON takes one event, or Event Grid's array of exactly one.
func (e *Event) UnmarshalJSON(b []byte) error {
	type plain Event
	if len(b) > 0 && b[0] == '[' {
		var list []plain
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		if len(list) != 1 {
			return fmt.Errorf("%d events in one message, not one: %w", len(list), evidence.Invalid)
		}
		*e = Event(list[0])
		return nil
	}
	return json.Unmarshal(b, (*plain)(e))
}

func (e Event) path() (string, error) {
	path, ok := strings.CutPrefix(e.Subject, footageBlobs)
	if e.Type != blobCreated || !ok || path == "" || len(path) > maxBlobName {
		return "", fmt.Errorf("event %.60q about %.120q is not an upload to footage: %w", e.Type, e.Subject, evidence.Invalid)
	}
	return path, nil
}

// Run catalogues the upload that e announces.
//
// Order: record and custody entry in one commit, then the message. A crash between leaves a record that nobody works on: the event is
// delivered again, finds the record and sends the message. The same event twice, or two in the wrong order, end at the same record.
func (s *Ingest) Run(ctx context.Context, e Event, c evidence.Cause) (evidence.Result, error) {
	path, err := e.path()
	if err != nil {
		return evidence.Result{}, err
	}
	o, err := s.Originals.Stat(ctx, path)
	if errors.Is(err, evidence.NotFound) {
		return s.missing(ctx, path, e, c)
	}
	if err != nil {
		return evidence.Result{}, fmt.Errorf("looking at upload %s: %w", path, err)
	}
	// The event has the ETag at upload. A blob that was replaced since has its own event, and a later creation time.
	if etag := evidence.PlainETag(e.Data.ETag); etag != "" && !o.Created.After(e.Time.Add(eventSkew)) && e.Data.Length == o.Size {
		o.ETag = etag
	}
	r, known, err := s.find(ctx, o)
	if err != nil {
		return evidence.Result{}, err
	}
	if !known {
		if r, known, err = s.receive(ctx, o, nil, c); err != nil {
			return evidence.Result{}, err
		}
	}
	return s.announce(ctx, r, known)
}

// find looks for the record of upload o: by its ID, and by path for an ETag that moved before anybody catalogued it.
func (s *Ingest) find(ctx context.Context, o evidence.Original) (evidence.Record, bool, error) {
	name, _ := evidence.ParseName(o.Path)
	r, err := s.Ledger.Get(ctx, evidence.NewID(name.Unit, o.Created, o.Path, o.ETag))
	if !errors.Is(err, evidence.NotFound) {
		return r, err == nil, err
	}
	return recordOf(ctx, s.Catalogue, o)
}

// recordOf finds the record of an upload by its path, creation time and size.
func recordOf(ctx context.Context, l evidence.Catalogue, o evidence.Original) (evidence.Record, bool, error) {
	name, _ := evidence.ParseName(o.Path)
	found, err := l.Find(ctx, evidence.ShardOf(name.Unit, o.Created), evidence.Query{Path: o.Path, Limit: 50})
	if err != nil {
		return evidence.Record{}, false, fmt.Errorf("looking for the record of %s: %w", o.Path, err)
	}
	for _, r := range found {
		if r.Original.SameUpload(o) {
			return r, true, nil
		}
	}
	return evidence.Record{}, false, nil
}

// receive stores the new record; known says that another delivery was faster.
func (s *Ingest) receive(ctx context.Context, o evidence.Original, found []evidence.Attention, c evidence.Cause) (r evidence.Record, known bool, err error) {
	name, err := evidence.ParseName(o.Path)
	if err != nil {
		found = append(found, attention("ingest", evidence.ProblemName, err.Error(), c))
	}
	if b, err := hex.DecodeString(o.Claims.Digest); o.Claims.Digest != "" && (err != nil || len(b) != 32) {
		found = append(found, attention("ingest", evidence.ProblemClaim, "the digest given at upload is not a SHA-256 in hexadecimal", c))
	}
	o.Claims.Digest = strings.ToLower(o.Claims.Digest)
	id := evidence.NewID(name.Unit, o.Created, o.Path, o.ETag)
	r, entry, err := evidence.Receive(id, o, name, found, c)
	if err != nil {
		return r, false, err
	}
	stored, err := s.Ledger.Commit(ctx, r, entry)
	if errors.Is(err, evidence.Conflict) {
		stored, err = s.Ledger.Get(ctx, id)
		return stored, true, err
	}
	return stored, false, err
}

// announce sends the one message, unless every stage has done its part already.
func (s *Ingest) announce(ctx context.Context, r evidence.Record, known bool) (evidence.Result, error) {
	if known && r.Retention.State != evidence.Received && r.Media.State != "" && !r.Digest.At.IsZero() && r.Proxy.State != "" || r.Gone() {
		return result(r.ID, outcomeAlready), nil
	}
	if err := s.Works.Announce(ctx, evidence.SubjectReceived, evidence.Work{Evidence: r.ID}); err != nil {
		return result(r.ID, ""), fmt.Errorf("announcing %s: %w", r.ID, err)
	}
	if known {
		return result(r.ID, "announced-again"), nil
	}
	return result(r.ID, outcomeDone), nil
}

// missing catalogues an upload that was announced but is not there: nobody may be left believing that it was never made. A late
// duplicate of an event whose recording was erased since finds its record. The blob's creation time is not to be had, so
// the event's stands in for it.
func (s *Ingest) missing(ctx context.Context, path string, e Event, c evidence.Cause) (evidence.Result, error) {
	name, _ := evidence.ParseName(path)
	for _, at := range []time.Time{e.Time, e.Time.Add(-missingWindow)} {
		r, err := s.Ledger.Get(ctx, evidence.NewID(name.Unit, at, path, e.Data.ETag))
		if err == nil {
			return s.announce(ctx, r, true)
		}
		if !errors.Is(err, evidence.NotFound) {
			return evidence.Result{}, err
		}
	}
	if e.Time.IsZero() {
		return evidence.Result{}, fmt.Errorf("event about %s, which is not there, has no time: %w", path, evidence.Invalid)
	}
	o := evidence.Original{Path: path, ETag: evidence.PlainETag(e.Data.ETag), Size: e.Data.Length, Created: e.Time.UTC().Truncate(time.Second)}
	gone := attention("ingest", evidence.ProblemMissing, "the upload was announced, but the blob was not there when it was to be catalogued", c)
	r, known, err := s.receive(ctx, o, []evidence.Attention{gone}, c)
	if err != nil {
		return evidence.Result{}, err
	}
	return s.announce(ctx, r, known)
}

func attention(stage, problem, detail string, c evidence.Cause) evidence.Attention {
	const most = 500
	if len(detail) > most {
		detail = strings.ToValidUTF8(detail[:most], "") + "…"
	}
	return evidence.Attention{Stage: stage, Problem: problem, Detail: detail, At: c.At.UTC()}
}

package cosmos

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDeclaration is the largest declaration read.
const maxDeclaration = 1 << 20

// declaration is the file that says which databases and containers exist.
type declaration struct {
	Comment    string `json:"$comment"`
	Database   string `json:"database"`
	Containers []struct {
		Comment      string          `json:"$comment"`
		Name         string          `json:"name"`
		PartitionKey json.RawMessage `json:"partitionKey"` // "/shard", or ["/a","/b"]
		TTL          *int32          `json:"defaultTtl"`
		Policy       json.RawMessage `json:"indexingPolicy"`
		Unique       []uniqueKey     `json:"uniqueKeys"`
	} `json:"containers"`
}

// Declare creates the database and containers of a declaration that are
// missing, and gives those that exist its time to live and indexing policy:
//
//	{"database":"bwv","containers":[{"name":"evidence","partitionKey":"/shard",
//	  "defaultTtl":-1,"indexingPolicy":{...},"uniqueKeys":[{"paths":["/a"]}]}]}
//
// defaultTtl, indexingPolicy (Azure's JSON) and uniqueKeys are optional. It is
// idempotent; a different partition key or unique keys for an existing
// container are an error, as is an unknown field.
func (s *Server) Declare(r io.Reader) error {
	var d declaration
	dec := json.NewDecoder(io.LimitReader(r, maxDeclaration))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return fmt.Errorf("reading declaration: %w", err)
	}
	if err := dec.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return errors.New("reading declaration: something follows it")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return errors.New("declaring: the server is closed")
	}
	db := s.cat.dbs[d.Database]
	if db == nil {
		var aerr *apiError
		if db, aerr = s.createDatabase(d.Database); aerr != nil {
			return fmt.Errorf("declaring database %q: %w", d.Database, aerr)
		}
	}
	for _, c := range d.Containers {
		key := &partitionKey{}
		var one string
		if err := json.Unmarshal(c.PartitionKey, &one); err == nil {
			key.Paths = []string{one}
		} else if err := json.Unmarshal(c.PartitionKey, &key.Paths); err != nil {
			return fmt.Errorf("declaring container %q: partitionKey is neither a path nor a list of paths", c.Name)
		}
		spec := &containerSpec{ID: c.Name, Key: key, TTL: c.TTL, Policy: c.Policy}
		if len(c.Unique) > 0 {
			spec.Unique = &uniquePolicy{Keys: c.Unique}
		}
		if err := s.declareContainer(db, spec); err != nil {
			return fmt.Errorf("declaring container %q: %w", c.Name, err)
		}
	}
	return nil
}

func (s *Server) declareContainer(db *database, spec *containerSpec) error {
	old := s.cat.colls[containerPath(db.ID, spec.ID)]
	if old == nil {
		if _, aerr := s.createContainer(db, spec); aerr != nil {
			return aerr
		}
		return nil
	}
	want, aerr := spec.define()
	if aerr != nil {
		return aerr
	}
	if equalJSON(want.Key.Paths, old.Key.Paths) && equalJSON(want.Unique, old.Unique) && equalJSON(want.TTL, old.TTL) && sameJSON(want.Policy, old.Policy) {
		return nil
	}
	if _, aerr := s.replaceContainer(old, spec); aerr != nil {
		return aerr
	}
	return nil
}

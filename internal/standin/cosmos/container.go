package cosmos

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
)

// database is one database as stored and as held in memory; never changed in place.
type database struct {
	ID   string `json:"id"`
	RID  string `json:"_rid"`
	TS   int64  `json:"_ts"`
	ETag string `json:"_etag"`
}

func (d *database) body() []byte {
	out, _ := json.Marshal(struct {
		*database
		Self  string `json:"_self"`
		Colls string `json:"_colls"`
		Users string `json:"_users"`
	}{d, "dbs/" + d.RID + "/", "colls/", "users/"})
	return out
}

// container is one container; never changed in place, replaced as a whole.
type container struct {
	ID       string          `json:"id"`
	Database string          `json:"database"`
	RID      string          `json:"_rid"`
	DBRID    string          `json:"dbrid"`
	TS       int64           `json:"_ts"`
	ETag     string          `json:"_etag"`
	Key      partitionKey    `json:"partitionKey"`
	TTL      *int32          `json:"defaultTtl,omitempty"`
	Policy   json.RawMessage `json:"indexingPolicy"`
	Unique   *uniquePolicy   `json:"uniqueKeyPolicy,omitempty"`

	policy  *indexingPolicy
	keys    [][]string // partition key paths, split
	indexes []*indexDef
}

type partitionKey struct {
	Paths   []string `json:"paths"`
	Kind    string   `json:"kind"`
	Version int      `json:"version,omitempty"`
}

type uniquePolicy struct {
	Keys []uniqueKey `json:"uniqueKeys"`
}

type uniqueKey struct {
	Paths []string `json:"paths"`
}

// containerSpec is a container as a client asks for it.
type containerSpec struct {
	ID     string          `json:"id"`
	Key    *partitionKey   `json:"partitionKey"`
	TTL    *int32          `json:"defaultTtl"`
	Policy json.RawMessage `json:"indexingPolicy"`
	Unique *uniquePolicy   `json:"uniqueKeyPolicy"`

	// What this stand-in refuses rather than ignores.
	Vector   json.RawMessage `json:"vectorEmbeddingPolicy"`
	FullText json.RawMessage `json:"fullTextPolicy"`
	Conflict json.RawMessage `json:"conflictResolutionPolicy"`
	Computed json.RawMessage `json:"computedProperties"`
}

// Limits of a container's definition (Azure's service quotas).
const (
	maxKeyPaths   = 3
	maxUniqueKeys = 10
	maxUniquePath = 16
)

// define checks a specification and fills in what follows from it.
func (spec *containerSpec) define() (*container, *apiError) {
	if err := checkName(spec.ID); err != nil {
		return nil, err
	}
	for name, raw := range map[string]json.RawMessage{
		"vectorEmbeddingPolicy": spec.Vector, "fullTextPolicy": spec.FullText, "computedProperties": spec.Computed,
	} {
		if len(raw) > 0 && string(raw) != "null" {
			return nil, notSupported(name)
		}
	}
	if spec.Key == nil || len(spec.Key.Paths) == 0 {
		return nil, badRequest("The partition key definition is missing: only partitioned containers are supported.")
	}
	c := &container{ID: spec.ID, Key: *spec.Key, TTL: spec.TTL, Policy: spec.Policy, Unique: spec.Unique}
	if c.Key.Kind == "" {
		c.Key.Kind = "Hash"
		if len(c.Key.Paths) > 1 {
			c.Key.Kind = "MultiHash"
		}
	}
	if c.Key.Version == 0 {
		c.Key.Version = 2 // the Go client's ReadManyItems hashes by it; one range covers either
	}
	return c, c.derive()
}

// derive fills the unexported fields from the exported ones.
func (c *container) derive() *apiError {
	if n := len(c.Key.Paths); n > maxKeyPaths || (c.Key.Kind == "Hash") != (n == 1) || c.Key.Kind != "Hash" && c.Key.Kind != "MultiHash" {
		return badRequest("The partition key kind '%s' does not go with %d paths.", c.Key.Kind, n)
	}
	c.keys = nil
	for _, p := range c.Key.Paths {
		segs, ok := splitPath(p)
		if !ok || slices.ContainsFunc(segs, func(s string) bool { return s == "?" || s == "*" || s == "[]" }) {
			return badRequest("The partition key component definition path '%s' could not be accepted, failed near position '0'. Partition key paths must contain only valid characters and not contain a trailing slash or wildcard character.", p)
		}
		c.keys = append(c.keys, segs)
	}
	if c.TTL != nil && (*c.TTL == 0 || *c.TTL < -1) {
		return badRequest("The value of property 'defaultTtl' specified for item is invalid. Ensure to provide a nonzero positive integer or -1.")
	}
	var err *apiError
	if c.policy, c.Policy, err = parsePolicy(c.Policy); err != nil {
		return err
	}
	c.indexes = c.policy.indexes()
	if c.Unique == nil {
		return nil
	}
	if len(c.Unique.Keys) > maxUniqueKeys {
		return badRequest("The number of unique keys must not exceed %d.", maxUniqueKeys)
	}
	for _, u := range c.Unique.Keys {
		var cols []column
		for _, p := range u.Paths {
			segs, ok := splitPath(p)
			if !ok {
				return badRequest("The unique key path '%s' is not valid.", p)
			}
			cols = append(cols, column{path: segs})
		}
		if len(cols) == 0 || len(cols) > maxUniquePath {
			return badRequest("A unique key must have between 1 and %d paths.", maxUniquePath)
		}
		c.indexes = append(c.indexes, newIndex(true, cols))
	}
	return nil
}

func (c *container) body() []byte {
	type public struct {
		ID     string          `json:"id"`
		Policy json.RawMessage `json:"indexingPolicy"`
		Key    partitionKey    `json:"partitionKey"`
		TTL    *int32          `json:"defaultTtl,omitempty"`
		Unique *uniquePolicy   `json:"uniqueKeyPolicy,omitempty"`
		RID    string          `json:"_rid"`
		TS     int64           `json:"_ts"`
		Self   string          `json:"_self"`
		ETag   string          `json:"_etag"`
		Docs   string          `json:"_docs"`
		Sprocs string          `json:"_sprocs"`
		Trig   string          `json:"_triggers"`
		UDFs   string          `json:"_udfs"`
		Confl  string          `json:"_conflicts"`
	}
	out, _ := json.Marshal(public{
		ID: c.ID, Policy: c.Policy, Key: c.Key, TTL: c.TTL, Unique: c.Unique, RID: c.RID, TS: c.TS,
		Self: c.self(), ETag: c.ETag, Docs: "docs/", Sprocs: "sprocs/", Trig: "triggers/", UDFs: "udfs/", Confl: "conflicts/",
	})
	return out
}

func (c *container) self() string { return "dbs/" + c.DBRID + "/colls/" + c.RID + "/" }

// path is the container's name-based link.
func (c *container) path() string { return containerPath(c.Database, c.ID) }

func containerPath(db, coll string) string { return "dbs/" + db + "/colls/" + coll }

// checkName checks the id of a database or container.
func checkName(id string) *apiError {
	if id == "" || len(id) > 255 || strings.ContainsAny(id, `/\?#`) || strings.HasSuffix(id, " ") {
		return badRequest("The input name '%.255s' is invalid. Ensure to provide a unique non-empty string less than '255' characters.", id)
	}
	return nil
}

// appendRID makes the resource id of a child: base64 with '/' as '-', as Azure
// shows it. A database's is 4 bytes, a container's 8, a document's 16.
func appendRID(parent string, suffix []byte) string {
	raw, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(parent, "-", "/"))
	if err != nil {
		raw = nil // cannot happen: this package wrote it
	}
	return strings.ReplaceAll(base64.StdEncoding.EncodeToString(append(raw, suffix...)), "/", "-")
}

func databaseRID(n uint64) string {
	return appendRID("", binary.LittleEndian.AppendUint32(nil, uint32(n)))
}

func containerRID(db string, n uint64) string {
	return appendRID(db, binary.BigEndian.AppendUint32(nil, uint32(n)|1<<31))
}

func documentRID(coll string, n uint64) string {
	return appendRID(coll, binary.LittleEndian.AppendUint64(nil, n))
}

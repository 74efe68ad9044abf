package cosmos

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	bolt "go.etcd.io/bbolt"
)

// Buckets: meta/dbs (name -> JSON), meta/colls (link -> JSON), "d/<rid>" the
// documents of a container, "x/<rid>/<index name>" its indexes.
var errNoBucket = errors.New("bucket is missing")

const (
	bucketMeta  = "meta"
	bucketDBs   = "dbs"
	bucketColls = "colls"
)

func docsBucket(rid string) []byte { return []byte("d/" + rid) }

func indexBucket(rid string, d *indexDef) []byte { return []byte("x/" + rid + "/" + d.name) }

// catalog is what exists; read under Server.mu.
type catalog struct {
	dbs   map[string]*database
	colls map[string]*container // by link
}

// full refuses to create more than an account may have.
func (cat *catalog) full() *apiError {
	if len(cat.dbs)+len(cat.colls) >= maxEntities {
		return frontError(http.StatusForbidden, "Forbidden", fmt.Sprintf("The account has %d databases and containers, which is the most it may have.", maxEntities))
	}
	return nil
}

// load reads the catalog, creating its buckets in a new store.
func load(db *bolt.DB) (catalog, error) {
	cat := catalog{dbs: map[string]*database{}, colls: map[string]*container{}}
	return cat, db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte(bucketMeta))
		if err != nil {
			return err
		}
		dbs, err := meta.CreateBucketIfNotExists([]byte(bucketDBs))
		if err != nil {
			return err
		}
		colls, err := meta.CreateBucketIfNotExists([]byte(bucketColls))
		if err != nil {
			return err
		}
		if err := dbs.ForEach(func(k, v []byte) error {
			d := &database{}
			cat.dbs[string(k)] = d
			return json.Unmarshal(v, d)
		}); err != nil {
			return err
		}
		return colls.ForEach(func(k, v []byte) error {
			c := &container{}
			if err := json.Unmarshal(v, c); err != nil {
				return err
			}
			cat.colls[string(k)] = c
			if aerr := c.derive(); aerr != nil {
				return aerr
			}
			return nil
		})
	})
}

// createDatabase stores a new database. Server.mu is held for writing.
func (s *Server) createDatabase(id string) (*database, *apiError) {
	if err := checkName(id); err != nil {
		return nil, err
	}
	if s.cat.dbs[id] != nil {
		return nil, errConflict()
	}
	if aerr := s.cat.full(); aerr != nil {
		return nil, aerr
	}
	var d *database
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketMeta)).Bucket([]byte(bucketDBs))
		n, err := b.NextSequence()
		if err != nil {
			return err
		}
		now := s.now().Unix()
		d = &database{ID: id, RID: databaseRID(n), TS: now, ETag: etagOf(n, n, now)}
		raw, err := json.Marshal(d)
		if err != nil {
			return err
		}
		return b.Put([]byte(id), raw)
	})
	if err != nil {
		return nil, s.internal("creating database", err)
	}
	s.cat.dbs[id] = d
	return d, nil
}

// deleteDatabase removes a database with its containers. Server.mu is held for writing.
func (s *Server) deleteDatabase(id string) *apiError {
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, c := range s.cat.colls {
			if c.Database == id {
				if err := dropContainer(tx, c); err != nil {
					return err
				}
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Bucket([]byte(bucketDBs)).Delete([]byte(id))
	})
	if err != nil {
		return s.internal("deleting database", err)
	}
	for link, c := range s.cat.colls {
		if c.Database == id {
			delete(s.cat.colls, link)
		}
	}
	delete(s.cat.dbs, id)
	return nil
}

// createContainer stores a new container. Server.mu is held for writing.
func (s *Server) createContainer(db *database, spec *containerSpec) (*container, *apiError) {
	c, aerr := spec.define()
	if aerr != nil {
		return nil, aerr
	}
	c.Database, c.DBRID = db.ID, db.RID
	if s.cat.colls[c.path()] != nil {
		return nil, errConflict()
	}
	if aerr := s.cat.full(); aerr != nil {
		return nil, aerr
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte(bucketMeta))
		n, err := meta.Bucket([]byte(bucketColls)).NextSequence()
		if err != nil {
			return err
		}
		c.TS = s.now().Unix()
		c.RID = containerRID(db.RID, n)
		if _, err := tx.CreateBucket(docsBucket(c.RID)); err != nil {
			return err
		}
		for _, d := range c.indexes {
			if _, err := tx.CreateBucketIfNotExists(indexBucket(c.RID, d)); err != nil {
				return err
			}
		}
		return putContainer(meta, c)
	})
	if err != nil {
		return nil, s.internal("creating container", err)
	}
	s.cat.colls[c.path()] = c
	return c, nil
}

// replaceContainer changes what may change: time to live and indexing policy,
// whose new indexes are built here and now (Azure does it in the background).
// Server.mu is held for writing, so no item is written meanwhile.
func (s *Server) replaceContainer(old *container, spec *containerSpec) (*container, *apiError) {
	if spec.ID != old.ID {
		return nil, badRequest("The id of a container cannot be changed.")
	}
	if spec.Key == nil {
		spec.Key = &old.Key
	}
	c, aerr := spec.define()
	if aerr != nil {
		return nil, aerr
	}
	if !equalJSON(c.Key.Paths, old.Key.Paths) {
		return nil, badRequest("Document collection partition key cannot be changed.")
	}
	if !equalJSON(c.Unique, old.Unique) {
		return nil, badRequest("Unique index cannot be modified. To change the unique index, remove the collection and re-create a new one.")
	}
	c.Database, c.RID, c.DBRID, c.TS, c.Key = old.Database, old.RID, old.DBRID, s.now().Unix(), old.Key
	err := s.db.Update(func(tx *bolt.Tx) error {
		if err := changeIndexes(tx, old, c); err != nil {
			return err
		}
		return putContainer(tx.Bucket([]byte(bucketMeta)), c)
	})
	if err != nil {
		return nil, s.internal("replacing container", err)
	}
	s.cat.colls[c.path()] = c
	return c, nil
}

func equalJSON(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

func putContainer(meta *bolt.Bucket, c *container) error {
	b := meta.Bucket([]byte(bucketColls))
	n, err := b.NextSequence()
	if err != nil {
		return err
	}
	c.ETag = etagOf(n, n, c.TS)
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return b.Put([]byte(c.path()), raw)
}

// deleteContainer removes a container. Server.mu is held for writing.
func (s *Server) deleteContainer(c *container) *apiError {
	if err := s.db.Update(func(tx *bolt.Tx) error { return dropContainer(tx, c) }); err != nil {
		return s.internal("deleting container", err)
	}
	delete(s.cat.colls, c.path())
	return nil
}

func dropContainer(tx *bolt.Tx, c *container) error {
	for _, d := range c.indexes {
		if err := tx.DeleteBucket(indexBucket(c.RID, d)); err != nil {
			return err
		}
	}
	if err := tx.DeleteBucket(docsBucket(c.RID)); err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketMeta)).Bucket([]byte(bucketColls)).Delete([]byte(c.path()))
}

// changeIndexes drops the indexes that are gone and fills the new ones.
func changeIndexes(tx *bolt.Tx, old, c *container) error {
	have := map[string]bool{}
	for _, d := range old.indexes {
		have[d.name] = true
	}
	var added []*indexDef
	for _, d := range c.indexes {
		if have[d.name] {
			delete(have, d.name)
			continue
		}
		if _, err := tx.CreateBucket(indexBucket(c.RID, d)); err != nil {
			return err
		}
		added = append(added, d)
	}
	for _, d := range old.indexes {
		if !have[d.name] {
			continue
		}
		if err := tx.DeleteBucket(indexBucket(c.RID, d)); err != nil {
			return err
		}
	}
	if len(added) == 0 {
		return nil
	}
	docs := tx.Bucket(docsBucket(c.RID))
	if docs == nil {
		return errNoBucket
	}
	return docs.ForEach(func(k, v []byte) error {
		doc, err := parseStored(recordOf(v).body)
		if err != nil {
			return fmt.Errorf("reading a stored document: %w", err)
		}
		for _, d := range added {
			key := indexKey(d, k[:keyLen(k, len(c.keys))], doc)
			if err := tx.Bucket(indexBucket(c.RID, d)).Put(key, k); err != nil {
				return err
			}
		}
		return nil
	})
}

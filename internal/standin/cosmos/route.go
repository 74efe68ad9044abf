package cosmos

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// refusedTypes are the resources Azure has and this stand-in has not.
func refusedType(typ string) string {
	switch typ {
	case "sprocs":
		return "stored procedures"
	case "triggers":
		return "triggers"
	case "udfs":
		return "user-defined functions"
	case "users", "permissions":
		return "users and permissions"
	case "conflicts":
		return "the conflict feed"
	case "clientencryptionkeys":
		return "client encryption keys"
	}
	return ""
}

func errMethod(r *http.Request) *apiError {
	return frontError(http.StatusMethodNotAllowed, "MethodNotAllowed", r.Method+" is not allowed on this resource.")
}

// route finds the resource. Everything below a database holds mu for reading,
// or for writing when it changes what exists.
func (s *Server) route(rq *request, p segments) *apiError {
	for i := 0; i < len(p); i += 2 {
		if what := refusedType(p[i]); what != "" {
			return notSupported(what)
		}
	}
	n := len(p)
	switch {
	case n == 0:
		return s.account(rq)
	case p[0] == "offers":
		return frontError(http.StatusBadRequest, "BadRequest", "Reading or replacing offers is not supported for serverless accounts.")
	case p[0] != "dbs" || n > 2 && p[2] != "colls" || n > 4 && p[4] != "docs" && p[4] != "pkranges" || n > 6:
		return frontError(http.StatusBadRequest, "BadRequest", "The request path is not that of a resource.")
	case n == 1:
		return s.databases(rq)
	case n == 2:
		return s.database(rq, p[1])
	case n == 3:
		return s.containers(rq, p[1])
	case n == 4:
		return s.container(rq, containerPath(p[1], p[3]))
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	c := s.cat.colls[containerPath(p[1], p[3])]
	if c == nil {
		return errOwner()
	}
	switch {
	case p[4] == "pkranges" && n == 5:
		return s.ranges(rq, c)
	case p[4] == "pkranges":
		return errNotFound()
	}
	if fault := s.faults.take(); fault != nil {
		return fault
	}
	if n == 5 {
		return s.items(rq, c)
	}
	return s.item(rq, c, p[5])
}

// account answers GET /. The only region is wherever the client came to.
func (s *Server) account(rq *request) *apiError {
	if rq.r.Method != http.MethodGet {
		return errMethod(rq.r)
	}
	scheme := "http://"
	if rq.r.TLS != nil {
		scheme = "https://"
	}
	region := []map[string]string{{"name": "Local", "databaseAccountEndpoint": scheme + rq.r.Host + "/"}}
	body, err := json.Marshal(map[string]any{
		"_self": "", "id": "standin", "_rid": "standin.local", "media": "//media/", "addresses": "//addresses/", "_dbs": "//dbs/",
		"writableLocations": region, "readableLocations": region,
		"enableMultipleWriteLocations": false,
		"userReplicationPolicy":        map[string]any{"asyncReplication": false, "minReplicaSetSize": 3, "maxReplicasetSize": 4},
		"userConsistencyPolicy":        map[string]any{"defaultConsistencyLevel": "Session"},
		"systemReplicationPolicy":      map[string]any{"minReplicaSetSize": 3, "maxReplicasetSize": 4},
		"readPolicy":                   map[string]any{"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
	})
	if err != nil {
		return s.internal("describing the account", err)
	}
	rq.reply(http.StatusOK, body)
	return nil
}

// isQuery says whether a POST is a query and not a creation.
func (rq *request) isQuery() bool {
	return rq.flag("x-ms-documentdb-query") || rq.flag("x-ms-documentdb-isquery") ||
		strings.HasPrefix(rq.header("Content-Type"), "application/query+json")
}

// decode reads the description of a database or container.
func (rq *request) decode(v any) *apiError {
	if err := json.Unmarshal(rq.body, v); err != nil {
		return badRequest("The input content is invalid: %v.", err)
	}
	if !utf8.Valid(rq.body) { // which the package would keep as it is, in an indexing policy
		return badRequest("The input content is not UTF-8.")
	}
	return nil
}

// refuseThroughput refuses to create with provisioned throughput: the account
// is a serverless one.
func (rq *request) refuseThroughput(what string) *apiError {
	if rq.header("x-ms-offer-throughput") != "" || rq.header("x-ms-cosmos-offer-autopilot-settings") != "" {
		return frontError(http.StatusBadRequest, "BadRequest", "Setting offer throughput or autopilot on "+what+" is not supported for serverless accounts.")
	}
	return nil
}

// list answers a feed of metadata, or a query over it.
func (s *Server) list(rq *request, rid, name string, bodies [][]byte) *apiError {
	if rq.r.Method == http.MethodPost {
		var aerr *apiError
		if bodies, aerr = queryBodies(rq, bodies); aerr != nil {
			return aerr
		}
	}
	rq.charge(2)
	rq.reply(http.StatusOK, feed(rid, name, bodies))
	return nil
}

func (s *Server) databases(rq *request) *apiError {
	switch {
	case rq.r.Method == http.MethodGet || rq.r.Method == http.MethodPost && rq.isQuery():
		s.mu.RLock()
		defer s.mu.RUnlock()
		var bodies [][]byte
		for _, name := range sortedKeys(s.cat.dbs) {
			bodies = append(bodies, s.cat.dbs[name].body())
		}
		return s.list(rq, "", "Databases", bodies)
	case rq.r.Method != http.MethodPost:
		return errMethod(rq.r)
	}
	if aerr := rq.refuseThroughput("database"); aerr != nil {
		return aerr
	}
	var spec struct {
		ID string `json:"id"`
	}
	if aerr := rq.decode(&spec); aerr != nil {
		return aerr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d, aerr := s.createDatabase(spec.ID)
	if aerr != nil {
		return aerr
	}
	rq.charge(4.95)
	rq.w.Header().Set("etag", d.ETag)
	rq.reply(http.StatusCreated, d.body())
	return nil
}

// lockFor takes mu as the method needs it, and returns its release.
func (s *Server) lockFor(method string) func() {
	if method == http.MethodGet {
		s.mu.RLock()
		return s.mu.RUnlock
	}
	s.mu.Lock()
	return s.mu.Unlock
}

func (s *Server) database(rq *request, id string) *apiError {
	defer s.lockFor(rq.r.Method)()
	d := s.cat.dbs[id]
	if d == nil {
		return errNotFound()
	}
	switch rq.r.Method {
	case http.MethodGet:
		rq.charge(2)
		rq.w.Header().Set("etag", d.ETag)
		rq.reply(http.StatusOK, d.body())
		return nil
	case http.MethodDelete:
		if aerr := rq.ifMatch(d.ETag); aerr != nil {
			return aerr
		}
		if aerr := s.deleteDatabase(id); aerr != nil {
			return aerr
		}
		rq.charge(4.95)
		rq.reply(http.StatusNoContent, nil)
		return nil
	}
	return errMethod(rq.r)
}

// ifMatch checks the If-Match header against the present ETag.
func (rq *request) ifMatch(etag string) *apiError {
	if want := rq.header("If-Match"); want != "" && want != "*" && want != etag {
		return errPrecondition()
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (s *Server) containers(rq *request, db string) *apiError {
	defer s.lockFor(rq.r.Method)()
	d := s.cat.dbs[db]
	if d == nil {
		return errOwner()
	}
	switch {
	case rq.r.Method == http.MethodGet || rq.r.Method == http.MethodPost && rq.isQuery():
		var bodies [][]byte
		for _, link := range sortedKeys(s.cat.colls) {
			if c := s.cat.colls[link]; c.Database == db {
				bodies = append(bodies, c.body())
			}
		}
		return s.list(rq, d.RID, "DocumentCollections", bodies)
	case rq.r.Method != http.MethodPost:
		return errMethod(rq.r)
	}
	if aerr := rq.refuseThroughput("container"); aerr != nil {
		return aerr
	}
	spec := &containerSpec{}
	if aerr := rq.decode(spec); aerr != nil {
		return aerr
	}
	c, aerr := s.createContainer(d, spec)
	if aerr != nil {
		return aerr
	}
	return rq.replyContainer(http.StatusCreated, c)
}

func (rq *request) replyContainer(status int, c *container) *apiError {
	rq.charge(4.95)
	rq.session(0)
	rq.w.Header().Set("etag", c.ETag)
	rq.reply(status, c.body())
	return nil
}

func (s *Server) container(rq *request, link string) *apiError {
	defer s.lockFor(rq.r.Method)()
	c := s.cat.colls[link]
	if c == nil {
		return errNotFound()
	}
	switch rq.r.Method {
	case http.MethodGet:
		return rq.replyContainer(http.StatusOK, c)
	case http.MethodPut, http.MethodDelete:
		if aerr := rq.ifMatch(c.ETag); aerr != nil {
			return aerr
		}
	default:
		return errMethod(rq.r)
	}
	if rq.r.Method == http.MethodDelete {
		if aerr := s.deleteContainer(c); aerr != nil {
			return aerr
		}
		rq.charge(4.95)
		rq.reply(http.StatusNoContent, nil)
		return nil
	}
	spec := &containerSpec{}
	if aerr := rq.decode(spec); aerr != nil {
		return aerr
	}
	c, aerr := s.replaceContainer(c, spec)
	if aerr != nil {
		return aerr
	}
	return rq.replyContainer(http.StatusOK, c)
}

// ranges answers GET pkranges: one range holds everything. The client reads it
// as a change feed, until 304.
func (s *Server) ranges(rq *request, c *container) *apiError {
	if rq.r.Method != http.MethodGet {
		return errMethod(rq.r)
	}
	const etag = `"1"`
	rq.w.Header().Set("etag", etag)
	rq.charge(1)
	if rq.header("If-None-Match") == etag {
		rq.reply(http.StatusNotModified, nil)
		return nil
	}
	rid := documentRID(c.RID, 0x5000000000000002)
	body, err := json.Marshal(map[string]any{"_rid": c.RID, "_count": 1, "PartitionKeyRanges": []any{map[string]any{
		"_rid": rid, "id": "0", "_etag": etag, "minInclusive": "", "maxExclusive": "FF", "ridPrefix": 0,
		"_self": c.self() + "pkranges/" + rid + "/", "throughputFraction": 1, "status": "online",
		"parents": []string{}, "ownedArchivalPKRangeIds": []string{}, "_ts": c.TS, "lsn": 1,
	}}})
	if err != nil {
		return s.internal("describing the partition key range", err)
	}
	rq.reply(http.StatusOK, body)
	return nil
}

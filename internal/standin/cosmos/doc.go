// Package cosmos is a stand-in for an Azure Cosmos DB for NoSQL account: the REST protocol as azcosmos v1.5.0 speaks it, over plain HTTP, durable on disk.
//
// A Server is an http.Handler; NewClientWithKey is pointed at wherever it is
// served. State is one bbolt file; an acknowledged write was fsynced, a batch
// is one transaction. What Azure refuses is refused with Azure's status and,
// where known, its words; what this package does not know is refused too, and
// the refusal names it, so that nothing works on one machine only.
//
// # Covered
//
//   - Account: GET / points back at the host the client used. Master-key
//     signatures (401) and their date (403 beyond 15 minutes) are checked.
//   - Databases and containers: create, read, list, SELECT * with a filter,
//     replace (time to live, indexing policy), delete; hierarchical partition
//     keys; unique keys; one partition key range. Declare reads them from a file.
//   - Items: create, upsert, read (If-None-Match too), replace, delete, patch
//     (add, set, replace, remove, incr, condition), If-Match, return=minimal,
//     time to live, system properties, ETag, charge, activity id. A session token
//     ahead of the container is answered 404, substatus 1002.
//     400 for a partition key that is not the document's and for bad ids, 413
//     over 2 MB. Numbers are doubles. Duplicate property names are refused.
//   - Batches: all six operations with their If-Match, 100 operations, 2 MB,
//     one partition; 207 with 424 for those that did not fail.
//   - Queries: SELECT *, VALUE, columns with AS, COUNT, TOP; FROM c; WHERE with
//     = != <> < <= > >= AND OR NOT IN BETWEEN, literals, parameters, c["x"],
//     c.a[0]; IS_DEFINED IS_NULL IS_BOOL IS_NUMBER IS_STRING IS_ARRAY IS_OBJECT
//     IS_PRIMITIVE CONTAINS STARTSWITH ENDSWITH STRINGEQUALS LOWER UPPER LENGTH
//     ARRAY_LENGTH ARRAY_CONTAINS; ORDER BY; OFFSET LIMIT. Keywords are
//     reserved: c["order"], not c.order.
//   - ORDER BY on several paths needs their composite index, on one path an
//     included path: else 400. On one path, documents without a value are left
//     out unless the policy names that very path.
//   - Continuation tokens are keysets: a page does not move when documents come
//     or go. They survive a restart and are refused when altered or used with
//     another query text, partition key or container. A page ends at its item
//     count, at 4 MB, or after Options.PageScan items looked at, and may be empty.
//   - Across partitions: filters and projections only (400, substatus 1004,
//     for ORDER BY, TOP, OFFSET LIMIT, aggregates), unless the filter fixes the
//     whole partition key by equality. ReadManyItems works.
//   - FailNext injects 429, 449, 503.
//
// # Coverage
//
// Each feature and the tests that show it, through the unmodified SDK; those
// marked * with requests of their own, because the SDK never makes them, or
// on the store itself. archtest holds this table to the tests there are.
//
//	signature, date                        TestAuthorization*
//	account, databases, containers         TestAccountPointsBack* TestDatabasesAndContainers TestDeclare TestOpenRefuses
//	create, read, replace, upsert, delete  TestItemLife TestUpsert TestNumbersAreDoubles
//	400 partition key mismatch, bad items  TestRefusedItems TestPartitionKeyKinds TestPartitionsAreApart
//	404 missing, 409 duplicate             TestItemLife TestErrorShape
//	412 stale                              TestIfMatch TestConcurrentIfMatch TestUpsert
//	304 unchanged                          TestReadNotModified*
//	413 too large                          TestRefusedItems TestBatchLimits
//	429, 449, 503 on demand                TestFaults
//	ETags, session tokens                  TestItemLife TestIfMatch TestSessionTokens
//	batch: 200, 207 and 424, rolled back   TestBatch TestBatchRollsBack TestBatchIsAtomicToReaders TestBatchLimits
//	patch, with conditions                 TestPatch TestBatchRollsBack
//	unique keys                            TestUniqueKeys
//	time to live                           TestTimeToLive TestSweepRemovesExpired*
//	query operators, projections, order    TestQueryFilters TestQueryProjections TestQueryOrder
//	composite index required               TestQueryOrder TestDatabasesAndContainers TestDeclare
//	equality, range, ORDER BY by index     TestOrderedPagesLookAtNothingElse* TestPlansAgreeWithBruteForce* TestKeysSortLikeValues*
//	indexes follow items and policies      TestIndexesFollowItems* TestPolicyChangesUnderLoad TestPolicyPaths*
//	continuation, also behind empty pages  TestContinuationTokens TestPagingIsStable TestEmptyPages TestLargePages FuzzToken
//	every cross-partition query refused    TestCrossPartition
//	many items by id, feed ranges          TestReadMany
//	what is not supported is named         TestRefusedQueries TestRefusedContainers* TestRefusedResources* TestRefusedRequests*
//	kill -9 under load; restart            TestCrashCampaign TestPersistence
//	a slow client holds up nobody          TestSlowReader* TestSlowBody*
//	parsers                                FuzzQuery FuzzJSON FuzzToken FuzzRequest TestJSONAgreesWithGo*
//
// CRASH_ROUNDS=100 go test -run TestCrashCampaign -v -timeout 30m is the
// campaign in full.
//
// # Limits
//
// On what a client can make grow: 512 requests at a time (429 beyond), 30 s to
// send a body and as long to take an answer, bodies, items and batches of
// 2 MB, 100 operations in a batch, 10 in a patch, ids of 1023 and partition
// keys of 2048 bytes, JSON of 128 levels, a query text of 512 KB, pages of 1000
// items, of 4 MB, of Options.PageScan items looked at, and 500 databases and
// containers. Connections, idle ones and headers are bounded by whatever
// http.Server serves it (set ReadHeaderTimeout and IdleTimeout).
//
//	requests at a time, slow bodies        TestRequestsAtATime* TestSlowBody*
//	bodies, items, batches, patches        TestRefusedItems TestRefusedRequests* TestBatchLimits TestPatch
//	ids, partition keys, nesting           TestRefusedItems TestRefusedRequests*
//	query text, nesting of a query         TestRefusedQueries
//	pages                                  TestContinuationTokens TestLargePages TestEmptyPages
//	databases and containers               TestDatabasesAndContainersAnAccountMayHave*
//
// # How queries are served
//
// Every composite index, and every path the policy includes by name (/x/?), is
// kept as an ordered index within each partition, the id as well. A query is
// streamed from the index that fits its equalities, one range (also one that an
// OR leaves, such as c.x < @x OR (c.x = @x AND c.id < @id)) and its order. Any
// other order, and COUNT, look at all that the filter's index selects: a scan of
// the partition when there is none, about 7 microseconds a document of 1 KB.
//
// # Refused
//
// Stored procedures, triggers, user-defined functions, users and permissions,
// resource tokens and Microsoft Entra ID tokens (401 says so), the change feed
// and conflict feed, reading items without a query, offers and throughput (the
// account is a serverless one), query plans, batches that are not atomic, patch
// move, client encryption, vector, full-text and spatial policies; in queries
// JOIN, subqueries, DISTINCT, GROUP BY, SUM MIN MAX AVG, LIKE, EXISTS,
// arithmetic, ??, ?:, ||, object and array literals, computed subscripts,
// COUNT with ORDER BY or paging, ORDER BY of an expression, and any other
// function.
//
// # Unknown
//
// Not verified against the service:
//
//   - Comparing different types: = is false and != true here, as in the query
//     engine of Microsoft's own SDK tests; the documentation says undefined.
//   - Whether a composite index keeps documents that lack one of its paths (here
//     it does, sorting undefined first), and the order of equal values (by id
//     here), of arrays and objects (by their text), and of strings equal in
//     their first 1024 bytes (by id).
//   - The words and codes (SC....) of query errors beyond the common ones, and
//     the words for patch errors.
//   - Whether Azure refuses a patch without a value (AppendSet of nil sends
//     none), and duplicate property names.
//   - Filters on paths excluded from the index, and queries with indexing mode
//     none, are served by a scan here; Azure may ask for EnableScanInQuery.
//   - Partition keys the client writes in escapes that are not JSON (control
//     characters, characters beyond the basic plane) get 400.
//   - Replacing an item under another id gets 400, and so does a trailing space
//     in an id.
//   - Charges are plausible numbers, not Azure's.
package cosmos

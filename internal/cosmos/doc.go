// Package cosmos keeps records and their custody chains in Azure Cosmos DB for NoSQL.
//
// One container, partitioned by /shard, holds documents of four types:
//
//	evidence  the record, in its own shard; `sort` repeats its times in a form that sorts as text
//	custody   a custody entry, in its record's shard: id `<evidence id>:<number, six digits>`
//	shard     the name of a shard that ever held a record, in partition `shards`
//	breaker   the one breaker, in partition `control`
//
// The account's default consistency must be Strong (or Bounded Staleness in a single region): with less, Get may miss a commit
// of another instance. What is written stays right even then, since every commit is by compare-and-swap.
package cosmos

// Package eventgrid is a streaming proxy in front of Azurite that turns each committed blob into one
// BlobCreated event on a Service Bus queue, as an Event Grid system topic does in Azure.
//
// Covered: Put Blob (block blobs), Put Block List, Copy Blob and Put Blob From URL; subscriptions
// filtered by container and data.api; Event Grid schema, one JSON object a message, with the aeg-*
// application properties; at least once, no order; the documented retry schedule, 30 attempts or
// 24 h, then a dead-letter blob; a durable outbox, so that a crash of this process or of Azurite
// between commit and event loses nothing; events wait while the broker is away.
//
// Refused: commits beyond the bound on waiting events (503 ServerBusy). Append and page blobs,
// metadata, tags, tiers and deletions raise no event.
//
// Unknown (not compared with the live service): the AMQP types of the aeg-* properties (strings
// here), the form of data.url when a client encodes the slashes of a name (%2F is passed on as sent,
// while the subject is decoded), the length of the sequencer, data.api of Put Blob From URL, whether
// Azure's retry schedule still is the one of its 2020 documents. Azure randomises the schedule and
// delays a whole endpoint after repeated failures; this does neither.
package eventgrid

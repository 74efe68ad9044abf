// Package servicebus sends the pipeline's messages, now or later, by Azure Service Bus.
//
// Queues `ingest`, `expire`, `reprocess` and `segment` and topic `footage` are those of infra/servicebus.json. Bodies are JSON.
package servicebus

// Package servicebus stands in for an Azure Service Bus namespace on one machine: a broker with its state on disk that
// speaks AMQP 1.0 over plain TCP as azservicebus v1.11.0 (go-amqp v1.7.0) speaks it with UseDevelopmentEmulator=true.
//
// # Covered
//
//   - SASL ANONYMOUS, open, heartbeats both ways, session windows, link credit, drain, echo, messages in many frames.
//   - $cbs put-token with shared access signatures: signature, key name, audience and expiry are checked, and links end
//     with their tokens. Tokens expire by the real clock, everything else by the server's, which can be advanced.
//   - Queues, topics, subscriptions with correlation filters, dead-letter queues; names ignore case.
//   - Sending single messages and batches; schedule, by annotation or by management call; cancel by sequence number, all
//     or nothing; peek of active, locked, deferred and scheduled messages.
//   - Peek-lock with renewal, complete, abandon, defer, dead-letter and release, by disposition or by management call;
//     receive-and-delete; deferred messages by sequence number; lost locks; delivery count and MaxDeliveryCount;
//     time to live; duplicate detection.
//
// # Durability
//
// What is acknowledged is on disk: sends, schedules, cancellations and settlements are answered after the commit, and a
// killed process loses none of them. Locks are in memory only: after a restart what was locked is available at once,
// with the delivery count it had. The count is of failed deliveries, abandonments and locks that ran out, and is stored
// with them; a delivery that a restart cut short does not count. A receive-and-delete message is removed before it is
// sent. A settlement that cannot be stored ends the connection, because the SDK would report it as done otherwise.
//
// # Refused
//
// Sessions, transactions, selector filters and unknown management operations with amqp:not-implemented; a dead letter of
// a dead letter, more than 100 messages in one schedule call, sending to a subscription and receiving from a topic with
// amqp:not-allowed; messages over MaxMessageSize with amqp:link:message-size-exceeded. The configuration refuses
// sessions, SQL filters, rule actions and forwarding. There is no TLS, no token of Entra ID and no HTTP management API.
//
// # Unknown
//
// Not checked against the live service: that cancelling an unknown sequence number answers 404, and as a whole; the limit
// of one schedule call; that a dead letter keeps its sequence number, and the delivery count it shows after
// MaxDeliveryCountExceeded; that x-opt-deadletter-source is set already in the dead-letter queue; that an abandoned
// deferred message stays deferred; that deferred messages do not expire; that a duplicate in a schedule call gets a
// number; the enqueued time a scheduled message shows when peeked; what receiving a topic's scheduled messages by peek
// gives; the words of errors.
package servicebus

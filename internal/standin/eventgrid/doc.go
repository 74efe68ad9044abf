// Package eventgrid is a streaming proxy in front of Azurite that turns each committed blob into one
// BlobCreated event on a Service Bus queue, as an Event Grid system topic does in Azure.
//
// # Covered
//
//   - Put Blob, Put Block List and Copy Blob: one event for each commit: TestCommitGivesOneEvent
//   - the documented fields of each data.api, exactly: TestSchemaOfEachAPI, TestClientRequestIDIsHandedOn
//   - one JSON object a message, with the aeg-* properties: TestDeliveryOverServiceBus
//   - account in the path or in the host: TestAccountInTheHost
//   - filters by container and data.api, those of infra: TestSubscriptionsAreFiltered, TestFiltersThatInfraDeclares
//   - the documented retry schedule and 24 hours, by the injected clock: TestRetryScheduleFollowsTheClock
//   - at least once, second deliveries and another order on demand: TestDuplicateAndSwap
//   - dead letters, by number of attempts and by age: TestGivenUpEventIsDeadLettered, TestRetryScheduleFollowsTheClock
//   - an old event is tried before it is given up: TestOldEventIsTriedBeforeItIsGivenUp
//   - events wait while the broker is away: TestEventsWaitWhileTheBrokerIsAway
//   - a durable outbox: TestEventsSurviveARestart, TestCrashCampaignOfTheProxy, TestCrashCampaignOfProxyAndAzurite
//   - commits whose answer was lost: TestGhostCommitGetsItsEvent, TestLostCommitGetsNoEvent, TestKilledBetweenCommitAndAnswer
//   - a client that goes away: TestClientGoesAwayDuringTheCommit, TestUploadThatEndsInTheMiddle
//   - bodies stream both ways, what is signed passes untouched: TestBodiesStream, TestSignedPartsPassUntouched, TestExpectContinue
//   - an Azurite that is away is an error the SDKs read: TestUpstreamAwayIsAnAnswerTheSDKsRead
//
// # Refused, or without an event
//
//   - staged blocks, append and page blobs, metadata, tags, tiers, deletions: no event: TestOtherRequestsGiveNoEvent
//   - subscriptions to any other data.api, options that make no sense: TestOptionsAreChecked
//   - events of a subscription that is no longer declared: TestUndeclaredSubscriptionIsForgotten
//
// # Limits
//
//   - events waiting, commits of unknown outcome among them, 1,000,000, then 503: TestCommitsAreRefusedWhenTooManyEventsWait
//   - blob names 1024 characters, request ids and content types 1024 bytes, then 400: TestLongTextsAreRefused
//   - names that are not UTF-8, 400: TestNamesThatAreNoTextAreRefused, FuzzClassify
//
// Bodies are never held. The number of requests at a time is not limited, as little as Azurite limits it.
//
// # Unknown, or different from Azure
//
// Not compared with the live service: the AMQP types of the aeg-* properties (strings here) and the case
// of the subscription's name in them, the form of data.url when a client encodes the slashes of a name
// (%2F is passed on as sent, while the subject is decoded), the length of the sequencer, data.api of Put
// Blob From URL, which Azurite does not have. Azure randomises the schedule, may skip retries, delays a
// whole endpoint after repeated failures, and dead-letters at once what a queue refuses for good; this
// does none of it, and makes the last attempt when the 24 hours are over. Azure writes a dead letter five
// minutes after the last attempt, drops it when the container is away for four hours, and names the last
// outcome in one word (NotFound, TimedOut); this writes it at once, waits, and quotes the error.
package eventgrid

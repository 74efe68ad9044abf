// Package servicebus stands in for an Azure Service Bus namespace on one machine: a broker with its state on disk that
// speaks AMQP 1.0 over plain TCP as azservicebus v1.11.0 (go-amqp v1.7.0) speaks it with UseDevelopmentEmulator=true.
//
// # Coverage
//
// Each feature and the tests that show it, through the unmodified SDK; those marked * through go-amqp or frames of their
// own, because the SDK never does it. archtest holds this table to the tests there are.
//
//	SAS: signature, key name, expiry, host, entity     TestTokensOfTheSDK TestWrongKey TestVerifySAS* TestAttachNeedsAToken* FuzzSAS
//	links end with their tokens                        TestLinksEndWithTheirTokens*
//	unknown entities, wrong kinds, any case            TestUnknownEntities TestSendReceiveComplete
//	single messages, every property the SDK sets       TestSendReceiveComplete
//	batches                                            TestBatch
//	messages of many frames, up to the maximum         TestLargeMessageBothWays TestMessageTooLarge TestMessagesThatCannotBeStoredAreRejected*
//	every AMQP type and several data sections in bodies  TestEveryTypeInBodies TestCodecReadsGoAMQP* TestTypesTheSDKCannotRead*
//	every AMQP type in properties, annotations, footer TestEveryTypeInProperties
//	schedule by call and by annotation                 TestScheduleAndCancel TestScheduleByAnnotation TestScheduleMany TestScheduledTopicMessageIsRoutedWhenDue
//	not early, soon after; what fell due while down    TestScheduledMessageIsNeverEarlyAndSoonThere TestWhatFellDueWhileDownFiresAtStart TestCrashCampaign
//	cancel, and as a whole not on an unknown number    TestScheduleAndCancel
//	lock duration of the entity, renewal               TestSendReceiveComplete TestRenewKeepsTheLock
//	lock lost on late settlement, redelivery           TestLockExpiryRedeliversAndLateSettlementFails
//	complete, abandon with properties, delivery count  TestAbandonRaisesDeliveryCountUntilDeadLetter TestStateSurvivesRestart
//	defer, receive by number, then every settlement    TestDeferred
//	dead-letter with reason; of a subscription         TestDeadLetter TestTopicDeadLetterQueueBelongsToTheSubscription
//	settlement without the link it came on             TestSettleOnTheManagementLinkAfterReconnecting
//	release without a delivery counted                 TestReleasedDoesNotRaiseTheDeliveryCount*
//	receive-and-delete                                 TestReceiveAndDelete
//	time to live                                       TestTimeToLive
//	duplicate detection where declared                 TestDuplicateDetection
//	peek of active, locked, deferred, scheduled, dead  TestPeek TestPeekDeadLetters
//	topics, correlation filters                        TestTopicFilters TestScheduledTopicMessageIsRoutedWhenDue
//	entity full                                        TestAFullEntity
//	credit, drain, echo, session windows both ways     TestDrain* TestEcho* TestSessionWindows*
//	heartbeats both ways                               TestHeartbeats* TestHeartbeatIntervalFollowsTheClient* TestASilentClientIsDropped
//	slow and dead clients hold up nobody               TestAClientThatDoesNotReadBlocksNobody TestDeadClients
//	competing receivers                                TestCompetingReceiversGetEachMessageOnce
//	the clock: injected, advanced, kept                TestInjectedClock TestAdmin TestStateSurvivesRestart
//	kill -9 under load                                 TestCrashCampaign
//	a disk that fails                                  TestStoreFailure
//	refusals name what they refuse                     TestWhatIsNotImplementedIsRefused TestUnsupportedOperationsAreNamed* TestParseConfigRefuses
//	broken and hostile frames                          TestBrokenHandshakes* TestProtocolViolations* TestLinkViolations* TestKeysThatCannotBeHashed* FuzzFrame FuzzValue FuzzMessage FuzzConfig
//
// CRASH_ROUNDS=100 go test -run TestCrashCampaign -v -timeout 30m is the campaign in full.
//
// # Limits
//
// On what a client can make grow: 1000 connections; on each 1024 sessions, 1024 links over all of them, 1024 tokens,
// 8 MiB of unfinished messages, 32 MiB waiting to be written to it (then it is cut off), 30 s for the handshake and as
// much for a write, 4 minutes of silence; on each link 1000 messages of credit, 64 messages or 1 MiB read ahead, 1000
// answers or 16 MiB of them not taken; in each session 65,536 deliveries to settle. A frame has 64 KiB, a message 1 MiB,
// a message-id 128 characters, a value 32 levels and 65,536 elements. A schedule call takes 100 messages, a peek gives
// 256 or 1 MiB, a call for deferred messages 256 or 8 MiB. Settlements add up to 64 KiB of properties. 64 MiB over all
// connections may be on their way to the disk. A queue or topic holds 5 GiB. Duplicate detection forgets sixteen old ids
// for each new one.
//
//	connections, sessions, links, unfinished messages  TestConnectionsAtATime TestLimitsOfOneConnection
//	tokens, deliveries to settle, bytes to write       TestWhatOneConnectionMakesUsKeep
//	answers nobody takes                               TestAnswersNobodyTakes
//	silence                                            TestASilentClientIsDropped
//	frame, nesting, handle                             TestBrokenHandshakes* TestProtocolViolations*
//	message, message-id                                TestMessageTooLarge TestLinkViolations* TestMessagesThatCannotBeStoredAreRejected*
//	one schedule call, one call for deferred messages  TestScheduleMany TestLimitOfDeferredMessagesInOneCall
//	properties                                         TestLimitOfModifiedProperties
//	entity                                             TestAFullEntity
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
// amqp:not-allowed; messages over MaxMessageSize with amqp:link:message-size-exceeded; whatever would make an entity
// larger than it may be with amqp:resource-limit-exceeded (403 in a schedule call, for which the SDK has no code). The configuration refuses
// sessions, SQL filters, rule actions and forwarding. There is no TLS, no token of Entra ID and no HTTP management API.
//
// # Unknown
//
// Not checked against the live service: what exactly counts against an entity's size (here: the bytes of messages as
// sent, scheduled ones, dead letters and the copies of all subscriptions); the condition for a message that cannot be
// decoded; the limits of one peek, of one call for deferred messages and of modified properties; that cancelling an
// unknown sequence number answers 404, and as a whole; the limit of one schedule call; that a dead letter keeps its
// sequence number, and the delivery count it shows after MaxDeliveryCountExceeded; that x-opt-deadletter-source is set
// already in the dead-letter queue; that an abandoned deferred message stays deferred; that deferred messages do not
// expire; that a duplicate in a schedule call gets a number; the enqueued time a scheduled message shows when peeked;
// what receiving a topic's scheduled messages by peek gives; the words of errors.
package servicebus

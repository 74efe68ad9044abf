// Package functionshost stands in for the Azure Functions host, version 4, with a custom handler.
//
// It reads a script root, keeps one handler process alive and hands it the calls of Service Bus, timer and HTTP
// triggers over the custom-handler protocol, and it punishes what Azure punishes. The sources of what it does are
// the public azure-functions-host, azure-webjobs-sdk, its extensions and the Service Bus extension.
//
// # Covered
//
// The numbers are those of the checklist that the reference page on the host ends with.
//
//   - 1 host.json, its defaults and its mistakes: TestHostJSONDefaults, TestHostJSONMistakes, TestTimeSpans
//   - 1 function.json, its mistakes, disabled functions: TestFunctionMistakes, TestNewRefuses, TestDisabledFunctionsNeedNoSettings
//   - 1 app settings and %NAME%: TestSettings
//   - 1 environment, arguments with %VAR%, working directory: TestProcessEnvironmentAndArguments, TestHandlerFromPATH
//   - 1 standard output is information, standard error an error or a warning: TestConsoleLevels
//   - 1 no function, no process: TestNoFunctions
//   - 2 ready by GET /, calls wait for it, within initializationTimeout: TestCallsWaitUntilTheHandlerIsReady, TestHandlerThatIsNeverReady
//   - 2 a start that is bounded: TestStartIsBounded, TestHostStartsBeforeItsBroker
//   - 3 exit 0 left alone, 200 restarted, the third crash stops the host, on the same port: TestExitCodes, TestCrashesAtTheStart
//   - 3 crashes more than 30 minutes apart are forgotten: TestCrashesMoreThanHalfAnHourApartAreForgotten
//   - 3 SIGKILL of the process group on a function timeout, uncounted: TestTimeoutKillsEverythingInFlight, TestProxyTimeoutKills
//   - 3 SIGKILL on stop, and with the host: TestUnlimitedTimeout, TestHandlerDiesWithAKilledHost, TestOrphansDoNotHideADeadHandler
//   - 4 chunked POST with the host's headers: TestRequestOfACall
//   - 4 values and metadata as the host writes them: TestEncodeValue, TestMetadataOfAMessage, TestMessageReachesItsFunction
//   - 4 without dataType binary the body overwrites the metadata: TestStringModePollutesTheMetadata, TestTextModeIsPollutedByTheBody
//   - 4 bodies that are no JSON object, not UTF-8, or no data: TestPollutionNeedsAnObject, TestBodyOfAMessage
//   - 5 what is a success and what a failure, Logs: TestAnswers
//   - 5 an empty answer or null hangs until functionTimeout, and is named at once: TestEmptyAnswerHangsUntilTheTimeoutKills
//   - 7 prefix, templates, constraints, 404 for a wrong method too: TestRoutes, TestConstraintKinds, TestWrongMethodIs404
//   - 7 dot segments are resolved before routing: TestDotSegmentsAreResolvedFirst
//   - 7 keys by authLevel, made once: TestRoutesAndKeys, TestKeysAreMadeOnceAndKept
//   - 7 proxy mode, request and answer intact, streamed: TestProxyKeepsTheRequest, TestProxyKeepsTheAnswer, TestProxyStreamsBothWays, TestProxyContinuesOnce
//   - 7 413, 240 s of silence, connection attempts: TestProxyLargeBodiesAndTheLimit, TestProxySilence, TestProxyWhileTheHandlerRestarts
//   - 7 500 and 503 where there is no handler or no host: TestProxyAfterExit0, TestStoppedHostIsUnavailable
//   - 9 complete on success, abandon on failure, dead letters: TestFailuresEndInTheDeadLetterQueue, TestNothingIsLostWhenTheHostStops
//   - 9 the lock is renewed while the call is open: TestLockIsRenewedWhileTheCallIsOpen, TestListenerKeepsTheLock, TestRenewalDelay
//   - 9 but no longer than maxAutoLockRenewalDuration: TestLockIsLostWithoutRenewal, TestListenerStopsRenewing
//   - 9 maxConcurrentCalls: TestConcurrencyIsBounded, TestListenerSettlesAndBoundsItsCalls
//   - 9 a broker that restarts, is away, or has another clock: TestBrokerRestart, TestClosingDoesNotWaitForTheBroker, TestAdvancedClockOfTheBroker
//   - 9 kill -9 of host and handler loses no message: TestCrashCampaign, TestMessagesSurviveTheHandler
//   - 10 NCRONTAB of six fields in UTC: TestSchedules
//   - 10 IsPastDue, ScheduleStatus on disk: TestTimerFiresAndKeepsItsStatus, TestChangedScheduleIsNotPastDue, TestBrokenStatusStartsAnew
//   - 10 runOnStartup, useMonitor false: TestTimerOnStartupWithoutMonitor
//   - 10 one call at a time, a failure waits for the next tick: TestTimerNeverRunsTwiceAtOnce, TestFailedTimerWaitsForItsNextTick
//   - 11 run, list, describe, status, ping: TestAdmin, TestTimerByHand
//   - 12 X-MS-CLIENT-PRINCIPAL* and X-MS-TOKEN-* of clients are removed, and none is made: TestProxyKeepsTheRequest
//   - 13 functionTimeout of 30 minutes, or none: TestHostJSONDefaults, TestUnlimitedTimeout
//   - 13 drain, by /admin/host/drain: TestDrain, TestDrainTakesNoMoreMessages
//
// # Refused, with words
//
//   - 6 output and input bindings but http: TestFunctionMistakes
//   - 7 a route by which outsiders could call POST /<function>, or that shadows /admin: TestNewRefuses
//   - 7 JSON and forwarding modes of HTTP, custom routes without function.json: TestHostJSONMistakes, TestNewRefuses
//   - 8 eventGridTrigger, whose webhook is not there; Event Grid delivers to a queue: TestFunctionMistakes, TestRoutesAndKeys
//   - 9 sessions, cardinality many, autoComplete false, prefetch, retry: TestFunctionMistakes, TestHostJSONMistakes
//   - 9 identity-based connections, AMQP values and sequences: TestFunctionMistakes, TestBodyOfAMessage
//   - 10 TimeSpan and five-field schedules, those that never fire: TestFunctionMistakes
//   - 11 an admin run of an HTTP function (400): TestAdmin
//   - other triggers; hours above 23 in a time span, which .NET reads as days: TestFunctionMistakes, TestTimeSpans
//
// # Limits
//
//   - request bodies 100 MiB, or FUNCTIONS_REQUEST_BODY_SIZE_LIMIT, then 413: TestProxyLargeBodiesAndTheLimit
//   - bodies of admin runs 8 MiB, then 413; 1000 runs at a time, then 429: TestAdmin, TestRunsByHandAreLimited
//   - a handler's answer 16 MiB, then a failure: TestAnswers
//   - a handler's line 64 KiB, then it is cut: TestConsoleCutsEndlessLines
//   - messages in flight by maxConcurrentCalls, 10,000 at most: TestConcurrencyIsBounded, TestHostJSONMistakes
//   - configuration files 1 MiB, routes 512 characters and 32 segments: TestHostJSONMistakes, TestFunctionMistakes
//   - what is parsed: FuzzFunctionJSON, FuzzRoute, FuzzSchedule, FuzzTimeSpan, FuzzAnswer, FuzzEnvelope, FuzzArguments
//
// HTTP requests at a time are not limited, as outside the Consumption plan; each ends with functionTimeout.
//
// # Unknown, or different from Azure
//
//   - functionTimeout starts when the call is sent, not while it waits for the handler.
//   - A forwarding error answers 500; YARP alone would say 502 or 504.
//   - Only refused connections are tried again; Azure may repeat a request without a body whose handler died on it.
//   - After a broken connection the failure is reported when the handler's end is known, 100 ms later at most, so
//     that a redelivery does not meet the dead process.
//   - Metadata of an admin run (SequenceNumber -1, no MessageId) and the DateTime without a zone of a timer's first
//     run are concluded from sources.
//   - A stop of this host is a kill of the handler, without a drain before it, as a restart in Azure is.
//   - Time zones of schedules (WEBSITE_TIME_ZONE), the limits of 8192 bytes for URLs and 230 s for answers,
//     maxConcurrentRequests, host.json's logging and health sections, traceparent, /runtime/webhooks: not there.
//   - A request whose body the handler does not read: YARP may fail it, this host passes the answer on.
package functionshost

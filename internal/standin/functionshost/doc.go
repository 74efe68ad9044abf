// Package functionshost stands in for the Azure Functions host, version 4, with a custom handler.
//
// It reads a script root, keeps one handler process alive and hands it the calls of Service Bus, timer and HTTP
// triggers over the custom-handler protocol, and it punishes what Azure punishes. The sources of what it does are
// the public azure-functions-host, azure-webjobs-sdk, its extensions and the Service Bus extension.
//
// # Covered
//
//   - Process: environment with the legacy twins, arguments with %VAR%, workingDirectory, readiness by GET / each
//     25 ms within initializationTimeout, calls that wait for it, exit 0 left alone, 200 restarted, others restarted
//     and counted, the third error of 30 minutes stops the host (Done), the same port for every process, SIGKILL of
//     the process group on a function timeout and on Close.
//   - Calls: chunked POST /<function> with the host's headers; binary bodies as base64; string bodies encoded twice,
//     their properties overwriting the metadata. Not 2xx, not JSON, not an object: failure. An empty answer or null
//     hangs until functionTimeout and is logged as an error at once. Logs are written to the log.
//   - HTTP in proxy mode: streamed both ways; path, query and headers intact; dot segments resolved before routing;
//     templates with constraints, optional and catch-all parameters; 404 also for a wrong method, as in Azure; keys
//     by authLevel; 413 above the limit; 240 s of silence; connection attempts; X-MS-CLIENT-PRINCIPAL* and
//     X-MS-TOKEN-* of clients removed, X-Forwarded-For and -Proto written, as the platform does.
//   - Service Bus: queues, subscriptions and their $DeadLetterQueue in peek-lock; maxConcurrentCalls; renewal up to
//     maxAutoLockRenewalDuration; complete or abandon; reconnection for ever.
//   - Timers: NCRONTAB with six fields in UTC, runOnStartup, useMonitor with ScheduleStatus on disk, IsPastDue, one
//     call at a time.
//   - Admin: run, list, describe, status, drain, ping.
//
// # Refused, with words
//
// Other triggers (Event Grid, blob, queue storage), input and output bindings but http, cardinality many, sessions,
// autoComplete false, prefetch, retry policies, the JSON and forwarding modes of HTTP, custom routes without
// function.json, identity-based connections, a route that outsiders could use to call POST /<function>, hours above
// 23 in a time span, TimeSpan and five-field schedules, an admin run of an HTTP function (400).
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
//   - Time zones of schedules (WEBSITE_TIME_ZONE), the limits of 8192 bytes for URLs and 230 s for answers,
//     maxConcurrentRequests, host.json's logging and health sections, traceparent, /runtime/webhooks: not there.
//   - A request whose body the handler does not read: YARP may fail it, this host passes the answer on.
package functionshost

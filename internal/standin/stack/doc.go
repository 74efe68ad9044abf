// Package stack runs on one machine everything that Azure runs for us: blob storage, events, Service Bus, Cosmos DB and the Functions host.
//
// # Covered
//
//   - every service from the declarations in infra, each on its port, stopped in the opposite order: TestStartThatFailsHalfwayClosesEverything
//   - a start that fails leaves no port, lock or process behind: TestStartThatFailsHalfwayClosesEverything
//   - a port that is taken is named, with its service: TestTakenPortSaysWhoseItIs
//   - a service that ends by itself is reported: TestFailedTellsThatAzuriteDied
//   - declarations with unknown fields, event types or data.api are refused: TestDeclarationsAreChecked
//
// # Unknown, or different from Azure
//
// Event Grid's retry schedule is shortened to seconds, because the person at the machine waits for it. The keys
// protect nothing: they are those of Microsoft's emulators, and everything listens on the loopback interface only.
package stack

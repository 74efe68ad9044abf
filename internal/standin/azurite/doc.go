// Package azurite runs Microsoft's Azurite blob service as a child of this process.
//
// # Covered
//
// What Azurite 3.35.0 covers, over plain HTTP with the shared key and with SAS. Of our own:
//
//   - blobs survive an orderly restart: TestBlobsSurviveAnOrderlyRestart
//   - a killed parent takes Azurite along, which writes everything out first: TestKilledParentLeavesNothingBehindAndLosesNothing
//   - an Azurite that ends by itself is reported, with its last words: TestKilledServerIsReported, TestScriptThatEndsAtOnceShowsItsLastWords
//   - one server a directory, one a port: TestOneServerADirectory, TestTakenPortIsAClearError
//   - what is not installed is named, and how to get it: TestMissingPartsSayHowToGetThem
//
// # Refused
//
// Nothing of our own; Azurite itself answers 501 to immutability policies, legal holds, undelete, and Put Blob From
// URL.
//
// # Unknown, or different from Azure
//
// How much Azurite loses when it is killed outright. It keeps its metadata in memory and writes it out every five
// seconds (lokijs autosave), so a blob that was acknowledged less than five seconds before a SIGKILL of the node
// process can be gone. Azure loses nothing acknowledged. When only the parent dies, however hard, the child gets
// SIGTERM and writes everything out first.
package azurite

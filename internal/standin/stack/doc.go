// Package stack runs on one machine everything that Azure runs for us: blob storage, events, Service Bus, Cosmos DB and the Functions host.
package stack

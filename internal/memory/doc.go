// Package memory keeps what the domain's interfaces keep, strictly and in memory, and loses a reply when a test asks for it.
package memory

// Package blob keeps originals and renditions in Azure Blob Storage.
package blob

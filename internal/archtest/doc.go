// Package archtest holds the layers of the module: which package may import which, and what no source file may have.
package archtest

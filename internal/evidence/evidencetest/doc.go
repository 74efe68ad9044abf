// Package evidencetest is the contracts of the domain's interfaces, as suites that every implementation passes.
//
// Each suite takes a function that opens an empty store of its own, for one test. None of them skips.
package evidencetest

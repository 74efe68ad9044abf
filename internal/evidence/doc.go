// Package evidence is the domain: the record of one recording, the moves it may make, and its custody chain.
package evidence

// Package ffmpeg reads recordings and makes their proxies with the ffmpeg and ffprobe executables.
//
// A recording is hostile input and lives in a store, never on this machine's disk: the children read it over HTTP from a loopback
// server of this package, so that neither keys nor signed addresses appear on a command line or in an error line.
package ffmpeg

// Package browser has a real Chromium play a recording's proxy for the tests, and tells what a viewer would have noticed.
//
// The page is ours (page/), with the hls.js that the portal uses (hls/) under the portal's content security policy. It is served from the origin
// of the API, and segments come from wherever the playlist's links lead: another origin must allow that, as the storage account does in Azure.
package browser

package hls_test

import (
	"testing"

	"bwv/internal/hls"
)

func TestStoryboard(t *testing.T) {
	got := string(hls.Stills([]hls.Still{
		{From: 0, To: 5, URI: "video/00000.jpg", W: 160, H: 90},
		{From: 5, To: 10.0005, URI: "video/00001.jpg", X: 160, Y: 0, W: 160, H: 90},
		{From: 3599.9996, To: 3600, URI: "video/00099.jpg", X: 320, W: 160, H: 90},
		{From: 12*3600 + 34*60 + 56.789, To: 100 * 3600, URI: "video/00720.jpg", W: 160, H: 286},
		{From: -1, To: 0, URI: "a.jpg", W: 1, H: 1},
	}))
	want := `WEBVTT

00:00:00.000 --> 00:00:05.000
video/00000.jpg#xywh=0,0,160,90

00:00:05.000 --> 00:00:10.001
video/00001.jpg#xywh=160,0,160,90

01:00:00.000 --> 01:00:00.000
video/00099.jpg#xywh=320,0,160,90

12:34:56.789 --> 100:00:00.000
video/00720.jpg#xywh=0,0,160,286

00:00:00.000 --> 00:00:00.000
a.jpg#xywh=0,0,1,1
`
	if got != want {
		t.Errorf("got %s", got)
	}
	if got := string(hls.Stills(nil)); got != "WEBVTT\n" {
		t.Errorf("of nothing: %q", got)
	}
}

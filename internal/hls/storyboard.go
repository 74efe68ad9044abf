package hls

import (
	"bytes"
	"fmt"
	"math"
)

// Still is one small picture of a storyboard: a part of a strip, shown from From until To.
type Still struct {
	From, To   float64 // seconds
	URI        string
	X, Y, W, H int // pixels
}

// Stills writes a storyboard: WebVTT cues whose text is the address of a picture with a spatial media fragment (W3C Media Fragments, xywh).
func Stills(stills []Still) []byte {
	var b bytes.Buffer
	b.WriteString("WEBVTT\n")
	for _, s := range stills {
		fmt.Fprintf(&b, "\n%s --> %s\n%s#xywh=%d,%d,%d,%d\n", moment(s.From), moment(s.To), s.URI, s.X, s.Y, s.W, s.H)
	}
	return b.Bytes()
}

func moment(seconds float64) string {
	ms := int64(math.Round(max(0, seconds) * 1000))
	return fmt.Sprintf("%02d:%02d:%02d.%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}

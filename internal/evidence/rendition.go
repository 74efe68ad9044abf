package evidence

import (
	"context"
	"io"
	"time"
)

// Rendition is one derived file, rebuildable from its original: name is below the record's folder, e.g. "proxy.m3u8".
type Rendition struct {
	Name        string
	ContentType string
	// Provenance goes with the file as blob metadata: the original's digest where known, tool version, parameters.
	Provenance map[string]string
}

// Names of the renditions that other code asks for. Playlists (RFC 8216) lie in the record's folder itself, and name what lies below it.
const (
	Master     = "master.m3u8"    // the pictures and the sounds that go with them
	Pictures   = "video.m3u8"     // media playlist of the pictures
	Poster     = "poster.jpg"     // one frame that stands for the recording
	Storyboard = "storyboard.vtt" // WebVTT: when to show which part of which strip
	Waveform   = "waveform.dat"   // audiowaveform's data format, version 1: peaks of the first sound
	Track      = "location.json"  // GeoJSON
)

// Renditions is the container `renditions`; everything of one record lies below `<evidence id>/`.
type Renditions interface {
	// Put writes a whole rendition, replacing one of that name; readers see the old or the new one, never half of one.
	Put(ctx context.Context, id ID, r Rendition, body io.Reader) error
	// Get reads one; NotFound.
	Get(ctx context.Context, id ID, name string) (io.ReadCloser, error)
	// List names what lies below the record's folder, sorted.
	List(ctx context.Context, id ID) ([]string, error)
	// DeleteAll removes what lies below the record's folder and begins with prefix, everything where that is empty; nothing there is no error.
	DeleteAll(ctx context.Context, id ID, prefix string) error
}

// Pages are small renditions that several writers bring forward together.
type Pages interface {
	// Load reads a whole page and its version; NotFound.
	Load(ctx context.Context, id ID, name string) (text []byte, version string, err error)
	// Swap writes a page if its version is still the one given; an empty one means that there is none yet. Conflict: read again and decide again.
	// After any other error it may have been written.
	Swap(ctx context.Context, id ID, r Rendition, text []byte, version string) error
}

// Chunk is a stretch of a recording's pictures that begins with one that can be decoded by itself. Chunks follow each other without a gap.
type Chunk struct {
	Number    int    `json:"number"`
	Timescale int64  `json:"timescale"` // ticks a second
	Start     int64  `json:"start"`     // presentation time of its first picture, in ticks from the recording's beginning
	End       int64  `json:"end"`       // where the next chunk starts, or the last picture ends
	Frames    int    `json:"frames"`
	Recipe    []byte `json:"recipe"`          // where its pictures lie, and when they are due: for the tool that cut it
	Aside     string `json:"aside,omitempty"` // the rendition that holds its pictures, where the original has no index to find them by
	// Reference is the recording of the same camera that helped to find the pictures, where the original's index was never written.
	Reference *Original `json:"reference,omitempty"`
}

// Seconds is when the chunk begins and ends.
func (c Chunk) Seconds() (from, to float64) {
	return float64(c.Start) / float64(c.Timescale), float64(c.End) / float64(c.Timescale)
}

// Part asks for one chunk of a proxy: the message of queue `segment`.
type Part struct {
	Evidence ID  `json:"evidence"`
	Chunk    int `json:"chunk"`
}

// Parts is the queue `segment`.
type Parts interface {
	// Dispatch sends parts. After an error some of them may have been sent; the stage bears them twice.
	Dispatch(ctx context.Context, parts []Part) error
}

// ProxyState says how far the proxy is.
type ProxyState string

// The states of a proxy; the zero value is "not made yet".
const (
	ProxyGrowing ProxyState = "growing" // its beginning can be watched, the rest is being made
	ProxyReady   ProxyState = "ready"
	ProxyFailed  ProxyState = "failed" // for good: the attention entry says why
)

// Proxy describes the copy that people watch.
type Proxy struct {
	State    ProxyState `json:"state,omitempty"`
	Seconds  float64    `json:"seconds,omitempty"`
	Width    int        `json:"width,omitempty"`
	Height   int        `json:"height,omitempty"`
	HasAudio bool       `json:"hasAudio,omitempty"`
	Bytes    int64      `json:"bytes,omitempty"` // of pictures and sounds
	Frames   int64      `json:"frames,omitempty"`
	Gaps     float64    `json:"gaps,omitempty"`       // seconds that could not be made
	Tool     string     `json:"tool,omitempty"`       // "ffmpeg 5.1.9"
	Profile  string     `json:"parameters,omitempty"` // the encoder's arguments
	At       time.Time  `json:"at,omitzero"`
}

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

// Names of the renditions that other code asks for.
const (
	Playlist  = "proxy.m3u8" // HLS media playlist whose segments are byte ranges of ProxyFile
	ProxyFile = "proxy.mp4"  // fragmented MP4
	Poster    = "poster.jpg"
	Track     = "location.json" // GeoJSON
)

// Renditions is the container `renditions`; everything of one record lies below `<evidence id>/`.
type Renditions interface {
	// Put writes a whole rendition, replacing one of that name; readers see the old or the new one, never half of one.
	Put(ctx context.Context, id ID, r Rendition, body io.Reader) error
	// Get reads one; NotFound.
	Get(ctx context.Context, id ID, name string) (io.ReadCloser, error)
	// List names what lies below the record's folder, sorted.
	List(ctx context.Context, id ID) ([]string, error)
	// DeleteAll removes everything below the record's folder; nothing there is no error.
	DeleteAll(ctx context.Context, id ID) error
}

// ProxyState says how far the proxy is.
type ProxyState string

// The states of a proxy; the zero value is "not made yet".
const (
	ProxyReady  ProxyState = "ready"
	ProxyFailed ProxyState = "failed" // for good: the attention entry says why
)

// Proxy describes the copy that people watch.
type Proxy struct {
	State    ProxyState `json:"state,omitempty"`
	Seconds  float64    `json:"seconds,omitempty"`
	Width    int        `json:"width,omitempty"`
	Height   int        `json:"height,omitempty"`
	HasAudio bool       `json:"hasAudio,omitempty"`
	Bytes    int64      `json:"bytes,omitempty"`
	Frames   int64      `json:"frames,omitempty"`
	Tool     string     `json:"tool,omitempty"`       // "ffmpeg 5.1.9"
	Profile  string     `json:"parameters,omitempty"` // the encoder's arguments
	At       time.Time  `json:"at,omitzero"`
}

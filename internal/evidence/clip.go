package evidence

import (
	"context"
	"io"
	"math"
)

// Clip is one chunk of a proxy as it was made.
type Clip struct {
	Init          []byte // the header that all chunks of a proxy share
	Media         []byte // a directory (sidx) and the fragments that it lists
	Strip         []byte // JPEG: the stills of this stretch, side by side; nil where it has none
	Poster        []byte // JPEG of the first chunk; nil elsewhere
	Width, Height int    // of the pictures
	Codecs        string // RFC 6381
	Note          string // what was wrong with the recording here; empty when nothing was
	Tool          string // "ffmpeg 5.1.9"
	Profile       string // the encoder's arguments
}

// Opener opens what was kept aside of a recording, from its beginning, as often as it is asked.
type Opener func(ctx context.Context) (io.ReadCloser, error)

// StillSeconds is how far the stills of a storyboard lie apart. They are StillWidth pixels wide.
const (
	StillSeconds = 5
	StillWidth   = 160
)

// mostStills bounds a strip: a recording may claim that one picture lasts for years.
const mostStills = 120

// Stills are the moments of a chunk's stills: the multiples of StillSeconds from its beginning to before its end, the first mostStills of them.
func Stills(from, to float64) []float64 {
	var at []float64
	for t := math.Ceil(from/StillSeconds) * StillSeconds; t < to && len(at) < mostStills; t += StillSeconds {
		at = append(at, t)
	}
	return at
}

// Outline sums a recording's chunks up.
type Outline struct {
	Chunks   int
	Frames   int64
	Warnings []string // oddities worth an attention entry: short, for people
}

// Sound is one sound track of a proxy.
type Sound struct {
	Name     string `json:"name"`
	Language string `json:"language,omitempty"` // ISO 639-2, as the recording says
	Codecs   string `json:"codecs"`             // RFC 6381
	Channels int    `json:"channels"`
	Copied   bool   `json:"copied,omitempty"` // as it was recorded; else coded again
	Takes    int    `json:"takes"`            // that were handed out
	Ended    bool   `json:"ended,omitempty"`  // there are no more
	Failed   string `json:"failed,omitempty"` // why there is nothing to hear
	Note     string `json:"note,omitempty"`   // what of it is not to be had, though it was recorded
	Next     []byte `json:"next,omitempty"`   // where the tool goes on: only the tool reads it
}

// Take is a stretch of one sound.
type Take struct {
	Sound, Number int    // both from 0
	Init          []byte // the header that all takes of a sound share
	Media         []byte // a directory (sidx) and the fragments that it lists
	Peaks         []byte // pairs of signed bytes, the lowest and the highest sample of 1/PeaksRate s: of the first sound only
}

// PeaksRate is how many pairs of a waveform a second has; each comes from PeaksScale samples.
const (
	PeaksRate  = 10
	PeaksScale = 800
)

// Reading is how far the one reading of an original from end to end has come. It is kept, so that another invocation goes on where one ended.
type Reading struct {
	Offset int64   `json:"offset"` // bytes hashed
	State  []byte  `json:"state"`  // of SHA-256 behind them
	Sounds []Sound `json:"sounds"` // nil: another stage makes them
}

// Cutting takes what cutting a recording brings forth, in order. An error ends the cutting and comes back.
type Cutting interface {
	// Chunk is the next chunk.
	Chunk(ctx context.Context, c Chunk) error
	// Aside keeps the pictures of a chunk whose recording has no index to find them by; it comes before that chunk.
	Aside(ctx context.Context, name string, body io.Reader) error
	// Sound keeps takes, and what is known of the sounds after them. It is only called for a recording without such an index.
	Sound(ctx context.Context, known []Sound, takes []Take) error
}

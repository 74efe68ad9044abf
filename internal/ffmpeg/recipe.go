package ffmpeg

import (
	"bytes"
	"compress/flate"
	"encoding/gob"
	"fmt"
	"io"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// recipe is all that making a chunk needs to know of its recording: with it, nobody looks into the original's index again. Times are ticks of the
// track's timescale; PTS are presentation times from the recording's beginning.
type recipe struct {
	Demuxer       string
	Timescale     int64
	Width, Height int // of the pictures as they are coded
	Matrix        [36]byte
	Entries       []byte           // the stsd box
	Samples       []isobmff.Sample // in decode order; more than Frames where pictures that belong elsewhere are needed to decode them
	Lead          []isobmff.Sample // from the keyframe before on: where decoding has to begin if the chunk's own keyframe does not stand alone
	Shift         int64            // presentation = media - Shift
	Frames        []int64          // PTS of the chunk's pictures, ascending
	Open          bool             // pictures behind the first one need others from before it: the decoder will complain about them, and they are not the chunk's
}

func (r recipe) pack() ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := gob.NewEncoder(w).Encode(r); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

const maxRecipe = 64 << 20

// unpack refuses what no Cut wrote.
func unpack(packed []byte) (r recipe, err error) {
	plain := flate.NewReader(bytes.NewReader(packed))
	if err := gob.NewDecoder(io.LimitReader(plain, maxRecipe)).Decode(&r); err != nil {
		return r, fmt.Errorf("reading a chunk's recipe: %w: %w", err, evidence.Invalid)
	}
	if r.Timescale < 1 || r.Timescale > maxTimescale || len(r.Frames) == 0 || len(r.Samples) < len(r.Frames) {
		return r, fmt.Errorf("a chunk's recipe of %d samples for %d pictures: %w", len(r.Samples), len(r.Frames), evidence.Invalid)
	}
	return r, nil
}

// track is the recipe's track as isobmff writes it.
func (r recipe) track() *isobmff.Track {
	return &isobmff.Track{ID: 1, Handler: "vide", Timescale: r.Timescale, Width: r.Width, Height: r.Height, Matrix: r.Matrix, Entries: r.Entries}
}

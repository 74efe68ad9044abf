package kinds

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Frame is one picture as a player shows it.
type Frame struct {
	At            Time // since the recording's beginning
	Key           bool
	Width, Height int
}

// Track is what is heard of one track of sound.
type Track struct {
	Language string
	Codec    string
	Rate     int   // samples a second
	First    Time  // when the first sample is heard, since the recording's beginning: not the encoder's priming, and nothing that an edit cuts off
	End      Time  // when the last one ends
	Samples  int64 // fewer than Rate * (End - First) when there are holes
}

var errNothing = errors.New("nothing in it can be decoded")

// Frames lists the pictures of a recording, or of a proxy, in the order in which they are shown. The judge is ffprobe's decoder: what it cannot decode nobody sees.
// Edit lists are applied by the letter. A recording begins where its container's clock reads zero; the clock of a transport stream says nothing, so it begins with the first
// thing that is seen or heard.
func Frames(ctx context.Context, path string) ([]Frame, error) {
	edits, err := readEditing(path)
	if err != nil {
		return nil, err
	}
	if len(edits.edits) > 0 {
		return edits.edited(ctx, path)
	}
	pictures, err := decode(ctx, path, "V:0")
	if err != nil {
		return nil, err
	}
	origin, err := pictures.origin(ctx, path, "a")
	if err != nil {
		return nil, err
	}
	return pictures.shown(origin)
}

// Sound lists a recording's tracks of sound, on the same clock as Frames. None is no error.
func Sound(ctx context.Context, path string) ([]Track, error) {
	heard, err := decode(ctx, path, "a")
	if err != nil && !errors.Is(err, errNothing) {
		return nil, err
	}
	origin, err := heard.origin(ctx, path, "V:0")
	if err != nil {
		return nil, err
	}
	var list []Track
	for _, s := range heard.Streams {
		if len(heard.of(s.Index)) == 0 {
			continue
		}
		track, err := s.heard(heard.of(s.Index), origin)
		if err != nil {
			return nil, fmt.Errorf("listening to %s: %w", path, err)
		}
		list = append(list, track)
	}
	return list, nil
}

// decoded is what ffprobe writes of a file's decoded frames.
type decoded struct {
	Format struct {
		Name string `json:"format_name"`
	}
	Streams []stream
	Frames  []frame
}

type stream struct {
	Index      int
	Kind       string `json:"codec_type"`
	Codec      string `json:"codec_name"`
	Base       string `json:"time_base"`
	SampleRate int    `json:"sample_rate,string"`
	Tags       map[string]string
}

type frame struct {
	Stream        int `json:"stream_index"`
	Key           int `json:"key_frame"`
	PTS           *int64
	Guess         *int64 `json:"best_effort_timestamp"` // from decoding times, where a container has no others
	Width, Height int
	Samples       int64 `json:"nb_samples"`
}

// decode has ffprobe decode the streams that a specifier selects; options are for its demuxer. Only times are asked for: pictures are not deblocked.
func decode(ctx context.Context, path, selected string, options ...string) (decoded, error) {
	var d decoded
	out, err := run(ctx, "ffprobe", append(options, "-v", "error", "-skip_loop_filter", "all", "-select_streams", selected, "-of", "json", "-show_entries",
		"format=format_name:stream=index,codec_type,codec_name,time_base,sample_rate:stream_tags=language:"+
			"frame=stream_index,key_frame,pts,best_effort_timestamp,width,height,nb_samples", path)...)
	if err != nil {
		return d, fmt.Errorf("decoding %s: %w", path, err)
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return d, fmt.Errorf("decoding %s: %w", path, err)
	}
	d.Frames = slices.DeleteFunc(d.Frames, func(f frame) bool { return f.PTS == nil && f.Guess == nil }) // side data that ffprobe lists among the frames
	if len(d.Frames) == 0 {
		return d, fmt.Errorf("decoding %s of %s: %w", selected, path, errNothing)
	}
	return d, nil
}

func (d decoded) of(index int) []frame {
	var list []frame
	for _, f := range d.Frames {
		if f.Stream == index {
			list = append(list, f)
		}
	}
	return list
}

// shown turns the frames of the only stream into pictures.
func (d decoded) shown(origin Time) ([]Frame, error) {
	var list []Frame
	for _, f := range d.Frames {
		t, err := f.at(d.Streams[0].Base)
		if err != nil {
			return nil, err
		}
		list = append(list, Frame{At: t.since(origin), Key: f.Key == 1, Width: f.Width, Height: f.Height})
	}
	return list, nil
}

func (f frame) at(base string) (Time, error) {
	if f.PTS != nil {
		return at(*f.PTS, base)
	}
	return at(*f.Guess, base)
}

// heard sums the frames of a stream up.
func (s stream) heard(frames []frame, origin Time) (Track, error) {
	first, err := frames[0].at(s.Base)
	if err != nil {
		return Track{}, err
	}
	last := frames[len(frames)-1]
	end, err := last.at(s.Base)
	if err != nil {
		return Track{}, err
	}
	end = end.Plus(Time{last.Samples, int64(s.SampleRate)})
	track := Track{Language: s.Tags["language"], Codec: s.Codec, Rate: s.SampleRate, First: first.since(origin), End: end.since(origin)}
	for _, f := range frames {
		track.Samples += f.Samples
	}
	return track, nil
}

// origin is where a recording begins on its container's clock, looking also at the streams that are not decoded yet.
func (d decoded) origin(ctx context.Context, path, others string) (Time, error) {
	if !strings.HasPrefix(d.Format.Name, "mpegts") {
		return Time{}, nil
	}
	more, err := decode(ctx, path, others)
	if err != nil && !errors.Is(err, errNothing) {
		return Time{}, err
	}
	begin := Time{}
	for _, part := range []decoded{d, more} {
		for _, s := range part.Streams {
			for _, f := range part.of(s.Index) {
				t, err := f.at(s.Base)
				if err != nil {
					return Time{}, err
				}
				if begin.Scale == 0 || t.before(begin) {
					begin = t
				}
			}
		}
	}
	return begin, nil
}

package ffmpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	ffgo "github.com/u2takey/ffmpeg-go"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// waveRate is how many samples a second a waveform is made from: of both ears together, 16 bits each.
const waveRate = evidence.PeaksRate * evidence.PeaksScale

// wave makes a waveform's pairs. Each counts from the recording's beginning, whatever takes there are; one that a take's end cuts in two comes with
// the next take.
type wave struct {
	Low  int16 `json:"low"` // of the pair that has begun
	High int16 `json:"high"`
}

// pairs goes on from one time to another, in samples; what pcm hasn't is silence. The pair that has begun is closed where nothing follows.
func (w *wave) pairs(pcm []byte, from, to int64, ended bool) (pairs []byte) {
	for i := from; i < to; i++ {
		var v int16
		if len(pcm) >= 2 {
			v, pcm = int16(binary.LittleEndian.Uint16(pcm)), pcm[2:] //nolint:gosec // signed
		}
		if i%evidence.PeaksScale == 0 {
			w.Low, w.High = v, v
		}
		w.Low, w.High = min(w.Low, v), max(w.High, v)
		if i%evidence.PeaksScale == evidence.PeaksScale-1 || ended && i == to-1 {
			pairs = append(pairs, byte(w.Low>>8), byte(w.High>>8)) //nolint:gosec // signed bytes
		}
	}
	return pairs
}

// draw makes the pairs of a stretch: decoded by a child, if what is to be heard isn't known.
func (t *Tools) draw(ctx context.Context, w *wave, k *taker, s *stretch, ended bool) error {
	from, to := s.from*waveRate/k.timescale, s.to*waveRate/k.timescale
	if s.pcm == nil && !silent(s.frames) {
		var err error
		if s.pcm, err = t.decode(ctx, k, s, to-from); err != nil {
			return err
		}
	}
	s.Peaks = w.pairs(s.pcm, from, to, ended)
	return nil
}

func silent(frames []frame) bool {
	for _, f := range frames {
		if !f.silent {
			return false
		}
	}
	return true
}

// decode has a child turn a stretch into samples, from its beginning on. What the recording is to blame for is silence.
func (t *Tools) decode(ctx context.Context, k *taker, s *stretch, samples int64) ([]byte, error) {
	args, err := arguments(func() *ffgo.Stream {
		return heard(ffgo.Input("pipe:0", soundInput()).Get("a:0"), "pipe:1")
	})
	if err != nil {
		return nil, err
	}
	list := make([]sample, len(s.frames))
	for i, f := range s.frames {
		list[i] = sample{at: f.at, end: s.to, data: f.data}
		if i > 0 {
			list[i-1].end = f.at
		}
	}
	film := soundFilm(isobmff.AAC(int(k.rate), k.channels), k.timescale, list, s.from)
	var pcm bytes.Buffer
	j := job{path: t.ffmpeg.path, args: args, stdin: film, stdout: sink{&pcm, 2*samples + mostTail}, urgent: true}
	switch _, err = t.run(ctx, j); {
	case err == nil:
		return pcm.Bytes(), nil
	case blamed(err):
		return nil, nil
	}
	return nil, fmt.Errorf("drawing take %d of sound %d: %w", s.Number, s.Sound, err)
}

// mostTail is how much more than asked for a decoder may come out with.
const mostTail = 1 << 20

// heard turns sound into the samples of a waveform, from time 0 on.
func heard(in *ffgo.Stream, to string) *ffgo.Stream {
	in = in.Filter("aresample", ffgo.Args{fmt.Sprint(waveRate)}, steady()).Filter("aformat", nil, ffgo.KwArgs{"channel_layouts": "mono"})
	return ffgo.Output([]*ffgo.Stream{in}, to, ffgo.KwArgs{"c:a": "pcm_s16le", "f": "s16le", "copyts": "", "map_metadata": -1, "threads": 1})
}

// steady has a resampler make samples without a break from time 0 on: silence where there is none, and what comes before left out. It counts its first
// time in samples of whatever rate comes in, so 0 is the only one that can be told to it.
func steady() ffgo.KwArgs {
	return ffgo.KwArgs{"async": 1, "min_hard_comp": "0.02", "first_pts": 0}
}

// soundInput is a film by soundFilm: its time lead is 0, and what is before it negative.
func soundInput() ffgo.KwArgs {
	input := inputOptions("mov", true)
	input["itsoffset"] = -lead
	input["threads"] = 1
	return input
}

// sample is sound as it was recorded, from one time to another in ticks.
type sample struct {
	at, end int64
	data    []byte
	place   place
	offset  int64
}

const perFragment = 100

// soundFilm is a small fragmented film of one sound, in which the time from is at lead seconds. A sample lasts until the next one, but for a hole of
// more than a second, behind which a fragment begins.
func soundFilm(entries []byte, timescale int64, list []sample, from int64) io.Reader {
	parts := []io.Reader{bytes.NewReader(isobmff.Init(isobmff.InitTrack{ID: 1, Handler: "soun", Timescale: timescale, Entries: entries}))}
	for number := uint32(1); len(list) > 0; number++ {
		var pieces []isobmff.Piece
		var data []io.Reader
		for i, s := range list[:min(perFragment, len(list))] {
			end, whole := s.end, true
			if i+1 < len(list) {
				if whole = list[i+1].at-s.end < timescale; whole {
					end = list[i+1].at
				}
			}
			pieces = append(pieces, isobmff.Piece{Size: int64(len(s.data)), Duration: end - s.at, Sync: true})
			if data = append(data, bytes.NewReader(s.data)); !whole {
				break
			}
		}
		parts = append(append(parts, bytes.NewReader(isobmff.Fragment(number, 1, list[0].at-from+lead*timescale, pieces))), data...)
		list = list[len(pieces):]
	}
	return io.MultiReader(parts...)
}

// blamed tells whether the recording is to blame for how a child ended.
func blamed(err error) bool {
	var none *session
	return errors.Is(none.judge(err), evidence.Unreadable)
}

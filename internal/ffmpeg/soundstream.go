package ffmpeg

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	ffgo "github.com/u2takey/ffmpeg-go"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// soundOptions make of a sound what takesOf reads: AAC-LC without a break, its times moved by lead so that none is negative. It begins where the sound
// does: with the container's clock at ten hours, as a recorder that runs since the morning has it, there would be ten hours of silence to code.
func soundOptions() ffgo.KwArgs {
	return ffgo.KwArgs{
		"af":  fmt.Sprintf("aresample=%d:async=1:min_hard_comp=0.02,aformat=channel_layouts=mono|stereo", codedRate),
		"c:a": "aac", "b:a": "96k", "threads": 1, "map_metadata": -1, "map_chapters": -1, "f": "mp4",
		"movflags": "+empty_moov+default_base_moof+frag_discont", "frag_duration": 2_000_000, // microseconds
		"avoid_negative_ts": "disabled", "output_ts_offset": lead, "use_editlist": 0,
	}
}

// takesOf reads a sound as a child makes it with soundOptions, and hands out what is known of it after each of its takes. The recording begins at
// origin, in seconds of its container's clock. It ends where the stream does, for whatever reason: the child says which.
func (t *Tools) takesOf(ctx context.Context, number int, origin float64, from io.Reader, out func(evidence.Sound, []evidence.Take) error) error {
	sound := evidence.Sound{Name: soundName(number), Codecs: codecLC}
	in := isobmff.NewStream(from, maxCoded)
	tracks, err := in.Tracks()
	if err == nil && len(tracks) != 1 {
		err = fmt.Errorf("%w: %d tracks", isobmff.ErrDamaged, len(tracks))
	}
	if err != nil {
		sound.Failed, sound.Ended = "nothing of it could be decoded", true
		return out(sound, nil)
	}
	_, rate, channels, ok := isobmff.ParseAAC(tracks[0].Entries)
	if !ok || channels > 2 || tracks[0].Timescale > maxTimescale {
		return fmt.Errorf("the encoder made sound of %d channels", channels)
	}
	sound.Channels = channels
	k := newTaker(number, tracks[0].Timescale, int64(rate), channels)
	h := &handing{tools: t, sound: sound, taker: k, out: out}
	if number == 0 {
		h.wave = &wave{}
	}
	begin := int64(math.Round((lead + origin) * float64(k.timescale)))
	for {
		part, err := in.Next()
		if err != nil {
			k.end()
			h.sound.Ended = true
			return h.hand(ctx)
		}
		for i, s := range part.Samples {
			f := frame{at: s.PTS() - begin, data: slices.Clone(part.Data[i])}
			if f.at >= longestSound*k.timescale || k.takes >= mostTakes {
				continue
			}
			for more := true; more; {
				if more = k.add(f); len(k.closed) > 0 {
					if err := h.hand(ctx); err != nil {
						return err
					}
				}
			}
		}
	}
}

// handing is a sound being handed out.
type handing struct {
	tools *Tools
	sound evidence.Sound
	taker *taker
	wave  *wave // nil where there is none to be made
	out   func(evidence.Sound, []evidence.Take) error
}

func (h *handing) hand(ctx context.Context) error {
	takes, err := h.tools.finish(ctx, h.taker, h.wave, h.sound.Ended)
	if err != nil {
		return err
	}
	h.sound.Takes = h.taker.takes
	return h.out(h.sound, takes)
}

// finish turns what a taker has closed into takes. ended says that no more come behind them.
func (t *Tools) finish(ctx context.Context, k *taker, w *wave, ended bool) (takes []evidence.Take, err error) {
	for i := range k.closed {
		s := &k.closed[i]
		if err := s.check(); err != nil {
			return nil, err
		}
		if w != nil {
			if err := t.draw(ctx, w, k, s, ended && i == len(k.closed)-1); err != nil {
				return nil, err
			}
		}
		takes = append(takes, s.Take)
	}
	k.closed = nil
	return takes, nil
}

// hear makes one sound of a recording that is gone through.
func (g *going) hear(ctx context.Context, n int, from io.Reader) error {
	return g.tools.takesOf(ctx, n, g.origin, from, func(sound evidence.Sound, takes []evidence.Take) error {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.known[n] = sound
		return g.out.Sound(ctx, slices.Clone(g.known), takes)
	})
}

const codecLC = "mp4a.40.2"

func soundName(n int) string { return fmt.Sprintf("Sound %d", n+1) }

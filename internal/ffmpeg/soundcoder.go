package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	ffgo "github.com/u2takey/ffmpeg-go"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// coder makes AAC of sound that no browser plays as it is. Each take is coded by a child of its own, which lives for a second: nothing has to be
// begun anew when an invocation is killed, and nothing waits for a child that waits for the store.
//
// Takes coded apart fit together because each begins early: decoder, resampler and encoder have settled when the first frame comes that counts. All
// frames lie on one grid of codedRate from the recording's beginning, and a child's work begins where a frame, and a sample of the source, do.
type coder struct {
	tools     *Tools
	taker     *taker
	wave      *wave // whether it is wanted
	entries   []byte
	timescale int64 // of the source
	claimed   int   // channels, by the sample entry: many writers say 2 whatever there is
	heard     bool  // the taker's channels are what was decoded, or takes without sound have settled them
	format    string

	next    int64 // frame that the next take begins with
	samples []sample
	bytes   int
	end     int64 // of the last sample, in ticks

	note string // what could not be decoded first
}

const (
	codedRate = 48000
	runIn     = 30 // frames before the first that counts: 0.6 s
	runOut    = 8  // and behind the last: what the encoder looks ahead, and the windows that overlap
	grid      = 15 // frames: so often a frame begins together with a sample of the usual rates
	settle    = codedRate / 2
	maxCoded  = 64 << 20
	// Frames of a take: whole segments of both lengths.
	firstFrames = 282
	longFrames  = 10 * firstFrames
)

// begins is where the work on a take begins that starts with a frame.
func begins(frame int64) int64 { return max(0, frame-runIn) / grid * grid }

// coded turns ticks of the source into the coder's.
func (c *coder) coded(ticks int64) int64 { return ticks * codedRate / c.timescale }

// resume goes on with the take that begins at a frame. Samples come again from where they were, see first.
func (c *coder) resume(takes, channels int, start int64) {
	c.heard = takes > 0
	c.taker.sounds(channels)
	c.next = start / aacFrame
	c.taker.resume(takes, start)
}

// add takes the next sample and makes the take that it completes. With more there may be another one.
func (c *coder) add(ctx context.Context, s sample) (more bool, err error) {
	if n := len(c.samples); n > 0 && s.at <= c.samples[n-1].at || c.coded(s.end) <= begins(c.next)*aacFrame-settle {
		return false, nil
	}
	if n := len(c.samples); n > 0 {
		c.samples[n-1].end = min(c.samples[n-1].end, s.at)
	}
	c.samples = append(c.samples, s)
	c.bytes += len(s.data)
	c.end = max(c.end, s.end)
	return c.more(ctx)
}

// more makes the next take, if there is enough of it; false when there is not.
func (c *coder) more(ctx context.Context) (bool, error) {
	to := c.next + longFrames
	if c.taker.takes == 0 {
		to = firstFrames
	}
	if c.coded(c.end) < (to+runOut)*aacFrame {
		if !c.full() {
			return false, nil
		}
		if to = c.coded(c.end)/aacFrame - runOut; to <= c.next {
			return false, c.crowded()
		}
	}
	return true, c.take(ctx, to)
}

// crowded refuses to hold more.
func (c *coder) crowded() error {
	if c.bytes < takeBytes && len(c.samples) < takeFrames {
		return nil
	}
	return errCrowded
}

// errCrowded is sound that does not get on.
var errCrowded = fmt.Errorf("more samples than there is time for: %w", evidence.Unreadable)

// full tells whether no more should be held, or read again after a kill.
func (c *coder) full() bool {
	fresh := 0
	for fresh < len(c.samples)-1 && c.coded(c.samples[fresh].end) <= c.next*aacFrame {
		fresh++
	}
	last := c.samples[len(c.samples)-1]
	return c.bytes >= takeBytes || len(c.samples) >= takeFrames || last.offset-c.samples[fresh].offset >= takeSpan
}

// finish makes the last take.
func (c *coder) finish(ctx context.Context) error {
	for {
		last := (c.coded(c.end) + aacFrame - 1) / aacFrame
		if last <= c.next {
			return nil
		}
		if err := c.take(ctx, min(last, c.next+longFrames)); err != nil {
			return err
		}
	}
}

// take makes the frames from next to another one, and lets go of the samples that no later take needs.
func (c *coder) take(ctx context.Context, to int64) error {
	begin := begins(c.next)
	var list []sample
	sounds := false
	for _, s := range c.samples {
		from, end := c.coded(s.at), c.coded(s.end)
		if end > begin*aacFrame-settle && from < (to+runOut)*aacFrame {
			list = append(list, s)
			sounds = sounds || end > (c.next-1)*aacFrame && from < (to+1)*aacFrame
		}
	}
	made := map[int64][]byte{}
	pcm := []byte{}
	if sounds {
		var err error
		made, pcm, err = c.run(ctx, list, begin, to)
		if err != nil && (c.taker.takes == 0 || !errors.Is(err, evidence.Unreadable)) {
			return err
		}
		if err != nil && c.note == "" {
			c.note = fmt.Sprintf("not all of it could be decoded: %d s of silence from second %d on", (to-c.next)*aacFrame/codedRate, c.next*aacFrame/codedRate)
		}
	}
	for n := c.next; n < to; n++ {
		f := frame{at: n * aacFrame, data: made[n]}
		if f.data == nil { // damaged, or nothing there
			f.data, f.silent = c.taker.silence, true
		}
		_ = c.taker.add(f) // there are no holes
	}
	c.taker.close(to * aacFrame)
	c.heard = true
	// In samples of the waveform, both begin and next are whole numbers or rounded down as every take's beginning is.
	skip := 2 * (c.next*aacFrame*waveRate/codedRate - begin*aacFrame*waveRate/codedRate)
	c.taker.closed[len(c.taker.closed)-1].pcm = pcm[min(skip, int64(len(pcm))):]
	c.next = to
	c.drop(begins(to)*aacFrame - settle)
	return nil
}

func (c *coder) drop(before int64) {
	n := 0
	for n < len(c.samples) && c.coded(c.samples[n].end) <= before {
		c.bytes -= len(c.samples[n].data)
		n++
	}
	c.samples = append([]sample(nil), c.samples[n:]...)
}

// run has a child code the samples, from the frame begin on, and returns the frames by their numbers, and the waveform's samples.
func (c *coder) run(ctx context.Context, list []sample, begin, to int64) (frames map[int64][]byte, pcm []byte, err error) {
	args, err := c.args(to + runOut - begin)
	if err != nil {
		return nil, nil, err
	}
	from := begin * aacFrame * c.timescale / codedRate
	var media, heard bytes.Buffer
	j := job{path: c.tools.ffmpeg.path, args: args, stdin: soundFilm(c.entries, c.timescale, list, from), stdout: sink{&media, maxCoded}, urgent: c.taker.takes == 0}
	if c.wave != nil {
		j.extra = []sink{{&heard, maxCoded}}
	}
	if _, err := c.tools.run(ctx, j); err != nil {
		var none *session
		return nil, nil, none.judge(err)
	}
	frames, channels, err := codedFrames(&media, begin)
	if err != nil {
		return nil, nil, unreadable(err.Error()) // by whatever the recording made of the encoder
	}
	if !c.heard {
		c.taker.sounds(channels)
	}
	return frames, append([]byte{}, heard.Bytes()...), nil
}

var errNothing = errors.New("nothing of it could be decoded")

// codedFrames are the frames that came out, by their numbers; those from before the beginning, which only fill the encoder, are left out.
func codedFrames(media io.Reader, begin int64) (frames map[int64][]byte, channels int, err error) {
	in := isobmff.NewStream(media, maxCoded)
	tracks, err := in.Tracks()
	if err != nil {
		return nil, 0, errNothing
	}
	if len(tracks) == 1 && tracks[0].Timescale == codedRate {
		_, _, channels, _ = isobmff.ParseAAC(tracks[0].Entries)
	}
	if channels < 1 || channels > 2 {
		return nil, 0, fmt.Errorf("the encoder made %d tracks, or sound of %d channels", len(tracks), channels)
	}
	frames = map[int64][]byte{}
	for {
		part, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, fmt.Errorf("reading what the encoder made: %w", err)
		}
		for i, s := range part.Samples {
			at := s.PTS() - lead*codedRate
			if at%aacFrame != 0 {
				return nil, 0, fmt.Errorf("the encoder made a frame at %d, which is beside the grid", s.PTS())
			}
			if at >= 0 {
				frames[begin+at/aacFrame] = part.Data[i]
			}
		}
	}
	if len(frames) == 0 {
		return nil, 0, errNothing
	}
	return frames, channels, nil
}

// args is one pass that decodes once. Resampling fills what is not there, so that there is a frame at every place of the grid.
func (c *coder) args(frames int64) ([]string, error) {
	return arguments(func() *ffgo.Stream {
		in := ffgo.Input("pipe:0", soundInput()).Get("a:0")
		outputs := []*ffgo.Stream{}
		if c.wave != nil {
			both := in.ASplit()
			in = both.Get("0")
			outputs = append(outputs, heard(both.Get("1"), "pipe:3"))
		}
		layout := "mono|stereo" // what it is, and the nearest of more
		if c.heard {
			layout = map[int]string{1: "mono", 2: "stereo"}[c.taker.channels]
		}
		samples := frames * aacFrame
		in = in.Filter("aresample", ffgo.Args{fmt.Sprint(codedRate)}, steady()).Filter("aformat", nil, ffgo.KwArgs{"channel_layouts": layout}).
			Filter("apad", nil, ffgo.KwArgs{"whole_len": samples}).Filter("atrim", nil, ffgo.KwArgs{"end_sample": samples})
		options := soundOptions()
		delete(options, "af")
		options["copyts"], options["b:a"] = "", map[bool]string{true: "64k", false: "96k"}[c.claimed == 1]
		return ffgo.MergeOutputs(append([]*ffgo.Stream{ffgo.Output([]*ffgo.Stream{in}, "pipe:1", options)}, outputs...)...)
	})
}

// first is the first sample that later takes need: where reading goes on after the takes so far.
func (c *coder) first() (sample, bool) {
	if len(c.samples) == 0 {
		return sample{}, false
	}
	return c.samples[0], true
}

// cannot says why a sound is not there.
func (c *coder) cannot(err error) string {
	words, _, _ := strings.Cut(err.Error(), ": "+string(evidence.Unreadable))
	return fmt.Sprintf("sound of the kind %q cannot be decoded: %s", strings.TrimSpace(c.format), clean(words, 120))
}

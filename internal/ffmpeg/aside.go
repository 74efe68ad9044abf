package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	ffgo "github.com/u2takey/ffmpeg-go"
	"golang.org/x/sync/errgroup"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// The slower path: a recording whose pictures cannot be found by an index of its own (MPEG-TS, Matroska, AVI; an MP4 with an edit list of several
// parts, or with a damaged index) is gone through once, from its beginning. Its pictures are copied, not coded, into asides: renditions with the
// pictures of one chunk each, which go again when the proxy is ready. From there on everything is as for any other recording. It costs one more
// reading and writing of the recording, and begins anew when it is cut off.

const (
	longestAside = 20       // seconds: an aside is held in memory once
	largestAside = 64 << 20 // beyond this many bytes the next keyframe ends a chunk
	heldAside    = 512 << 20
	mostSounds   = 4
	leastAsides  = 256 << 20 // of a recording's asides, and so many times its own size: pictures coded without loss take some tens of it
	mostAsides   = 100
	maxWhole     = 1 << 40       // of a recording
	longRun      = 4 * time.Hour // of CPU: a shift of sound has to be coded, and perhaps pictures without loss
)

// copied are the codecs that go into an MP4 as they are; pictures of others are coded without loss.
func copied(codec string) bool {
	switch codec {
	case "h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vp9", "av1":
		return true
	}
	return false
}

// goThrough copies the recording's pictures into asides and makes its sound on the way.
func (t *Tools) goThrough(ctx context.Context, r *recording, out evidence.Cutting) (evidence.Outline, error) {
	a, err := t.ask(ctx, r)
	if err != nil {
		return evidence.Outline{}, err
	}
	codec, sounds := "", 0
	for _, s := range a.Streams {
		switch {
		case s.Type == "video" && s.Disposition.Picture == 0 && codec == "":
			codec = s.Codec
		case s.Type == "audio":
			sounds++
		}
	}
	if codec == "" {
		return evidence.Outline{}, unreadable("there is no video stream")
	}
	g := &going{tools: t, recording: r, out: out, sounds: min(sounds, mostSounds)}
	if r.demuxer == "mpegts" { // its clock begins anywhere: the recording begins with the first thing in it
		g.origin = seconds(a.Format.Start)
	}
	o, err := g.run(ctx, copied(codec) && !r.edited()) // what an edit cuts off within a group of pictures is told by decoding it
	if g.refused(err) {                                // the container cannot hold these pictures as they are
		g.asides = asides{}
		o, err = g.run(ctx, false)
	}
	if err == nil && sounds > mostSounds {
		o.Warnings = append(o.Warnings, fmt.Sprintf("of %d sounds the first %d are here", sounds, mostSounds))
	}
	return o, err
}

// going is one recording being gone through.
type going struct {
	tools     *Tools
	recording *recording
	out       evidence.Cutting
	sounds    int
	origin    float64 // seconds of the container's clock at which the recording begins
	asides    asides

	mu    sync.Mutex // Sound is called by several
	known []evidence.Sound
}

// refused tells whether a run ended before any picture came, by the tool's own decision.
func (g *going) refused(err error) bool {
	return errors.Is(err, evidence.Unreadable) && g.asides.total == 0
}

func (g *going) run(ctx context.Context, asTheyAre bool) (o evidence.Outline, err error) {
	s, release := g.tools.loopback.register(ctx, g.recording.whole)
	defer release()
	args, err := g.args(s.url, asTheyAre)
	if err != nil {
		return o, err
	}
	g.known = make([]evidence.Sound, g.sounds)
	group, inner := errgroup.WithContext(s.ctx)
	video, into := io.Pipe()
	j := job{path: g.tools.ffmpeg.path, args: args, stdout: sink{into, leastAsides + mostAsides*g.recording.src.Original.Size}, limits: Limits{CPU: longRun}}
	group.Go(func() error {
		o, err = g.pictures(inner, video)
		_ = video.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // the child must not wait for a reader
		return err
	})
	ends := []*io.PipeWriter{into}
	for n := range g.sounds {
		sound, into := io.Pipe()
		j.extra, ends = append(j.extra, sink{into, maxWhole}), append(ends, into)
		group.Go(func() error {
			err := g.hear(inner, n, sound)
			_ = sound.CloseWithError(errors.Join(err, io.ErrClosedPipe))
			return err
		})
	}
	_, failed := g.tools.run(inner, j) // what the reader says of pictures that it only copies is said again, and better, by who decodes them
	for _, end := range ends {
		_ = end.Close() // what came is all there is: the readers end
	}
	switch err := group.Wait(); {
	case s.failure() != nil:
		return o, s.failure()
	case err != nil:
		return o, err
	case failed != nil && o.Chunks == 0:
		return o, s.judge(failed)
	case failed != nil:
		o.Warnings = append(o.Warnings, "only a part could be read: "+s.judge(failed).Error())
	}
	if o.Chunks == 0 {
		return o, errEmpty
	}
	return o, ctx.Err()
}

// pictures reads the copied pictures and hands out chunks.
func (g *going) pictures(ctx context.Context, from io.Reader) (o evidence.Outline, err error) {
	in := isobmff.NewStream(from, heldAside)
	tracks, err := in.Tracks()
	if err != nil || len(tracks) == 0 {
		return o, nil // nothing came: the child says why
	}
	track := tracks[0]
	shift := int64(math.Round((lead + g.origin) * float64(track.Timescale)))
	a := &g.asides
	a.held = map[int64][]byte{}
	c := newCutter(track, shift, math.MaxInt64, nil)
	c.longest = min(c.longest, longestAside)
	c.emit = func(ctx context.Context, chunk evidence.Chunk, r recipe) error {
		return a.keep(ctx, g.out, c, chunk, r)
	}
	for {
		part, err := in.Next()
		if errors.Is(err, io.EOF) || isobmff.Damaged(err) { // damaged: the child was cut off
			return c.outline(ctx, g.recording.oddities())
		}
		if err != nil {
			return o, err
		}
		for i, s := range part.Samples {
			s.Offset = a.total
			a.held[s.Offset] = part.Data[i]
			a.total += s.Size
			a.bytes += s.Size
			if a.bytes > heldAside {
				return o, unreadable(fmt.Sprintf("there is no keyframe within %d MB", heldAside>>20))
			}
			c.hasty = a.bytes > largestAside
			if err := c.add(ctx, s); err != nil {
				return o, err
			}
		}
	}
}

// asides holds the pictures of the chunk that is being gathered, by their places among all that came.
type asides struct {
	held  map[int64][]byte
	total int64 // bytes that came
	bytes int64 // held
}

// keep stores a chunk's pictures, one behind the other and those of its lead first, and hands the chunk out.
func (a *asides) keep(ctx context.Context, out evidence.Cutting, c *cutter, chunk evidence.Chunk, r recipe) (err error) {
	var bodies []io.Reader
	offset := int64(0)
	move := func(samples []isobmff.Sample) []isobmff.Sample {
		samples = slices.Clone(samples)
		for i := range samples {
			bodies = append(bodies, bytes.NewReader(a.held[samples[i].Offset]))
			samples[i].Offset = offset
			offset += samples[i].Size
		}
		return samples
	}
	r.Lead, r.Samples = move(r.Lead), move(r.Samples)
	chunk.Aside = fmt.Sprintf("%s%05d.bin", asideFolder, chunk.Number)
	if err := out.Aside(ctx, chunk.Aside, io.MultiReader(bodies...)); err != nil {
		return err
	}
	for place, data := range a.held {
		if len(c.next) == 0 || place < c.next[0].Offset {
			a.bytes -= int64(len(data))
			delete(a.held, place)
		}
	}
	if chunk.Recipe, err = r.pack(); err != nil {
		return err
	}
	return out.Chunk(ctx, chunk)
}

// asideFolder is where asides lie among the renditions: the proxy's stages take it away when the proxy is ready.
const asideFolder = "video/aside/"

// args copies the pictures to one pipe and each sound, coded again, to one of its own; all times are moved by the same lead, so that none is negative.
func (g *going) args(url string, asTheyAre bool) ([]string, error) {
	return arguments(func() *ffgo.Stream {
		in := ffgo.Input(url, inputOptions(g.recording.demuxer, false))
		video := ffgo.KwArgs{"c:v": "copy", "f": "mp4", "movflags": "+frag_keyframe+empty_moov+default_base_moof+frag_discont", "frag_duration": 4_000_000,
			"copyts": "", "output_ts_offset": lead, "use_editlist": 0, "avoid_negative_ts": "disabled", "map_metadata": -1, "map_chapters": -1, "strict": "unofficial"}
		if !asTheyAre {
			video["c:v"], video["preset"], video["qp"], video["g"], video["bf"], video["fps_mode:v"] = "libx264", "ultrafast", 0, 60, 0, "passthrough"
			video["enc_time_base:v"] = -1
		}
		outputs := []*ffgo.Stream{ffgo.Output([]*ffgo.Stream{in.Get("V:0")}, "pipe:1", video)}
		for n := range g.sounds {
			outputs = append(outputs, ffgo.Output([]*ffgo.Stream{in.Get(fmt.Sprintf("a:%d", n))}, fmt.Sprintf("pipe:%d", 3+n), soundOptions()))
		}
		return ffgo.MergeOutputs(outputs...)
	})
}

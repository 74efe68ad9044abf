package ffmpeg

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

const maxAnswer = 4 << 20 // of ffprobe

// answer is what ffprobe -show_format -show_streams prints, as far as it is read here.
type answer struct {
	Streams []probed `json:"streams"`
	Format  struct {
		Start    string            `json:"start_time"`
		Duration string            `json:"duration"`
		Tags     map[string]string `json:"tags"`
	} `json:"format"`
}

type probed struct {
	ID       string            `json:"id"` // of the track, as 0x1
	Type     string            `json:"codec_type"`
	Codec    string            `json:"codec_name"`
	Profile  string            `json:"profile"`
	Width    int               `json:"width"`
	Height   int               `json:"height"`
	Base     string            `json:"r_frame_rate"`
	Mean     string            `json:"avg_frame_rate"`
	Frames   string            `json:"nb_frames"`
	Start    string            `json:"start_time"`
	Duration string            `json:"duration"`
	BitRate  string            `json:"bit_rate"`
	Rate     string            `json:"sample_rate"`
	Channels int               `json:"channels"`
	Tags     map[string]string `json:"tags"`
	Side     []struct {
		Rotation *float64 `json:"rotation"` // degrees counterclockwise
	} `json:"side_data_list"`
	Disposition struct {
		Picture int `json:"attached_pic"`
	} `json:"disposition"`
}

// Probe reads what the recording says about itself: its index, not its content. The error is evidence.Unreadable when it is none, with
// words that say why; when the original itself cannot be read, it is the store's error.
func (t *Tools) Probe(ctx context.Context, src evidence.Source) (evidence.Findings, error) {
	f, err := t.probe(ctx, src)
	if err != nil {
		return evidence.Findings{}, fmt.Errorf("probing %s: %w", src.Original.Path, err)
	}
	return f, nil
}

func (t *Tools) probe(ctx context.Context, src evidence.Source) (f evidence.Findings, err error) {
	ctx, leave, err := t.enter(ctx)
	if err != nil {
		return f, err
	}
	defer leave()
	r, err := open(ctx, src)
	if err != nil {
		return f, err
	}
	a, err := t.ask(ctx, r)
	if err != nil {
		return f, err
	}
	f.Media = evidence.Media{State: evidence.MediaReady, Container: r.name, Seconds: round(seconds(a.Format.Duration)), Tool: t.ffprobe.version}
	if err := a.streams(&f.Media, r); err != nil {
		return evidence.Findings{}, err
	}
	if len(f.Media.Video) == 0 {
		return evidence.Findings{}, unreadable("there is no video stream")
	}
	f.Container = a.created()
	f.Media.Camera = a.camera()
	f.Warnings = r.oddities()
	if err := r.locate(&f, a); err != nil {
		return evidence.Findings{}, err
	}
	t.log.DebugContext(ctx, "probed", "path", src.Original.Path, slog.Int("ranges", r.window.asks))
	return f, nil
}

// ask has ffprobe look: at a small film with the recording's headers and its first samples where it has an index, since ffprobe would read the whole
// of a long index, and all of a fragmented file; else at the original.
func (t *Tools) ask(ctx context.Context, r *recording) (*answer, error) {
	var c content = r.whole
	if r.movie != nil && !r.movie.Damaged {
		small, err := r.sample()
		if err != nil {
			return nil, err
		}
		c = small
	}
	s, release := t.loopback.register(ctx, c)
	defer release()
	var stdout bytes.Buffer
	_, err := t.run(s.ctx, job{path: t.ffprobe.path, args: probeArgs(r.demuxer, s.url), stdout: sink{&stdout, maxAnswer}, urgent: true})
	if err == nil {
		err = s.failure()
	}
	if err != nil {
		return nil, s.judge(err)
	}
	a := &answer{}
	if err := json.Unmarshal(stdout.Bytes(), a); err != nil {
		return nil, fmt.Errorf("reading ffprobe's answer: %w", err)
	}
	return a, nil
}

const sampleSize = 4 // samples of each track that ffprobe gets

// sample is the small film for ffprobe.
func (r *recording) sample() (film, error) {
	var tracks []isobmff.FilmTrack
	for _, t := range r.movie.Tracks {
		few := isobmff.FilmTrack{Track: t}
		for samples := r.movie.Samples(t); len(few.Samples) < sampleSize; {
			s, err := samples.Next()
			if errors.Is(err, io.EOF) || isobmff.Damaged(err) || err == nil && s.Offset+s.Size > r.src.Original.Size {
				break
			}
			if err != nil {
				return film{}, err
			}
			few.Samples = append(few.Samples, s)
		}
		tracks = append(tracks, few)
	}
	f := film{src: r.src}
	f.head, f.extents = r.movie.Film(slack, tracks...)
	return f, nil
}

// streams fills in the video and audio; starts are counted from the recording's own start, which is not 0 in a transport stream.
func (a *answer) streams(m *evidence.Media, r *recording) error {
	zero := seconds(a.Format.Start)
	for _, s := range a.Streams {
		start := round(max(0, seconds(s.Start)-zero))
		if s.Type == "video" && s.Disposition.Picture == 0 {
			base, mean := ratio(s.Base), ratio(s.Mean)
			m.Video = append(m.Video, evidence.Video{
				Codec: clean(s.Codec, tagLength), Profile: known(s.Profile), Width: s.Width, Height: s.Height, Rotation: s.rotation(),
				Rate: round(mean), Frames: whole(s.Frames), Start: start, Seconds: round(seconds(s.Duration)), BitRate: whole(s.BitRate),
				Variable: mean > 0 && math.Abs(base-mean) > mean/20, // a hint, no proof
			})
		}
		if s.Type == "audio" {
			m.Audio = append(m.Audio, evidence.Audio{
				Codec: clean(s.Codec, tagLength), Rate: int(whole(s.Rate)), Channels: s.Channels,
				Start: start, Seconds: round(seconds(s.Duration)), BitRate: whole(s.BitRate),
			})
		}
	}
	if r.movie == nil || r.movie.Damaged {
		return nil
	}
	return r.measure(a, m)
}

// measure puts in what ffprobe could not know of a small film, from the index.
func (r *recording) measure(a *answer, m *evidence.Media) error {
	videos, audios := 0, 0
	m.Seconds = 0
	for _, s := range a.Streams {
		track := r.movie.Track(s.track())
		video := s.Type == "video" && s.Disposition.Picture == 0
		if track == nil || !video && s.Type != "audio" {
			continue
		}
		e, err := r.extent(track)
		if err != nil {
			return err
		}
		m.Seconds = max(m.Seconds, e.start+e.seconds)
		if video {
			v := &m.Video[videos]
			videos++
			v.Frames, v.Start, v.Seconds, v.BitRate = track.Samples, e.start, e.seconds, e.bitRate
			if track.Samples > 1 && e.seconds > 0 {
				v.Rate, v.Variable = round(float64(track.Samples)/e.seconds), track.Variable
			}
			continue
		}
		s := &m.Audio[audios]
		audios++
		s.Start, s.Seconds, s.BitRate = e.start, e.seconds, e.bitRate
	}
	if whole := r.movie.Duration; m.Seconds == 0 && r.movie.Timescale > 0 {
		m.Seconds = round(float64(whole) / float64(r.movie.Timescale))
	}
	return nil
}

// extent is where a track lies in its recording: seconds; bits a second.
type extent struct {
	start, seconds float64
	bitRate        int64
}

// fewSamples is up to how many the bit rate is summed up; the table of a longer track would have to be read through for it.
const fewSamples = 50_000

func (r *recording) extent(t *isobmff.Track) (e extent, err error) {
	scale := float64(t.Timescale)
	e.seconds = round(float64(t.Duration) / scale)
	samples := r.movie.Samples(t)
	first, err := samples.Next()
	if errors.Is(err, io.EOF) || isobmff.Damaged(err) {
		return e, nil
	}
	if err != nil {
		return e, err
	}
	if shift, end, ok := r.movie.Shift(t); ok {
		e.start = round(max(0, float64(first.PTS()-shift)/scale))
		e.seconds = min(e.seconds, round(float64(end)/scale-e.start)) // an edit cuts the rest off
	}
	if t.Samples == 0 || t.Samples > fewSamples {
		return e, nil
	}
	size, ticks := first.Size, first.Duration
	for {
		s, err := samples.Next()
		if errors.Is(err, io.EOF) || isobmff.Damaged(err) {
			break
		}
		if err != nil {
			return e, err
		}
		size, ticks = size+s.Size, ticks+s.Duration
	}
	if ticks > 0 {
		e.seconds = min(e.seconds, round(float64(ticks)/scale))
		e.bitRate = int64(float64(size*8) * scale / float64(ticks))
	}
	return e, nil
}

// track is the number of the track in an MP4 or MOV file.
func (s *probed) track() int64 {
	n, err := strconv.ParseInt(s.ID, 0, 64)
	if err != nil {
		return -1
	}
	return n
}

// rotation is how a player turns the picture, clockwise. The display matrix counts the other way round; the tag is what older tools wrote.
func (s *probed) rotation() int {
	degrees := 0.0
	if tag, err := strconv.ParseFloat(s.Tags["rotate"], 64); err == nil {
		degrees = tag
	}
	for _, side := range s.Side {
		if side.Rotation != nil {
			degrees = -*side.Rotation
		}
	}
	if math.IsNaN(degrees) || math.IsInf(degrees, 0) {
		return 0
	}
	quarter := int(math.Round(math.Mod(degrees, 360)/90)) * 90
	return (quarter%360 + 360) % 360
}

// created is the container's creation time. 1904 and 1970 are what a clock without a battery says.
func (a *answer) created() time.Time {
	created, err := time.Parse(time.RFC3339Nano, a.Format.Tags["creation_time"])
	if err != nil || created.Year() <= 1970 {
		return time.Time{}
	}
	return created.UTC()
}

// camera takes what the container's tags say; telemetry knows more and is asked later.
func (a *answer) camera() evidence.Camera {
	tag := func(names ...string) string {
		for _, name := range names {
			if v := clean(a.Format.Tags[name], tagLength); v != "" {
				return v
			}
		}
		return ""
	}
	c := evidence.Camera{
		Make:     tag("com.apple.quicktime.make", "com.android.manufacturer", "make"),
		Model:    tag("com.apple.quicktime.model", "com.android.model", "model"),
		Serial:   tag("com.apple.quicktime.camera.identifier", "serial_number", "serial"),
		Firmware: tag("firmware", "com.apple.quicktime.software"),
	}
	if version := tag("com.android.version"); c.Firmware == "" && version != "" {
		c.Firmware = "Android " + version
	}
	for _, s := range a.Streams {
		if c.Make == "" && strings.HasPrefix(clean(s.Tags["handler_name"], tagLength), "GoPro ") {
			c.Make = "GoPro"
		}
	}
	return c
}

// known leaves out ffprobe's word for not knowing.
func known(s string) string {
	if s == "unknown" {
		return ""
	}
	return clean(s, tagLength)
}

// tagLength is how much of a tag is kept.
const tagLength = 128

// clean makes text fit to show: printable, and not longer than limit characters.
func clean(s string, limit int) string {
	kept := 0
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) || kept == limit {
			return -1
		}
		kept++
		return r
	}, s))
}

// seconds reads a number that is one; anything else is 0.
func seconds(s string) float64 {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

func ratio(s string) float64 {
	over, under, ok := strings.Cut(s, "/")
	if d := seconds(under); ok && d > 0 {
		return seconds(over) / d
	}
	return 0
}

func whole(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v < 0 {
		return 0
	}
	return v
}

// round keeps microseconds.
func round(v float64) float64 { return math.Round(v*1e6) / 1e6 }

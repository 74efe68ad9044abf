package ffmpeg

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"

	"bwv/internal/evidence"
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
	r, release, err := t.open(ctx, src)
	defer release()
	if err != nil {
		return f, err
	}
	out, err := t.run(r.ctx, t.ffprobe.path, t.temp.dir, t.probeArgs(r), maxAnswer)
	if err != nil || r.failure() != nil {
		return f, r.judge(err)
	}
	var a answer
	if err := json.Unmarshal(out.stdout, &a); err != nil {
		return f, fmt.Errorf("reading ffprobe's answer: %w", err)
	}
	f.Media = evidence.Media{State: evidence.MediaReady, Container: r.name, Seconds: round(seconds(a.Format.Duration)), Tool: t.ffprobe.version}
	a.streams(&f.Media, r.index)
	if len(f.Media.Video) == 0 {
		return evidence.Findings{}, unreadable("there is no video stream")
	}
	f.Container = a.created()
	f.Media.Camera = a.camera()
	f.Warnings = r.oddities()
	if err := r.locate(&f, &a); err != nil {
		return evidence.Findings{}, err
	}
	t.log.DebugContext(ctx, "probed", "path", src.Original.Path, "cpu", out.cpu, slog.Int("ranges", r.window.opens))
	return f, nil
}

// streams fills in the video and audio; starts are counted from the recording's own start, which is not 0 in a transport stream.
func (a *answer) streams(m *evidence.Media, x *index) {
	zero := seconds(a.Format.Start)
	videos := 0
	for _, s := range a.Streams {
		start := round(max(0, seconds(s.Start)-zero))
		switch {
		case s.Type == "video" && s.Disposition.Picture == 0:
			v := evidence.Video{
				Codec: clean(s.Codec, tagLength), Profile: known(s.Profile), Width: s.Width, Height: s.Height, Rotation: s.rotation(),
				Rate: round(ratio(s.Mean)), Frames: whole(s.Frames), Start: start, Seconds: round(seconds(s.Duration)), BitRate: whole(s.BitRate),
			}
			v.Variable = s.variable(x, videos)
			videos++
			m.Video = append(m.Video, v)
		case s.Type == "audio":
			m.Audio = append(m.Audio, evidence.Audio{
				Codec: clean(s.Codec, tagLength), Rate: int(whole(s.Rate)), Channels: s.Channels,
				Start: start, Seconds: round(seconds(s.Duration)), BitRate: whole(s.BitRate),
			})
		}
	}
}

// variable asks the index where there is one: the n-th video track's sample durations. Elsewhere only ffprobe's two rates are left, and them
// differing by more than a twentieth is a hint, no proof.
func (s *probed) variable(x *index, n int) bool {
	if x != nil && !x.fragmented {
		if tracks := x.video(); n < len(tracks) {
			return tracks[n].variable
		}
	}
	base, mean := ratio(s.Base), ratio(s.Mean)
	return mean > 0 && math.Abs(base-mean) > mean/20
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

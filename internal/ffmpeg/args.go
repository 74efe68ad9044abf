package ffmpeg

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	ffgo "github.com/u2takey/ffmpeg-go"

	"bwv/internal/evidence"
)

// Decoders that may run on what people upload: what cameras, phones and exports of other systems use, and no more.
const decoders = "h264,hevc,mpeg4,mpeg2video,mpeg1video,h263,mjpeg,prores,dvvideo,vp8,vp9,libdav1d,av1,rawvideo,msmpeg4,msmpeg4v2,wmv2," +
	"aac,aac_fixed,aac_latm,ac3,eac3,mp3float,mp3,mp2float,mp2,opus,libopus,vorbis,flac,alac,amrnb,amrwb,gsm,g726," +
	"pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,pcm_mulaw,pcm_alaw," +
	"adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,mov_text,subrip,srt,ass,ssa,webvtt,text"

// mostPixels is 8192 x 8192; mostAlloc what one allocation may take.
const (
	mostPixels = 67108864
	mostAlloc  = "536870912"
)

// inputOptions hold for ffprobe and ffmpeg alike: one demuxer, HTTP to the loopback server or the standard input only, nothing that a file refers to.
func inputOptions(demuxer string, piped bool) ffgo.KwArgs {
	options := ffgo.KwArgs{
		"f": demuxer, "format_whitelist": demuxer, "codec_whitelist": decoders, "max_streams": 100, "max_pixels": mostPixels, "protocol_whitelist": "pipe",
	}
	if !piped {
		options["protocol_whitelist"] = "http,tcp"
		options["reconnect"] = 1
		options["reconnect_on_network_error"] = 1
		options["reconnect_on_http_error"] = "5xx"
		options["reconnect_delay_max"] = 5
		options["rw_timeout"] = 60_000_000 // microseconds; the source's own retries take less
		options["recv_buffer_size"] = receiveBuffer
	}
	if demuxer == "mov" {
		options["enable_drefs"] = 0
		options["use_absolute_path"] = 0
	}
	return options
}

// arguments takes the command line from ffmpeg-go, which panics on graphs it does not like.
func arguments(build func() *ffgo.Stream) (args []string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("building the command line: %v", p)
		}
	}()
	global := []string{"-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-max_alloc", mostAlloc, "-filter_complex_threads", "1"}
	return append(global, build().GetArgs()...), nil
}

func probeArgs(demuxer, url string) []string {
	args := []string{"-hide_banner", "-v", "error", "-max_alloc", mostAlloc, "-of", "json", "-show_format", "-show_streams"}
	options := inputOptions(demuxer, false)
	options["recv_buffer_size"] = sendBuffer // it looks at a few places, and seeks away
	if demuxer == "mpegts" {                 // streams may appear at any time: ffprobe would wait for them for 7 s of the recording, whatever it knows by then
		options["analyzeduration"] = 5_000_000
	}
	return append(append(args, ffgo.ConvertKwargsToCmdLineArgs(options)...), "-i", url)
}

// shape is that of a proxy whose recording is coded in so many pixels. Every chunk has it, whatever becomes of the picture's size on the way.
func (p profile) shape(width, height int, matrix [36]byte) (int, int) {
	one := func(at int) bool { return binary.BigEndian.Uint32(matrix[at:]) != 0 }
	if !one(0) && !one(16) && one(4) && one(12) { // turned by a quarter: ISO/IEC 14496-12, section 8.3.2
		width, height = height, width
	}
	short, long := min(width, height), max(width, height)
	side := max(2, min(p.shorter, short)/2*2)
	other := max(2, int(math.Round(float64(side)*float64(long)/float64(short)/2))*2)
	if width >= height {
		return other, side
	}
	return side, other
}

// args is one pass that decodes once: the chunk's pictures, the stills of its stretch, and of the first chunk a poster. said are the parameters of
// the proxy.
func (m *making) args() (args []string, said string, err error) {
	url := "pipe:0"
	if m.session != nil {
		url = m.session.url
	}
	p := m.profile
	width, height := p.shape(m.recipe.Width, m.recipe.Height, m.recipe.Matrix)
	args, err = arguments(func() *ffgo.Stream {
		input := inputOptions(m.recipe.Demuxer, m.session == nil)
		input["threads"], input["skip_loop_filter"] = 1, p.deblock
		pictures := ffgo.Input(url, input).Get("V:0")
		if from, to, cut := m.trim(); cut {
			pictures = pictures.Filter("trim", nil, ffgo.KwArgs{"start_pts": from, "end_pts": to})
		}
		// The formats are spelt out: left to itself, ffmpeg converts every picture for the stills' sake, a tenth of the whole work.
		scaled := pictures.Filter("scale", ffgo.Args{fmt.Sprint(width), fmt.Sprint(height)}, ffgo.KwArgs{"flags": p.scaler}).Filter("format", ffgo.Args{"yuv420p"}).Split()
		outputs := []*ffgo.Stream{ffgo.Output([]*ffgo.Stream{scaled.Get("0")}, "pipe:1", p.options(m.recipe.Timescale))}
		if frames := m.stills(); frames != nil {
			strip := scaled.Get("1").Filter("select", ffgo.Args{nth(frames)}).Filter("scale", ffgo.Args{fmt.Sprintf("%d:-2", evidence.StillWidth)}).
				Filter("tile", ffgo.Args{fmt.Sprintf("%dx1", len(frames))}).Filter("format", ffgo.Args{"yuvj420p"})
			outputs = append(outputs, still(strip, "pipe:3", 6))
		}
		if m.poster() {
			frame := scaled.Get("2").Filter("select", ffgo.Args{nth([]int{m.frameAt(m.chunk.Start + m.recipe.Timescale)})}).
				Filter("scale", nil).Filter("format", ffgo.Args{"yuvj420p"})
			outputs = append(outputs, still(frame, fmt.Sprintf("pipe:%d", 2+len(outputs)), 4))
		}
		return ffgo.MergeOutputs(outputs...)
	})
	return args, p.words(width, height), err
}

// still is one JPEG on a pipe.
func still(s *ffgo.Stream, to string, quality int) *ffgo.Stream {
	return ffgo.Output([]*ffgo.Stream{s}, to, ffgo.KwArgs{
		"f": "image2pipe", "frames:v": 1, "c:v": "mjpeg", "q:v": quality, "fps_mode:v": "passthrough", "map_metadata": -1, "threads": 1,
	})
}

// nth selects pictures by their numbers.
func nth(frames []int) string {
	words := make([]string, len(frames))
	for i, n := range frames {
		words[i] = fmt.Sprintf("eq(n,%d)", n)
	}
	return strings.Join(words, "+")
}

// frameAt is the number of the first picture at or after a moment, or of the last one.
func (m *making) frameAt(pts int64) int {
	for i, f := range m.recipe.Frames {
		if f >= pts {
			return i
		}
	}
	return len(m.recipe.Frames) - 1
}

// stills are the numbers of the pictures in the chunk's strip; nil where it has none.
func (m *making) stills() (frames []int) {
	for _, t := range evidence.Stills(m.chunk.Seconds()) {
		frames = append(frames, m.frameAt(int64(math.Round(t*float64(m.recipe.Timescale)))))
	}
	return frames
}

func (m *making) poster() bool { return m.chunk.Number == 0 }

// trim is from and to what time of the film its pictures are the chunk's; cut is false when all are.
func (m *making) trim() (from, to int64, cut bool) {
	frames := m.recipe.Frames
	shift := m.offset() - lead*m.recipe.Timescale
	return frames[0] + shift, frames[len(frames)-1] + shift + 1, len(frames) < len(m.recipe.Samples)
}

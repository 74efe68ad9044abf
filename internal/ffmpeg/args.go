package ffmpeg

import (
	"fmt"
	"strings"

	ffgo "github.com/u2takey/ffmpeg-go"
)

// Decoders that may run on what people upload: what cameras, phones and exports of other systems use, and no more.
const decoders = "h264,hevc,mpeg4,mpeg2video,mpeg1video,h263,mjpeg,prores,dvvideo,vp8,vp9,libdav1d,av1,rawvideo,msmpeg4,msmpeg4v2,wmv2," +
	"aac,aac_fixed,aac_latm,ac3,eac3,mp3float,mp3,mp2float,mp2,opus,libopus,vorbis,flac,alac,amrnb,amrwb,gsm,g726," +
	"pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_u8,pcm_s8,pcm_mulaw,pcm_alaw," +
	"adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,mov_text,subrip,srt,ass,ssa,webvtt,text"

// inputOptions hold for ffprobe and ffmpeg alike: one demuxer, HTTP to the loopback server only, nothing that a file refers to.
// max_pixels is 8192 x 8192, max_alloc what one allocation may take.
func (t *Tools) inputOptions(r *recording) ffgo.KwArgs {
	options := ffgo.KwArgs{
		"f":                          r.demuxer,
		"format_whitelist":           r.demuxer,
		"protocol_whitelist":         "http,tcp",
		"codec_whitelist":            decoders,
		"max_streams":                100,
		"max_pixels":                 67108864,
		"reconnect":                  1,
		"reconnect_on_network_error": 1,
		"reconnect_on_http_error":    "5xx",
		"reconnect_delay_max":        5,
		"rw_timeout":                 60_000_000, // microseconds; the source's own retries take less
		"recv_buffer_size":           socketBuffer,
	}
	if r.demuxer == "mov" {
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
	return build().GetArgs(), nil
}

func (t *Tools) probeArgs(r *recording) []string {
	args := []string{"-hide_banner", "-v", "error", "-max_alloc", "536870912", "-of", "json", "-show_format", "-show_streams"}
	return append(append(args, ffgo.ConvertKwargsToCmdLineArgs(t.inputOptions(r))...), "-i", r.url)
}

// The proxy: the shorter side of the picture as shown is at most 480 pixels, none is enlarged, both sides are even.
const (
	shorter  = 480
	keyframe = 2 // seconds between keyframes
	segment  = 6 // seconds of a segment, a multiple of keyframe
)

func scaling() ffgo.KwArgs {
	limit := func(side string) string { return fmt.Sprintf("max(2,trunc(min(%d,%s)/2)*2)", shorter, side) }
	return ffgo.KwArgs{
		"w":     fmt.Sprintf("if(gte(iw,ih),-2,%s)", limit("iw")),
		"h":     fmt.Sprintf("if(gte(iw,ih),%s,-2)", limit("ih")),
		"flags": "area",
	}
}

// proxyArgs is one pass that decodes once: the HLS proxy, and the poster from the same scaled pictures.
//
// Times stay as they are in the original, from its beginning: pictures pass through at the moments they have (no constant rate is made up),
// timed in 1/90000 s. Sound is filled with silence where it begins late or has holes: a player that finds pictures without sound in one
// file stalls there. B-frames are off since fragments cut with them shift the picture against the sound. The encoder's own lead-in
// (before 0) is dropped instead of moving everything, so that no time is ever negative.
func (t *Tools) proxyArgs(r *recording, sound bool) ([]string, error) {
	args, err := arguments(func() *ffgo.Stream {
		input := t.inputOptions(r)
		if t.cfg.Threads > 0 {
			input["threads"] = t.cfg.Threads
		}
		in := ffgo.Input(r.url, input)
		// The formats are spelt out: left to itself, ffmpeg converts every picture for the poster's sake, a tenth of the whole work.
		pictures := in.Get("V:0").Filter("scale", nil, scaling()).Filter("format", ffgo.Args{"yuv420p"}).Split()
		streams := []*ffgo.Stream{pictures.Get("0")}
		if sound {
			streams = append(streams, in.Get("a:0?"))
		}
		hls := ffgo.Output(streams, "proxy.m3u8", t.hlsOptions(sound))
		still := pictures.Get("1").Filter("select", ffgo.Args{"eq(n,0)+gte(t,start_t+1)*eq(selected_n,1)"}).
			Filter("scale", nil).Filter("format", ffgo.Args{"yuvj420p"})
		poster := ffgo.Output([]*ffgo.Stream{still}, "poster.jpg", ffgo.KwArgs{
			"f": "image2", "update": 1, "frames:v": 2, "c:v": "mjpeg", "q:v": 4, "fps_mode:v": "passthrough",
			"map_metadata": -1, "threads": 1,
		})
		return ffgo.MergeOutputs(hls, poster)
	})
	if err != nil {
		return nil, err
	}
	global := []string{"-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-max_alloc", "536870912"}
	if t.cfg.Threads > 0 {
		global = append(global, "-filter_complex_threads", fmt.Sprint(t.cfg.Threads))
	}
	return append(global, args...), nil
}

func (t *Tools) hlsOptions(sound bool) ffgo.KwArgs {
	options := ffgo.KwArgs{
		"c:v": "libx264", "preset": "superfast", "crf": 26, "maxrate": "1000k", "bufsize": "2000k", "bf": 0, "pix_fmt": "yuv420p",
		"g": 240, "force_key_frames": fmt.Sprintf("expr:gte(t,n_forced*%d)", keyframe), "sc_threshold": 0,
		"fps_mode:v": "passthrough", "enc_time_base:v": "1:90000",
		"map_metadata": -1, "map_chapters": -1, "avoid_negative_ts": "disabled",
		"f": "hls", "hls_time": segment, "hls_list_size": 0, "hls_playlist_type": "vod", "hls_segment_type": "fmp4",
		"hls_flags": "single_file+independent_segments", "hls_segment_filename": "proxy.mp4",
		"hls_segment_options": "movflags=+frag_discont:video_track_timescale=90000",
	}
	if t.cfg.Threads > 0 {
		options["threads"] = t.cfg.Threads
	}
	if sound {
		options["c:a"], options["b:a"] = "aac", "96k"
		options["af"] = "aresample=async=1:min_hard_comp=0.1:first_pts=0," +
			"aformat=channel_layouts=mono|stereo:sample_rates=48000|44100|32000|24000|22050|16000|12000|11025|8000"
		options["bsf:a"] = `noise=drop=lt(pts\,0)`
	}
	return options
}

// profile is the part of the command line that says how the proxy was made: what follows the input.
func profile(args []string) string {
	for i, a := range args {
		if a == "-i" && i+2 < len(args) {
			return strings.Join(args[i+2:], " ")
		}
	}
	return ""
}

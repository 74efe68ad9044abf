package ffmpeg

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	ffgo "github.com/u2takey/ffmpeg-go"

	"bwv/internal/evidence"
)

// profile is how a proxy's pictures are coded.
type profile struct {
	shorter   int    // pixels that the shorter side of the picture as shown has at most; none is enlarged, both sides are even
	keyframes int    // seconds between two keyframes
	scaler    string // flags of the scale filter
	deblock   string // skip_loop_filter of the decoder
	encoder   ffgo.KwArgs
	cap       int64 // kilobits a second that a chunk may take on average: one that takes more is made once more, held to it; 0 where the encoder always is
}

// Profiles of proxies: how they were found is in docs/proxy-profile.md.
const (
	DefaultProfile  = "default"
	UltraLowProfile = "ultra-low" // for officers in the field, over 4G
)

// profiles are the ways to code a proxy. B-frames come in a fixed pattern, since deciding on them costs more than they save. One thread, so that the
// same pictures come out as the same bytes on every machine; chunks are what runs side by side. The level is fixed, since chunks share a header.
func profiles() map[string]profile {
	common := ffgo.KwArgs{"c:v": "libx264", "pix_fmt": "yuv420p", "level": "4.0", "g": 600, "sc_threshold": 0, "threads": 1}
	with := func(own ffgo.KwArgs) ffgo.KwArgs {
		all := maps.Clone(common)
		maps.Copy(all, own)
		return all
	}
	return map[string]profile{
		DefaultProfile: {480, 2, "bicubic", "noref", with(ffgo.KwArgs{"preset": "superfast", "crf": 24, "bf": 2,
			"x264-params": "b-adapt=0:b-pyramid=0:subme=2:weightp=0:8x8dct=0"}), 2000},
		UltraLowProfile: {360, 6, "bicubic", "noref", with(ffgo.KwArgs{"preset": "veryfast", "crf": 29, "maxrate": "300k", "bufsize": "600k", "bf": 3,
			"x264-params": "b-adapt=0:b-pyramid=0"}), 0},
	}
}

// held is the profile with its cap on. The encoder has to know what each picture costs for that, which takes a tenth more of the whole work: so it is
// for the few chunks that need it.
func (p profile) held() profile {
	p.encoder = maps.Clone(p.encoder)
	p.encoder["maxrate"], p.encoder["bufsize"] = fmt.Sprintf("%dk", p.cap), fmt.Sprintf("%dk", 2*p.cap)
	p.cap = 0
	return p
}

// room is how many bytes the pictures of a stretch may take.
func (p profile) room(seconds float64) int64 {
	if p.cap == 0 {
		return maxClip
	}
	return min(maxClip, int64(float64(p.cap)*1000/8*(seconds+2))) // what held would let through
}

// profileOf finds a profile by its name; the empty name is the default's.
func profileOf(name string) (profile, error) {
	all := profiles()
	p, ok := all[cmp.Or(name, DefaultProfile)]
	if !ok {
		return p, fmt.Errorf("there is no profile %q for proxies: choose from %v: %w", name, slices.Sorted(maps.Keys(all)), evidence.Invalid)
	}
	return p, nil
}

// words are the parameters that say how a proxy is made.
func (p profile) words(width, height int) string {
	return fmt.Sprintf("-skip_loop_filter %s -vf scale=%d:%d:flags=%s -force_key_frames %d ", p.deblock, width, height, p.scaler, p.keyframes) +
		strings.Join(ffgo.ConvertKwargsToCmdLineArgs(p.encoder), " ")
}

// options are those of the encoder's output, in the time base of the recording.
func (p profile) options(timescale int64) ffgo.KwArgs {
	all := maps.Clone(p.encoder)
	maps.Copy(all, ffgo.KwArgs{
		"force_key_frames": fmt.Sprintf("expr:gte(t,n_forced*%d)", p.keyframes), "fps_mode:v": "passthrough", "enc_time_base:v": fmt.Sprintf("1:%d", timescale),
		"map_metadata": -1, "map_chapters": -1, "avoid_negative_ts": "disabled", "copyts": "", "output_ts_offset": lead,
		"f": "mp4", "movflags": "+frag_keyframe+empty_moov+default_base_moof+frag_discont", "use_editlist": 0, "video_track_timescale": timescale,
	})
	return all
}

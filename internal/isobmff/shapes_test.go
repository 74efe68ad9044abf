package isobmff

import (
	"strings"
	"testing"
)

// TestShapes compares every sample with ffprobe's view for the ways in which a film can be stored.
func TestShapes(t *testing.T) {
	closed, open, hevc := encoded(t, "closed.mp4"), encoded(t, "open.mp4"), encoded(t, "hevc.mp4")
	copied := func(in string, args ...string) []string {
		return append([]string{"-i", in, "-map", "0", "-c", "copy"}, args...)
	}
	for name, args := range map[string][]string{
		"closed.mp4":             copied(closed),
		"open.mp4":               copied(open),
		"open.mov":               copied(open),
		"hevc.mp4":               copied(hevc),
		"hevc fragmented.mp4":    copied(hevc, "-movflags", "frag_keyframe+empty_moov"),
		"faststart.mp4":          copied(closed, "-movflags", "+faststart"),
		"negative.mp4":           copied(closed, "-movflags", "+negative_cts_offsets"),
		"keyframe.mp4":           copied(closed, "-movflags", "+frag_keyframe"),
		"empty.mp4":              copied(open, "-movflags", "+frag_keyframe+empty_moov"),
		"delay.mp4":              copied(open, "-movflags", "+frag_keyframe+delay_moov"),
		"base.mp4":               copied(closed, "-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
		"omit.mp4":               copied(closed, "-movflags", "+frag_keyframe+empty_moov+omit_tfhd_offset"),
		"duration.mp4":           copied(closed, "-frag_duration", "300000", "-movflags", "+empty_moov"),
		"every.mp4":              copied(closed, "-movflags", "+frag_every_frame+empty_moov"),
		"separate.mp4":           copied(closed, "-movflags", "+frag_keyframe+empty_moov+separate_moof"),
		"global sidx.mp4":        copied(closed, "-movflags", "+frag_keyframe+empty_moov+default_base_moof+global_sidx"),
		"dash.mp4":               copied(closed, "-movflags", "+frag_keyframe+dash+empty_moov"),
		"no trailer.mp4":         copied(closed, "-movflags", "+frag_keyframe+empty_moov+skip_trailer"),
		"cmaf.mp4":               copied(closed, "-movflags", "+frag_keyframe+empty_moov+default_base_moof+cmaf"),
		"no edits.mp4":           copied(closed, "-use_editlist", "0"),
		"rotated.mov":            copied(closed, "-metadata:s:v:0", "rotate=90"),
		"late sound.mp4":         {"-i", closed, "-itsoffset", "1.3", "-i", closed, "-map", "0:v", "-map", "1:a", "-c", "copy"},
		"late pictures.mp4":      {"-itsoffset", "0.7", "-i", closed, "-i", closed, "-map", "0:v", "-map", "1:a", "-c", "copy"},
		"late fragments.mp4":     {"-i", closed, "-itsoffset", "1.3", "-i", closed, "-map", "0:v", "-map", "1:a", "-c", "copy", "-movflags", "+frag_keyframe+delay_moov"},
		"cut.mp4":                {"-ss", "2.5", "-i", closed, "-map", "0", "-c", "copy"},
		"three sounds.mp4":       {"-i", closed, "-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "0:a", "-c", "copy"},
		"sowt.mov":               {"-i", closed, "-map", "0", "-c:v", "copy", "-c:a", "pcm_s16le"},
		"twos fragmented.mov":    {"-i", closed, "-map", "0", "-c:v", "copy", "-c:a", "pcm_s16be", "-movflags", "+frag_keyframe+empty_moov"},
		"in24.mov":               {"-i", closed, "-map", "0", "-c:v", "copy", "-c:a", "pcm_s24le"},
		"alaw.mov":               {"-i", closed, "-map", "0", "-c:v", "copy", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"},
		"ima4.mov":               {"-i", closed, "-map", "0", "-c:v", "copy", "-c:a", "adpcm_ima_qt"},
		"59.94.mp4":              {"-t", "1", "-i", closed, "-vf", "fps=60000/1001", "-c:v", "libx264", "-preset", "veryfast", "-an"},
		"variable.mp4":           {"-t", "4", "-i", closed, "-vf", "select='mod(n,3)*mod(n,7)'", "-fps_mode", "vfr", "-c:v", "libx264", "-preset", "veryfast"},
		"mjpeg.mov":              {"-t", "2", "-i", closed, "-c:v", "mjpeg", "-c:a", "pcm_s16le"},
		"mpeg2 partial sync.mov": {"-t", "2", "-i", closed, "-c:v", "mpeg2video", "-g", "12", "-bf", "2", "-an"},
	} {
		t.Run(name, func(t *testing.T) {
			m := compare(t, encode(t, strings.ReplaceAll(name, " ", "_"), args...))
			if variable := strings.HasPrefix(name, "variable"); m.Tracks[0].Variable != variable {
				t.Errorf("variable: %t", !variable)
			}
			_ = m
		})
	}
}

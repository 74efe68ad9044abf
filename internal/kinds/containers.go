package kinds

import (
	"context"
	"path/filepath"
)

// containers are the ISO base media files, as cameras and phones write them.
func containers() []Kind {
	return []Kind{
		{Name: "mp4", Words: "the index (moov) at the end, as most cameras write", Make: by("a.mp4", "-i", car, "-c", "copy")},
		{Name: "mp4-faststart", Words: "the index first; 1080p with B-frames, two keyframes", Make: by("a.mp4",
			"-stream_loop", "1", "-i", street, "-c", "copy", "-movflags", "+faststart")},
		{Name: "mp4-fragmented", Words: "a fragment a keyframe; B-frames and negative composition offsets", Make: by("a.mp4",
			"-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+default_base_moof+negative_cts_offsets", "-min_frag_duration", "2000000")},
		{Name: "mp4-fragmented-by-duration", Words: "fragments of a second that begin anywhere: a camera that flushes by the clock", Make: by("a.mp4",
			"-i", car, "-c", "copy", "-movflags", "+empty_moov+default_base_moof", "-frag_duration", "1000000")},
		{Name: "mp4-fragmented-dash", Words: "fragments with sidx in front and mfra at the end", Make: by("a.mp4",
			"-i", car, "-c", "copy", "-movflags", "+frag_keyframe+dash+global_sidx+default_base_moof")},
		{Name: "mp4-fragmented-moov", Words: "the first seconds in a plain moov, the rest in fragments (hybrid); base offsets written out", Make: by("a.mp4",
			"-i", car, "-c", "copy", "-movflags", "+frag_keyframe", "-min_frag_duration", "4000000")},
		{Name: "mp4-telemetry", Words: "as a GoPro writes it: sound, picture, and three tracks of data", Make: by("a.mp4",
			"-i", gopro, "-map", "0:v", "-map", "0:a", "-map", "0:3", "-c", "copy", "-copy_unknown")},
		{Name: "mp4-co64", Words: "chunk offsets of 64 bits, as every file above 4 GB has", Make: as(by("a.mp4", "-i", road, "-c", "copy"), film(wideOffsets))},
		{Name: "mp4-cover", Words: "with a still picture as its cover, which is a second track of video to a careless reader", Make: covered},
		{Name: "mov-pcm", Words: "QuickTime with sound as it is (sowt)", Make: by("a.mov", "-i", road, "-c:v", "copy", "-c:a", "pcm_s16le")},
		{Name: "mov-mjpeg", Words: "QuickTime of JPEG pictures: older action cameras", Make: by("a.mov",
			"-i", road, "-c:v", "mjpeg", "-q:v", "6", "-vf", shrink+",format=yuvj422p", "-c:a", "pcm_s16be")},
		{Name: "avi-mjpeg", Words: "AVI of JPEG pictures with PCM: cheap cameras and old recorders", Make: by("a.avi",
			"-i", karma, "-map", "0:v", "-map", "0:a", "-c:v", "mjpeg", "-q:v", "6", "-vf", shrink+",format=yuvj420p", "-c:a", "pcm_s16le")},
		{Name: "avi-mpeg4", Words: "AVI with MPEG-4 ASP and MP3: recorders of the 2000s", Make: by("a.avi",
			"-i", road, "-c:v", "mpeg4", "-g", "50", "-q:v", "6", "-vf", shrink, "-c:a", "libmp3lame")},
		{Name: "mkv", Words: "Matroska, with B-frames; its clock is in milliseconds", Make: by("a.mkv",
			"-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy")},
		{Name: "mkv-streamed", Words: "Matroska without cues, sizes or duration: written to a pipe", Make: by("a.mkv", "-i", car, "-c", "copy", "-live", "1")},
		{Name: "webm", Words: "VP8 with Opus, from a browser", Make: by("a.webm",
			"-i", road, "-vf", "scale=320:180:flags=fast_bilinear,format=yuv420p", "-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "16", "-b:v", "200k", "-g", "60",
			"-c:a", "libopus", "-b:a", "48k")},
	}
}

// covered takes the cover from one clip and the recording from another.
func covered(ctx context.Context, dir string) (string, error) {
	cover, path := filepath.Join(dir, "cover.jpg"), filepath.Join(dir, "a.mp4")
	if err := encode(ctx, cover, "-i", car, "-frames:v", "1", "-vf", "scale=320:180", "-pix_fmt", "yuvj420p"); err != nil {
		return "", err
	}
	return path, encode(ctx, path, "-i", cover, "-i", road, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "attached_pic")
}

// wideOffsets writes chunk offsets of 64 bits.
func wideOffsets(moov *box) error {
	for _, track := range append(moov.tracks("vide"), moov.tracks("soun")...) {
		stco := track.in("mdia", "minf", "stbl", "stco")
		if stco == nil {
			return errBox
		}
		var offsets []byte
		for _, row := range stco.table(1) {
			offsets = append(offsets, u64(uint64(row[0]))...)
		}
		stco.kind, stco.body = "co64", append(stco.body[:8:8], offsets...)
	}
	return nil
}

// streams are MPEG transport streams: dash cameras, CCTV recorders, broadcast.
func streams() []Kind {
	return []Kind{
		{Name: "ts", Words: "H.264 and AAC", Make: by("a.ts", "-i", car, "-c", "copy")},
		{Name: "ts-high", Words: "its clock starts at ten hours, as when a recorder has run since the morning", Make: by("a.ts",
			"-i", road, "-c", "copy", "-output_ts_offset", "36000")},
		{Name: "ts-wrap", Words: "its clock of 33 bits wraps after two seconds, with B-frames", Make: by("a.ts",
			"-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy", "-output_ts_offset", "95440")},
		{Name: "ts-m2ts", Words: "packets of 192 bytes, as camcorders write; AC-3", Make: by("a.m2ts", "-i", road, "-c:v", "copy", "-c:a", "ac3")},
		{Name: "ts-hevc", Words: "HEVC with MP2", Make: by("a.ts", join([]string{"-i", road}, small(), hevc("keyint=50"), []string{"-c:a", "mp2"})...)},
		{Name: "ts-silent", Words: "picture only", Make: by("a.ts", "-t", "20", "-i", person, "-c", "copy")},
		{Name: "ts-begins-between-keyframes", Words: "cut out of a running stream: sound, and pictures that nothing can be made of, before the first keyframe",
			Make: as(by("a.ts", "-i", road, "-c", "copy"), func(b []byte) ([]byte, error) { return b[len(b)/12/188*188:], nil })},
	}
}

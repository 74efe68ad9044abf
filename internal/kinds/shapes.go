package kinds

import (
	"encoding/binary"
	"fmt"
)

// sounds are the ways in which sound comes, or doesn't.
func sounds() []Kind {
	picture := func(seconds string) []string { return []string{"-t", seconds, "-i", person} }
	late := func(begin, seconds string) []string {
		return join(picture(seconds), []string{"-itsoffset", begin, "-i", car, "-map", "0:v", "-map", "1:a", "-c", "copy", "-t", seconds})
	}
	return []Kind{
		{Name: "silent", Words: "no sound", Make: by("a.mp4", join(picture("20"), []string{"-c", "copy"})...)},
		{Name: "sound-late", Words: "sound begins 3.4 seconds late", Make: by("a.mp4", late("3.4", "20")...)},
		{Name: "sound-after-pre-event", Words: "sound begins after 29.978 seconds: the pre-event buffer has none", Make: by("a.mp4", late("29.978", "40")...)},
		{Name: "sound-late-ts", Words: "sound begins 3.4 seconds late, in a transport stream", Make: by("a.ts", late("3.4", "20")...)},
		{Name: "sound-late-mkv", Words: "sound begins 3.4 seconds late, in Matroska", Make: by("a.mkv", late("3.4", "20")...)},
		{Name: "sound-early", Words: "sound begins more than a second before the picture, and ends before it", Make: by("a.ts",
			"-itsoffset", "1.25", "-i", road, "-t", "8", "-i", road, "-map", "0:v", "-map", "1:a", "-c", "copy")},
		{Name: "sound-three-tracks", Words: "three tracks of sound in three languages; the second is the default", Make: by("a.mp4",
			"-t", "20", "-i", person, "-i", car, "-i", karma, "-i", street, "-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:a", "-c", "copy", "-t", "20",
			"-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=pol", "-metadata:s:a:2", "language=urd", "-disposition:a:0", "0", "-disposition:a:1", "default")},
		{Name: "sound-mp3", Words: "MP3 in MP4", Make: by("a.mp4", "-i", road, "-c:v", "copy", "-c:a", "libmp3lame")},
		{Name: "sound-alaw", Words: "A-law at 8 kHz, one channel, in QuickTime: telephones and CCTV", Make: by("a.mov",
			"-i", road, "-c:v", "copy", "-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1")},
		{Name: "sound-with-hole", Words: "two seconds of sound are missing in the middle (the microphone was switched off)", Make: by("a.mp4",
			"-i", road, "-c", "copy", "-bsf:a", "noise=drop=gte(pts\\,144000)*lt(pts\\,240000)")},
	}
}

// shapes are the ways in which pictures are turned and sized.
func shapes() []Kind {
	turned := func(degrees int) making {
		return as(by("a.mp4", "-t", "12", "-i", person, "-c", "copy"), film(turn(degrees)))
	}
	return []Kind{
		{Name: "rotated-90", Words: "the camera was worn on its side", Make: turned(90)},
		{Name: "rotated-180", Words: "the camera was worn upside down", Make: turned(180)},
		{Name: "rotated-270", Words: "the camera was worn on its other side", Make: turned(270)},
		{Name: "size-odd", Words: "853x479, with colour for every pixel (4:4:4)", Make: by("a.mp4",
			join([]string{"-i", karma, "-map", "0:v", "-map", "0:a", "-c:a", "copy", "-vf", "format=yuv444p,crop=853:479:0:0"}, avc("keyint=60"))...)},
		{Name: "size-cropped", Words: "850x478: coded in blocks of 16, and cropped", Make: by("a.mp4",
			"-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy", "-bsf:v", "h264_metadata=crop_right=14:crop_bottom=2")},
		{Name: "size-portrait", Words: "1080x1920, coded upright: phones", Make: by("a.mp4",
			join([]string{"-stream_loop", "1", "-i", street, "-t", "6", "-c:a", "copy", "-vf", "transpose=clock"}, avc("keyint=60"))...)},
		{Name: "size-tiny", Words: "64x48", Make: by("a.mp4",
			join([]string{"-i", road, "-c:a", "copy", "-vf", "scale=64:48:flags=area,setsar=1"}, avc("keyint=60"))...)},
		{Name: "pixels-not-square", Words: "pixels of 4:3, as anamorphic cameras have them", Make: by("a.mp4",
			"-i", car, "-c", "copy", "-bsf:v", "h264_metadata=sample_aspect_ratio=4/3")},
	}
}

// turn marks the picture to be shown turned right by so many degrees: the matrix of the track's header (QuickTime File Format, "Matrices").
func turn(degrees int) func(moov *box) error {
	return func(moov *box) error {
		const one, minus = 1 << 16, 0xffff0000
		matrix, ok := map[int][4]uint32{90: {0, one, minus, 0}, 180: {minus, 0, 0, minus}, 270: {0, minus, one, 0}}[degrees]
		if !ok {
			return fmt.Errorf("turning by %d degrees: %w", degrees, errBox)
		}
		for _, track := range moov.tracks("vide") {
			header := track.in("tkhd") // version 0: ffmpeg writes the other for films of days only
			copy(header.body[40:], u32(matrix[0], matrix[1], 0, matrix[2], matrix[3]))
			// A picture that is turned is moved back into view by its own size.
			width, height := binary.BigEndian.Uint32(header.body[76:]), binary.BigEndian.Uint32(header.body[80:])
			x := map[int]uint32{90: height, 180: width}[degrees]
			y := map[int]uint32{180: height, 270: width}[degrees]
			copy(header.body[64:], u32(x, y))
		}
		return nil
	}
}

// rates are frame rates. The pictures are those of a slower clip, shown faster; the sound is another clip's.
func rates() []Kind {
	at := func(rate, seconds, keys string) making {
		return by("a.mp4", join([]string{"-r", rate, "-i", person, "-i", car, "-map", "0:v", "-map", "1:a", "-t", seconds, "-c:a", "copy"}, small(),
			avc("bframes=2:scenecut=0:keyint="+keys))...)
	}
	// The clock jitters by up to 12 ms, and stands for three seconds: cameras that time each picture as it comes off the sensor.
	const jitter = "floor(300*random(1))+75000*gt(PTS\\,250000)"
	return []Kind{
		{Name: "rate-25", Words: "25 frames a second, PAL", Make: by("a.mp4", "-i", road, "-c", "copy")},
		{Name: "rate-29.97", Words: "29.97 frames a second, NTSC", Make: by("a.mp4", "-i", karma, "-map", "0:v", "-map", "0:a", "-c", "copy")},
		{Name: "rate-30", Words: "30 frames a second", Make: at("30", "16", "90")},
		{Name: "rate-50", Words: "50 frames a second", Make: at("50", "12", "150")},
		{Name: "rate-59.94", Words: "59.94 frames a second", Make: at("60000/1001", "12", "180")},
		{Name: "rate-60", Words: "60 frames a second", Make: at("60", "12", "180")},
		{Name: "rate-variable", Words: "jitter of up to 12 ms, and a hole of three seconds", Make: by("a.mp4",
			"-i", car, "-c", "copy", "-bsf:v", "setts=pts=PTS+"+jitter+":dts=DTS")},
		{Name: "rate-variable-b-frames", Words: "the same jitter and hole, with B-frames, on a clock of 90 kHz", Make: by("a.mp4",
			join([]string{"-i", karma, "-map", "0:v", "-map", "0:a", "-c:a", "copy", "-fps_mode", "passthrough", "-enc_time_base", "1/90000", "-video_track_timescale", "90000",
				"-vf", shrink + ",format=yuv420p,settb=1/90000,setpts=PTS+floor(1080*random(1))+270000*gt(PTS\\,450000)"},
				avc("bframes=2:keyint=60"))...)},
		{Name: "rate-variable-mkv", Words: "the same jitter and hole, in Matroska", Make: by("a.mkv",
			"-i", car, "-c", "copy", "-bsf:v", "setts=pts=PTS+floor(12*random(1))+3000*gt(PTS\\,10000):dts=DTS")}, // the filter's clock is the muxer's
		{Name: "rate-drops", Words: "half of the pictures are missing for a while: a camera that cannot keep up in the dark", Make: by("a.mp4",
			join([]string{"-i", road, "-c:a", "copy", "-fps_mode", "vfr", "-vf", shrink + ",select='not(mod(n\\,2)*between(t\\,2\\,6))'"}, avc("keyint=50"))...)},
	}
}

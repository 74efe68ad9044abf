package functions_test

import (
	"context"
	"crypto/sha256"
	"encoding"
	"fmt"
	"io"
	"strings"

	"bwv/internal/evidence"
	"bwv/internal/isobmff"
)

// tool stands for ffprobe and ffmpeg, which have their own suite: a recording is text that begins with "video". It has two chunks, the second of two
// segments, and one sound.
type tool struct{}

func (tool) look(ctx context.Context, s evidence.Source) (string, error) {
	body, err := s.OpenAt(ctx, 0, s.Original.Size)
	if err != nil {
		return "", err
	}
	defer body.Close()
	b, err := io.ReadAll(body)
	if err == nil && !strings.HasPrefix(string(b), "video") {
		err = fmt.Errorf("no recording: %w", evidence.Unreadable)
	}
	return string(b), err
}

func (p tool) Probe(ctx context.Context, s evidence.Source) (evidence.Findings, error) {
	_, err := p.look(ctx, s)
	return evidence.Findings{Media: evidence.Media{Container: "mp4", Seconds: 5}}, err
}

func (p tool) Cut(ctx context.Context, s evidence.Source, out evidence.Cutting) (evidence.Outline, error) {
	if _, err := p.look(ctx, s); err != nil {
		return evidence.Outline{}, err
	}
	for n, border := range []int64{0, 4000} {
		c := evidence.Chunk{Number: n, Timescale: 1000, Start: border, End: 4000 + 7500*int64(n), Frames: 10}
		if err := out.Chunk(ctx, c); err != nil {
			return evidence.Outline{}, err
		}
	}
	return evidence.Outline{Chunks: 2, Frames: 20}, nil
}

func (p tool) Make(ctx context.Context, s evidence.Source, c evidence.Chunk, _ evidence.Opener) (evidence.Clip, error) {
	if _, err := p.look(ctx, s); err != nil {
		return evidence.Clip{}, err
	}
	refs := []isobmff.Reference{{Bytes: 8, Duration: 4000}}
	if c.Number == 1 {
		refs = []isobmff.Reference{{Bytes: 5, Duration: 6000}, {Bytes: 3, Duration: 1500}}
	}
	clip := evidence.Clip{Init: []byte("header"), Media: append(isobmff.Directory(1, 1000, c.Start, refs), "pictures"...), Strip: []byte("strip"),
		Width: 854, Height: 480, Codecs: "avc1.42C01E", Tool: "ffmpeg 5.1.9", Profile: "-crf 26"}
	if c.Number == 0 {
		clip.Poster = []byte("poster")
	}
	return clip, nil
}

func (p tool) Read(ctx context.Context, s evidence.Source, from evidence.Reading, save func(context.Context, evidence.Reading, []evidence.Take) error) (evidence.Reading, error) {
	text, err := p.look(ctx, s)
	if err != nil && text == "" {
		return from, err
	}
	hash := sha256.New()
	hash.Write([]byte(text))
	state, e := hash.(encoding.BinaryMarshaler).MarshalBinary() //nolint:forcetypeassert // documented of crypto/sha256
	if e != nil {
		return from, e
	}
	r := evidence.Reading{Offset: int64(len(text)), State: state, Sounds: []evidence.Sound{}}
	if err != nil { // no recording has a digest all the same
		return r, save(ctx, r, nil)
	}
	r.Sounds = []evidence.Sound{{Name: "Sound 1", Codecs: "mp4a.40.2", Channels: 2, Takes: 1, Ended: true}}
	take := evidence.Take{Init: []byte("header"), Media: append(isobmff.Directory(1, 1000, 0, []isobmff.Reference{{Bytes: 5, Duration: 11500}}), "sound"...), Peaks: []byte("-+")}
	return r, save(ctx, r, []evidence.Take{take})
}

// What a recording's proxy is made of, and what plays.
const (
	pictures = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXT-X-MAP:URI=\"video/init.mp4\"\n" +
		"#EXTINF:4.000000,\n#EXT-X-BYTERANGE:8@52\nvideo/00000.mp4\n" +
		"#EXTINF:6.000000,\n#EXT-X-BYTERANGE:5@64\nvideo/00001.mp4\n#EXTINF:1.500000,\n#EXT-X-BYTERANGE:3@69\nvideo/00001.mp4\n#EXT-X-ENDLIST\n"
	master = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound 1\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"playback/sound-0.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=2200000,CODECS=\"avc1.42C01E,mp4a.40.2\",RESOLUTION=854x480,AUDIO=\"sound\"\nplayback/video.m3u8\n"
	storyboard = "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\nvideo/00000.jpg#xywh=0,0,160,88\n" +
		"\n00:00:05.000 --> 00:00:10.000\nvideo/00001.jpg#xywh=0,0,160,88\n\n00:00:10.000 --> 00:00:15.000\nvideo/00001.jpg#xywh=160,0,160,88\n"
)

func renditions() []string {
	return []string{"digest.json", "master.m3u8", "poster.jpg", "sound-0.m3u8", "sound-0/00000.mp4", "sound-0/00000.peaks", "sound-0/init.mp4", "sound.json",
		"storyboard.vtt", "video-facts.json", "video-plan.json", "video.m3u8", "video/00000.jpg", "video/00000.mp4", "video/00001.jpg", "video/00001.mp4",
		"video/init.mp4", "video/plan/0000.json", "video/plan/0001.json", "waveform.dat"}
}

package hls_test

import (
	"testing"

	"bwv/internal/hls"
)

func TestMaster(t *testing.T) {
	m := &hls.Master{URI: "video.m3u8", Width: 854, Height: 480, Codecs: "avc1.42C01E", BitsPerSecond: 1_400_000}
	head := "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n"
	for _, c := range []struct {
		name   string
		sounds []hls.Sound
		want   string
	}{
		{"no sound", nil, head + "#EXT-X-STREAM-INF:BANDWIDTH=1400000,CODECS=\"avc1.42C01E\",RESOLUTION=854x480\nvideo.m3u8\n"},
		{"one", []hls.Sound{{URI: "sound-0.m3u8", Name: "Sound 1", Codecs: "mp4a.40.2", Channels: 1}}, head +
			"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound 1\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"1\",URI=\"sound-0.m3u8\"\n" +
			"#EXT-X-STREAM-INF:BANDWIDTH=1400000,CODECS=\"avc1.42C01E,mp4a.40.2\",RESOLUTION=854x480,AUDIO=\"sound\"\nvideo.m3u8\n"},
		{"two, of which the first plays", []hls.Sound{
			{URI: "sound-1.m3u8", Name: "Sound 2", Language: "eng", Codecs: "mp4a.40.2", Channels: 2},
			{URI: "sound-3.m3u8", Name: "Sound 4", Codecs: "mp4a.40.5", Channels: 6}}, head +
			"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound 2\",DEFAULT=YES,AUTOSELECT=YES,LANGUAGE=\"eng\",CHANNELS=\"2\",URI=\"sound-1.m3u8\"\n" +
			"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound 4\",DEFAULT=NO,AUTOSELECT=NO,CHANNELS=\"6\",URI=\"sound-3.m3u8\"\n" +
			"#EXT-X-STREAM-INF:BANDWIDTH=1400000,CODECS=\"avc1.42C01E,mp4a.40.2\",RESOLUTION=854x480,AUDIO=\"sound\"\nvideo.m3u8\n"},
	} {
		m.Sounds = c.sounds
		if got := string(m.Text()); got != c.want {
			t.Errorf("%s: got %s", c.name, got)
		}
	}
}

// TestMasterOfAHostileRecording has names that would end their attribute, or their line.
func TestMasterOfAHostileRecording(t *testing.T) {
	m := &hls.Master{URI: "video.m3u8", Codecs: "avc1", Sounds: []hls.Sound{{
		URI: "sound-0.m3u8", Name: "a\",URI=\"https://evil.example/\n#EXT-X-KEY:\x00\x7f\u0085", Language: "e\"n\rg\xff", Codecs: "mp4a\"\n", Channels: 2}}}
	want := "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
		"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"a,URI=https://evil.example/#EXT-X-KEY:\",DEFAULT=YES,AUTOSELECT=YES,LANGUAGE=\"eng\",CHANNELS=\"2\",URI=\"sound-0.m3u8\"\n" +
		"#EXT-X-STREAM-INF:BANDWIDTH=0,CODECS=\"avc1,mp4a\",RESOLUTION=0x0,AUDIO=\"sound\"\nvideo.m3u8\n"
	if got := string(m.Text()); got != want {
		t.Errorf("got %s", got)
	}
}

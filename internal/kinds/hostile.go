package kinds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bait is what a hostile recording tries to have fetched or read. Who tests watches both.
type Bait struct {
	URL  string // of a server on the loopback, without a slash at the end
	File string // an absolute path that ends like a recording's, since ffmpeg's playlists refuse other names
}

// HostileList is every kind of file that was made to do harm. Each is small, and is made within a second. They have no Intact: nothing is promised but that nothing
// happens, within bounded time and memory.
func HostileList(bait Bait) []Kind {
	return slices.Concat(samples(), disguised(bait), counts(), nonsense(), boxed(), fragments(), references(bait), bombs(), foreign())
}

// written is a kind whose bytes are made up.
func written(name, words, file string, content func() []byte) Kind {
	return Kind{Name: name, Words: words, Make: func(_ context.Context, dir string) (string, error) {
		path := filepath.Join(dir, file)
		return path, os.WriteFile(path, content(), 0o600)
	}}
}

// samples are those that lie in testdata.
func samples() []Kind {
	var list []Kind
	for _, name := range []string{"evil_concat.mp4", "evil_hls.mp4", "evil_hls2.mp4", "evil_ssrf.mp4", "text.mp4", "zero.mp4"} {
		list = append(list, Kind{Name: "sample-" + name, Words: "testdata/hostile/" + name, Make: func(_ context.Context, dir string) (string, error) {
			from, err := clip("hostile/" + name)
			if err != nil {
				return "", err
			}
			b, err := os.ReadFile(from)
			if err != nil {
				return "", fmt.Errorf("copying a sample: %w", err)
			}
			path := filepath.Join(dir, name)
			return path, os.WriteFile(path, b, 0o600)
		}})
	}
	return list
}

// disguised are texts that some demuxer follows, under the names of recordings.
func disguised(bait Bait) []Kind {
	texts := []struct{ name, words, text string }{
		{"hls-url", "an HLS playlist of an address", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{URL}/a.ts\n#EXT-X-ENDLIST\n"},
		{"hls-file", "an HLS playlist of a file", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{FILE}\n#EXT-X-ENDLIST\n"},
		{"hls-mark", "the same, behind a byte order mark", "\xef\xbb\xbf#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{FILE}\n#EXT-X-ENDLIST\n"},
		{"hls-concat", "an HLS playlist that appends a file to an address", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nconcat:{URL}/a.ts?|file://{FILE}\n#EXT-X-ENDLIST\n"},
		{"hls-key", "an HLS playlist whose key is at an address", "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI=\"{URL}/key\"\n#EXTINF:10,\n{FILE}\n#EXT-X-ENDLIST\n"},
		{"hls-master", "an HLS playlist of playlists", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{URL}/a.m3u8\n"},
		{"hls-behind-a-box", "an HLS playlist behind a box, so that the file begins as a film", "\x00\x00\x00\x08free#EXTM3U\n#EXTINF:10,\n{URL}/a.ts\n#EXT-X-ENDLIST\n"},
		{"concat-file", "a list of ffmpeg's concat demuxer", "ffconcat version 1.0\nfile '{FILE}'\n"},
		{"concat-url", "a list of ffmpeg's concat demuxer, of an address", "ffconcat version 1.0\nfile '{URL}/a.mp4'\n"},
		{"dash", "a DASH manifest", `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT10S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">` +
			`<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{URL}/a.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>`},
		{"sdp", "a session description", "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"},
		{"ffmetadata", "ffmpeg's metadata", ";FFMETADATA1\ntitle={URL}\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=99999999999999999\n"},
		{"asx", "a playlist of media players", `<asx version="3.0"><entry><ref href="{URL}/a.wmv"/></entry></asx>`},
		{"svg", "a drawing with a picture from elsewhere", `<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="64" height="64">` +
			`<image width="64" height="64" xlink:href="file://{FILE}"/><image width="64" height="64" xlink:href="{URL}/a.png"/></svg>`},
		{"html", "a page with a script", "<!DOCTYPE html><script>fetch('{URL}/a')</script>"},
		{"shell", "a script", "#!/bin/sh\n: > {FILE}\n"},
	}
	fill := strings.NewReplacer("{URL}", bait.URL, "{FILE}", bait.File)
	var list []Kind
	for _, t := range texts {
		for _, ext := range []string{"mp4", "mov", "m4v", "3gp", "ts", "mts", "mkv", "webm", "avi"} {
			list = append(list, written("text-"+t.name+"."+ext, t.words, t.name+"."+ext, func() []byte { return []byte(fill.Replace(t.text)) }))
		}
	}
	return list
}

package kinds

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

const (
	clapRate    = "30000/1001"
	clapSeconds = 40
	clapSamples = 48000 // a second
	clapHalf    = 0.006 // seconds from the middle of a click to its silence
)

// flashed are the numbers of the white frames: at irregular distances, so that no shift by a period can pass for none. Five are after a pre-event buffer.
func flashed() []int64 { return []int64{41, 167, 290, 422, 555, 701, 823, 913, 962, 1049, 1130, 1178} }

// Instants are when every clap has its flash and the middle of its click.
func Instants() []Time {
	var list []Time
	for _, n := range flashed() {
		list = append(list, Time{n * 1001, 30000})
	}
	return list
}

// Claps are recordings of 40 s with a flash and a click at the Instants, over a little noise and a real picture at half its brightness.
func Claps() []Kind {
	made := func(name, words, file string, late float64, codecs ...string) Kind {
		return Kind{Name: "clap-" + name, Words: words, Make: func(ctx context.Context, dir string) (string, error) {
			return clap(ctx, dir, file, late, codecs)
		}}
	}
	return []Kind{
		made("mp4", "AAC in MP4, with B-frames", "a.mp4", 0, "-c:a", "aac", "-b:a", "96k"),
		made("mp4-late", "sound begins after 29.978 seconds", "a.mp4", 29.978, "-c:a", "aac", "-b:a", "96k"),
		made("ts", "AAC in a transport stream", "a.ts", 0, "-c:a", "aac", "-b:a", "96k"),
		made("mkv", "AAC in Matroska", "a.mkv", 0, "-c:a", "aac", "-b:a", "96k"),
		made("mov-pcm", "PCM in QuickTime", "a.mov", 0, "-c:a", "pcm_s16le"),
	}
}

// clap makes one of them. What is late begins so many seconds after the picture; its clicks stay at their Instants.
func clap(ctx context.Context, dir, file string, late float64, codecs []string) (string, error) {
	sound, path := filepath.Join(dir, "clicks.s16"), filepath.Join(dir, file)
	if err := os.WriteFile(sound, clicks(late), 0o600); err != nil {
		return "", fmt.Errorf("writing clicks: %w", err)
	}
	var white []string
	for _, n := range flashed() {
		white = append(white, fmt.Sprintf("eq(n,%d)", n))
	}
	picture := "scale=320:180:flags=fast_bilinear,format=yuv420p,fps=" + clapRate + ",lutyuv=y=val/2,drawbox=t=fill:c=white:enable='" + strings.Join(white, "+") + "'"
	args := join([]string{"-i", person, "-f", "s16le", "-ar", fmt.Sprint(clapSamples), "-ac", "1", "-itsoffset", fmt.Sprint(late), "-i", sound, "-map", "0:v", "-map", "1:a",
		"-vf", picture, "-t", fmt.Sprint(clapSeconds)}, avc("keyint=120:bframes=2:scenecut=0"), codecs)
	return path, encode(ctx, path, args...)
}

// clicks is the sound, 16 bits a sample, from a moment on to the end.
func clicks(from float64) []byte {
	noise := rand.New(rand.NewPCG(3, 4))
	var middles []float64
	for _, t := range Instants() {
		middles = append(middles, t.Seconds())
	}
	var b []byte
	for i := range int((clapSeconds - from) * clapSamples) {
		at, level := from+float64(i)/clapSamples, 0.01*(2*noise.Float64()-1)
		for _, middle := range middles {
			level += 0.8 * pulse(at-middle)
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(level*32767)))
	}
	return b
}

// pulse is a click around its middle: a short wave with one highest point, which an encoder that works on 20 ms at once smears but does not move.
func pulse(t float64) float64 {
	if math.Abs(t) > clapHalf {
		return 0
	}
	return math.Exp(-t*t/(2*0.0015*0.0015)) * math.Cos(2*math.Pi*1500*t)
}

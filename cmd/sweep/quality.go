package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// quality is how near the pictures are to the reference, luma only.
type quality struct {
	SSIM float64 // mean over the pictures
	Low  float64 // what 5 % of the pictures stay below
	PSNR float64 // of the mean square error over all pictures, in dB
}

// compare judges a proxy by the reference, picture by picture in their order. Both have every picture of the recording, or those that keep
// chooses, so the n-th is always at the same time; if not as many were put out, that is an error and not a worse quality.
func (t tools) compare(ctx context.Context, c *clip, input []string, keep string) (q quality, err error) {
	pick := ""
	if keep != "" {
		pick = "select='" + keep + "',"
	}
	same := "settb=1/1000,setpts=N"                                                         // the n-th picture at n milliseconds
	shown := fmt.Sprintf("scale=%d:%d:flags=bicubic:out_range=tv,format=yuv420p", c.W, c.H) // a smaller proxy is judged as it is watched: enlarged
	graph := fmt.Sprintf("[0:v]%s,%s,split[a][b];[1:v]%s%s,split[c][d];[a][c]ssim=stats_file=-[s];[b][d]psnr[p]", shown, same, pick, same)
	args := append([]string{"-nostdin", "-hide_banner", "-nostats", "-v", "info"}, input...)
	args = append(append(args, c.raw(c.Reference)...), "-filter_complex", graph,
		"-map", "[s]", "-fps_mode", "passthrough", "-f", "null", "-", "-map", "[p]", "-fps_mode", "passthrough", "-f", "null", "-")
	r, err := start(ctx, t.ffmpeg, args)
	if err != nil {
		return q, err
	}
	each, err := numbers(`n:\d+ Y:([0-9.]+)`, string(r.stdout))
	if err != nil {
		return q, fmt.Errorf("no SSIM in what ffmpeg says: %w", err)
	}
	psnr, err := numbers(`PSNR y:([0-9.]+|inf)`, r.stderr)
	if err != nil {
		return q, fmt.Errorf("no PSNR in what ffmpeg says: %w", err)
	}
	var sum float64
	for _, v := range each {
		sum += v
	}
	slices.Sort(each)
	return quality{SSIM: sum / float64(len(each)), Low: each[len(each)/20], PSNR: min(psnr[0], 100)}, nil // equal pictures have no finite PSNR
}

func numbers(pattern, text string) (list []float64, err error) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%q not found", pattern)
	}
	return list, nil
}

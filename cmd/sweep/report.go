package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// fullHD is the clip that is as tall as what cameras record: the decoder's share is only there what it is in service.
const fullHD = "samplelib_street_1080p30_5s"

// Rows that the tables and the picture point at: the default, its encoder in the search, and the default before it.
const (
	chosen = "default"
	found  = "sf b2 subme2 lean"
	before = "as it was before"
)

// report writes one table a question.
func report(out io.Writer, list []entry, j *journal) {
	parts(out, list, j)
	searchTable(out, j)
	wholeTable(out, list, j)
	equalTable(out, list, j)
	optionTable(out, list, j)
}

func table(out io.Writer, title string, columns ...string) {
	fmt.Fprintf(out, "\n### %s\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
}

// number prints what may not be there.
func number(format string, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// multiple is a row's CPU over the bare decoder's on the same clip, each the median of its rounds.
func (j *journal) multiple(set, name, clip string, crf float64) float64 {
	bare, p := j.index[(&point{Set: "decode", Name: floor, Clip: clip}).key()], j.index[(&point{Set: set, Name: name, Clip: clip, CRF: crf}).key()]
	if bare == nil || p == nil {
		return math.NaN()
	}
	return p.typical() / bare.typical()
}

// over collects a figure from each clip of a set and leaves out the clips that have none.
func over(clips []string, figure func(clip string) float64) (list []float64) {
	for _, c := range clips {
		if v := figure(c); !math.IsNaN(v) {
			list = append(list, v)
		}
	}
	return list
}

func parts(out io.Writer, list []entry, j *journal) {
	if len(j.names("scale")) == 0 {
		return
	}
	table(out, "Decoding and scaling, before any encoder", "row", "CPU x decode only, 1080p", "all clips", "SSIM to lanczos, 1080p", "PSNR, 1080p")
	for _, e := range list {
		if e.Set != "decode" && e.Set != "scale" {
			continue
		}
		all := mean(over(j.clips(e.Set), func(c string) float64 { return j.multiple(e.Set, e.Name, c, 0) }))
		q := quality{SSIM: math.NaN(), PSNR: math.NaN()}
		if p := j.index[(&point{Set: e.Set, Name: e.Name, Clip: fullHD}).key()]; p != nil && e.Set == "scale" {
			q = p.quality
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s | %s |\n", e.Name, number("%.2f", j.multiple(e.Set, e.Name, fullHD, 0)), number("%.2f", all),
			number("%.4f", q.SSIM), number("%.1f", q.PSNR))
	}
}

// spots sets the rows of a set against the first of them: at the quality of its middle setting, on each clip, and the mean of the ratios.
func (j *journal) spots(set, base string, clips []string, names []string) (list []spot) {
	for _, name := range names {
		var cpu, bytes []float64
		for _, clip := range clips {
			b := j.curve(set, base, clip)
			ssim := middle(b)
			c0, b0, err := at(b, ssim)
			c1, b1, err1 := at(j.curve(set, name, clip), ssim)
			if err == nil && err1 == nil {
				cpu, bytes = append(cpu, c1/c0), append(bytes, b1/b0)
			}
		}
		if len(cpu) > 0 {
			list = append(list, spot{name, mean(cpu), mean(bytes)})
		}
	}
	return list
}

// middle is the SSIM half way, in decibels, between the ends of a curve.
func middle(s []sample) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	least, most := math.Inf(1), math.Inf(-1)
	for _, p := range s {
		least, most = min(least, decibels(p.ssim)), max(most, decibels(p.ssim))
	}
	return 1 - math.Pow(10, -(least+most)/20)
}

func searchTable(out io.Writer, j *journal) {
	names, clips := j.names("search"), j.complete("search")
	if len(clips) == 0 {
		return
	}
	table(out, fmt.Sprintf("The search: encoders alone, at the SSIM of %s, on %d recordings", names[0], len(clips)), "row", "CPU", "bytes", "bytes, 1080p", "on the front")
	spots := j.spots("search", names[0], clips, names)
	best := front(spots)
	slices.SortFunc(spots, func(a, b spot) int { return int(math.Copysign(1, a.cpu-b.cpu)) })
	for _, s := range spots {
		one, mark := math.NaN(), ""
		if hd := j.spots("search", names[0], []string{fullHD}, []string{s.name}); len(hd) == 1 {
			one = hd[0].bytes
		}
		if slices.Contains(best, s) {
			mark = "yes"
		}
		fmt.Fprintf(out, "| %s | %.2f | %.3f | %s | %s |\n", s.name, s.cpu, s.bytes, number("%.3f", one), mark)
	}
}

// wholeTable says what the profiles, the options and the other systems come to, from the recording to the proxy.
func wholeTable(out io.Writer, list []entry, j *journal) {
	if len(j.names("peer"))+len(j.names("final")) == 0 {
		return
	}
	table(out, "From the recording to the proxy, as each is set", "row", "crf", "CPU x decode only, 1080p", "all clips", "CPU-s/min, 1080p", "kbit/s, 1080p", "kbit/s, all clips",
		"SSIM", "SSIM, lowest 5 %", "PSNR")
	for _, e := range list {
		if !slices.Contains([]string{"final", "option", "peer"}, e.Set) {
			continue
		}
		for _, crf := range e.settings() {
			wholeRow(out, e, crf, j)
		}
	}
}

func wholeRow(out io.Writer, e entry, crf float64, j *journal) {
	var rate, ssim, low, psnr, cpu []float64
	hd := math.NaN()
	minute := math.NaN()
	for _, clip := range j.clips(e.Set) {
		p := j.index[(&point{Set: e.Set, Name: e.Name, Clip: clip, CRF: crf}).key()]
		if p == nil {
			continue
		}
		kbps := float64(p.Bytes) * 8 / p.Seconds / 1000
		if clip == fullHD {
			hd, minute = kbps, p.typical()/p.Seconds*60
		}
		rate, ssim, low, psnr = append(rate, kbps), append(ssim, p.SSIM), append(low, p.Low), append(psnr, p.PSNR)
		cpu = append(cpu, j.multiple(e.Set, e.Name, clip, crf))
	}
	if len(rate) == 0 {
		return
	}
	fmt.Fprintf(out, "| %s | %s | %s | %.2f | %s | %s | %.0f | %.4f | %.4f | %.2f |\n", e.Name, setting(crf), number("%.2f", j.multiple(e.Set, e.Name, fullHD, crf)),
		mean(cpu), number("%.1f", minute), number("%.0f", hd), average(rate), average(ssim), average(low), average(psnr))
}

// setting prints a quality setting, where the row has one of its own to say.
func setting(crf float64) string {
	if crf == 0 {
		return ""
	}
	return fmt.Sprint(crf)
}

func average(list []float64) (sum float64) {
	for _, v := range list {
		sum += v
	}
	return sum / float64(len(list))
}

// equalTable sets the default beside each other system at that system's quality: what it needs, as a share of what the other takes.
func equalTable(out io.Writer, list []entry, j *journal) {
	clips := j.clips("peer")
	if len(clips) == 0 {
		return
	}
	table(out, "The default at each system's SSIM: CPU and bytes as a share of what the other takes", append([]string{"system", "CPU, all clips", "bytes, all clips"}, clips...)...)
	for _, e := range list {
		if e.Set != "peer" {
			continue
		}
		var cpu, bytes []float64
		var cells []string
		for _, clip := range clips {
			c, b, err := j.versus(e, clip)
			if err != nil {
				cells = append(cells, "–")
				continue
			}
			cpu, bytes = append(cpu, c), append(bytes, b)
			cells = append(cells, fmt.Sprintf("%.2f, %.2f", c, b))
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", e.Name, number("%.2f", mean(cpu)), number("%.2f", mean(bytes)), strings.Join(cells, " | "))
	}
}

// versus is the default's CPU and bytes at a peer's quality on one clip, as shares.
func (j *journal) versus(e entry, clip string) (cpu, bytes float64, err error) {
	theirs := j.find(e.Set, e.Name, clip)
	if len(theirs) == 0 {
		return 0, 0, errOutside
	}
	cpu, bytes, err = at(j.curve("final", chosen, clip), theirs[0].SSIM)
	return cpu / theirs[0].typical(), bytes / float64(theirs[0].Bytes), err
}

// optionTable sets each option beside the default at the option's quality: what the option needs, as a multiple of the default.
func optionTable(out io.Writer, list []entry, j *journal) {
	clips := j.clips("option")
	if len(clips) == 0 {
		return
	}
	table(out, "Options at their SSIM: CPU and bytes as a multiple of the default's", append([]string{"option"}, clips...)...)
	for _, e := range list {
		if e.Set != "option" {
			continue
		}
		var cells []string
		for _, clip := range clips {
			if c, b, err := j.versus(e, clip); err == nil {
				cells = append(cells, fmt.Sprintf("%.2f, %.2f", 1/c, 1/b))
			} else {
				cells = append(cells, "–")
			}
		}
		fmt.Fprintf(out, "| %s | %s |\n", e.Name, strings.Join(cells, " | "))
	}
}

package main

import (
	"errors"
	"math"
	"slices"
)

// errOutside says that a curve does not reach a quality: nothing is made up beyond what was measured.
var errOutside = errors.New("outside of what was measured")

// sample is what one quality setting of a row came to on one clip.
type sample struct {
	ssim  float64
	cpu   float64 // seconds
	bytes float64
}

// decibels stretches SSIM near 1, where it is crowded: 0.99 is twice as far from 0.90 as 0.90 from 0.68.
func decibels(ssim float64) float64 { return -10 * math.Log10(1-ssim) }

// at reads from a row's samples what it needs for a given quality: bytes grow by a factor with each decibel, CPU by an amount.
func at(samples []sample, ssim float64) (cpu, bytes float64, err error) {
	s := slices.Clone(samples)
	slices.SortFunc(s, func(a, b sample) int {
		switch {
		case a.ssim < b.ssim:
			return -1
		case a.ssim > b.ssim:
			return 1
		}
		return 0
	})
	for i := 1; i < len(s); i++ {
		lower, upper := s[i-1], s[i]
		if !(lower.ssim <= ssim && ssim <= upper.ssim) || lower.ssim == upper.ssim { // not a number is outside as well
			continue
		}
		share := (decibels(ssim) - decibels(lower.ssim)) / (decibels(upper.ssim) - decibels(lower.ssim))
		return lower.cpu + share*(upper.cpu-lower.cpu), math.Exp(math.Log(lower.bytes) + share*(math.Log(upper.bytes)-math.Log(lower.bytes))), nil
	}
	return 0, 0, errOutside
}

// mean is the geometric mean: a ratio of 2 on one clip and of 1/2 on another are none.
func mean(ratios []float64) float64 {
	if len(ratios) == 0 {
		return math.NaN()
	}
	var sum float64
	for _, r := range ratios {
		sum += math.Log(r)
	}
	return math.Exp(sum / float64(len(ratios)))
}

// spot is a row in the picture: what it needs of both for the same quality.
type spot struct {
	name       string
	cpu, bytes float64
}

// front is the rows that no other beats: each other one is dearer in CPU or larger. It comes in the order of CPU.
func front(spots []spot) []spot {
	var list []spot
	for _, s := range spots {
		beaten := slices.ContainsFunc(spots, func(o spot) bool {
			return o.cpu <= s.cpu && o.bytes <= s.bytes && (o.cpu < s.cpu || o.bytes < s.bytes)
		})
		if !beaten {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b spot) int {
		if a.cpu < b.cpu {
			return -1
		}
		return 1
	})
	return list
}

package kinds

import (
	"errors"
	"fmt"
	"math/big"
)

// MaxError is the largest difference that Compare lets pass, in seconds: half a tick of the 90 kHz clock, 5.6 microseconds.
const MaxError = 1.0 / 180000

var errDiffers = errors.New("the proxy is not exact")

// Compare tells whether a proxy shows exactly the pictures of its source: as many, each at its time. Its error names the first difference.
//
// A time may be off by half a tick of the proxy's own clock, and no more than MaxError. So where that clock can express the source's time (the source's own time
// scale, 90 kHz for a transport stream, any multiple of 1000 for Matroska) only equality passes, since two different ticks are a whole tick apart; where it cannot,
// only the nearest tick passes; and no clock coarser than 90 kHz is forgiven its roundings.
func Compare(source, proxy []Frame) error {
	for i := range source {
		if i >= len(proxy) || !same(source[i].At, proxy[i].At) {
			return fmt.Errorf("%w: %s; it has %d pictures, the source %d", errDiffers, difference(source, proxy, i), len(proxy), len(source))
		}
	}
	if len(proxy) > len(source) {
		return fmt.Errorf("%w: picture %d at %s is after the source's end; it has %d pictures, the source %d",
			errDiffers, len(source), proxy[len(source)].At, len(proxy), len(source))
	}
	return nil
}

// difference says what became of picture i, the first that is not where it was.
func difference(source, proxy []Frame, i int) string {
	was := source[i].At
	switch {
	case i >= len(proxy):
		return fmt.Sprintf("picture %d at %s is missing, with all after it", i, was)
	case i+1 < len(source) && same(source[i+1].At, proxy[i].At):
		return fmt.Sprintf("picture %d at %s is missing", i, was)
	case i > 0 && same(source[i-1].At, proxy[i].At):
		return fmt.Sprintf("picture %d at %s is there twice", i-1, source[i-1].At)
	case i+1 < len(proxy) && same(was, proxy[i+1].At):
		return fmt.Sprintf("at %s is a picture that the source does not have, before its picture %d at %s", proxy[i].At, i, was)
	}
	off, _ := new(big.Rat).Sub(proxy[i].At.rat(), was.rat()).Float64()
	return fmt.Sprintf("picture %d at %s is at %s, %+.6f s off", i, was, proxy[i].At, off)
}

// same is the tolerance of Compare.
func same(source, proxy Time) bool {
	if proxy.Scale <= 0 || source.Scale <= 0 {
		return false
	}
	off := new(big.Rat).Sub(proxy.rat(), source.rat())
	off.Abs(off)
	half := big.NewRat(1, 2*proxy.Scale)
	most := big.NewRat(1, 180000)
	return off.Cmp(half) <= 0 && off.Cmp(most) <= 0
}

// Subset is the weaker promise for a damaged recording: each picture of the proxy is one of the source, in order and at its time. It tells how many are missing.
func Subset(source, proxy []Frame) (missing int, err error) {
	next := 0
	for i, p := range proxy {
		from := next
		for next < len(source) && !same(source[next].At, p.At) {
			next++
		}
		if next == len(source) {
			return 0, fmt.Errorf("%w: its picture %d at %s is none of the source's from %d on", errDiffers, i, p.At, from)
		}
		next++
	}
	return len(source) - len(proxy), nil
}

package kinds

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Time is Ticks / Scale seconds, exactly.
type Time struct {
	Ticks int64
	Scale int64 // ticks a second
}

// Seconds is the nearest number.
func (t Time) Seconds() float64 {
	s, _ := t.rat().Float64()
	return s
}

// String writes microseconds, and the ticks that they come from.
func (t Time) String() string { return fmt.Sprintf("%.6f s (%d/%d)", t.Seconds(), t.Ticks, t.Scale) }

func (t Time) rat() *big.Rat { return big.NewRat(t.Ticks, t.Scale) }

// Plus adds exactly, on the coarsest clock that has ticks for both.
func (t Time) Plus(o Time) Time {
	if o.Scale == 0 {
		return t
	}
	a, b := t.Scale, o.Scale
	for b != 0 {
		a, b = b, a%b
	}
	all := t.Scale / a * o.Scale
	return Time{t.Ticks*(all/t.Scale) + o.Ticks*(all/o.Scale), all}
}

// since is t with its zero moved to origin.
func (t Time) since(origin Time) Time { return t.Plus(Time{-origin.Ticks, origin.Scale}) }

// on is t, so much later. It stays on its own clock where that has a tick for it.
func (t Time) on(begin Time) Time {
	if begin.Ticks*t.Scale%begin.Scale == 0 {
		return Time{t.Ticks + begin.Ticks*t.Scale/begin.Scale, t.Scale}
	}
	return t.Plus(begin)
}

// before compares exactly.
func (t Time) before(o Time) bool { return t.rat().Cmp(o.rat()) < 0 }

// at is so many units of a time base such as 1/90000 or 1001/30000.
func at(units int64, base string) (Time, error) {
	num, den, _ := strings.Cut(base, "/")
	n, err := strconv.ParseInt(num, 10, 64)
	if err != nil {
		return Time{}, fmt.Errorf("reading the time base %q: %w", base, err)
	}
	d, err := strconv.ParseInt(den, 10, 64)
	if err != nil {
		return Time{}, fmt.Errorf("reading the time base %q: %w", base, err)
	}
	return Time{units * n, d}, nil
}

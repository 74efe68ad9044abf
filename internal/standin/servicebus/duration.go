package servicebus

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"time"
)

// Duration is a time.Duration written as ISO 8601 in JSON: days, hours, minutes and seconds (P14D, PT1H30M, PT0.5S).
// What is longer than a time.Duration can hold, such as .NET's TimeSpan.MaxValue, is the longest one.
type Duration time.Duration

// UnmarshalJSON reads an ISO 8601 duration; "" is zero.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("reading a duration: %w", err)
	}
	if s == "" {
		*d = 0
		return nil
	}
	pattern := regexp.MustCompile(`^P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,9}))?S)?)?$`)
	m := pattern.FindStringSubmatch(s)
	if m == nil || m[1]+m[2]+m[3]+m[4] == "" {
		return fmt.Errorf("reading a duration: %q is not ISO 8601, e.g. PT1M or P14D", s)
	}
	m[5] = (m[5] + "000000000")[:9]
	total := uint64(0)
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second, time.Nanosecond} {
		n, err := strconv.ParseUint("0"+m[i+1], 10, 64)
		if err != nil {
			return fmt.Errorf("reading a duration: %w", err)
		}
		if high, low := bits.Mul64(n, uint64(unit)); high != 0 || low > math.MaxInt64 {
			total = math.MaxInt64
		} else {
			total = min(total+low, math.MaxInt64)
		}
	}
	*d = Duration(total)
	return nil
}

// MarshalJSON writes days and seconds: P0DT60.000000000S.
func (d Duration) MarshalJSON() ([]byte, error) {
	if d == 0 {
		return []byte(`""`), nil
	}
	if d < 0 {
		return nil, fmt.Errorf("writing a duration: %s is negative", time.Duration(d))
	}
	const day = Duration(24 * time.Hour)
	rest := d % day
	return fmt.Appendf(nil, `"P%dDT%d.%09dS"`, d/day, rest/Duration(time.Second), rest%Duration(time.Second)), nil
}

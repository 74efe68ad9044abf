package main

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// ones has every price at 1, so that a bill is its amounts.
func ones(t *testing.T) prices {
	t.Helper()
	p, err := parsePrices(listed)
	if err != nil {
		t.Fatal(err)
	}
	for name := range p.Prices {
		p.Prices[name] = 1
	}
	return p
}

func line(t *testing.T, bill []item, name string) float64 {
	t.Helper()
	for _, i := range bill {
		if i.Name == name {
			return i.Cost
		}
	}
	t.Fatalf("no line %q", name)
	return 0
}

// TestSizing holds the amounts against the sizing of scenario B: 40 TB and 87,000 clips a day, 1.2 PB in 31 days.
func TestSizing(t *testing.T) {
	bill, err := estimate(ones(t), usual(22000))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"originals, first day":                     40_000,
		"originals, until due":                     40_000 * 0.95 * 30,
		"originals, kept (first 4 months in cool)": 40_000 * days * 0.05 * 4,
		"originals, kept (later in cold)":          40_000 * days * 0.05 * 8,
		"originals, erased but not yet gone":       40_000 * 0.95 * 9,
		"events":                                   86_500 * days * 3 / 1e6,
		"Service Bus Premium":                      hours, // one unit: chunks and all, a clip's messages are a tenth of what it takes
	} {
		if got := line(t, bill, name); math.Abs(got-want) > want/100 {
			t.Errorf("%s: %.0f, want %.0f", name, got, want)
		}
	}
}

func TestItGrows(t *testing.T) {
	p, err := parsePrices(listed)
	if err != nil {
		t.Fatal(err)
	}
	bill := func(change func(*load)) float64 {
		l := usual(7000)
		change(&l)
		b, err := estimate(p, l)
		if err != nil {
			t.Fatal(err)
		}
		return total(b)
	}
	base := bill(func(*load) {})
	for name, more := range map[string]float64{
		"cameras":   bill(func(l *load) { l.Cameras = 22000 }),
		"retention": bill(func(l *load) { l.RetentionDays = 60 }),
		"kept":      bill(func(l *load) { l.Keep = 0.1 }),
		"months":    bill(func(l *load) { l.Months = 24 }),
		"lingering": bill(func(l *load) { l.LingerDays = 16 }),
		"messages":  bill(func(l *load) { l.Messages = 5000 }),
	} {
		if more <= base {
			t.Errorf("more %s costs %.0f, not more than %.0f", name, more, base)
		}
	}
	if p.Prices["hot GB-month"] *= 2; bill(func(*load) {}) <= base {
		t.Error("prices have no effect")
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	if err := run(nil, &out); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, want := range []string{"GBP a month", "3500 cameras", "7000 cameras", "22000 cameras", "**together**", "2026-08"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestRefused(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(bad, []byte(`{"dated":"2026-12","currency":"GBP","prices":{"hot GB-month":0.03}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	undated := filepath.Join(t.TempDir(), "prices.json")
	if err := os.WriteFile(undated, []byte(`{"prices":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"many"}, {"0"}, {"-keep", "5"}, {"-retention", "0"}, {"-months", "0"}, {"-prices", bad}, {"-prices", undated}, {"-prices", "/nowhere"}, {"-colour"}} {
		if err := run(args, new(bytes.Buffer)); err == nil {
			t.Errorf("%v was taken", args)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
)

// prices are those of a month, by name; see prices.json for the units.
type prices struct {
	Dated    string             `json:"dated"`
	Currency string             `json:"currency"`
	Region   string             `json:"region"`
	Note     string             `json:"note"`
	Prices   map[string]float64 `json:"prices"`
}

func parsePrices(raw []byte) (prices, error) {
	var p prices
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("reading the prices: %w", err)
	}
	if p.Dated == "" || p.Currency == "" {
		return p, fmt.Errorf("prices without a date or a currency are worth nothing")
	}
	for name, price := range p.Prices {
		if price <= 0 {
			return p, fmt.Errorf("the price of %s is %g", name, price)
		}
	}
	return p, nil
}

// load is what a force does. The defaults are scenario B of the sizing: 1.75 hours a shift, 12-minute clips.
type load struct {
	Cameras       int
	Hours         float64 // of video a camera and day
	GBPerHour     float64
	ClipsPerHour  float64
	Keep          float64 // share that is flagged
	RetentionDays int
	LingerDays    int     // after the erasure, until the last copy is gone: lifecycle and soft delete
	Months        int     // since the start: kept recordings add up
	Rendition     float64 // size of the renditions, as a share of the original's: measured 2.5 MB in 20 s
	CoreSeconds   float64 // of transcoding a second of video: measured 36 a minute at 1080p30 (docs/benchmarks.md)
	Reads         float64 // how often the stages read an original
	Messages      float64 // a clip: about 15 of them ask for the chunks of its proxy
	RequestUnits  float64 // a clip, in its life; each chunk looks whether its record is still there
	PeakToAverage float64 // of the arrivals
}

func usual(cameras int) load {
	return load{Cameras: cameras, Hours: 17300.0 / 22000, GBPerHour: 40000.0 / 17300, ClipsPerHour: 5, Keep: 0.05, RetentionDays: 31, LingerDays: 9, Months: 12,
		Rendition: 0.2, CoreSeconds: 0.6, Reads: 2.1, Messages: 24, RequestUnits: 1100, PeakToAverage: 4}
}

func (l load) check() error {
	switch {
	case l.Cameras < 1 || l.Cameras > 1_000_000:
		return fmt.Errorf("%d cameras", l.Cameras)
	case l.Hours <= 0 || l.Hours > 24:
		return fmt.Errorf("%g hours of video a camera and day", l.Hours)
	case l.Keep < 0 || l.Keep > 1:
		return fmt.Errorf("a share of %g is kept: give 0 to 1", l.Keep)
	case l.RetentionDays < 7 || l.RetentionDays > 365 || l.Months < 1 || l.Months > 600:
		return fmt.Errorf("%d days of retention, month %d", l.RetentionDays, l.Months)
	case l.GBPerHour <= 0 || l.ClipsPerHour <= 0 || l.LingerDays < 0:
		return fmt.Errorf("%g GB and %g clips an hour, %d days lingering", l.GBPerHour, l.ClipsPerHour, l.LingerDays)
	}
	return nil
}

// item is one line of the bill.
type item struct {
	Name   string
	Amount float64
	Unit   string
	Price  string // its name in prices.json
	Cost   float64
}

const (
	days  = 30.4 // a month
	hours = 730
)

// estimate is the bill of one month.
func estimate(p prices, l load) ([]item, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	gb := float64(l.Cameras) * l.Hours * l.GBPerHour * days
	clips := float64(l.Cameras) * l.Hours * l.ClipsPerHour * days
	perDay := gb / days
	kept := gb * l.Keep * float64(l.Months)
	rest := gb * (1 - l.Keep) / days
	cores := float64(l.Cameras) * l.Hours * l.CoreSeconds / 24 // busy day and night; the queue evens out the evenings
	ledgerGB := clips * float64(l.Months) * 12e-6              // a record and its custody entries: 12 KB
	lines := []struct {
		name   string
		amount float64
		unit   string
		price  string
	}{
		{"originals, first day", perDay, "GB-month", "hot GB-month"},
		{"originals, until due", rest * float64(l.RetentionDays-1), "GB-month", "cool GB-month"},
		{"originals, erased but not yet gone", rest * float64(l.LingerDays), "GB-month", "cool GB-month"},
		{"originals, kept (first 4 months in cool)", min(kept, gb*l.Keep*4), "GB-month", "cool GB-month"},
		{"originals, kept (later in cold)", max(0, kept-gb*l.Keep*4), "GB-month", "cold GB-month"},
		{"renditions", (rest*float64(l.RetentionDays+l.LingerDays) + kept) * l.Rendition, "GB-month", "hot GB-month"},
		{"copy to the second region", gb * (1 + l.Rendition), "GB", "geo-replication GB"},
		{"private link, in and out", gb * (1 + l.Reads + 2*l.Rendition), "GB", "private link GB"},
		{"private endpoints", 16, "endpoints", "private endpoint month"},
		{"uploads (8 MiB blocks), renditions, tiers", (gb*1024/8 + clips*120) / 1e4, "10k", "write operations 10k"},
		{"reads", clips * 400 / 1e4, "10k", "read operations 10k"},
		{"Service Bus Premium", hours * max(1, float64(int(clips*l.Messages/days/86400*l.PeakToAverage/1000))), "unit hours", "Service Bus messaging unit hour"},
		{"ledger, two regions", max(10, clips*l.RequestUnits/days/86400*l.PeakToAverage/100) * hours * 0.5 * 2, "100 RU/s hours", "ledger 100 RU/s hour"},
		{"ledger, stored", ledgerGB * 2, "GB-month", "ledger GB-month"},
		{"web and keeper", 4, "EP1", "EP1 month"},
		{"media, at 60 % use", max(1, cores/p.Prices["EP3 cores"]/0.6), "EP3", "EP3 month"},
		{"logs", clips * 140e-6, "GB", "logs GB"}, // 140 KB a clip: some 23 invocations with the host's lines, and the store's own logs
		{"events", clips * 3 / 1e6, "million", "events million"},
		{"registry", 1, "Premium", "registry month"},
	}
	var bill []item
	for _, x := range lines {
		price, ok := p.Prices[x.price]
		if !ok {
			return nil, fmt.Errorf("there is no price of %s", x.price)
		}
		bill = append(bill, item{x.name, x.amount, x.unit, x.price, x.amount * price})
	}
	return bill, nil
}

func total(bill []item) float64 {
	sum := 0.0
	for _, i := range bill {
		sum += i.Cost
	}
	return sum
}

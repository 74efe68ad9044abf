// Cost estimates what the system costs a month on Azure, for several numbers of cameras.
//
//	cost [-prices prices.json] [-months 12] [-keep 0.05] [-retention 31] [3500 7000 22000]
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

//go:embed prices.json
var listed []byte

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cost:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("cost", flag.ContinueOnError)
	file := flags.String("prices", "", "dated prices to use instead of those that are built in")
	months := flags.Int("months", 12, "months since the start: kept recordings add up")
	keep := flags.Float64("keep", 0.05, "share of recordings that is flagged")
	retention := flags.Int("retention", 31, "days that unflagged recordings are kept")
	if err := flags.Parse(args); err != nil {
		return err
	}
	raw := listed
	if *file != "" {
		var err error
		if raw, err = os.ReadFile(*file); err != nil {
			return err
		}
	}
	p, err := parsePrices(raw)
	if err != nil {
		return err
	}
	forces := flags.Args()
	if len(forces) == 0 {
		forces = []string{"3500", "7000", "22000"}
	}
	var bills [][]item
	for _, text := range forces {
		cameras, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%q is not a number of cameras", text)
		}
		l := usual(cameras)
		l.Months, l.Keep, l.RetentionDays = *months, *keep, *retention
		bill, err := estimate(p, l)
		if err != nil {
			return err
		}
		bills = append(bills, bill)
	}
	return table(out, p, *months, forces, bills)
}

func table(out io.Writer, p prices, months int, forces []string, bills [][]item) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s a month, in month %d, at %s prices of %s.\n%s\n\n| what |", p.Currency, months, p.Region, p.Dated, p.Note)
	for _, f := range forces {
		fmt.Fprintf(&b, " %s cameras |", f)
	}
	fmt.Fprintf(&b, "\n| --- |%s\n", strings.Repeat(" ---: |", len(forces)))
	for n := range bills[0] {
		fmt.Fprintf(&b, "| %s |", bills[0][n].Name)
		for _, bill := range bills {
			fmt.Fprintf(&b, " %.0f |", bill[n].Cost)
		}
		b.WriteByte('\n')
	}
	b.WriteString("| **together** |")
	for _, bill := range bills {
		fmt.Fprintf(&b, " **%.0f** |", total(bill))
	}
	b.WriteString("\n| a camera |")
	for n, bill := range bills {
		cameras, err := strconv.Atoi(forces[n])
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, " %.2f |", total(bill)/float64(cameras))
	}
	b.WriteByte('\n')
	_, err := io.WriteString(out, b.String())
	return err
}

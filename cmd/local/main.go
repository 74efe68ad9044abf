// Local runs the whole pipeline on one machine: Azurite, stand-ins for what cannot be had without Azure, and the packaged function app.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

type options struct {
	app, infra, settings, state string
	retention                   string
	ports                       stack.Ports
	verbose                     bool
}

func parse(args []string, out io.Writer) (options, error) {
	o := options{ports: stack.DefaultPorts()}
	f := flag.NewFlagSet("local", flag.ContinueOnError)
	f.SetOutput(out)
	f.StringVar(&o.app, "app", "dist", "the packaged function app (make package)")
	f.StringVar(&o.infra, "infra", "infra", "folder that declares queues, containers and indexes")
	f.StringVar(&o.settings, "settings", "", "app settings (default: local.settings.json, else local.settings.sample.json)")
	f.StringVar(&o.state, "state", ".local", "where everything is kept between starts")
	f.StringVar(&o.retention, "retention", "", "how long unflagged recordings are kept, e.g. 2m to watch one go (default: RETENTION_KEEP of the settings)")
	f.IntVar(&o.ports.Functions, "port", o.ports.Functions, "port of the function app; 0 picks a free one, here and below")
	f.IntVar(&o.ports.Blob, "blob-port", o.ports.Blob, "port of blob storage")
	f.IntVar(&o.ports.ServiceBus, "servicebus-port", o.ports.ServiceBus, "port of Service Bus")
	f.IntVar(&o.ports.Cosmos, "cosmos-port", o.ports.Cosmos, "port of Cosmos DB")
	f.IntVar(&o.ports.Control, "control-port", o.ports.Control, "port that tells what Service Bus holds and moves its clock")
	f.BoolVar(&o.verbose, "verbose", false, "show what the stand-ins log, too")
	f.Usage = func() {
		fmt.Fprint(out, "local runs the whole pipeline on this machine until Ctrl-C; the next start goes on where it stopped.\n\n")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is not a flag; see --help", f.Arg(0))
	}
	return o, nil
}

func run(ctx context.Context, args []string, out, errout io.Writer) error {
	o, err := parse(args, errout)
	if err != nil {
		return err
	}
	settings, err := readSettings(o.settings)
	if err != nil {
		return err
	}
	if o.retention != "" {
		settings["RETENTION_KEEP"] = o.retention
	}
	script, err := azurite.Find("")
	if err != nil {
		return err
	}
	level := slog.LevelWarn
	if o.verbose {
		level = slog.LevelInfo
	}
	start := time.Now()
	s, err := stack.Start(ctx, stack.Options{App: o.app, Infra: o.infra, Azurite: script, State: o.state, Ports: o.ports, Settings: settings,
		Logger: slog.New(slog.NewTextHandler(errout, &slog.HandlerOptions{Level: level})), Output: out})
	if err != nil {
		return err
	}
	storage := ""
	if o.ports.Blob != stack.DefaultPorts().Blob { // the dock looks at the usual port by itself
		storage = fmt.Sprintf("FOOTAGE_STORAGE='%s' \\\n  ", s.Addresses.Settings()["FOOTAGE"])
	}
	fmt.Fprintf(out, welcome, time.Since(start).Seconds(), s.Addresses.Functions, s.Addresses.Blob, s.Addresses.ServiceBus, s.Addresses.Cosmos,
		s.Addresses.Control, o.state, settings["RETENTION_KEEP"], storage, s.Addresses.Functions)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\nstopping; nothing that was acknowledged is lost")
		return s.Close()
	case err := <-s.Failed():
		return errors.Join(err, s.Close())
	}
}

const welcome = `
Ready in %.1f s.

  function app   http://%s
  blob storage   http://%s/devstoreaccount1   (Azurite, behind the Event Grid stand-in)
  Service Bus    sb://%s
  Cosmos DB      http://%s
  control        http://%s/entities   (what Service Bus holds)
  state          %s
  retention      %s

Upload in another terminal:

  %sgo run ./cmd/dock --unit lambeth --officer P123456 --camera X81234567 testdata/samplelib_street_1080p30_5s.mp4

and look:

  curl -H 'X-Development-Person: officer' http://%s/api/evidence

Ctrl-C stops everything. Below is the handler's log, one line an invocation.

`

// readSettings reads the Values of a local.settings.json, as Azure Functions Core Tools do.
func readSettings(path string) (map[string]string, error) {
	if path == "" {
		path = "local.settings.json"
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			path = "local.settings.sample.json"
		}
	}
	raw, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("reading the app settings (run it in the repository's root, or give --settings): %w", err)
	}
	var file struct {
		IsEncrypted bool
		Values      map[string]string
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&file); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	if file.IsEncrypted {
		return nil, fmt.Errorf("%s is encrypted: run `func settings decrypt` first", path)
	}
	return file.Values, nil
}

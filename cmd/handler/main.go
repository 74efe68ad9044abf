// Handler is the custom handler: the one program that Azure Functions runs for every function of the app.
//
// The Functions host starts it, tells it its port by FUNCTIONS_CUSTOMHANDLER_PORT, and calls it on the loopback interface. It never
// exits with code 0 on its own: the host would take that for the end and not start it again.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/caarlos0/env/v11"

	"bwv/internal/azfunc"
)

const (
	exitFailed     = 1
	exitTerminated = 143 // 128 + SIGTERM
	shutdownGrace  = 8 * time.Second
)

func main() {
	if len(os.Args) > 1 {
		fmt.Print(usage)
		os.Exit(exitFailed)
	}
	slog.SetDefault(azfunc.NewLogger(os.Stdout, slog.LevelInfo))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("handler.failed", "error", err)
		os.Exit(exitFailed)
	}
	os.Exit(exitTerminated)
}

const usage = `handler is started by the Azure Functions host (or by cmd/local) with its settings in the environment; it takes no arguments.
Settings and their defaults: cmd/handler/config.go, local.settings.sample.json.
`

// run serves until ctx ends.
func run(ctx context.Context) error {
	config, err := parseConfig(env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	slog.SetDefault(azfunc.NewLogger(os.Stdout, config.LogLevel))
	app, err := wire(config)
	if err != nil {
		return err
	}
	defer app.close()
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(config.Port)))
	if err != nil {
		return fmt.Errorf("listening for the host: %w", err)
	}
	// No timeout on writing: an invocation may take as long as the host's functionTimeout lets it.
	server := &http.Server{Handler: app.functions.Mux(), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) }}
	slog.Info("handler.started", "config", config)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// What is not finished in time is delivered again: every stage bears that.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/cosmos"
	"bwv/internal/standin/eventgrid"
	"bwv/internal/standin/functionshost"
	"bwv/internal/standin/servicebus"
)

// Keys that protect nothing: Microsoft's emulators have them built in.
const (
	serviceBusKey = "SAS_KEY_VALUE"
	cosmosKey     = "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw=="
)

// Ports on the loopback interface; 0 picks a free one.
type Ports struct{ Functions, Blob, ServiceBus, Cosmos, Control int }

// DefaultPorts are the ecosystem's.
func DefaultPorts() Ports {
	return Ports{Functions: 7071, Blob: 10000, ServiceBus: 5672, Cosmos: 8081, Control: 5300}
}

// Options say what to run.
type Options struct {
	App      string // the packaged function app: dist
	Infra    string // folder with servicebus.json, cosmos.json, storage.json
	Azurite  string // Azurite's script, see azurite.Find
	State    string // where everything is kept
	Ports    Ports
	Settings map[string]string // app settings; the connections to the stores are set here
	Logger   *slog.Logger      // of the stand-ins
	Output   io.Writer         // of the handler
}

// Stack is everything, running.
type Stack struct {
	Addresses  Addresses
	ServiceBus *servicebus.Server
	Cosmos     *cosmos.Server
	EventGrid  *eventgrid.Server
	Azurite    *azurite.Server
	Host       *functionshost.Host

	failed   chan error
	closing  chan struct{}  // closed when Close begins
	watchers sync.WaitGroup // goroutines that wait for the end of a service
	closers  []func() error // in the order of their start
	once     sync.Once
	err      error
}

// Addresses are host:port of what runs.
type Addresses struct{ Functions, Blob, ServiceBus, Cosmos, Control string }

// Settings are the connections that the addresses make, under the names of local.settings.sample.json.
func (a Addresses) Settings() map[string]string {
	storage := azurite.ConnectionString(a.Blob)
	return map[string]string{
		"AzureWebJobsStorage": storage, "FOOTAGE": storage,
		"SB":     servicebus.ConnectionString(a.ServiceBus, serviceBusKey),
		"COSMOS": fmt.Sprintf("AccountEndpoint=http://%s/;AccountKey=%s;", a.Cosmos, cosmosKey),
	}
}

// Start runs everything, each service before those that need it, and returns when the host is ready. On an error nothing is left running.
func Start(ctx context.Context, o Options) (_ *Stack, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Stack{failed: make(chan error, 8), closing: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := os.MkdirAll(o.State, 0o700); err != nil {
		return nil, fmt.Errorf("making the state folder: %w", err)
	}
	for _, start := range []func(context.Context, Options) error{s.startServiceBus, s.startCosmos, s.startBlob, s.startHost, s.startControl} {
		if err := start(ctx, o); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Stack) startServiceBus(_ context.Context, o Options) error {
	config, err := readServiceBus(o.Infra)
	if err != nil {
		return err
	}
	s.ServiceBus, err = servicebus.Open(config, servicebus.Options{Dir: filepath.Join(o.State, "servicebus"), Key: serviceBusKey,
		Logger: o.Logger.With("service", "servicebus")})
	if err != nil {
		return fmt.Errorf("starting Service Bus: %w", err)
	}
	s.closers = append(s.closers, s.ServiceBus.Close)
	listener, err := listen("Service Bus", o.Ports.ServiceBus)
	if err != nil {
		return err
	}
	s.Addresses.ServiceBus = listener.Addr().String()
	s.watchers.Go(func() { s.fail("Service Bus", s.ServiceBus.Serve(listener)) })
	return nil
}

func (s *Stack) startCosmos(_ context.Context, o Options) (err error) {
	s.Cosmos, err = cosmos.Open(cosmos.Options{Dir: filepath.Join(o.State, "cosmos"), Key: cosmosKey, Logger: o.Logger.With("service", "cosmos")})
	if err != nil {
		return fmt.Errorf("starting Cosmos DB: %w", err)
	}
	s.closers = append(s.closers, s.Cosmos.Close)
	declaration, err := os.Open(filepath.Join(o.Infra, "cosmos.json"))
	if err != nil {
		return fmt.Errorf("reading what the Cosmos DB account has: %w", err)
	}
	defer declaration.Close()
	if err := s.Cosmos.Declare(declaration); err != nil {
		return fmt.Errorf("declaring the Cosmos DB account: %w", err)
	}
	s.Addresses.Cosmos, err = s.serve("Cosmos DB", o.Ports.Cosmos, s.Cosmos)
	return err
}

// startBlob starts Azurite on a port of its own, and the event proxy where clients look for blob storage.
func (s *Stack) startBlob(ctx context.Context, o Options) (err error) {
	declared, subscriptions, err := readStorage(o.Infra)
	if err != nil {
		return err
	}
	s.Azurite, err = azurite.Start(ctx, azurite.Options{Script: o.Azurite, Dir: filepath.Join(o.State, "blob"), Logger: o.Logger.With("service", "azurite")})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, s.Azurite.Close)
	s.watch("Azurite", s.Azurite.Done(), s.Azurite.Err)
	if err := createContainers(ctx, azurite.ConnectionString(s.Azurite.Addr()), declared.Containers); err != nil {
		return err
	}
	s.EventGrid, err = eventgrid.Open(eventgrid.Options{
		Upstream: "http://" + s.Azurite.Addr(), ConnectionString: servicebus.ConnectionString(s.Addresses.ServiceBus, serviceBusKey),
		AccountKey: azurite.Key, Dir: filepath.Join(o.State, "eventgrid"), Subscriptions: subscriptions,
		Topic:  "/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/" + azurite.Account,
		Retry:  []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 30 * time.Second},
		Logger: o.Logger.With("service", "eventgrid"),
	})
	if err != nil {
		return fmt.Errorf("starting Event Grid: %w", err)
	}
	s.closers = append(s.closers, s.EventGrid.Close)
	s.Addresses.Blob, err = s.serve("blob storage", o.Ports.Blob, s.EventGrid)
	return err
}

func (s *Stack) startHost(ctx context.Context, o Options) (err error) {
	settings := maps.Clone(o.Settings)
	if settings == nil {
		settings = map[string]string{}
	}
	maps.Copy(settings, s.Addresses.Settings())
	s.Host, err = functionshost.New(functionshost.Options{Root: o.App, Settings: settings, StateDir: filepath.Join(o.State, "host"),
		Logger: o.Logger.With("service", "host"), HandlerOutput: o.Output})
	if err != nil {
		return fmt.Errorf("reading the function app: %w", err)
	}
	s.closers = append(s.closers, s.Host.Close)
	if s.Addresses.Functions, err = s.serve("the Functions host", o.Ports.Functions, s.Host); err != nil {
		return err
	}
	if err := s.Host.Start(ctx); err != nil {
		return fmt.Errorf("starting the Functions host: %w", err)
	}
	s.watch("the Functions host", s.Host.Done(), s.Host.Err)
	return nil
}

// startControl serves what tells about Service Bus and moves its clock.
func (s *Stack) startControl(_ context.Context, o Options) (err error) {
	s.Addresses.Control, err = s.serve("the control endpoint", o.Ports.Control, s.ServiceBus.Admin())
	return err
}

// serve answers HTTP on a port of the loopback interface.
func (s *Stack) serve(name string, port int, handler http.Handler) (string, error) {
	listener, err := listen(name, port)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	s.closers = append(s.closers, server.Close)
	s.watchers.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fail(name, err)
		}
	})
	return listener.Addr().String(), nil
}

func listen(name string, port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("%s cannot have port %d (is another stack running? another port can be given): %w", name, port, err)
	}
	return listener, nil
}

// watch reports a service that ends while nobody asked it to.
func (s *Stack) watch(name string, done <-chan struct{}, reason func() error) {
	s.watchers.Go(func() {
		select {
		case <-s.closing:
		case <-done:
			err := reason()
			if err == nil {
				err = errors.New("it stopped by itself")
			}
			s.fail(name, err)
		}
	})
}

func (s *Stack) fail(name string, err error) {
	if err == nil {
		return // it was closed
	}
	select {
	case <-s.closing:
		return
	default:
	}
	select {
	case s.failed <- fmt.Errorf("%s ended: %w", name, err):
	default:
	}
}

// Failed tells when something that should run ended by itself.
func (s *Stack) Failed() <-chan error { return s.failed }

// Close stops everything in the opposite order of its start and waits; a second call returns the first one's error.
func (s *Stack) Close() error {
	s.once.Do(func() {
		close(s.closing)
		for i := len(s.closers) - 1; i >= 0; i-- {
			s.err = errors.Join(s.err, s.closers[i]())
		}
		s.watchers.Wait()
	})
	return s.err
}

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"bwv/functions"
	"bwv/internal/api"
	"bwv/internal/azfunc"
	"bwv/internal/blob"
	"bwv/internal/cosmos"
	"bwv/internal/custodian"
	"bwv/internal/ffmpeg"
	"bwv/internal/pipeline"
	"bwv/internal/retention"
	"bwv/internal/servicebus"
)

// app is everything wired together.
type app struct {
	functions *functions.Functions
	bus       *servicebus.Bus
	tools     *tools
}

// The containers have these names everywhere: Event Grid's filter and the stages go by them (infra/storage.json).
const (
	footage             = "footage"
	renditionsContainer = "renditions"
)

const mostRepairs = 1000 // in one run of reconcile; the next run goes on

// wire makes the app from its settings. It opens no connection that could be refused: the stores are first spoken to by the first call.
func wire(c Config) (*app, error) {
	credential, err := credential(c)
	if err != nil {
		return nil, err
	}
	store, err := blob.Open(blob.Config{ConnectionString: string(c.Footage), AccountURL: c.FootageURL, Credential: credential,
		Footage: footage, Renditions: renditionsContainer})
	if err != nil {
		return nil, err
	}
	ledger, err := cosmos.Open(cosmosConfig(c, credential))
	if err != nil {
		return nil, err
	}
	bus, err := servicebus.Open(servicebus.Config{ConnectionString: string(c.ServiceBus), Namespace: c.ServiceBusNamespace, Credential: credential})
	if err != nil {
		return nil, err
	}
	tools := &tools{config: ffmpeg.Config{FFmpeg: c.FFmpeg, FFprobe: c.FFprobe, Jobs: c.Jobs, Timeout: c.Transcode, Profile: c.Profile}}
	a := &app{bus: bus, tools: tools}
	assembly := &pipeline.Assembly{Ledger: ledger, Renditions: store.Renditions(), Pages: store.Pages()}
	segment := &pipeline.Segment{Assembly: assembly, Originals: store.Originals(), Cutter: tools}
	originals, renditions, breaker := store.Originals(), store.Renditions(), ledger.Breaker()
	protocol := &retention.Protocol{
		Ledger: ledger, Disposals: bus, Originals: originals, Renditions: renditions, Breaker: breaker, Now: time.Now,
		Policy: retention.Policy{Keep: time.Duration(c.Keep), Paused: c.Paused, PerHour: c.PerHour, Defer: c.Defer},
	}
	a.functions = &functions.Functions{
		Ingest:    &pipeline.Ingest{Ledger: ledger, Catalogue: ledger, Originals: originals, Works: bus},
		Metadata:  &pipeline.Metadata{Ledger: ledger, Originals: originals, Renditions: renditions, Prober: tools},
		Digest:    &pipeline.Digest{Assembly: assembly, Originals: originals, Listener: tools, HeadStart: pipeline.HeadStart},
		Proxy:     &pipeline.Proxy{Segment: segment, Parts: bus, Catalogue: ledger},
		Segment:   segment,
		Retention: &pipeline.Retention{Protocol: protocol},
		Expire:    &pipeline.Expire{Protocol: protocol},
		Reprocess: &pipeline.Reprocess{Ledger: ledger, Works: bus},
		Reconcile: &pipeline.Reconcile{Protocol: protocol, Catalogue: ledger, Originals: originals, Works: bus, Arrivals: bus,
			Grace: c.Grace, Most: mostRepairs, Now: time.Now},
		API: &api.API{
			Custodian: &custodian.Custodian{Ledger: ledger, Catalogue: ledger, Renditions: renditions, Signer: store, Requests: bus,
				Breaker: breaker, Protocol: protocol, LinkTTL: c.LinkTTL},
			Health: api.Health{"blob": store.Ready, "cosmos": ledger.Ready, "servicebus": bus.Ready},
		},
		Who: identify(c),
		Now: time.Now,
	}
	return a, functions.Check(a.functions.All())
}

// credential is the managed identity, where any store is named without a connection string.
func credential(c Config) (azcore.TokenCredential, error) {
	if c.ServiceBusNamespace == "" && c.FootageURL == "" && c.CosmosEndpoint == "" {
		return nil, nil
	}
	options := &azidentity.ManagedIdentityCredentialOptions{}
	if c.ClientID != "" {
		options.ID = azidentity.ClientID(c.ClientID)
	}
	credential, err := azidentity.NewManagedIdentityCredential(options)
	if err != nil {
		return nil, fmt.Errorf("taking the managed identity: %w", err)
	}
	return credential, nil
}

func cosmosConfig(c Config, credential azcore.TokenCredential) cosmos.Config {
	config := cosmos.Config{Endpoint: c.CosmosEndpoint, Credential: credential, Database: c.CosmosDatabase, Container: c.CosmosContainer}
	if c.Cosmos != "" {
		config.Endpoint, config.Key = endpointOf(c.Cosmos, "AccountEndpoint"), endpointOf(c.Cosmos, "AccountKey")
	}
	return config
}

func identify(c Config) azfunc.Identify {
	switch c.Identity {
	case identityPlatform:
		return azfunc.Platform
	case identityDevelopment:
		return azfunc.Development(people())
	}
	return azfunc.Nobody
}

const closeGrace = 5 * time.Second

func (a *app) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	_ = a.bus.Close(ctx) // the process ends: unsettled work is delivered again
	_ = a.tools.close()  // children die with it
}

package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"bwv/internal/standin/eventgrid"
	"bwv/internal/standin/servicebus"
)

// storage is infra/storage.json: what the storage account has, declared once for Azure and for one machine.
type storage struct {
	Containers         []string `json:"containers"`
	EventSubscriptions []struct {
		Name      string   `json:"name"`
		Container string   `json:"container"`
		EventType string   `json:"eventType"`
		APIs      []string `json:"apis"`
		Queue     string   `json:"queue"`
	} `json:"eventSubscriptions"`
}

func readStorage(dir string) (storage, []eventgrid.Subscription, error) {
	var s storage
	raw, err := os.ReadFile(filepath.Join(dir, "storage.json"))
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		err = d.Decode(&s)
	}
	if err != nil {
		return s, nil, fmt.Errorf("reading what the storage account has: %w", err)
	}
	var list []eventgrid.Subscription
	for _, e := range s.EventSubscriptions {
		if e.EventType != "Microsoft.Storage.BlobCreated" {
			return s, nil, fmt.Errorf("event subscription %s: only BlobCreated is covered on one machine, not %s", e.Name, e.EventType)
		}
		list = append(list, eventgrid.Subscription{Name: e.Name, Container: e.Container, APIs: e.APIs, Queue: e.Queue})
	}
	return s, list, nil
}

func readServiceBus(dir string) (servicebus.Config, error) {
	f, err := os.Open(filepath.Join(dir, "servicebus.json"))
	if err != nil {
		return servicebus.Config{}, fmt.Errorf("reading what the Service Bus namespace has: %w", err)
	}
	defer f.Close()
	return servicebus.ParseConfig(f)
}

// createContainers makes the blob containers that are not there yet, and lets players read from pages of other origins, as infra/terraform/storage.tf
// lets the portal's. On one machine the portal's origin is whatever port is free; what may be read is up to the links' signatures.
func createContainers(ctx context.Context, connection string, names []string) error {
	client, err := azblob.NewClientFromConnectionString(connection, nil)
	if err != nil {
		return fmt.Errorf("creating the containers: %w", err)
	}
	for _, name := range names {
		if _, err := client.CreateContainer(ctx, name, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
			return fmt.Errorf("creating container %s: %w", name, err)
		}
	}
	rule := service.CORSRule{AllowedOrigins: to.Ptr("*"), AllowedMethods: to.Ptr("GET,HEAD,OPTIONS"), AllowedHeaders: to.Ptr("range,x-ms-version,x-ms-range"),
		ExposedHeaders: to.Ptr("content-length,content-range,accept-ranges,etag"), MaxAgeInSeconds: to.Ptr[int32](600)}
	if _, err := client.ServiceClient().SetProperties(ctx, &service.SetPropertiesOptions{CORS: []*service.CORSRule{&rule}}); err != nil {
		return fmt.Errorf("letting players read: %w", err)
	}
	return nil
}

package blob

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azb "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"go.uber.org/goleak"

	"bwv/internal/evidence"
	"bwv/internal/evidence/evidencetest"
	"bwv/internal/standin/azurite"
)

// stand is one Azurite for all tests of this package; each test has containers of its own.
type stand struct {
	server     *azurite.Server
	containers atomic.Int32
}

var stands stand

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	script, err := azurite.Find("")
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "blob")
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := os.RemoveAll(dir); err == nil {
			err = e
		}
	}()
	stands.server, err = azurite.Start(context.Background(), azurite.Options{Script: script, Dir: dir})
	if err != nil {
		return 0, err
	}
	code = m.Run()
	if err := stands.server.Close(); err != nil {
		return code, err
	}
	return code, goleak.Find(goleak.IgnoreTopFunction("internal/poll.runtime_pollWait")) // idle connections of the SDK's own transport
}

// containers makes two empty containers and returns how to open them, and the SDK's client.
func containers(t *testing.T) (Config, *azblob.Client) {
	t.Helper()
	n := stands.containers.Add(1)
	cfg := Config{
		ConnectionString: azurite.ConnectionString(stands.server.Addr()),
		Footage:          fmt.Sprintf("footage%d", n), Renditions: fmt.Sprintf("renditions%d", n),
	}
	client, err := azblob.NewClientFromConnectionString(cfg.ConnectionString, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{cfg.Footage, cfg.Renditions} {
		if _, err := client.CreateContainer(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	return cfg, client
}

func fresh(t *testing.T) (*Store, Config, *azblob.Client) {
	t.Helper()
	cfg, client := containers(t)
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, cfg, client
}

// upload stores an original as a dock does: once, with what it claims as metadata.
func upload(t *testing.T, client *azblob.Client, container, path string, body []byte, metadata map[string]string) {
	t.Helper()
	m := map[string]*string{}
	for name, value := range metadata {
		m[name] = to.Ptr(value)
	}
	_, err := client.UploadBuffer(t.Context(), container, path, body, &blockblob.UploadBufferOptions{
		HTTPHeaders: &azb.HTTPHeaders{BlobContentType: to.Ptr("video/mp4")}, Metadata: m, BlockSize: 4 << 20,
		AccessConditions: &azb.AccessConditions{ModifiedAccessConditions: &azb.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func claimed(c evidence.Claims) map[string]string {
	m := map[string]string{}
	for name, value := range map[string]string{"sha256": c.Digest, "incident": c.Incident, "Category": c.Category} {
		if value != "" {
			m[name] = value
		}
	}
	if !c.Recorded.IsZero() {
		m["recordedAt"] = c.Recorded.Format(time.RFC3339)
	}
	return m
}

func TestOriginals(t *testing.T) {
	evidencetest.Originals(t, func(t *testing.T) (evidence.Originals, evidencetest.Uploader) {
		s, cfg, client := fresh(t)
		return s.Originals(), func(path string, body []byte, claims evidence.Claims) {
			t.Helper()
			upload(t, client, cfg.Footage, path, body, claimed(claims))
		}
	})
}

func TestRenditions(t *testing.T) {
	evidencetest.Renditions(t, func(t *testing.T) evidence.Renditions {
		s, _, _ := fresh(t)
		return s.Renditions()
	})
}

func TestPages(t *testing.T) {
	evidencetest.Pages(t, func(t *testing.T) (evidence.Pages, evidence.Renditions) {
		s, _, _ := fresh(t)
		return s.Pages(), s.Renditions()
	})
}

func TestReady(t *testing.T) {
	s, cfg, client := fresh(t)
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteContainer(t.Context(), cfg.Renditions, nil); err != nil {
		t.Fatal(err)
	}
	err := s.Ready(t.Context())
	if err == nil || !strings.Contains(err.Error(), cfg.Renditions) {
		t.Fatalf("ready without its second container: %v", err)
	}
}

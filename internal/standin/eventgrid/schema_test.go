package eventgrid_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
)

// requests runs one commit of each data.api on a blob; each leaves 9 bytes of video/mp4.
func requests(t *testing.T, s *stack, source string) map[string]func(*blockblob.Client) error {
	headers := &blob.HTTPHeaders{BlobContentType: to.Ptr("video/mp4")}
	return map[string]func(*blockblob.Client) error{
		"PutBlob": func(b *blockblob.Client) error {
			_, err := b.UploadBuffer(t.Context(), chunk(9), &blockblob.UploadBufferOptions{HTTPHeaders: headers})
			return err
		},
		"PutBlockList": func(b *blockblob.Client) error {
			if _, err := b.StageBlock(t.Context(), "AAAA", &readCloser{strings.NewReader("123456789")}, nil); err != nil {
				return err
			}
			_, err := b.CommitBlockList(t.Context(), []string{"AAAA"}, &blockblob.CommitBlockListOptions{HTTPHeaders: headers})
			return err
		},
		"CopyBlob": func(b *blockblob.Client) error {
			_, err := b.StartCopyFromURL(t.Context(), s.direct.ServiceClient().NewContainerClient("elsewhere").NewBlobClient(source).URL(), nil)
			return err
		},
	}
}

// namedClient sends a request id, as an SDK with telemetry does.
func namedClient(t *testing.T, s *stack, id string) *azblob.Client {
	t.Helper()
	addr := s.front.Listener.Addr().String()
	c, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(addr), &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{PerCallPolicies: []policy.Policy{requestID(id)}, Transport: dialTo(t, addr), Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func withSource(t *testing.T, s *stack) string {
	t.Helper()
	if _, err := s.direct.CreateContainer(t.Context(), "elsewhere", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.direct.UploadBuffer(t.Context(), "elsewhere", "source", chunk(9), &azblob.UploadBufferOptions{
		HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("video/mp4")}}); err != nil {
		t.Fatal(err)
	}
	return "source"
}

// The event of each api has exactly the fields that are documented, none missing and none more.
// Source: https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
func TestSchemaOfEachAPI(t *testing.T) {
	s := newStack(t, nil)
	source := withSource(t, s)
	const guid = `"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"`
	n := 0
	for api, do := range requests(t, s, source) {
		t.Run(api, func(t *testing.T) {
			b := namedClient(t, s, "dock-7").ServiceClient().NewContainerClient(container).NewBlockBlobClient("dev1/" + api + ".mp4")
			if err := do(b); err != nil {
				t.Fatal(err)
			}
			s.drained()
			got := s.queue.messages()[n:]
			n++
			if len(got) != 1 {
				t.Fatalf("%d events", len(got))
			}
			p, err := b.GetProperties(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			e := checkFields(t, got[0].Body, map[string]string{"topic": regexp.QuoteMeta(`"` + topic + `"`),
				"subject":   `"/blobServices/default/containers/footage/blobs/dev1/` + api + `\.mp4"`,
				"eventType": `"Microsoft\.Storage\.BlobCreated"`, "id": guid, "data": `{.*}`, "dataVersion": `""`, "metadataVersion": `"1"`,
				"eventTime": `"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z"`})
			checkFields(t, e["data"], map[string]string{"api": `"` + api + `"`, "clientRequestId": `"dock-7"`, "requestId": guid,
				"eTag": `"` + strings.Trim(string(*p.ETag), `"`) + `"`, "contentType": `"video/mp4"`, "contentLength": `9`, "blobType": `"BlockBlob"`,
				"accessTier": `"Default"`, "url": regexp.QuoteMeta(`"` + b.URL() + `"`), "sequencer": `"[0-9a-f]{32}"`, "storageDiagnostics": `{"batchId":` + guid + `}`})
		})
	}
}

// The filters that infra declares let through what they name, and nothing else.
func TestFiltersThatInfraDeclares(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "infra", "storage.json"))
	if err != nil {
		t.Fatal(err)
	}
	var declared struct {
		Containers         []string
		EventSubscriptions []struct {
			Name, Container, EventType, Queue string
			APIs                              []string
		}
	}
	if err := json.Unmarshal(raw, &declared); err != nil || len(declared.EventSubscriptions) == 0 {
		t.Fatalf("%s: %v", raw, err)
	}
	s := newStack(t, func(o *eventgrid.Options) {
		o.Subscriptions = nil
		for _, e := range declared.EventSubscriptions {
			o.Subscriptions = append(o.Subscriptions, eventgrid.Subscription{Name: e.Name, Container: e.Container, APIs: e.APIs, Queue: e.Queue})
		}
	})
	source := withSource(t, s)
	for _, c := range declared.Containers {
		if _, err := s.direct.CreateContainer(t.Context(), c, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
			t.Fatal(err)
		}
	}
	for _, c := range declared.Containers {
		for api, do := range requests(t, s, source) {
			if err := do(s.client.ServiceClient().NewContainerClient(c).NewBlockBlobClient(api)); err != nil {
				t.Fatalf("%s into %s: %v", api, c, err)
			}
		}
	}
	s.drained()
	want := map[string]int{}
	for _, e := range declared.EventSubscriptions {
		if e.EventType != "Microsoft.Storage.BlobCreated" {
			t.Errorf("%s wants %s", e.Name, e.EventType)
		}
		for _, api := range e.APIs {
			want[strings.ToUpper(e.Name)+" "+e.Container+" "+api]++
		}
	}
	for _, m := range s.queue.messages() {
		e := decode(t, m)
		c, _, _ := strings.Cut(strings.TrimPrefix(e.Subject, "/blobServices/default/containers/"), "/")
		want[m.Properties["aeg-subscription-name"].(string)+" "+c+" "+e.Data.API]--
	}
	for what, missing := range want {
		if missing != 0 {
			t.Errorf("%s: %d events missing", what, missing)
		}
	}
}

// What ends in the outbox has the lengths that Azure allows, in characters for a name.
func TestLongTextsAreRefused(t *testing.T) {
	s := newStack(t, nil)
	put := func(name, id string) error {
		_, err := namedClient(t, s, id).UploadBuffer(t.Context(), container, name, chunk(3), nil)
		return err
	}
	if err := put(strings.Repeat("é", 100), strings.Repeat("x", 1024)); err != nil {
		t.Errorf("what is just short enough: %v", err)
	}
	for what, err := range map[string]error{"name": put(strings.Repeat("é", 1025), "x"), "request id": put("x", strings.Repeat("x", 1025))} {
		if !bloberror.HasCode(err, bloberror.OutOfRangeInput) {
			t.Errorf("a %s that is too long: %v", what, err)
		}
	}
	s.drained()
	if n := len(s.queue.messages()); n != 1 {
		t.Errorf("%d events", n)
	}
}

package eventgrid_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	azcontainer "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
)

const name = "lambeth/P1/X8/2026/11/22/20261122T101500Z-a b+é.mp4"

// A commit of each kind gives one event that agrees with the blob.
func TestCommitGivesOneEvent(t *testing.T) {
	s := newStack(t, nil)
	at := func(c string) string {
		return s.direct.ServiceClient().NewContainerClient(c).NewBlobClient("source").URL()
	}
	if _, err := s.direct.CreateContainer(t.Context(), "elsewhere", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.direct.UploadBuffer(t.Context(), "elsewhere", "source", chunk(77), nil); err != nil {
		t.Fatal(err)
	}
	type want struct {
		api         string
		length      int64
		contentType string
		do          func(b *blockblob.Client) error
	}
	for step, w := range []want{
		{"PutBlob", 5, "video/mp4", func(b *blockblob.Client) error {
			_, err := b.UploadBuffer(t.Context(), chunk(5), &blockblob.UploadBufferOptions{HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("video/mp4")}})
			return err
		}},
		{"PutBlob", 0, "application/octet-stream", func(b *blockblob.Client) error {
			_, err := b.UploadBuffer(t.Context(), nil, nil)
			return err
		}},
		{"PutBlockList", 2500 << 10, "video/quicktime", func(b *blockblob.Client) error {
			_, err := b.UploadStream(t.Context(), bytes.NewReader(chunk(2500<<10)), &azblob.UploadStreamOptions{BlockSize: 1 << 20, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("video/quicktime")}})
			return err
		}},
		{"CopyBlob", 77, "application/octet-stream", func(b *blockblob.Client) error {
			_, err := b.StartCopyFromURL(t.Context(), at("elsewhere"), nil)
			return err
		}},
	} {
		b := s.client.ServiceClient().NewContainerClient("footage").NewBlockBlobClient(name)
		before := time.Now()
		if err := w.do(b); err != nil {
			t.Fatalf("%s: %v", w.api, err)
		}
		s.drained()
		got := s.queue.messages()
		if len(got) != step+1 {
			t.Fatalf("%s: %d events, want %d", w.api, len(got), step+1)
		}
		e := decode(t, got[step])
		p, err := b.GetProperties(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if e.Data.API != w.api || e.Data.ContentLength != w.length || e.Data.ContentType != w.contentType {
			t.Errorf("%s: %+v", w.api, e.Data)
		}
		if e.Data.ETag != strings.Trim(string(*p.ETag), `"`) || !strings.HasPrefix(e.Data.ETag, "0x") {
			t.Errorf("%s: eTag %s, the blob has %s", w.api, e.Data.ETag, *p.ETag)
		}
		if e.Data.URL != b.URL() || e.Subject != "/blobServices/default/containers/footage/blobs/"+name {
			t.Errorf("%s: url %s, subject %s; want %s", w.api, e.Data.URL, e.Subject, b.URL())
		}
		checkEnvelope(t, got[step], e, before)
	}
	var last string
	for _, m := range s.queue.messages() {
		if seq := decode(t, m).Data.Sequencer; seq <= last {
			t.Errorf("sequencer %s after %s", seq, last)
		} else {
			last = seq
		}
	}
}

func checkEnvelope(t *testing.T, m eventgrid.Message, e body, before time.Time) {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, e.EventTime)
	if err != nil || at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("event time %s: %v", e.EventTime, err)
	}
	if e.Topic != topic || e.EventType != "Microsoft.Storage.BlobCreated" || e.ID == "" || m.ID != e.ID ||
		e.DataVersion == nil || *e.DataVersion != "" || e.MetadataVersion != "1" {
		t.Errorf("envelope %+v of message %s", e, m.ID)
	}
	if d := e.Data; d.BlobType != "BlockBlob" || d.AccessTier != "Default" || d.RequestID == "" || d.StorageDiagnostics.BatchID == "" {
		t.Errorf("data %+v", d)
	}
	for k, v := range map[string]string{"aeg-event-type": "Notification", "aeg-subscription-name": "INGEST",
		"aeg-delivery-count": "0", "aeg-data-version": "", "aeg-metadata-version": "1"} {
		if m.Properties[k] != v {
			t.Errorf("property %s is %v, want %q", k, m.Properties[k], v)
		}
	}
}

// What commits no block blob of the container gives no event, and passes unharmed.
func TestOtherRequestsGiveNoEvent(t *testing.T) {
	s := newStack(t, nil)
	ctx := t.Context()
	s.put("first", "one")
	s.drained()
	c := s.client.ServiceClient().NewContainerClient("footage")
	b := c.NewBlockBlobClient("first")
	body := func() *readCloser { return &readCloser{bytes.NewReader(chunk(512))} }
	for what, do := range map[string]func() error{
		"stage a block": func() error { _, err := b.StageBlock(ctx, "AAAA", body(), nil); return err },
		"metadata":      func() error { _, err := b.SetMetadata(ctx, map[string]*string{"a": to.Ptr("b")}, nil); return err },
		"tags":          func() error { _, err := b.SetTags(ctx, map[string]string{"a": "b"}, nil); return err },
		"tier":          func() error { _, err := b.SetTier(ctx, blob.AccessTierCool, nil); return err },
		"headers":       func() error { _, err := b.SetHTTPHeaders(ctx, blob.HTTPHeaders{}, nil); return err },
		"append blob":   func() error { _, err := c.NewAppendBlobClient("append").Create(ctx, nil); return err },
		"append block": func() error {
			_, err := c.NewAppendBlobClient("append2").Create(ctx, nil)
			if err == nil {
				_, err = c.NewAppendBlobClient("append2").AppendBlock(ctx, body(), nil)
			}
			return err
		},
		"page blob":       func() error { _, err := c.NewPageBlobClient("page").Create(ctx, 512, nil); return err },
		"copy of a page":  func() error { return copyOfAppend(s, c) },
		"list":            func() error { _, err := c.NewListBlobsFlatPager(nil).NextPage(ctx); return err },
		"container":       func() error { _, err := s.client.CreateContainer(ctx, "other", nil); return err },
		"other container": func() error { return otherContainer(s) },
		"download":        func() error { _, err := b.DownloadStream(ctx, nil); return err },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := b.UploadBuffer(ctx, chunk(3), &blockblob.UploadBufferOptions{AccessConditions: &blob.AccessConditions{
		ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)}}})
	if err == nil {
		t.Error("a blob that is there was written once more")
	}
	if _, err := b.CommitBlockList(ctx, []string{"bm9zdWNo"}, nil); err == nil {
		t.Error("a block that was never staged was committed")
	}
	if _, err := b.Delete(ctx, nil); err != nil {
		t.Error(err)
	}
	s.drained()
	if got := s.queue.messages(); len(got) != 1 {
		for _, m := range got[1:] {
			t.Errorf("an event too many: %s", m.Body)
		}
	}
}

func copyOfAppend(s *stack, c *azcontainer.Client) error {
	if _, err := c.NewAppendBlobClient("append3").Create(s.t.Context(), nil); err != nil {
		return err
	}
	_, err := c.NewBlobClient("copy of append").StartCopyFromURL(s.t.Context(), s.direct.ServiceClient().NewContainerClient("footage").NewBlobClient("append3").URL(), nil)
	return err
}

func otherContainer(s *stack) error {
	if _, err := s.direct.CreateContainer(s.t.Context(), "renditions", nil); err != nil {
		return err
	}
	_, err := s.client.UploadBuffer(s.t.Context(), "renditions", "x", chunk(3), nil)
	return err
}

type readCloser struct{ io.ReadSeeker }

func (*readCloser) Close() error { return nil }

// The client's own request id, which azblob does not send unless asked to, is handed on.
func TestClientRequestIDIsHandedOn(t *testing.T) {
	s := newStack(t, nil)
	c, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(s.front.Listener.Addr().String()), &azblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{PerCallPolicies: []policy.Policy{requestID("dock-7")}, Transport: dialTo(t, s.front.Listener.Addr().String())}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadBuffer(t.Context(), container, "x", chunk(3), nil); err != nil {
		t.Fatal(err)
	}
	s.drained()
	if got := s.queue.messages(); len(got) != 1 || decode(t, got[0]).Data.ClientRequestID != "dock-7" {
		t.Fatalf("%d events", len(got))
	}
}

type requestID string

func (id requestID) Do(r *policy.Request) (*http.Response, error) {
	r.Raw().Header.Set("x-ms-client-request-id", string(id))
	return r.Next()
}

func TestSubscriptionsAreFiltered(t *testing.T) {
	s := newStack(t, func(o *eventgrid.Options) {
		o.Subscriptions = []eventgrid.Subscription{
			{Name: "all", Container: "footage", Queue: "q1"},
			{Name: "lists", Container: "footage", Queue: "q2", APIs: []string{"PutBlockList"}},
		}
	})
	s.put("x", "1")
	b := s.client.ServiceClient().NewContainerClient("footage").NewBlockBlobClient("y")
	if _, err := b.UploadStream(t.Context(), bytes.NewReader(chunk(2500<<10)), &azblob.UploadStreamOptions{BlockSize: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	s.drained()
	count := map[string]int{}
	ids := map[string]bool{}
	for _, m := range s.queue.messages() {
		count[m.Properties["aeg-subscription-name"].(string)]++
		ids[m.ID] = true
	}
	if count["ALL"] != 2 || count["LISTS"] != 1 || len(ids) != 2 {
		t.Fatalf("%v events, %d ids", count, len(ids))
	}
}

// A client that names the account in the host gets the same events, with the host it used.
func TestAccountInTheHost(t *testing.T) {
	s := newStack(t, nil)
	key, err := azblob.NewSharedKeyCredential(azurite.Account, azurite.Key)
	if err != nil {
		t.Fatal(err)
	}
	host := azurite.Account + ".blob.localhost"
	b, err := blockblob.NewClientWithSharedKeyCredential("http://"+host+"/footage/a/b.mp4", key, &blockblob.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: dialTo(t, s.front.Listener.Addr().String())}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.UploadBuffer(t.Context(), chunk(9), nil); err != nil {
		t.Fatal(err)
	}
	s.drained()
	got := s.queue.messages()
	if len(got) != 1 {
		t.Fatalf("%d events", len(got))
	}
	if e := decode(t, got[0]); e.Data.URL != "http://"+host+"/footage/a/b.mp4" || e.Subject != "/blobServices/default/containers/footage/blobs/a/b.mp4" {
		t.Fatalf("%+v", e)
	}
}

package blob

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"bwv/internal/evidence"
)

// TestClaims has what uploaders write, right and wrong.
func TestClaims(t *testing.T) {
	s, cfg, client := fresh(t)
	digest := strings.Repeat("0a", 32)
	for n, c := range []struct {
		metadata map[string]string
		want     evidence.Claims
	}{
		{nil, evidence.Claims{}},
		{map[string]string{"Sha256": strings.ToUpper(digest)}, evidence.Claims{Digest: digest}},
		{map[string]string{"sha256": "not a digest"}, evidence.Claims{Digest: "not a digest"}},
		{map[string]string{"sha256": digest[1:]}, evidence.Claims{Digest: digest[1:]}},
		{map[string]string{"RecordedAt": "2026-11-22T10:15:00+01:00"}, evidence.Claims{Recorded: time.Date(2026, 11, 22, 9, 15, 0, 0, time.UTC)}},
		{map[string]string{"recordedat": "2026-11-22T10:15:00.5Z"}, evidence.Claims{Recorded: time.Date(2026, 11, 22, 10, 15, 0, 500_000_000, time.UTC)}},
		{map[string]string{"recordedat": "yesterday", "incident": "CAD 1"}, evidence.Claims{Incident: "CAD 1"}},
		{map[string]string{"INCIDENT": "CAD-7", "category": "arrest", "operator": "ignored"}, evidence.Claims{Incident: "CAD-7", Category: "arrest"}},
	} {
		path := string(rune('a' + n))
		upload(t, client, cfg.Footage, path, []byte("x"), c.metadata)
		o, err := s.Originals().Stat(t.Context(), path)
		if err != nil || o.Claims != c.want {
			t.Fatalf("%v: %+v, want %+v (%v)", c.metadata, o.Claims, c.want, err)
		}
	}
}

// TestProvenance reads back with the SDK what goes with a rendition.
func TestProvenance(t *testing.T) {
	s, cfg, client := fresh(t)
	const id = evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	r := evidence.Rendition{Name: "proxy.m3u8", ContentType: "application/vnd.apple.mpegurl", Provenance: map[string]string{
		"tool": "ffmpeg 5.1.9", "parameters": "-vf \"scale\"\n-x é", "original-sha256": "ab", "2nd": "x", "empty": " ",
	}}
	if err := s.Renditions().Put(t.Context(), id, r, strings.NewReader("#EXTM3U")); err != nil {
		t.Fatal(err)
	}
	p, err := client.ServiceClient().NewContainerClient(cfg.Renditions).NewBlobClient(string(id)+"/proxy.m3u8").GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *p.ContentType != r.ContentType {
		t.Fatalf("content type %s", *p.ContentType)
	}
	got := map[string]string{}
	for name, value := range p.Metadata {
		got[strings.ToLower(name)] = *value
	}
	want := map[string]string{"tool": "ffmpeg 5.1.9", "parameters": `-vf "scale"?-x ?`, "original_sha256": "ab", "_2nd": "x"}
	if len(got) != len(want) {
		t.Fatalf("metadata %q, want %q", got, want)
	}
	for name, value := range want {
		if got[name] != value {
			t.Fatalf("metadata %q, want %q", got, want)
		}
	}
}

// TestOnlyTheFolder has a record whose ID another's begins with, and blobs that nobody of ours wrote.
func TestOnlyTheFolder(t *testing.T) {
	s, cfg, client := fresh(t)
	const id = evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	for _, path := range []string{string(id) + "/a", string(id) + "/odd name ü", string(id) + "x/a", string(id), "other"} {
		upload(t, client, cfg.Renditions, path, []byte("x"), nil)
	}
	if err := s.Renditions().DeleteAll(t.Context(), id, ""); err != nil {
		t.Fatal(err)
	}
	var left []string
	pager := client.NewListBlobsFlatPager(cfg.Renditions, nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			left = append(left, *item.Name)
		}
	}
	if got, want := strings.Join(left, " "), strings.Join([]string{string(id), string(id) + "x/a", "other"}, " "); got != want {
		t.Fatalf("left %q, want %q", got, want)
	}
}

func TestKinds(t *testing.T) {
	for status, want := range map[int]evidence.Kind{
		400: "", 401: evidence.Denied, 403: evidence.Denied, 404: evidence.NotFound, 408: evidence.Unavailable, 409: evidence.Conflict,
		412: evidence.Conflict, 413: evidence.TooLarge, 416: "", 429: evidence.Unavailable, 500: evidence.Unavailable, 503: evidence.Unavailable,
	} {
		err := withKind(&azcore.ResponseError{StatusCode: status, ErrorCode: "Code", RawResponse: &http.Response{
			StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("")), Request: &http.Request{}}})
		var kind evidence.Kind
		if errors.As(err, &kind); kind != want {
			t.Errorf("status %d: %q, want %q", status, kind, want)
		}
	}
	if err := withKind(io.ErrUnexpectedEOF); !errors.Is(err, evidence.Unavailable) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	good, _ := containers(t)
	for _, change := range []func(*Config){
		func(c *Config) { c.Footage = "" },
		func(c *Config) { c.Renditions = "" },
		func(c *Config) { c.ConnectionString = "" },
		func(c *Config) { c.ConnectionString = "AccountName=a;AccountKey=secret!" },
		func(c *Config) { c.ConnectionString = "BlobEndpoint=https://a;SharedAccessSignature=secret" },
		func(c *Config) { c.ConnectionString = "AccountKey=c2VjcmV0" },
		func(c *Config) { c.ConnectionString, c.AccountURL = "", "https://a.blob.core.windows.net" },
		func(c *Config) { c.ConnectionString, c.AccountURL, c.Credential = "", "http://127.0.0.1:1", identity{} },
	} {
		cfg := good
		change(&cfg)
		_, err := Open(cfg)
		if !errors.Is(err, evidence.Invalid) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "c2VjcmV0") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

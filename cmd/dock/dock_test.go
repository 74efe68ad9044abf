package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"go.uber.org/goleak"

	"bwv/internal/standin/azurite"
)

func TestMain(m *testing.M) {
	// The storage SDK sends through one client of its own for the whole process, whose idle
	// connections to a closed test server linger for a moment.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
}

// rig is a real Azurite behind a tap that counts, and can cut, what dock sends.
type rig struct {
	t      *testing.T
	tap    *tap
	store  *azblob.Client // past the tap
	addr   string         // of the tap
	folder string
}

type tap struct {
	proxy *httputil.ReverseProxy
	mu    sync.Mutex
	seen  []string                 // comp of each PUT: block, blocklist, "" for a whole blob
	react func(comp string, n int) // called with the number of PUTs of that comp so far
	ghost bool                     // the next commit is made, but its answer is lost
}

func (p *tap) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		p.proxy.ServeHTTP(w, r)
		return
	}
	comp := r.URL.Query().Get("comp")
	p.mu.Lock()
	p.seen = append(p.seen, comp)
	n := 0
	for _, c := range p.seen {
		if c == comp {
			n++
		}
	}
	react, ghost := p.react, p.ghost && comp == "blocklist"
	if ghost {
		p.ghost = false
	}
	p.mu.Unlock()
	if ghost {
		p.proxy.ServeHTTP(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusServiceUnavailable) // the SDK sends it again
		return
	}
	p.proxy.ServeHTTP(w, r)
	if react != nil {
		react(comp, n)
	}
}

func (p *tap) count(comp string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.seen {
		if c == comp {
			n++
		}
	}
	return n
}

func (p *tap) reset(react func(string, int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen, p.react = nil, react
}

func newRig(t *testing.T) *rig {
	t.Helper()
	script, err := azurite.Find("")
	if err != nil {
		t.Fatal(err)
	}
	az, err := azurite.Start(t.Context(), azurite.Options{Script: script, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := az.Close(); err != nil {
			t.Error(err)
		}
	})
	target, err := url.Parse("http://" + az.Addr())
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := &tap{proxy: &httputil.ReverseProxy{
		Transport:    transport,
		Rewrite:      func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)
	store, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(az.Addr()), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.CreateContainer(t.Context(), "footage", nil); err != nil {
		t.Fatal(err)
	}
	return &rig{t: t, tap: p, store: store, addr: front.Listener.Addr().String(), folder: t.TempDir()}
}

func lastModified() time.Time { return time.Date(2026, 11, 22, 10, 15, 0, 0, time.UTC) }

// file writes a recording; the content depends on the seed only.
func (r *rig) file(name string, size int, seed uint64) string {
	r.t.Helper()
	p := filepath.Join(r.folder, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
		r.t.Fatal(err)
	}
	content := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	if _, err := random.Read(content); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chtimes(p, lastModified(), lastModified()); err != nil {
		r.t.Fatal(err)
	}
	return p
}

// outcome is what one run of dock printed.
type outcome struct {
	code    int
	results map[string]result // by base name
	stdout  string
	stderr  string
}

func (r *rig) dock(ctx context.Context, args ...string) outcome {
	r.t.Helper()
	var stdout, stderr bytes.Buffer
	env := func(key string) string {
		if key == "FOOTAGE_STORAGE" {
			return azurite.ConnectionString(r.addr)
		}
		return ""
	}
	all := append([]string{"--unit", "Lambeth", "--officer", "p123456", "--camera", "X81234567", "--block-mib", "1", "--json"}, args...)
	o := outcome{code: run(ctx, all, env, &stdout, &stderr), results: map[string]result{}}
	o.stdout, o.stderr = stdout.String(), stderr.String()
	for dec := json.NewDecoder(&stdout); dec.More(); {
		var res result
		if err := dec.Decode(&res); err != nil {
			r.t.Fatalf("%s: %v", o.stdout, err)
		}
		o.results[filepath.Base(res.File)] = res
	}
	return o
}

// same fails unless the blob holds the file and bears its digest.
func (r *rig) same(blobName, file string) {
	r.t.Helper()
	want, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.store.DownloadStream(r.t.Context(), "footage", blobName, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		r.t.Fatalf("%s: %d bytes that are not the file's %d", blobName, len(got), len(want))
	}
	sum := sha256.Sum256(want)
	if claimed := r.metadata(blobName)["sha256"]; claimed != hex.EncodeToString(sum[:]) {
		r.t.Fatalf("%s claims digest %q", blobName, claimed)
	}
}

func (r *rig) metadata(blobName string) map[string]string {
	r.t.Helper()
	p, err := r.store.ServiceClient().NewContainerClient("footage").NewBlobClient(blobName).GetProperties(r.t.Context(), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	m := map[string]string{}
	for k, v := range p.Metadata {
		m[strings.ToLower(k)] = *v
	}
	return m
}

func TestUpload(t *testing.T) {
	r := newRig(t)
	f := r.file("GOPR 0001.MP4", 5<<19, 1)
	o := r.dock(t.Context(), "--incident", "CAD 1234", "--category", "stop-and-search", "--recorded-at", "2026-11-22T11:15:00+01:00", f)
	res := o.results["GOPR 0001.MP4"]
	if o.code != exitSafe || res.Status != statusUploaded || res.Bytes != 5<<19 || res.Error != "" {
		t.Fatalf("%d %s%s", o.code, o.stdout, o.stderr)
	}
	if res.Blob != "lambeth/P123456/X81234567/2026/11/22/20261122T101500Z-GOPR-0001.mp4" {
		t.Fatalf("blob %s", res.Blob)
	}
	r.same(res.Blob, f)
	m := r.metadata(res.Blob)
	if m["recordedat"] != "2026-11-22T10:15:00Z" || m["incident"] != "CAD 1234" || m["category"] != "stop-and-search" || m["sha256"] != res.SHA256 {
		t.Fatalf("metadata %v", m)
	}
	if n := r.tap.count("block"); n != 3 {
		t.Fatalf("%d blocks sent", n)
	}
	if !strings.Contains(o.stderr, "1 of 1 safe") {
		t.Fatalf("summary %s", o.stderr)
	}
}

// Nothing is claimed that nobody said.
func TestModificationTimeIsNoClaim(t *testing.T) {
	r := newRig(t)
	res := r.dock(t.Context(), r.file("a.mp4", 100, 1)).results["a.mp4"]
	if m := r.metadata(res.Blob); len(m) != 1 || m["sha256"] == "" {
		t.Fatalf("metadata %v", m)
	}
}

func TestSecondRunFindsEverythingSafe(t *testing.T) {
	r := newRig(t)
	f, zero := r.file("a.mp4", 3<<20, 1), r.file("b.mp4", 0, 1)
	if o := r.dock(t.Context(), f, zero); o.code != exitSafe {
		t.Fatal(o.stdout)
	}
	r.tap.reset(nil)
	o := r.dock(t.Context(), f, zero)
	if o.code != exitSafe || o.results["a.mp4"].Status != statusAlready || o.results["b.mp4"].Status != statusAlready {
		t.Fatal(o.stdout)
	}
	if n := len(r.tap.seen); n != 0 {
		t.Fatalf("%d writes", n)
	}
}

func TestZeroBytes(t *testing.T) {
	r := newRig(t)
	f := r.file("empty.mov", 0, 1)
	o := r.dock(t.Context(), f)
	if res := o.results["empty.mov"]; o.code != exitSafe || res.Status != statusUploaded || res.SHA256 != emptyDigest {
		t.Fatal(o.stdout)
	}
	r.same(o.results["empty.mov"].Blob, f)
	if r.tap.count("") != 1 || r.tap.count("blocklist") != 0 {
		t.Fatalf("writes %v", r.tap.seen)
	}
}

func TestOtherContentIsNeverOverwritten(t *testing.T) {
	for name, size := range map[string]int{"same size": 2 << 20, "other size": 100} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			f := r.file("a.mp4", 2<<20, 1)
			first := r.dock(t.Context(), f).results["a.mp4"]
			original, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			r.file("a.mp4", size, 2)
			o := r.dock(t.Context(), f)
			if res := o.results["a.mp4"]; o.code != exitUnsafe || res.Status != statusConflict || res.Blob != first.Blob || res.Error == "" {
				t.Fatal(o.stdout)
			}
			if err := os.WriteFile(f, original, 0o600); err != nil {
				t.Fatal(err)
			}
			r.same(first.Blob, f)
		})
	}
}

// A blob that somebody else put there without a digest cannot be confirmed, so it is not called safe.
func TestBlobWithoutDigestIsNotSafe(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 10, 1)
	content, err := os.ReadFile(f)
	if err != nil {
		t.Fatal(err)
	}
	name := place{unit: "lambeth", officer: "P123456", camera: "X81234567"}.blobName(f, lastModified())
	if _, err := r.store.UploadBuffer(t.Context(), "footage", name, content, nil); err != nil {
		t.Fatal(err)
	}
	if o := r.dock(t.Context(), f); o.code != exitUnsafe || o.results["a.mp4"].Status != statusConflict {
		t.Fatal(o.stdout)
	}
}

// Somebody takes the name while the blocks are on their way.
func TestNameTakenDuringTheUpload(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 3<<20, 1)
	name := place{unit: "lambeth", officer: "P123456", camera: "X81234567"}.blobName(f, lastModified())
	var once sync.Once
	r.tap.reset(func(comp string, _ int) {
		if comp != "block" {
			return
		}
		once.Do(func() {
			// Unconditional: Azurite, unlike Azure, takes a blob of staged blocks for one that exists.
			_, err := r.store.UploadBuffer(t.Context(), "footage", name, []byte("theirs"), nil)
			if err != nil {
				t.Error(err)
			}
		})
	})
	if o := r.dock(t.Context(), f); o.code != exitUnsafe || o.results["a.mp4"].Status != statusConflict {
		t.Fatal(o.stdout)
	}
	resp, err := r.store.DownloadStream(t.Context(), "footage", name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "theirs" {
		t.Fatalf("%q %v", got, err)
	}
}

// The commit's answer is lost and the SDK sends it again: the blob is ours and it is safe.
func TestLostAnswerOfTheCommit(t *testing.T) {
	r := newRig(t)
	f := r.file("a.mp4", 3<<20, 1)
	r.tap.ghost = true
	o := r.dock(t.Context(), f)
	if o.code != exitSafe || o.results["a.mp4"].Status != statusUploaded || r.tap.count("blocklist") != 2 {
		t.Fatalf("%v %s", r.tap.seen, o.stdout)
	}
	r.same(o.results["a.mp4"].Blob, f)
}

func (r *rig) sas() string {
	r.t.Helper()
	c, err := azblob.NewClientFromConnectionString(azurite.ConnectionString(r.addr), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	u, err := c.ServiceClient().NewContainerClient("footage").GetSASURL(sas.ContainerPermissions{Create: true, Write: true, Read: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return u
}

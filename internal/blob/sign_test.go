package blob

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"bwv/internal/evidence"
	"bwv/internal/standin/azurite"
)

const (
	signed    = evidence.ID("lambeth-202611-aaaaaaaaaaaaaaaaaaaa")
	otherOne  = evidence.ID("lambeth-202611-bbbbbbbbbbbbbbbbbbbb")
	aMoment   = 20 * time.Second // until something must have happened
	plentiful = 10 * time.Minute
)

func putText(t *testing.T, s *Store, id evidence.ID, name, text string) {
	t.Helper()
	if err := s.Renditions().Put(t.Context(), id, evidence.Rendition{Name: name, ContentType: "video/mp4"}, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// ask sends one request as a browser would and returns status and body.
func ask(t *testing.T, client *http.Client, method, address, span string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if span != "" {
		request.Header.Set("Range", span)
	}
	if method == http.MethodPut {
		request.Header.Set("x-ms-blob-type", "BlockBlob")
	}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// readsOnly is all that a signed URL may do, whoever signed it.
func readsOnly(t *testing.T, client *http.Client, s *Store) {
	t.Helper()
	putText(t, s, signed, "proxy.mp4", "moving pictures")
	putText(t, s, otherOne, "proxy.mp4", "of somebody else")
	address, err := s.Sign(t.Context(), signed, "proxy.mp4", plentiful)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := ask(t, client, http.MethodGet, address, ""); status != http.StatusOK || body != "moving pictures" {
		t.Fatalf("status %d: %s", status, body)
	}
	if status, body := ask(t, client, http.MethodGet, address, "bytes=7-14"); status != http.StatusPartialContent || body != "pictures" {
		t.Fatalf("a range: status %d: %s", status, body)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		if status, _ := ask(t, client, method, address, ""); status != http.StatusForbidden {
			t.Fatalf("%s: status %d", method, status)
		}
	}
	if status, _ := ask(t, client, http.MethodGet, strings.Replace(address, string(signed), string(otherOne), 1), ""); status != http.StatusForbidden {
		t.Fatalf("another record's: status %d", status)
	}
	if status, _ := ask(t, client, http.MethodGet, address[:strings.IndexByte(address, '?')], ""); status == http.StatusOK {
		t.Fatal("readable without a signature")
	}
	shape(t, address)
}

// shape is what a signed URL says about itself; it returns all of that.
func shape(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	from, errFrom := time.Parse(time.RFC3339, q.Get("st"))
	to, errTo := time.Parse(time.RFC3339, q.Get("se"))
	if errFrom != nil || errTo != nil || time.Until(from) > -4*time.Minute || time.Until(to) > plentiful || q.Get("sp") != "r" || q.Get("sr") != "b" {
		t.Fatalf("signed %v", q)
	}
	if want := map[string]string{"https": "https", "http": ""}[u.Scheme]; q.Get("spr") != want {
		t.Fatalf("protocol %q for %s", q.Get("spr"), u.Scheme)
	}
	return q
}

func TestSignWithKey(t *testing.T) {
	s, _, _ := fresh(t)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	readsOnly(t, client, s)
}

func TestSignExpires(t *testing.T) {
	s, _, _ := fresh(t)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	putText(t, s, signed, "a", "x")
	address, err := s.Sign(t.Context(), signed, "a", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(aMoment); ; time.Sleep(50 * time.Millisecond) {
		if status, _ := ask(t, client, http.MethodGet, address, ""); status == http.StatusForbidden {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it never expires")
		}
	}
}

func TestSignRefuses(t *testing.T) {
	s, _, _ := fresh(t)
	for _, c := range []struct {
		id   evidence.ID
		name string
		ttl  time.Duration
	}{
		{signed, "../x", plentiful}, {signed, "", plentiful}, {"../footage", "a", plentiful}, {"", "a", plentiful},
		{signed, "a", 0}, {signed, "a", -plentiful}, {signed, "a", 13 * time.Hour},
	} {
		if _, err := s.Sign(t.Context(), c.id, c.name, c.ttl); !errors.Is(err, evidence.Invalid) {
			t.Fatalf("%+v: %v", c, err)
		}
	}
}

// identity is a credential whose token Azurite reads but cannot check.
type identity struct{}

func (identity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	now := time.Now()
	part := func(v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	const guid = "8b8a2ac4-4f0c-4a39-9a6a-0d1f7fb1d3a5"
	token := part(map[string]string{"alg": "none", "typ": "JWT"}) + "." + part(map[string]any{
		"aud": "https://storage.azure.com", "iss": "https://sts.windows.net/" + guid + "/", "oid": guid, "tid": guid, "sub": guid,
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(), "ver": "1.0",
	}) + "."
	return azcore.AccessToken{Token: token, ExpiresOn: now.Add(time.Hour)}, nil
}

// secure starts an Azurite that speaks https and takes tokens; it returns its address and who trusts it.
func secure(t *testing.T) (string, *x509.CertPool) {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "azurite"}, DNSNames: []string{accountHost, "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600); err != nil {
		t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))

	script, err := azurite.Find("")
	if err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	child := exec.CommandContext(t.Context(), "node", script, "--blobHost", "127.0.0.1", "--blobPort", port, "--location", filepath.Join(dir, "data"),
		"--silent", "--disableTelemetry", "--skipApiVersionCheck", "--oauth", "basic", "--cert", cert, "--key", key)
	child.Stdout, child.Stderr = &log, &log
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	t.Cleanup(func() { _ = child.Process.Kill(); <-ended })
	for deadline := time.Now().Add(3 * aMoment); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return addr, trusted
		}
		if time.Now().After(deadline) {
			t.Fatalf("azurite does not start: %s", log.String())
		}
	}
}

// accountHost has the account's name in front, as in Azure: the SDK signs for that account.
const accountHost = "devstoreaccount1.blob.localhost"

// counting counts the requests for a user delegation key.
type counting struct {
	*http.Client
	keys atomic.Int32
}

func (c *counting) Do(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("comp") == "userdelegationkey" {
		c.keys.Add(1)
	}
	return c.Client.Do(r)
}

func TestSignWithDelegation(t *testing.T) {
	addr, trusted := secure(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	client := &counting{Client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}}}
	defer client.CloseIdleConnections()
	cfg := Config{AccountURL: "https://" + net.JoinHostPort(accountHost, port), Credential: identity{}, Footage: "footage", Renditions: "renditions"}
	s, err := open(cfg, azcore.ClientOptions{Transport: client})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"footage", "renditions"} {
		if _, err := s.service.CreateContainer(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Azurite 3.35 does not know the string that this version of the SDK signs (3.37 does), so that it refuses every such URL.
	putText(t, s, signed, "proxy.mp4", "moving pictures")
	address, err := s.Sign(t.Context(), signed, "proxy.mp4", plentiful)
	if err != nil {
		t.Fatal(err)
	}
	q := shape(t, address)
	keyEnds, err := time.Parse(time.RFC3339, q.Get("ske"))
	if err != nil || time.Until(keyEnds) < keyLife-time.Minute || q.Get("skoid") == "" || q.Get("sktid") == "" || q.Get("sks") != "b" {
		t.Fatalf("signed %v", q)
	}

	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := s.Sign(t.Context(), signed, "proxy.mp4", plentiful); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := client.keys.Load(); n != 1 {
		t.Fatalf("%d keys for 9 signatures", n)
	}
	// a key that would end before what it signs is renewed
	signer := s.signer.(*delegationSigner)
	for i, left := range []time.Duration{plentiful + keyReserve + time.Minute, plentiful + time.Second, -time.Hour} {
		signer.end = time.Now().Add(left)
		if _, err := s.Sign(t.Context(), signed, "proxy.mp4", plentiful); err != nil {
			t.Fatal(err)
		}
		if n := int(client.keys.Load()); n != i+1 {
			t.Fatalf("%d keys after one had %s left", n, left)
		}
	}
}

package eventgrid_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"bwv/internal/standin/azurite"
	"bwv/internal/standin/eventgrid"
	"bwv/internal/standin/servicebus"
)

const proxySwitch = "EVENTGRID_TEST_PROXY"

// victim is what a proxy in a process of its own is told. Without Upstream it starts Azurite itself, so that
// Azurite loses its parent when the proxy is killed.
type victim struct {
	Upstream, Connection, Dir, AzuriteDir, Script string
}

// runVictim serves until it is killed; it prints its address and Azurite's.
func runVictim(text string) int {
	var v victim
	err := json.Unmarshal([]byte(text), &v)
	if err == nil {
		err = v.serve()
	}
	fmt.Println(err)
	return 1
}

func (v victim) serve() error {
	if v.Upstream == "" {
		az, err := azurite.Start(context.Background(), azurite.Options{Script: v.Script, Dir: v.AzuriteDir})
		if err != nil {
			return err
		}
		v.Upstream = "http://" + az.Addr()
	}
	s, err := eventgrid.Open(v.options())
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr(), strings.TrimPrefix(v.Upstream, "http://"))
	return http.Serve(l, s)
}

func (v victim) options() eventgrid.Options {
	return eventgrid.Options{Upstream: v.Upstream, ConnectionString: v.Connection, AccountKey: azurite.Key, Dir: v.Dir, Topic: topic, MaxAttempts: 10_000,
		Subscriptions: []eventgrid.Subscription{{Name: "ingest", Container: "footage", Queue: "ingest", APIs: []string{"PutBlob", "PutBlockList", "CopyBlob"}}},
		Retry:         []time.Duration{50 * time.Millisecond, time.Second}}
}

// campaign is what is known from outside: what the store acknowledged, and what the queue got.
type campaign struct {
	mu           sync.Mutex
	acknowledged map[string]bool
	unanswered   int
	events       map[string][]string // blob -> ETags
}

func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CRASH_ROUNDS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CRASH_ROUNDS is %q", text)
	}
	return n
}

// The proxy is killed again and again while blobs are committed. In the end each blob that the store has, hence
// each one that was acknowledged, has its event on the queue, and no event speaks of a blob that is not there.
func TestCrashCampaignOfTheProxy(t *testing.T) {
	az, err := azurite.Start(t.Context(), azurite.Options{Script: script(t), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer az.Close()
	crash(t, victim{Upstream: "http://" + az.Addr(), Dir: t.TempDir()})
}

// The same, with Azurite as the proxy's child, which the kernel ends with its parent.
func TestCrashCampaignOfProxyAndAzurite(t *testing.T) {
	crash(t, victim{AzuriteDir: t.TempDir(), Script: script(t), Dir: t.TempDir()})
}

func script(t *testing.T) string {
	t.Helper()
	path, err := azurite.Find("")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func crash(t *testing.T, v victim) {
	b := &broker{dir: t.TempDir(), addr: "127.0.0.1:0"}
	b.start(t)
	defer b.stop(t)
	v.Connection = servicebus.ConnectionString(b.addr, busKey)
	c := &campaign{acknowledged: map[string]bool{}, events: map[string][]string{}}
	ctx, stop := context.WithCancel(context.Background())
	var consumer sync.WaitGroup
	consumer.Go(func() { c.consume(ctx, t, v.Connection) })
	defer consumer.Wait()
	defer stop()
	for round := range rounds(t) {
		c.round(t, v, round)
	}

	// The last one is not killed: it may finish.
	if v.Upstream == "" {
		az, err := azurite.Start(t.Context(), azurite.Options{Script: v.Script, Dir: v.AzuriteDir})
		if err != nil {
			t.Fatal(err)
		}
		defer az.Close()
		v.Upstream = "http://" + az.Addr()
	}
	last, err := eventgrid.Open(v.options())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	started := time.Now()
	for last.Pending() > 0 {
		if time.Since(started) > 3*time.Minute {
			t.Fatalf("%d events are still pending", last.Pending())
		}
		time.Sleep(20 * time.Millisecond)
	}
	blobs := stored(t, strings.TrimPrefix(v.Upstream, "http://"))
	for limit := time.Now().Add(30 * time.Second); c.missing(blobs) > 0 && time.Now().Before(limit); {
		time.Sleep(20 * time.Millisecond) // the consumer is on its way; check says what never came
	}
	c.check(t, blobs)
}

// missing counts the blobs whose event has not come.
func (c *campaign) missing(blobs map[string]string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for name := range blobs {
		if len(c.events[name]) == 0 {
			n++
		}
	}
	return n
}

// round runs one proxy, commits through it from four clients, and kills it at a random moment.
func (c *campaign) round(t *testing.T, v victim, n int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	told, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(self)
	process.Env = append(os.Environ(), proxySwitch+"="+string(told))
	out, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = process.Process.Kill()
			_ = process.Wait() // it was killed
		}
	}
	defer kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	addr, upstream, ok := strings.Cut(strings.TrimSpace(line), " ")
	if err != nil || !ok || !strings.Contains(addr, ":") || strings.Contains(upstream, " ") {
		t.Fatalf("the proxy said %q: %v", line, err)
	}
	if n == 0 {
		prepare(t, upstream)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for worker := range 4 {
		clients.Go(func() { c.upload(ctx, t, addr, upstream, fmt.Sprintf("%d/%d", n, worker)) })
	}
	time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond) // the moment of the kill is what varies
	kill()
	cancel()
	clients.Wait()
}

// prepare makes the containers and what is copied.
func prepare(t *testing.T, upstream string) {
	t.Helper()
	direct := newClient(t, upstream)
	for _, name := range []string{"footage", "elsewhere"} {
		if _, err := direct.CreateContainer(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := direct.UploadBuffer(t.Context(), "elsewhere", "source", chunk(100), nil); err != nil {
		t.Fatal(err)
	}
}

// upload commits blobs of names of their own until the proxy is gone.
func (c *campaign) upload(ctx context.Context, t *testing.T, addr, upstream, prefix string) {
	client := newClient(t, addr)
	source := newClient(t, upstream).ServiceClient().NewContainerClient("elsewhere").NewBlobClient("source").URL()
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("%s/%d.mp4", prefix, n)
		b := client.ServiceClient().NewContainerClient("footage").NewBlockBlobClient(name)
		var err error
		switch n % 3 {
		case 0:
			_, err = b.UploadBuffer(ctx, chunk(1+n*100), nil)
		case 1:
			if _, err = b.StageBlock(ctx, "AAAA", &readCloser{strings.NewReader("staged")}, nil); err == nil {
				_, err = b.CommitBlockList(ctx, []string{"AAAA"}, nil)
			}
		default:
			_, err = b.StartCopyFromURL(ctx, source, nil)
		}
		c.mu.Lock()
		if err == nil {
			c.acknowledged[name] = true
		} else {
			c.unanswered++
		}
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (c *campaign) consume(ctx context.Context, t *testing.T, connection string) {
	client, err := azservicebus.NewClientFromConnectionString(connection, nil)
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close(context.WithoutCancel(ctx))
	receiver, err := client.NewReceiverForQueue("ingest", &azservicebus.ReceiverOptions{ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		t.Error(err)
		return
	}
	for {
		got, err := receiver.ReceiveMessages(ctx, 100, nil)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err != nil {
			return
		}
		for _, m := range got {
			e := decode(t, eventgrid.Message{Body: m.Body})
			name := strings.TrimPrefix(e.Subject, "/blobServices/default/containers/footage/blobs/")
			c.mu.Lock()
			c.events[name] = append(c.events[name], e.Data.ETag)
			c.mu.Unlock()
		}
	}
}

// stored returns the ETags of the blobs that are really there.
func stored(t *testing.T, upstream string) map[string]string {
	t.Helper()
	all := map[string]string{}
	pager := newClient(t, upstream).NewListBlobsFlatPager("footage", &azblob.ListBlobsFlatOptions{MaxResults: to.Ptr(int32(1000))})
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			all[*item.Name] = strings.Trim(string(*item.Properties.ETag), `"`)
		}
	}
	return all
}

func (c *campaign) check(t *testing.T, blobs map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := 0
	for name := range c.acknowledged {
		if blobs[name] == "" {
			t.Errorf("%s was acknowledged, but the store does not have it", name)
		}
		if len(c.events[name]) == 0 {
			t.Errorf("%s was acknowledged, but has no event", name)
		}
	}
	for name := range blobs {
		if len(c.events[name]) == 0 {
			t.Errorf("%s is in the store, but has no event", name)
		}
	}
	for name, tags := range c.events {
		events += len(tags)
		for _, tag := range tags {
			if blobs[name] != tag {
				t.Errorf("an event of %s with ETag %s, the store has %q", name, tag, blobs[name])
			}
		}
	}
	if len(c.acknowledged) == 0 {
		t.Error("nothing was acknowledged: the campaign proves nothing")
	}
	t.Logf("rounds %d, commits acknowledged %d, unanswered %d of which made %d, events %d, of which second ones %d",
		rounds(t), len(c.acknowledged), c.unanswered, len(blobs)-len(c.acknowledged), events, events-len(c.events))
}

package functionshost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"bwv/internal/standin/functionshost"
)

// campaign kills a host, or its handler, while messages flow.
type campaign struct {
	t                            *testing.T
	b                            *broker
	root                         *functionshost.Root
	host                         *exec.Cmd
	ended                        chan struct{} // closed when host is gone
	sent                         map[string]bool
	hosts, handlers, gaveUp, bad int
}

// The host and its handler are killed at random moments while messages flow. In the end each message was completed
// after a success, or is in the dead-letter queue after its tenth delivery; what cannot succeed is there always.
func TestCrashCampaign(t *testing.T) {
	b := newBroker(t)
	c := &campaign{t: t, b: b, sent: map[string]bool{}, root: root(t, b, functionshost.Files{
		"Work/function.json": queue(`"queueName":"brief"`), "host.json": hostJSON(8, "00:00:30")})}
	for n := 0; c.hosts+c.handlers < rounds(t); n++ {
		c.round(n)
	}
	c.end()
	c.root.Start(t)
	limit := time.Now().Add(2 * time.Minute)
	for now := c.entity(); now.Active+now.Locked > 0; now = c.entity() {
		if time.Now().After(limit) {
			t.Fatalf("still there: %+v", now)
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.check()
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

func (c *campaign) round(n int) {
	c.t.Helper()
	if c.host == nil {
		c.host, _ = c.root.Spawn(c.t)
		c.ended = make(chan struct{})
		go func(host *exec.Cmd, ended chan struct{}) { _ = host.Wait(); close(ended) }(c.host, c.ended) // killed, or it gave up
		c.t.Cleanup(c.end)
	}
	var messages []*azservicebus.Message
	for i := range 20 {
		body := fmt.Sprintf("%d/%d", n, i)
		if i == 0 {
			body = "poison " + body
			c.bad++
		}
		c.sent[body] = true
		messages = append(messages, text(body))
	}
	c.b.send("brief", messages...)
	time.Sleep(time.Duration(rand.IntN(120)) * time.Millisecond) // the moment of the kill is what varies
	select {
	case <-c.ended: // its third crash: the platform starts another one
		c.host = nil
		c.gaveUp++
		return
	default:
	}
	if rand.IntN(2) == 0 {
		c.end()
		c.hosts++
	} else if pid := c.handler(); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
		c.handlers++
	}
}

// end kills the host.
func (c *campaign) end() {
	if c.host == nil {
		return
	}
	_ = c.host.Process.Kill() // it may be gone
	<-c.ended
	c.host = nil
}

// handler is the id of the host's handler, 0 while there is none.
func (c *campaign) handler() int {
	starts := c.root.Calls(c.t, "")
	if len(starts) == 0 {
		return 0
	}
	pid := starts[len(starts)-1].PID
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil || !strings.Contains(string(status), fmt.Sprintf("\nPPid:\t%d\n", c.host.Process.Pid)) {
		return 0 // somebody else's by now
	}
	return pid
}

type counts struct{ Active, Locked, DeadLettered int }

func (c *campaign) entity() counts {
	c.t.Helper()
	w := httptest.NewRecorder()
	c.b.server.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/entities", nil))
	var list []struct {
		Name string
		counts
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		c.t.Fatalf("%s: %v", w.Body, err)
	}
	for _, e := range list {
		if e.Name == "brief" {
			return e.counts
		}
	}
	c.t.Fatalf("no queue in %s", w.Body)
	return counts{}
}

// dead takes everything out of the dead-letter queue.
func (c *campaign) dead() map[string]string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	client := c.b.client()
	defer client.Close(ctx)
	receiver, err := client.NewReceiverForQueue("brief", &azservicebus.ReceiverOptions{
		SubQueue: azservicebus.SubQueueDeadLetter, ReceiveMode: azservicebus.ReceiveModeReceiveAndDelete})
	if err != nil {
		c.t.Fatal(err)
	}
	all := map[string]string{}
	for want := c.entity().DeadLettered; len(all) < want; {
		got, err := receiver.ReceiveMessages(ctx, 100, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range got {
			if all[string(m.Body)] != "" {
				c.t.Errorf("%s is dead twice", m.Body)
			}
			all[string(m.Body)] = *m.DeadLetterReason
		}
	}
	return all
}

func (c *campaign) check() {
	count := func(function string) (map[string]int, int) {
		n, all := map[string]int{}, c.root.Calls(c.t, function)
		for _, call := range all {
			var body []byte
			if err := json.Unmarshal(call.Data["msg"], &body); err != nil {
				c.t.Errorf("%s: %v", call.Data["msg"], err)
			}
			n[string(body)]++
		}
		return n, len(all)
	}
	calls, deliveries := count("Work")
	successes, succeeded := count("success")
	dead := c.dead()
	completed := 0
	for body := range c.sent {
		poison := strings.HasPrefix(body, "poison")
		reason, buried := dead[body]
		switch {
		case calls[body] > 10:
			c.t.Errorf("%s was delivered %d times", body, calls[body])
		case buried && reason != "MaxDeliveryCountExceeded":
			c.t.Errorf("%s is dead: %s", body, reason)
		case poison && (!buried || successes[body] > 0):
			c.t.Errorf("%s cannot succeed, but: dead %v, %d successes", body, buried, successes[body])
		case !buried && successes[body] == 0:
			c.t.Errorf("%s is lost: %d deliveries without a success, and not dead", body, calls[body])
		case !buried:
			completed++
		}
		delete(dead, body)
	}
	for body := range dead {
		c.t.Errorf("%s was never sent", body)
	}
	c.t.Logf("kills %d: hosts killed %d, handlers killed %d, hosts that gave up %d; messages %d, completed %d, dead %d (poison %d); deliveries %d, successes %d",
		rounds(c.t), c.hosts, c.handlers, c.gaveUp, len(c.sent), completed, len(c.sent)-completed, c.bad, deliveries, succeeded)
}

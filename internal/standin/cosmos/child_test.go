package cosmos_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"bwv/internal/standin/cosmos"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/azcosmos"
)

// child is the process that TestKill kills: a server on a port it prints.
func child(dir string) {
	srv, err := cosmos.Open(cosmos.Options{Dir: dir, Key: testKey})
	if err == nil {
		err = srv.Declare(strings.NewReader(declared))
	}
	var l net.Listener
	if err == nil {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("http://" + l.Addr().String())
	_ = http.Serve(l, srv)
}

// worker is one writer's account of what the server acknowledged.
type worker struct {
	key   string
	etag  azcore.ETag
	round int // the last acknowledged batch
	asked int // the last batch sent
}

// step sends one batch: the record moves on under If-Match, and an entry for
// that round is created.
func (w *worker) step(t *testing.T, c *azcosmos.ContainerClient) error {
	b := c.NewTransactionalBatch(pk(w.key))
	n := w.round + 1
	w.asked = n
	record := raw(doc{"id": "record", "shard": w.key, "round": n, "type": "record", "n": n})
	if n == 1 {
		b.CreateItem(record, nil)
	} else {
		b.ReplaceItem("record", record, &azcosmos.TransactionalBatchItemOptions{IfMatchETag: &w.etag})
	}
	b.CreateItem(raw(doc{"id": fmt.Sprintf("entry-%06d", n), "shard": w.key, "type": "entry", "n": n}), nil)
	res, err := c.ExecuteTransactionalBatch(t.Context(), b, nil)
	if err != nil {
		return err
	}
	if !res.Success {
		t.Errorf("worker %s, round %d: %v", w.key, n, codes(res))
		return http.ErrAbortHandler
	}
	w.round, w.etag = n, res.OperationResults[0].ETag
	return nil
}

// TestKill kills a server under load: what was acknowledged is there, and no
// batch is there by half.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	workers := make([]*worker, 8)
	for i := range workers {
		workers[i] = &worker{key: fmt.Sprint("w", i)}
	}
	for range 4 {
		kill(t, dir, workers)
		verify(t, dir, workers)
	}
	total := 0
	for _, w := range workers {
		total += w.round
	}
	if total < 50 {
		t.Fatalf("only %d batches were acknowledged: not much of a load", total)
	}
}

func kill(t *testing.T, dir string, workers []*worker) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "COSMOS_TEST_CHILD="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "http") {
		t.Fatalf("child said %q, %v", line, err)
	}
	cl, hc := client(t, strings.TrimSpace(line), testKey)
	c, err := cl.NewContainer("bwv", "evidence")
	check(t, err)
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			for w.step(t, c) == nil {
			}
		})
	}
	deadline := time.Now().Add(30 * time.Second)
	for probe := (&worker{key: fmt.Sprint("probe", time.Now().UnixNano())}); probe.round < 25 && time.Now().Before(deadline); {
		check(t, probe.step(t, c)) // some rounds under load
	}
	check(t, cmd.Process.Kill())
	wg.Wait()
	_ = cmd.Wait() // killed: always an error
	hc.CloseIdleConnections()
}

func verify(t *testing.T, dir string, workers []*worker) {
	srv, err := cosmos.Open(cosmos.Options{Dir: dir, Key: testKey})
	check(t, err)
	defer srv.Close()
	ts := httptest.NewServer(srv)
	defer ts.Close()
	cl, _ := client(t, ts.URL, testKey)
	c, err := cl.NewContainer("bwv", "evidence")
	check(t, err)
	for _, w := range workers {
		if w.asked == 0 {
			continue
		}
		have := 0
		res, err := c.ReadItem(t.Context(), pk(w.key), "record", nil)
		if code := status(t, err); code == 0 {
			have = int(decode(t, res.Value)["round"].(float64))
		} else if code != 404 {
			t.Fatal(err)
		}
		if have < w.round || have > w.asked {
			t.Fatalf("worker %s: round %d stored, %d acknowledged, %d asked", w.key, have, w.round, w.asked)
		}
		count, _, err := all(t, c, pk(w.key), "SELECT VALUE COUNT(1) FROM c WHERE c.type = 'entry'", nil)
		check(t, err)
		last := ids(t, c, w.key, "SELECT TOP 1 VALUE c.id FROM c WHERE c.type = 'entry' ORDER BY c.type, c.n DESC", nil)
		if count[0] != fmt.Sprint(have) || have > 0 && last[0] != fmt.Sprintf("entry-%06d", have) {
			t.Fatalf("worker %s: record at round %d, but %s entries, last %v", w.key, have, count[0], last)
		}
		w.round, w.etag = have, res.ETag
	}
}

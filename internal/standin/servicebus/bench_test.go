package servicebus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"go.etcd.io/bbolt"
)

// BenchmarkServiceBus measures over TCP with the SDK, client and server in one process, and prints a table. What is
// answered is on disk: each figure includes the fsync, which clients share when there are several.
func BenchmarkServiceBus(b *testing.B) {
	rows := &markdown{head: "| service bus | clients | a second | p50 | p99 |\n|---|---:|---:|---:|---:|\n"}
	for _, n := range []int{1, 8, 64} {
		for _, op := range []struct {
			name string
			run  func(*testing.B, int) []time.Duration
		}{{"send, 1 kB", benchSend}, {"schedule", benchSchedule}, {"cancel", benchCancel}, {"receive + complete", benchReceive}} {
			b.Run(fmt.Sprintf("%s/clients=%d", op.name, n), func(b *testing.B) {
				took := op.run(b, n)
				slices.Sort(took)
				rate := float64(len(took)) / b.Elapsed().Seconds()
				p50, p99 := took[len(took)/2], took[len(took)*99/100]
				b.ReportMetric(rate, "ops/s")
				b.ReportMetric(float64(p50.Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(p99.Microseconds())/1000, "p99-ms")
				rows.set(b.Name(), fmt.Sprintf("| %s | %d | %.0f | %.2f ms | %.2f ms |", op.name, n, rate, ms(p50), ms(p99)))
			})
		}
	}
	rows.print()
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// markdown keeps one line for each name: a benchmark runs several times, and the last run counts.
type markdown struct {
	head  string
	names []string
	lines map[string]string
}

func (t *markdown) set(name, line string) {
	if t.lines == nil {
		t.lines = map[string]string{}
	}
	if _, ok := t.lines[name]; !ok {
		t.names = append(t.names, name)
	}
	t.lines[name] = line
}

func (t *markdown) print() {
	fmt.Print("\n", t.head)
	for _, name := range t.names {
		fmt.Println(t.lines[name])
	}
	fmt.Println()
}

// benchClients runs work b.N times, shared by n goroutines that each have a client of their own, and returns how long
// each took.
func benchClients(b *testing.B, addr string, n int, prepare func(*azservicebus.Client) func(int) error) []time.Duration {
	b.Helper()
	works := make([]func(int) error, n)
	var ready sync.WaitGroup
	for i := range works {
		c := newClient(b, addr, testKey)
		ready.Go(func() { works[i] = prepare(c) })
	}
	ready.Wait()
	var next atomic.Int64
	done := make(chan error, n)
	took := make([]time.Duration, b.N)
	b.ResetTimer()
	for _, work := range works {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					done <- nil
					return
				}
				start := time.Now()
				if err := work(int(i)); err != nil {
					done <- err
					return
				}
				took[i] = time.Since(start)
			}
		}()
	}
	for range works {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	return took
}

func benchSend(b *testing.B, n int) []time.Duration {
	body := make([]byte, 1024)
	return benchClients(b, newRig(b).addr, n, func(c *azservicebus.Client) func(int) error {
		s := newSender(b, c, "ingest")
		send(b, s, "warm up")
		return func(int) error {
			return s.SendMessage(context.Background(), &azservicebus.Message{Body: body}, nil)
		}
	})
}

func benchSchedule(b *testing.B, n int) []time.Duration {
	at := time.Now().Add(31 * 24 * time.Hour)
	return benchClients(b, newRig(b).addr, n, func(c *azservicebus.Client) func(int) error {
		s := newSender(b, c, "ingest")
		schedule := func(i int) error {
			_, err := s.ScheduleMessages(context.Background(), []*azservicebus.Message{{Body: []byte("due")}}, at.Add(time.Duration(i)*time.Second), nil)
			return err
		}
		if err := schedule(0); err != nil { // opens the link
			b.Error(err)
		}
		return schedule
	})
}

func benchCancel(b *testing.B, n int) []time.Duration {
	r := newRig(b)
	fillScheduled(b, r.srv, "ingest", b.N+n)
	var warm atomic.Int64
	return benchClients(b, r.addr, n, func(c *azservicebus.Client) func(int) error {
		s := newSender(b, c, "ingest")
		cancel := func(i int) error {
			return s.CancelScheduledMessages(context.Background(), []int64{int64(i + 1)}, nil)
		}
		if err := cancel(b.N + int(warm.Add(1)) - 1); err != nil {
			b.Error(err)
		}
		return cancel
	})
}

func benchReceive(b *testing.B, n int) []time.Duration {
	r := newRig(b)
	m, err := parseInbound([]byte{0, 0x53, secData, 0xa0, 1, 'x'})
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan error)
	r.srv.broker.send(r.srv.broker.find("ingest"), slices.Repeat([]inbound{m}, b.N+n), func(_ []int64, err error) { done <- err })
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return benchClients(b, r.addr, n, func(c *azservicebus.Client) func(int) error {
		rc := newReceiver(b, c, "ingest", nil)
		finish(b, rc, receive(b, rc, 1)...)
		return func(int) error {
			for {
				list, err := rc.ReceiveMessages(context.Background(), 1, nil)
				if err != nil {
					return err
				}
				if len(list) == 1 {
					return rc.CompleteMessage(context.Background(), list[0], nil)
				}
			}
		}
	})
}

// fillScheduled schedules n small messages, a second apart, without a client: with the function that stores what
// clients send, but many to a transaction.
func fillScheduled(tb testing.TB, s *Server, entity string, n int) {
	tb.Helper()
	m, err := parseInbound(append([]byte{0, 0x53, secData, 0xa0, 200}, make([]byte, 200)...))
	if err != nil {
		tb.Fatal(err)
	}
	to, at := s.broker.find(entity), time.Now().Add(24*time.Hour).UnixMilli()
	for i := 0; i < n; {
		end := min(n, i+20_000)
		err := s.broker.store.update(func(tx *bbolt.Tx) error {
			t := table{tx, to.path}
			for ; i < end; i++ {
				seq, err := t.nextSequence()
				if err != nil {
					return err
				}
				if err := t.schedule(seq, m.raw, at+int64(i)*1000, at); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	s.broker.show(&batch{due: map[*box]int64{to: at}})
}

// BenchmarkMillion starts a server, in a process of its own, on a million scheduled messages: how long it takes to its
// first answer, how much memory it has then, and after some thousands of operations all over its file.
func BenchmarkMillion(b *testing.B) {
	const n, ops = 1_000_000, 3000
	dir := b.TempDir()
	s, err := Open(parseTestConfig(b), Options{Dir: dir, Key: testKey})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	fillScheduled(b, s, "ingest", n)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	filled := time.Since(start)
	info, err := os.Stat(filepath.Join(dir, "servicebus.db"))
	if err != nil {
		b.Fatal(err)
	}
	var up time.Duration
	var idle, busy memory
	for b.Loop() {
		srv := child(b, dir)
		snd := newSender(b, newClient(b, srv.addr, testKey), "ingest")
		at := time.Now().Add(time.Hour)
		if _, err := snd.ScheduleMessages(context.Background(), []*azservicebus.Message{{Body: []byte("x")}}, at, nil); err != nil {
			b.Fatal(err)
		}
		up = time.Since(srv.started)
		idle = memoryOf(b, srv.pid)
		var wg sync.WaitGroup
		for range 8 {
			c := newClient(b, srv.addr, testKey)
			wg.Go(func() {
				s := newSender(b, c, "ingest")
				for range ops / 8 {
					if _, err := s.ScheduleMessages(context.Background(), []*azservicebus.Message{{Body: make([]byte, 200)}}, at.Add(time.Duration(rand.IntN(n))*time.Second), nil); err != nil {
						b.Error(err)
					}
					err := s.CancelScheduledMessages(context.Background(), []int64{1 + rand.Int64N(n)}, nil)
					var failed *azservicebus.Error
					if err != nil && (!errors.As(err, &failed) || failed.Code != azservicebus.CodeNotFound) { // drawn before
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		busy = memoryOf(b, srv.pid)
		srv.kill()
	}
	b.ReportMetric(up.Seconds(), "startup-s")
	b.ReportMetric(idle.rss, "idle-MB")
	b.ReportMetric(busy.rss, "busy-MB")
	fmt.Printf("\n| service bus with 1,000,000 scheduled messages | |\n|---|---:|\n")
	fmt.Printf("| file, filled without a client in %.0f s | %.0f MB |\n", filled.Seconds(), float64(info.Size())/1e6)
	fmt.Printf("| from the start of the process to the first answer (a schedule) | %.2f s |\n", up.Seconds())
	fmt.Printf("| memory then | %s |\n", idle)
	fmt.Printf("| memory after %d schedules and %d cancellations at random | %s |\n\n", ops, ops, busy)
}

// memory of a process in MB; file is the part that is pages of the store, which the kernel takes back when it wants.
type memory struct{ rss, file float64 }

func (m memory) String() string {
	return fmt.Sprintf("%.0f MB (%.0f MB of it file cache)", m.rss, m.file)
}

func memoryOf(tb testing.TB, pid int) memory {
	tb.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	get := func(name string) float64 {
		m := regexp.MustCompile(name + `:\s+(\d+) kB`).FindSubmatch(text)
		if m == nil {
			tb.Fatalf("no %s in %s", name, text)
		}
		kb, _ := strconv.ParseFloat(string(m[1]), 64) // digits
		return kb / 1000
	}
	return memory{get("VmRSS"), get("RssFile")}
}

// BenchmarkFallDue lets many messages fall due at the same moment and waits until the last of them is enqueued.
func BenchmarkFallDue(b *testing.B) {
	const n = 200_000
	var took time.Duration
	for b.Loop() {
		b.StopTimer()
		r := newRig(b)
		fillScheduled(b, r.srv, "ingest", n)
		b.StartTimer()
		start := time.Now()
		r.srv.Advance(24*time.Hour + n*time.Second)
		for r.status("ingest").Scheduled > 0 {
			time.Sleep(10 * time.Millisecond)
		}
		took = time.Since(start)
		b.StopTimer()
		r.stop()
		b.StartTimer()
	}
	b.ReportMetric(n/took.Seconds(), "fired/s")
	fmt.Printf("\n| service bus, %d messages fall due at once | |\n|---|---:|\n| enqueued a second | %.0f |\n\n", n, n/took.Seconds())
}

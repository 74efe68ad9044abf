package servicebus

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"go.etcd.io/bbolt"
)

// benchClients runs work b.N times, shared by n goroutines that each have a client of their own.
func benchClients(b *testing.B, r *rig, n int, prepare func(*azservicebus.Client) func(int) error) {
	b.Helper()
	works := make([]func(int) error, n)
	for i := range works {
		works[i] = prepare(newClient(b, r.addr, testKey))
	}
	var next atomic.Int64
	done := make(chan error, n)
	b.ResetTimer()
	for _, work := range works {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(b.N) {
					done <- nil
					return
				}
				if err := work(int(i)); err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range works {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func eachClientCount(b *testing.B, run func(*testing.B, int)) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("clients=%d", n), func(b *testing.B) { run(b, n) })
	}
}

func BenchmarkSend(b *testing.B) {
	eachClientCount(b, func(b *testing.B, n int) {
		body := make([]byte, 1024)
		benchClients(b, newRig(b), n, func(c *azservicebus.Client) func(int) error {
			s := newSender(b, c, "ingest")
			send(b, s, "warm up")
			return func(int) error {
				return s.SendMessage(context.Background(), &azservicebus.Message{Body: body}, nil)
			}
		})
	})
}

func BenchmarkSchedule(b *testing.B) {
	eachClientCount(b, func(b *testing.B, n int) {
		at := time.Now().Add(31 * 24 * time.Hour)
		benchClients(b, newRig(b), n, func(c *azservicebus.Client) func(int) error {
			s := newSender(b, c, "ingest")
			send(b, s, "warm up")
			return func(i int) error {
				_, err := s.ScheduleMessages(context.Background(), []*azservicebus.Message{{Body: []byte("due")}}, at.Add(time.Duration(i)*time.Second), nil)
				return err
			}
		})
	})
}

func BenchmarkCancel(b *testing.B) {
	eachClientCount(b, func(b *testing.B, n int) {
		r := newRig(b)
		fillScheduled(b, r.srv, "ingest", b.N)
		benchClients(b, r, n, func(c *azservicebus.Client) func(int) error {
			s := newSender(b, c, "ingest")
			if _, err := s.NewMessageBatch(context.Background(), nil); err != nil { // opens the link
				b.Fatal(err)
			}
			return func(i int) error {
				return s.CancelScheduledMessages(context.Background(), []int64{int64(i + 1)}, nil)
			}
		})
	})
}

func BenchmarkReceiveComplete(b *testing.B) {
	eachClientCount(b, func(b *testing.B, n int) {
		r := newRig(b)
		m, err := parseInbound([]byte{0, 0x53, secData, 0xa0, 1, 'x'})
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan error)
		msgs := make([]inbound, b.N+n)
		for i := range msgs {
			msgs[i] = m
		}
		r.srv.broker.send(r.srv.broker.find("ingest"), msgs, func(_ []int64, err error) { done <- err })
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		benchClients(b, r, n, func(c *azservicebus.Client) func(int) error {
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
	})
}

// fillScheduled schedules n small messages, a second apart, without a client.
func fillScheduled(tb testing.TB, s *Server, entity string, n int) {
	tb.Helper()
	m, err := parseInbound(append([]byte{0, 0x53, secData, 0xa0, 200}, make([]byte, 200)...))
	if err != nil {
		tb.Fatal(err)
	}
	box, at := s.broker.find(entity), time.Now().Add(24*time.Hour).UnixMilli()
	for i := 0; i < n; {
		to := min(n, i+20_000)
		err := s.broker.store.update(func(tx *bbolt.Tx) error {
			t := table{tx, box.path}
			for ; i < to; i++ {
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
}

// BenchmarkOpenMillionScheduled opens a store that holds a million scheduled messages.
func BenchmarkOpenMillionScheduled(b *testing.B) {
	cfg, err := ParseConfig(strings.NewReader(testConfig))
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Dir: b.TempDir(), Key: testKey, Logger: slog.New(slog.DiscardHandler)}
	s, err := Open(cfg, o)
	if err != nil {
		b.Fatal(err)
	}
	fillScheduled(b, s, "ingest", 1_000_000)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for b.Loop() {
		s, err := Open(cfg, o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(int64(after.HeapInuse)-int64(before.HeapInuse))/1e6, "heap-MB")
}

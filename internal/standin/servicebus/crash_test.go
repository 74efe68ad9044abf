package servicebus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// campaignRounds is from how many rounds on the times of firing are held to a second.
const campaignRounds = 50

// crashRounds is how often the server is killed: CRASH_ROUNDS, or a few.
func crashRounds() int {
	if n, err := strconv.Atoi(os.Getenv("CRASH_ROUNDS")); err == nil && n > 0 {
		return n
	}
	return 5
}

// TestCrashCampaign kills the server at random moments under the load of many clients, leaves it down for a while, and
// compares everything there is with what was acknowledged: sends, batches, schedules, cancellations, completions,
// abandonments, deferrals, dead letters. What was not acknowledged may have happened or not, but not by half. Scheduled
// messages must fire not before their time, and at most a second after it or after the server's start.
func TestCrashCampaign(t *testing.T) {
	dir, l := t.TempDir(), newLedger(t)
	rounds := crashRounds()
	for round := range rounds {
		srv := child(t, dir)
		l.lives = append(l.lives, life{from: srv.started.UnixMilli()})
		c := newClient(t, srv.addr, testKey)
		l.settleUp(l.look(c))
		if t.Failed() {
			t.FailNow()
		}
		l.storm(round, srv)
		_ = c.Close(context.Background())                             // the server is gone
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Millisecond) // down: some messages fall due meanwhile
	}
	srv := child(t, dir)
	l.lives = append(l.lives, life{from: srv.started.UnixMilli()})
	c := newClient(t, srv.addr, testKey)
	last := int64(0)
	for _, m := range l.all {
		if m.due < farAhead(time.Now()) {
			last = max(last, m.due)
		}
	}
	eventually(t, "everything near is due", func() bool { return time.Now().UnixMilli() > last+l.bound() })
	l.settleUp(l.look(c))
	srv.kill()
	for _, name := range []string{"sends", "batches", "schedules", "cancellations", "completions", "abandonments", "deferrals", "dead letters"} {
		if l.acked[name] == 0 {
			t.Errorf("no %s were acknowledged", name)
		}
	}
	if l.fires == 0 {
		t.Error("no scheduled message fired")
	}
	t.Logf("%d kills: %s", rounds, l)
}

// farAhead is a time that no message scheduled for the campaign itself reaches, in ms.
func farAhead(now time.Time) int64 { return now.Add(time.Hour).UnixMilli() }

// storm sends every kind of operation from many clients, and kills the server among them.
func (l *ledger) storm(round int, srv process) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range 4 {
		for name, work := range map[string]func(context.Context, *azservicebus.Client, string) error{"s": l.sender, "t": l.scheduler, "r": l.consumer} {
			c := newClient(l.t, srv.addr, testKey)
			wg.Go(func() {
				if err := work(ctx, c, fmt.Sprintf("%d-%s%d", round, name, i)); err == nil {
					l.t.Error("a client stopped before the server was killed")
				}
				_ = c.Close(context.Background()) // the server is gone
			})
		}
	}
	time.Sleep(time.Duration(50+rand.IntN(850)) * time.Millisecond) // the random moment
	srv.kill()
	l.mu.Lock()
	l.lives[len(l.lives)-1].to = time.Now().UnixMilli()
	l.mu.Unlock()
	cancel() // the SDK tries settlements again and again
	wg.Wait()
}

// sender sends single messages and batches, small ones and some of several frames.
func (l *ledger) sender(ctx context.Context, c *azservicebus.Client, prefix string) error {
	s, err := c.NewSender("ingest", nil)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s-%d", prefix, i)
		if i%4 != 3 {
			size := rand.IntN(2000)
			if i%16 == 0 {
				size = 150_000
			}
			err := l.act("sends", []string{id}, active, func() error {
				return s.SendMessage(ctx, &azservicebus.Message{Body: body(id, size)}, nil)
			})
			if err != nil {
				return err
			}
			continue
		}
		b, err := s.NewMessageBatch(ctx, nil)
		if err != nil {
			return err
		}
		var ids []string
		for j := range 5 {
			ids = append(ids, fmt.Sprintf("%s.%d", id, j))
			if err := b.AddMessage(&azservicebus.Message{Body: body(ids[j], 30_000*(j%2))}, nil); err != nil {
				return err
			}
		}
		if err := l.act("batches", ids, active, func() error { return s.SendMessageBatch(ctx, b, nil) }); err != nil {
			return err
		}
	}
}

// scheduler schedules messages, some at a time: most for the next seconds, others for much later and cancels those.
func (l *ledger) scheduler(ctx context.Context, c *azservicebus.Client, prefix string) error {
	s, err := c.NewSender("ingest", nil)
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		at := time.Now().Add(time.Duration(600+rand.IntN(2500)) * time.Millisecond)
		far := i%3 == 0
		if far {
			at = at.Add(48 * time.Hour)
		}
		var ids []string
		var list []*azservicebus.Message
		for j := range 1 + i%3 {
			ids = append(ids, fmt.Sprintf("%s-%d.%d", prefix, i, j))
			list = append(list, &azservicebus.Message{Body: body(ids[j], 100)})
		}
		l.each(ids, func(m *tracked) { m.due = at.UnixMilli() })
		var seqs []int64
		err := l.act("schedules", ids, scheduled, func() error {
			var err error
			seqs, err = s.ScheduleMessages(ctx, list, at, nil)
			return err
		})
		stored := time.Now().UnixMilli()
		l.each(ids, func(m *tracked) { m.timed = stored < m.due })
		if err != nil {
			return err
		}
		if far && i%2 == 0 {
			if err := l.act("cancellations", ids, nowhere, func() error { return s.CancelScheduledMessages(ctx, seqs, nil) }); err != nil {
				return err
			}
		}
	}
}

// consumer receives messages and settles them in every way, or keeps them until the crash.
func (l *ledger) consumer(ctx context.Context, c *azservicebus.Client, _ string) error {
	rc, err := c.NewReceiverForQueue("ingest", nil)
	if err != nil {
		return err
	}
	for {
		list, err := rc.ReceiveMessages(ctx, 10, nil)
		if err != nil {
			return err
		}
		if len(list) == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for _, m := range list {
			id := l.received(m)
			if err := l.decide(ctx, rc, id, m); err != nil {
				return err
			}
		}
	}
}

func (l *ledger) decide(ctx context.Context, rc *azservicebus.Receiver, id string, m *azservicebus.ReceivedMessage) error {
	switch n := rand.IntN(20); {
	case n < 13:
		return l.act("completions", []string{id}, nowhere, func() error { return rc.CompleteMessage(ctx, m, nil) })
	case n < 15:
		often := false
		l.each([]string{id}, func(k *tracked) { k.abandoned++; often = k.abandoned > 5; k.out = often })
		if often { // more would bury it
			return nil
		}
		return l.act("abandonments", []string{id}, active, func() error { return rc.AbandonMessage(ctx, m, nil) })
	case n < 17:
		return l.act("dead letters", []string{id}, buried, func() error { return rc.DeadLetterMessage(ctx, m, nil) })
	case n < 19:
		if err := l.act("deferrals", []string{id}, postponed, func() error { return rc.DeferMessage(ctx, m, nil) }); err != nil || n == 17 {
			return err
		}
		list, err := rc.ReceiveDeferredMessages(ctx, []int64{*m.SequenceNumber}, nil)
		if err != nil || len(list) != 1 {
			return errors.Join(err, fmt.Errorf("%d deferred messages", len(list)))
		}
		return l.act("completions of deferred messages", []string{id}, nowhere, func() error { return rc.CompleteMessage(ctx, list[0], nil) })
	}
	return nil
}

package servicebus

import (
	"net"
	"sync"
	"time"
)

// Limits of what waits to be written to one client.
const (
	outboxRoom   = 256 << 10 // pumps wait above this
	outboxLimit  = 32 << 20  // a client that makes us answer but does not read is cut off above this
	writeTimeout = 30 * time.Second
	lingerTime   = time.Second
)

// outbox collects frames for one connection and writes them in order on a goroutine of its own, so that nobody but the
// pumps of this very connection waits for a slow client.
type outbox struct {
	nc   net.Conn
	kick chan struct{}

	mu   sync.Mutex
	room *sync.Cond
	buf  []byte
	done bool // no more frames; what is in buf may still be written
}

func newOutbox(nc net.Conn) *outbox {
	o := &outbox{nc: nc, kick: make(chan struct{}, 1)}
	o.room = sync.NewCond(&o.mu)
	return o
}

// put appends a frame without waiting. False means that the connection is over.
func (o *outbox) put(b []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.done {
		return false
	}
	if len(o.buf)+len(b) > outboxLimit {
		o.done = true
		_ = o.nc.Close() // the reader and the writer fail on it
		o.room.Broadcast()
		return false
	}
	o.buf = append(o.buf, b...)
	signal(o.kick)
	return true
}

// wait blocks while much is waiting to be written. False means that the connection is over.
func (o *outbox) wait() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) > outboxRoom && !o.done {
		o.room.Wait()
	}
	return !o.done
}

// finish appends a last frame; run writes what there is and ends.
func (o *outbox) finish(last []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.done {
		o.done = true
		o.buf = append(o.buf, last...)
		_ = o.nc.SetWriteDeadline(time.Now().Add(lingerTime)) // also for a write that is going on; Write reports
		o.room.Broadcast()
	}
	signal(o.kick)
}

func (o *outbox) finished() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done
}

// swap takes what is to be written and sets the deadline for it: under mu, so that finish can shorten it.
func (o *outbox) swap(spare []byte) ([]byte, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf
	o.buf = spare[:0]
	if !o.done {
		_ = o.nc.SetWriteDeadline(time.Now().Add(writeTimeout)) // Write reports a broken connection
	}
	o.room.Broadcast()
	return b, o.done
}

// run writes until finish or an error, and a heartbeat whenever nothing was written for the interval.
func (o *outbox) run(heartbeat time.Duration) {
	timer := time.NewTimer(heartbeat)
	defer timer.Stop()
	var spare []byte
	for {
		idle := false
		select {
		case <-o.kick:
		case <-timer.C:
			idle = true
		}
		b, done := o.swap(spare)
		if idle && len(b) == 0 && !done {
			b = appendHeartbeat(b)
		}
		if len(b) > 0 {
			if _, err := o.nc.Write(b); err != nil {
				o.finish(nil)
				_ = o.nc.Close()
				return
			}
			timer.Reset(heartbeat)
		}
		if done {
			return
		}
		if spare = b; cap(spare) > 1<<20 {
			spare = nil
		}
	}
}

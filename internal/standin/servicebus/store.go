package servicebus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// Buckets. Those of an entity are named by the letter and its path; keys are big-endian so that cursors walk in order.
//
//	m:<path>  sequence number -> the message as it was received; the bucket's sequence is the last number given out
//	s:<path>  sequence number -> record, for active and deferred messages; the sequence is how many bytes they have
//	q:<path>  sequence number -> due and accepted time in ms, for scheduled messages; the sequence is their bytes
//	d:<path>  due ms, sequence number -> nothing; the bucket's sequence is how many are scheduled
//	x:<path>  message id -> ms it was seen, y:<path>  ms, message id -> nothing: duplicate detection
const (
	bucketMeta      = "meta"
	keyClockOffset  = "clock-offset"
	keyFormat       = "format"
	formatVersion   = "1"
	batchMax        = 1024
	initialMmapSize = 64 << 20
)

var errClosed = errors.New("server is closed")

// op is one change. do runs inside a transaction shared with other operations and returns only errors of the store,
// which undo the whole transaction; what the operation itself refuses it keeps for done, having written nothing.
// done runs on the writer's goroutine after the commit has reached the disk, in the order of submission: it must not block.
type op struct {
	do   func(*bbolt.Tx) error
	done func(error)
}

// store is the bbolt file with one writer that commits everything pending in one transaction: concurrent senders share
// an fsync, and a single one never waits for company. A crash before the commit loses operations that nobody was told
// had succeeded; after it they are all there.
type store struct {
	db *bbolt.DB

	mu      sync.Mutex
	wake    *sync.Cond
	pending []op
	closed  bool
	stopped chan struct{}
}

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the service bus directory: %w", err)
	}
	path := filepath.Join(dir, "servicebus.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:         2 * time.Second,
		FreelistType:    bbolt.FreelistMapType,
		InitialMmapSize: initialMmapSize,
	})
	if err != nil {
		return nil, fmt.Errorf("opening %s (is another server using it?): %w", path, err)
	}
	st := &store{db: db, stopped: make(chan struct{})}
	st.wake = sync.NewCond(&st.mu)
	if err := db.Update(prepareMeta); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", path, err), db.Close())
	}
	go st.run()
	return st, nil
}

func prepareMeta(tx *bbolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists([]byte(bucketMeta))
	if err != nil {
		return err
	}
	switch v := b.Get([]byte(keyFormat)); {
	case v == nil:
		return b.Put([]byte(keyFormat), []byte(formatVersion))
	case string(v) != formatVersion:
		return fmt.Errorf("file has format %q, want %q", v, formatVersion)
	}
	return nil
}

// submit queues o and returns at once.
func (st *store) submit(o op) {
	st.mu.Lock()
	if st.closed {
		st.mu.Unlock()
		o.done(errClosed)
		return
	}
	st.pending = append(st.pending, o)
	st.mu.Unlock()
	st.wake.Signal()
}

// update runs do in a transaction and waits for the commit.
func (st *store) update(do func(*bbolt.Tx) error) error {
	c := make(chan error, 1)
	st.submit(op{do: do, done: func(err error) { c <- err }})
	return <-c
}

func (st *store) run() {
	defer close(st.stopped)
	for {
		st.mu.Lock()
		for len(st.pending) == 0 && !st.closed {
			st.wake.Wait()
		}
		n := min(len(st.pending), batchMax)
		if n == 0 {
			st.mu.Unlock()
			return
		}
		batch := st.pending[:n:n]
		if st.pending = st.pending[n:]; len(st.pending) == 0 {
			st.pending = nil
		}
		st.mu.Unlock()
		st.commit(batch)
	}
}

func (st *store) commit(batch []op) {
	err := st.db.Update(func(tx *bbolt.Tx) error {
		for _, o := range batch {
			if err := o.do(tx); err != nil {
				return err
			}
		}
		return nil
	})
	for _, o := range batch {
		o.done(err)
	}
}

// close commits what is pending, then closes the file.
func (st *store) close() error {
	st.mu.Lock()
	st.closed = true
	st.mu.Unlock()
	st.wake.Broadcast()
	<-st.stopped
	if err := st.db.Close(); err != nil {
		return fmt.Errorf("closing the service bus store: %w", err)
	}
	return nil
}

// clockOffset reads what Advance has added up to.
func (st *store) clockOffset() (time.Duration, error) {
	var d time.Duration
	err := st.db.View(func(tx *bbolt.Tx) error {
		if v := tx.Bucket([]byte(bucketMeta)).Get([]byte(keyClockOffset)); len(v) == 8 {
			d = time.Duration(binary.BigEndian.Uint64(v))
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("reading the clock offset: %w", err)
	}
	return d, nil
}

func (st *store) setClockOffset(d time.Duration) error {
	return st.update(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyClockOffset), binary.BigEndian.AppendUint64(nil, uint64(d)))
	})
}

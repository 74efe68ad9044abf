package servicebus

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Limits and times of one connection.
const (
	handshakeTimeout = 30 * time.Second
	claimCheck       = 30 * time.Second // how often links are checked for tokens that have expired
	maxSessions      = 1024
	maxConnLinks     = 1024    // over all sessions
	maxPartial       = 8 << 20 // bytes of messages of which frames are missing, over all links
	containerID      = "servicebus-standin"
)

// conn is one client connection. Its own goroutine reads and owns sessions and claims; one writes; each receiving link
// has one that pumps messages.
type conn struct {
	srv          *Server
	nc           net.Conn
	log          *slog.Logger
	br           *bufio.Reader
	out          *outbox
	hostname     string
	peerMaxFrame uint32
	peerIdle     time.Duration
	sessions     map[uint16]*session // by channel; the same number both ways
	claims       map[string]time.Time
	partial      int // bytes of unfinished messages; the reader's
	pumps        sync.WaitGroup
	failOnce     sync.Once
}

func newConn(s *Server, nc net.Conn) *conn {
	return &conn{
		srv: s, nc: nc, br: bufio.NewReaderSize(nc, 64<<10), out: newOutbox(nc),
		log:          s.log.With("remote", nc.RemoteAddr().String()),
		peerMaxFrame: maxFrameSize,
		sessions:     map[uint16]*session{},
		claims:       map[string]time.Time{},
	}
}

// fail ends the connection: what is waiting to be written and a close with err go out first, if they go quickly.
func (c *conn) fail(err *wireError) {
	c.failOnce.Do(func() {
		c.out.finish(appendFrame(nil, frameAMQP, 0, composite{perfClose, []any{err.encode()}}, nil))
		_ = c.nc.SetReadDeadline(time.Now()) // wakes the reader
	})
}

// serve runs the connection to its end.
func (c *conn) serve() {
	err := c.handshake()
	if err == nil {
		c.pumps.Add(1)
		go func() {
			defer c.pumps.Done()
			c.out.run(c.heartbeatInterval())
		}()
		err = c.readLoop()
	}
	var we *wireError
	if errors.As(err, &we) {
		c.fail(we)
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		c.log.Debug("connection ended", "error", err)
	}
	for _, s := range c.sessions {
		s.close()
	}
	c.out.finish(nil)
	c.pumps.Wait()
	_ = c.nc.Close()
}

// heartbeatInterval is how often something must be sent: the client gives up after what it advertised, and go-amqp
// after 60 s whatever it says.
func (c *conn) heartbeatInterval() time.Duration {
	d := c.srv.heartbeat
	if c.peerIdle > 0 {
		d = min(d, c.peerIdle/2)
	}
	return max(d, 10*time.Millisecond)
}

// handshake is SASL ANONYMOUS and open (security, section 5.3; transport, section 2.4).
func (c *conn) handshake() error {
	deadline := time.Now().Add(handshakeTimeout)
	if err := c.nc.SetDeadline(deadline); err != nil {
		return fmt.Errorf("setting a deadline: %w", err)
	}
	if err := c.sasl(); err != nil {
		return err
	}
	if err := c.protocolHeader(0); err != nil {
		return err
	}
	fr, err := readFrame(c.br, maxFrameSize)
	if err != nil {
		return fmt.Errorf("reading open: %w", err)
	}
	code, f, _, err := parsePerformative(fr.body)
	if err != nil || code != perfOpen {
		return errors.Join(errors.New("the first frame is not open"), err)
	}
	c.hostname = strings.ToLower(field(f, 1, ""))
	c.peerMaxFrame = min(max(field(f, 2, uint32(maxFrameSize)), 512), maxFrameSize)
	c.peerIdle = time.Duration(field(f, 4, uint32(0))) * time.Millisecond
	if f.err != nil {
		return fmt.Errorf("reading open: %w", f.err)
	}
	open := composite{perfOpen, []any{
		containerID, nil, uint32(maxFrameSize), uint16(maxSessions - 1), uint32(c.srv.idle.Milliseconds()),
	}}
	if _, err := c.nc.Write(appendFrame(nil, frameAMQP, 0, open, nil)); err != nil {
		return fmt.Errorf("writing open: %w", err)
	}
	return c.nc.SetDeadline(time.Time{})
}

func (c *conn) sasl() error {
	if err := c.protocolHeader(3); err != nil {
		return err
	}
	mechanisms := composite{saslMechanisms, []any{[]symbol{"ANONYMOUS"}}}
	if _, err := c.nc.Write(appendFrame(nil, frameSASL, 0, mechanisms, nil)); err != nil {
		return fmt.Errorf("writing sasl-mechanisms: %w", err)
	}
	fr, err := readFrame(c.br, 512) // the limit of section 5.3.1
	if err != nil {
		return fmt.Errorf("reading sasl-init: %w", err)
	}
	code, f, _, err := parsePerformative(fr.body)
	if err != nil || code != saslInit || fr.kind != frameSASL {
		return errors.Join(errors.New("the first sasl frame is not sasl-init"), err)
	}
	result := uint8(0)
	if field(f, 0, symbol("")) != "ANONYMOUS" {
		result = 1
	}
	if _, err := c.nc.Write(appendFrame(nil, frameSASL, 0, composite{saslOutcome, []any{result}}, nil)); err != nil {
		return fmt.Errorf("writing sasl-outcome: %w", err)
	}
	if result != 0 {
		return errors.New("the client wants a sasl mechanism other than ANONYMOUS")
	}
	return nil
}

// protocolHeader reads AMQP id 1 0 0 and echoes it; on anything else it says what it wants, as section 2.2 asks.
func (c *conn) protocolHeader(id byte) error {
	want := []byte{'A', 'M', 'Q', 'P', id, 1, 0, 0}
	var got [8]byte
	if _, err := io.ReadFull(c.br, got[:]); err != nil {
		return fmt.Errorf("reading the protocol header: %w", err)
	}
	if _, err := c.nc.Write(want); err != nil {
		return fmt.Errorf("writing the protocol header: %w", err)
	}
	if string(got[:]) != string(want) {
		return fmt.Errorf("protocol header %q, want %q", got, want)
	}
	return nil
}

// readLoop handles frames until the client closes or breaks the protocol.
func (c *conn) readLoop() error {
	checked := time.Now()
	for {
		if c.out.finished() {
			return nil
		}
		now := time.Now()
		if err := c.nc.SetReadDeadline(now.Add(2 * c.srv.idle)); err != nil {
			return err
		}
		if now.Sub(checked) > claimCheck {
			checked = now
			c.dropUnauthorized(now)
		}
		if c.out.finished() { // fail set a deadline that we may have undone
			return nil
		}
		fr, err := readFrame(c.br, maxFrameSize)
		if err != nil {
			return fmt.Errorf("reading a frame: %w", err)
		}
		if len(fr.body) == 0 {
			continue
		}
		if fr.kind != frameAMQP {
			return &wireError{condFraming, "sasl frame after open"}
		}
		code, f, payload, err := parsePerformative(fr.body)
		if err != nil {
			return &wireError{condDecode, err.Error()}
		}
		if code == perfClose {
			c.fail(nil)
			return nil
		}
		if err := c.dispatch(fr.channel, code, f, payload); err != nil {
			return err
		}
	}
}

// dispatch hands a frame to its session. An error ends the connection.
func (c *conn) dispatch(channel uint16, code uint64, f *fields, payload []byte) error {
	s := c.sessions[channel]
	if code == perfBegin {
		if s != nil || len(c.sessions) >= maxSessions {
			return &wireError{condFraming, fmt.Sprintf("begin on channel %d", channel)}
		}
		return c.begin(channel, f)
	}
	if s == nil {
		return &wireError{condFraming, fmt.Sprintf("frame on channel %d, which has no session", channel)}
	}
	if code == perfEnd {
		s.close()
		delete(c.sessions, channel)
		if !s.endSent {
			c.out.put(appendFrame(nil, frameAMQP, channel, encodeEnd(nil), nil))
		}
		return nil
	}
	if s.endSent {
		return nil // on its way before the client heard of the end
	}
	err := s.handle(code, f, payload)
	var we *wireError
	switch {
	case errors.As(err, &we):
		c.log.Warn("session ended", "channel", channel, "error", err)
		s.close()
		s.endSent = true
		c.out.put(appendFrame(nil, frameAMQP, channel, encodeEnd(we), nil))
	case err != nil:
		return &wireError{condDecode, err.Error()}
	}
	return nil
}

func (c *conn) begin(channel uint16, f *fields) error {
	f.required(1)
	f.required(2)
	f.required(3)
	s := newSession(c, channel, field(f, 1, uint32(0)), field(f, 2, uint32(0)))
	if f.err != nil {
		return &wireError{condDecode, "begin: " + f.err.Error()}
	}
	c.sessions[channel] = s
	begin := composite{perfBegin, []any{channel, uint32(0), uint32(sessionWindow), uint32(sessionWindow), uint32(maxLinks - 1)}}
	c.out.put(appendFrame(nil, frameAMQP, channel, begin, nil))
	return nil
}

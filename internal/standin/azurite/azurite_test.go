package azurite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"go.uber.org/goleak"
)

// childDir makes this test binary a parent to be killed: it starts Azurite in that directory, puts
// a blob, prints the address, and waits.
const childDir = "AZURITE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		parentToBeKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func parentToBeKilled(dir string) {
	script, err := Find("")
	if err != nil {
		panic(err)
	}
	s, err := Start(context.Background(), Options{Script: script, Dir: dir})
	if err != nil {
		panic(err)
	}
	c, err := azblob.NewClientFromConnectionString(ConnectionString(s.Addr()), nil)
	if err != nil {
		panic(err)
	}
	if _, err := c.CreateContainer(context.Background(), "kept", nil); err != nil {
		panic(err)
	}
	if _, err := c.UploadBuffer(context.Background(), "kept", "a/b.bin", []byte("hello"), nil); err != nil {
		panic(err)
	}
	if _, err := os.Stdout.WriteString(s.Addr() + "\n"); err != nil {
		panic(err)
	}
	select {}
}

func find(t *testing.T) string {
	t.Helper()
	script, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	return script
}

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Script: find(t), Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func client(t *testing.T, s *Server) *azblob.Client {
	t.Helper()
	c, err := azblob.NewClientFromConnectionString(ConnectionString(s.Addr()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func download(t *testing.T, c *azblob.Client, container, name string) []byte {
	t.Helper()
	resp, err := c.DownloadStream(t.Context(), container, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBlobsSurviveAnOrderlyRestart(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	if _, err := client(t, s).CreateContainer(t.Context(), "clips", nil); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("video"), 1000)
	if _, err := client(t, s).UploadBuffer(t.Context(), "clips", "x/y.mp4", content, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatalf("second close: %v", err)
	}
	select {
	case <-s.Done():
	default:
		t.Fatal("closed, but not done")
	}
	if err := syscall.Kill(s.PID(), 0); !errors.Is(err, syscall.ESRCH) {
		t.Fatalf("process %d is still there: %v", s.PID(), err)
	}
	if got := download(t, client(t, start(t, dir)), "clips", "x/y.mp4"); !bytes.Equal(got, content) {
		t.Fatalf("read %d bytes back, want %d", len(got), len(content))
	}
}

// A killed parent must not leave a node process behind, nor lose what was acknowledged a moment ago.
func TestKilledParentLeavesNothingBehindAndLosesNothing(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not get as far as the upload: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("killed, but ended without an error")
	}

	s := start(t, dir) // waits for the orphan to write its state out
	if got := string(download(t, client(t, s), "kept", "a/b.bin")); got != "hello" {
		t.Fatalf("read %q back", got)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		conn, err := net.Dial("tcp", strings.TrimSpace(addr))
		if err != nil {
			return // nobody listens there any more
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("the orphan still listens")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestKilledServerIsReported(t *testing.T) {
	s := start(t, t.TempDir())
	if err := s.Err(); err != nil {
		t.Fatalf("running, but Err is %v", err)
	}
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("killed, but not done")
	}
	if s.Err() == nil {
		t.Fatal("killed, but Err is nil")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOneServerADirectory(t *testing.T) {
	dir := t.TempDir()
	start(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	second, err := Start(ctx, Options{Script: find(t), Dir: dir})
	if err == nil {
		second.Close()
		t.Fatal("a second server started on the same directory")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestTakenPortIsAClearError(t *testing.T) {
	s := start(t, t.TempDir())
	second, err := Start(t.Context(), Options{Script: find(t), Dir: t.TempDir(), Addr: s.Addr()})
	if err == nil {
		second.Close()
		t.Fatal("two servers on one port")
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v, want EADDRINUSE", err)
	}
}

func TestScriptThatEndsAtOnceShowsItsLastWords(t *testing.T) {
	script := filepath.Join(t.TempDir(), "main.js")
	if err := os.WriteFile(script, []byte("console.error('no such luck'); process.exit(3)"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Script: script, Dir: t.TempDir(), Addr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "no such luck") {
		t.Fatalf("got %v", err)
	}
}

func TestMissingPartsSayHowToGetThem(t *testing.T) {
	script := find(t)
	for name, o := range map[string]Options{
		"node":   {Node: "no-such-node", Script: script, Dir: t.TempDir()},
		"script": {Script: filepath.Join(t.TempDir(), "main.js"), Dir: t.TempDir()},
	} {
		if _, err := Start(t.Context(), o); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "make setup") {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := Find(t.TempDir()); !errors.Is(err, ErrNotInstalled) || !strings.Contains(err.Error(), "make setup") {
		t.Errorf("find in an empty directory: %v", err)
	}
}

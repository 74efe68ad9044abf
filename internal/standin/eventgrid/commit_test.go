package eventgrid

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What a client puts on the request line and into the headers gives a commit that names one blob and survives the
// outbox, or none.
func FuzzClassify(f *testing.F) {
	f.Add("/devstoreaccount1/footage/a/b.mp4?sig=x", "127.0.0.1:10000", "BlockBlob", "", "dock-7", "video/mp4")
	f.Add("/footage/a%2Fb?comp=blocklist", "devstoreaccount1.blob.localhost", "", "", "", "")
	f.Add("/devstoreaccount1/footage/a", "h", "", "http://h/x", "", "")
	f.Add("/devstoreaccount1/footage/%ff%00?comp=block", "h", "blockblob", "http://h/x", "\xff", "a;b")
	f.Add("/devstoreaccount1/footage?restype=container", "", "AppendBlob", "", "", "")
	f.Fuzz(func(t *testing.T, target, host, blobType, source, id, contentType string) {
		r, err := http.NewRequest(http.MethodPut, "http://h"+target, nil)
		if err != nil {
			return
		}
		r.Host = host
		for name, value := range map[string]string{"x-ms-blob-type": blobType, "x-ms-copy-source": source, "x-ms-client-request-id": id, "Content-Type": contentType} {
			r.Header.Set(name, value)
		}
		c, ok := classify(r, "devstoreaccount1")
		if !ok {
			return
		}
		if c.Container == "" || strings.Contains(c.Container, "/") || c.Blob == "" || !strings.HasSuffix(r.URL.Path, "/"+c.Container+"/"+c.Blob) && r.URL.Path != c.Container+"/"+c.Blob {
			t.Fatalf("%q gave container %q and blob %q", target, c.Container, c.Blob)
		}
		if want := "/blobServices/default/containers/" + c.Container + "/blobs/" + c.Blob; c.subject() != want {
			t.Fatalf("subject %q, want %q", c.subject(), want)
		}
		switch c.API {
		case apiPutBlob, apiPutBlockList, apiCopyBlob:
		default:
			t.Fatalf("api %q", c.API)
		}
		if c.outOfRange() {
			return
		}
		raw, err := json.Marshal(intent{Commit: c})
		var back intent
		if err == nil {
			err = json.Unmarshal(raw, &back)
		}
		if err != nil || back.Commit.Blob != c.Blob || back.Commit.Container != c.Container {
			t.Fatalf("%q came back from the outbox as %q: %v", c.Blob, back.Commit.Blob, err)
		}
		if e := newEvent("t", c, `"0x1"`, "r", time.Now()); e.Subject != c.subject() || e.Data.ETag != "0x1" {
			t.Fatalf("%+v", e)
		}
	})
}

func TestNamesThatAreNoTextAreRefused(t *testing.T) {
	s, err := open(Options{Upstream: "http://127.0.0.1:1", Dir: t.TempDir(), AccountKey: "a2V5",
		Subscriptions: []Subscription{{Name: "a", Container: "footage", Queue: "q"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPut, "/devstoreaccount1/footage/%ff", nil)
	r.Header.Set("x-ms-blob-type", "BlockBlob")
	s.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || s.Pending() != 0 {
		t.Errorf("%d %s, %d pending", w.Code, w.Body, s.Pending())
	}
}

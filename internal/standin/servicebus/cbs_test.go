package servicebus

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
)

// sign makes a shared access signature the way the SDK does.
func sign(uri, key, name string, expires time.Time) string {
	sr, se := strings.ToLower(url.QueryEscape(uri)), fmt.Sprint(expires.Unix())
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(sr + "\n" + se))
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%s&skn=%s", sr, url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))), se, name)
}

func TestVerifySAS(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	later := now.Add(time.Hour)
	const host = "amqp://127.0.0.1:5672/"
	for name, tc := range map[string]struct {
		token, audience string
		ok              bool
	}{
		"exact":           {sign(host+"ingest", "k", KeyName, later), host + "ingest", true},
		"case":            {sign(host+"Ingest", "k", KeyName, later), host + "INGEST", true},
		"namespace":       {sign("sb://127.0.0.1:5672", "k", KeyName, later), host + "ingest/$management", true},
		"below":           {sign(host+"ingest", "k", KeyName, later), host + "ingest/$management", true},
		"sibling":         {sign(host+"ingest", "k", KeyName, later), host + "ingest2", false},
		"above":           {sign(host+"ingest/x", "k", KeyName, later), host + "ingest", false},
		"other host":      {sign("amqp://other/ingest", "k", KeyName, later), host + "ingest", false},
		"other key":       {sign(host+"ingest", "K", KeyName, later), host + "ingest", false},
		"other name":      {sign(host+"ingest", "k", "Listen", later), host + "ingest", false},
		"expired":         {sign(host+"ingest", "k", KeyName, now), host + "ingest", false},
		"no signature":    {"SharedAccessSignature sr=x", host + "ingest", false},
		"not a signature": {"Bearer x", host + "ingest", false},
		"later expiry":    {strings.Replace(sign(host+"ingest", "k", KeyName, now), "&se=", "&se=9", 1), host + "ingest", false},
		"empty":           {"", "", false},
	} {
		c, err := verifySAS(tc.token, []byte("k"), tc.audience, now)
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
		if tc.ok && (c.host != "127.0.0.1:5672" || !c.expires.Equal(later)) {
			t.Errorf("%s: claim %+v", name, c)
		}
	}
}

func TestAttachNeedsAToken(t *testing.T) {
	r := newRig(t)
	conn, err := amqp.Dial(testContext(t), "amqp://"+r.addr, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous(), HostName: r.addr})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	session, err := conn.NewSession(testContext(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = session.NewSender(testContext(t), "ingest", nil)
	wantCondition(t, err, amqp.ErrCondUnauthorizedAccess)
	put := func(kind, audience, token string) int32 {
		t.Helper()
		status, err := call(t, session, "$cbs", map[string]any{"operation": "put-token", "type": kind, "name": audience}, token)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	audience := "amqp://" + r.addr + "/ingest"
	good := sign(audience, testKey, KeyName, time.Now().Add(time.Hour))
	if s := put("jwt", audience, good); s != 401 {
		t.Errorf("jwt: %d", s)
	}
	if s := put(tokenTypeSAS, audience, sign(audience, "x", KeyName, time.Now().Add(time.Hour))); s != 401 {
		t.Errorf("wrong key: %d", s)
	}
	elsewhere := "amqp://elsewhere/ingest"
	if s := put(tokenTypeSAS, elsewhere, sign(elsewhere, testKey, KeyName, time.Now().Add(time.Hour))); s != 401 {
		t.Errorf("other host: %d", s)
	}
	if s := put(tokenTypeSAS, audience, good); s != 202 {
		t.Errorf("good token: %d", s)
	}
	if _, err = session.NewSender(testContext(t), "amqps://"+r.addr+"/Ingest", nil); err != nil {
		t.Error(err)
	}
	_, err = session.NewSender(testContext(t), "once", nil)
	wantCondition(t, err, amqp.ErrCondUnauthorizedAccess)
}

// FuzzSAS: only what was signed is believed, and what it says is what was asked for.
func FuzzSAS(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	good := sign("sb://host/ingest", "k", KeyName, now.Add(time.Hour))
	f.Add(good, "sb://host/ingest")
	f.Add(good, "amqp://HOST/ingest/$management")
	f.Add("SharedAccessSignature sr=%zz&sig=%&se=1&skn=", "")
	f.Fuzz(func(t *testing.T, token, audience string) {
		c, err := verifySAS(token, []byte("k"), audience, now)
		if err != nil {
			return
		}
		host, path := splitAudience(audience)
		if c.host != host || c.path != path || !c.expires.After(now) {
			t.Fatalf("%q for %q gives %+v", token, audience, c)
		}
		if host != "host" || path != "ingest" && !strings.HasPrefix(path, "ingest/") {
			t.Fatalf("%q is believed for %q", token, audience)
		}
	})
}

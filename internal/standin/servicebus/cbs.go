package servicebus

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

// tokenTypeSAS is the only kind of token that is understood.
const tokenTypeSAS = "servicebus.windows.net:sastoken"

// cbsPath is the node that takes tokens; it needs none itself.
const cbsPath = "$cbs"

// maxClaims bounds what one connection may put.
const maxClaims = 1024

// claim is a right that a token gave: to everything under path on host, until it expires.
type claim struct {
	host, path string
	expires    time.Time
}

// verifySAS checks a Service Bus shared access signature: SharedAccessSignature sr=<uri>&sig=<hmac>&se=<unix>&skn=<name>,
// where sig is the base64 HMAC-SHA256 of sr as it is written, a line feed and se.
// https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas
func verifySAS(token string, key []byte, audience string, now time.Time) (claim, error) {
	rest, ok := strings.CutPrefix(token, "SharedAccessSignature ")
	if !ok {
		return claim{}, errors.New("the token is not a shared access signature")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, "&") {
		k, v, _ := strings.Cut(part, "=")
		parts[k] = v
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(parts["sr"] + "\n" + parts["se"]))
	sig, err := url.QueryUnescape(parts["sig"])
	if err != nil {
		return claim{}, errors.New("the signature is not url-encoded")
	}
	got, err := base64.StdEncoding.DecodeString(sig)
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) || parts["skn"] != KeyName {
		return claim{}, errors.New("the signature does not match")
	}
	seconds, err := strconv.ParseInt(parts["se"], 10, 64)
	if err != nil {
		return claim{}, errors.New("the expiry is not a number")
	}
	c := claim{expires: time.Unix(seconds, 0)}
	if !now.Before(c.expires) {
		return claim{}, errors.New("the token has expired")
	}
	scope, err := url.QueryUnescape(parts["sr"])
	if err != nil {
		return claim{}, errors.New("the resource is not url-encoded")
	}
	scopeHost, scopePath := splitAudience(scope)
	c.host, c.path = splitAudience(audience)
	if scopeHost != c.host || !under(c.path, scopePath) {
		return claim{}, errors.New("the token is for another resource")
	}
	return c, nil
}

// splitAudience takes scheme://host:port/path apart, in lower case.
func splitAudience(uri string) (host, path string) {
	uri = strings.ToLower(uri)
	if i := strings.Index(uri, "://"); i >= 0 {
		uri = uri[i+3:]
	}
	host, path, _ = strings.Cut(uri, "/")
	return host, strings.Trim(path, "/")
}

// under is true when path is scope or lies below it.
func under(path, scope string) bool {
	return scope == "" || path == scope || strings.HasPrefix(path, scope+"/")
}

// putToken answers a put-token request on $cbs.
func (c *conn) putToken(req *amqp.Message) response {
	get := func(k string) string { v, _ := req.ApplicationProperties[k].(string); return v }
	if op := get("operation"); op != "put-token" {
		return response{status: 400, description: fmt.Sprintf("operation %q is not known", op), cbs: true}
	}
	token, ok := req.Value.(string)
	if !ok || get("type") != tokenTypeSAS {
		return response{status: 401, description: "only tokens of type " + tokenTypeSAS + " are understood", cbs: true}
	}
	// Tokens are made by the clients' clocks, so the server's own, which can be advanced, does not count here.
	cl, err := verifySAS(token, c.srv.key, get("name"), time.Now())
	if err == nil && c.hostname != "" && cl.host != c.hostname {
		err = errors.New("the audience is another host")
	}
	if err != nil {
		c.log.Warn("token refused", "audience", get("name"), "reason", err.Error())
		return response{status: 401, description: "InvalidSignature: " + err.Error(), cbs: true}
	}
	if _, ok := c.claims[cl.path]; !ok && len(c.claims) >= maxClaims {
		return response{status: 403, description: "too many tokens on one connection", cbs: true}
	}
	c.claims[cl.path] = cl.expires
	return response{status: 202, description: "Accepted", cbs: true}
}

// authorized is true when a token that has not expired covers path.
func (c *conn) authorized(path string, now time.Time) bool {
	for scope, expires := range c.claims {
		if under(path, scope) && now.Before(expires) {
			return true
		}
	}
	return false
}

// dropUnauthorized detaches links whose tokens have expired and were not renewed, as Azure does.
func (c *conn) dropUnauthorized(now time.Time) {
	for _, s := range c.sessions {
		for handle, l := range s.links {
			path := l.address()
			if path == "" || path == cbsPath || c.authorized(path, now) {
				continue
			}
			c.log.Info("link ended: its token has expired", "address", path)
			s.detach(handle, &wireError{condUnauthorized, "The token has expired."})
		}
	}
}

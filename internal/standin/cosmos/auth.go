package cosmos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxSkew is how far x-ms-date may be from the server's clock.
const maxSkew = 15 * time.Minute

// authorize checks the master-key signature (Azure's "Access control in the
// Azure Cosmos DB SQL API": HMAC-SHA256 over verb, type, link and date). The
// wall clock is used and not Options.Now: clients sign with theirs, also when
// the store's time has been advanced.
func (s *Server) authorize(r *http.Request, typ, link string) *apiError {
	token, err := url.QueryUnescape(r.Header.Get("Authorization"))
	if err != nil || token == "" {
		return unauthorized("Required Header authorization is missing. Ensure a valid Authorization token is passed.")
	}
	fields := make(map[string]string)
	for part := range strings.SplitSeq(token, "&") {
		k, v, _ := strings.Cut(part, "=")
		fields[k] = v
	}
	if fields["type"] != "master" || fields["ver"] != "1.0" {
		return unauthorized("This stand-in accepts master-key tokens only (type=master&ver=1.0); Microsoft Entra ID and resource tokens are not supported, got type=" + fields["type"] + ".")
	}
	date := r.Header.Get("x-ms-date")
	at, err := http.ParseTime(date)
	if err != nil {
		return unauthorized("Authorization token mandates Date header. Please pass in RFC 1123 style date format.")
	}
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(strings.ToLower(r.Method) + "\n" + typ + "\n" + link + "\n" + strings.ToLower(date) + "\n\n"))
	got, err := base64.StdEncoding.DecodeString(fields["sig"])
	if err != nil || !hmac.Equal(got, mac.Sum(nil)) {
		return unauthorized("The input authorization token can't serve the request. The wrong key is being used or the expected payload is not built as per the protocol.")
	}
	if now := time.Now(); at.Before(now.Add(-maxSkew)) || at.After(now.Add(maxSkew)) {
		return frontError(http.StatusForbidden, "Forbidden",
			"The authorization token is not valid at the current time. Please create another token and retry (token start time: "+
				at.UTC().Format(http.TimeFormat)+", token expiry time: "+at.Add(maxSkew).UTC().Format(http.TimeFormat)+
				", current server time: "+now.UTC().Format(http.TimeFormat)+").")
	}
	return nil
}

func unauthorized(message string) *apiError {
	return frontError(http.StatusUnauthorized, "Unauthorized", message)
}

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"testing"
	"time"
)

const (
	busKey    = "aSBhbSBhIGtleQ=="
	cosmosKey = "YW5vdGhlciBrZXk="
	blobKey   = "YSB0aGlyZCBrZXk="
)

// local is what a developer's machine sets.
func local() map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": "8080",
		"SB":                           "Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=" + busKey + ";UseDevelopmentEmulator=true;",
		"FOOTAGE":                      "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=" + blobKey + ";BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;",
		"COSMOS":                       "AccountEndpoint=http://localhost:8081/;AccountKey=" + cosmosKey + ";",
	}
}

// azure is what the platform sets.
func azure() map[string]string {
	return map[string]string{
		"FUNCTIONS_CUSTOMHANDLER_PORT": "8080", "WEBSITE_SITE_NAME": "bwv", "WEBSITE_INSTANCE_ID": "i-1", "WEBSITE_AUTH_ENABLED": "True",
		"SB__fullyQualifiedNamespace": "bwv.servicebus.windows.net", "FOOTAGE__blobServiceUri": "https://bwv.blob.core.windows.net",
		"COSMOS__accountEndpoint": "https://bwv.documents.azure.com:443/", "IDENTITY": "platform",
	}
}

// with returns settings changed; an empty value takes one away.
func with(settings map[string]string, changes ...string) map[string]string {
	settings = maps.Clone(settings)
	for i := 0; i+1 < len(changes); i += 2 {
		settings[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(settings, changes[i])
		}
	}
	return settings
}

func TestDefaults(t *testing.T) {
	c, err := parseConfig(local())
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Port: 8080, ServiceBus: secret(local()["SB"]), Footage: secret(local()["FOOTAGE"]), Cosmos: secret(local()["COSMOS"]),
		CosmosDatabase: "bwv", CosmosContainer: "evidence",
		Keep: days(31 * 24 * time.Hour), PerHour: 10000, Defer: time.Hour, Grace: 15 * time.Minute, LinkTTL: 10 * time.Minute,
		FFmpeg: "ffmpeg", FFprobe: "ffprobe", Transcode: 110 * time.Minute, Profile: "default", LogLevel: slog.LevelInfo}
	if c != want {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestAccepted(t *testing.T) {
	for name, settings := range map[string]map[string]string{
		"on Azure":                   azure(),
		"on Azure, nobody signs in":  with(azure(), "IDENTITY", ""),
		"a container app":            with(azure(), "WEBSITE_SITE_NAME", "", "CONTAINER_APP_NAME", "bwv"),
		"seven days on Azure":        with(azure(), "RETENTION_KEEP", "7d"),
		"hours":                      with(azure(), "RETENTION_KEEP", "744h"),
		"a second, on one machine":   with(local(), "RETENTION_KEEP", "1s"),
		"development on one machine": with(local(), "IDENTITY", "development"),
		"development, IPv6":          with(local(), "IDENTITY", "development", "SB", "Endpoint=sb://[::1]:5672;SharedAccessKeyName=n;SharedAccessKey=k"),
		"no breaker, paused":         with(azure(), "RETENTION_PER_HOUR", "0", "RETENTION_PAUSED", "true"),
		"mixed forms":                with(azure(), "COSMOS__accountEndpoint", "", "COSMOS", "AccountEndpoint=https://x/;AccountKey=k;"),
	} {
		if _, err := parseConfig(settings); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRefused(t *testing.T) {
	develop := with(local(), "IDENTITY", "development")
	for name, c := range map[string]struct {
		settings map[string]string
		words    string
	}{
		"nothing at all":   {nil, "set exactly one of"},
		"no bus":           {with(local(), "SB", ""), "set exactly one of SB or SB__fullyQualifiedNamespace"},
		"two buses":        {with(local(), "SB__fullyQualifiedNamespace", "n"), "set exactly one of SB or SB__fullyQualifiedNamespace"},
		"no store":         {with(local(), "FOOTAGE", ""), "set exactly one of FOOTAGE or FOOTAGE__blobServiceUri"},
		"two stores":       {with(azure(), "FOOTAGE", "n"), "set exactly one of FOOTAGE or FOOTAGE__blobServiceUri"},
		"no ledger":        {with(azure(), "COSMOS__accountEndpoint", ""), "set exactly one of COSMOS or COSMOS__accountEndpoint"},
		"two ledgers":      {with(local(), "COSMOS__accountEndpoint", "n"), "set exactly one of COSMOS or COSMOS__accountEndpoint"},
		"no port":          {with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", ""), "FUNCTIONS_CUSTOMHANDLER_PORT is not a port: the Functions host starts this program"},
		"port 0":           {with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", "0"), "FUNCTIONS_CUSTOMHANDLER_PORT is not a port"},
		"port too high":    {with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", "65536"), "FUNCTIONS_CUSTOMHANDLER_PORT is not a port"},
		"port below 0":     {with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", "-1"), "FUNCTIONS_CUSTOMHANDLER_PORT is not a port"},
		"port no number":   {with(local(), "FUNCTIONS_CUSTOMHANDLER_PORT", "http"), "Port"},
		"keep nothing":     {with(local(), "RETENTION_KEEP", "0d"), "RETENTION_KEEP is 0s"},
		"keep 0":           {with(local(), "RETENTION_KEEP", "0"), "RETENTION_KEEP is 0s"},
		"keep below 0":     {with(local(), "RETENTION_KEEP", "-31d"), "RETENTION_KEEP is -744h0m0s"},
		"keep an instant":  {with(local(), "RETENTION_KEEP", "999ms"), "RETENTION_KEEP is 999ms: nothing below 168h0m0s is accepted on Azure, and nothing below 1s anywhere"},
		"keep six days":    {with(azure(), "RETENTION_KEEP", "6d"), "RETENTION_KEEP is 144h0m0s: nothing below 168h0m0s is accepted on Azure"},
		"keep 31 minutes":  {with(azure(), "RETENTION_KEEP", "31m"), "RETENTION_KEEP is 31m0s"},
		"keep no unit":     {with(azure(), "RETENTION_KEEP", "31"), "Keep"},
		"keep half a day":  {with(azure(), "RETENTION_KEEP", "1.5d"), "Keep"},
		"keep days, hours": {with(azure(), "RETENTION_KEEP", "31d12h"), "Keep"},
		"keep for ever":    {with(azure(), "RETENTION_KEEP", "213512d"), "more than 36600"}, // wraps to 8 days
		"defer nothing":    {with(local(), "RETENTION_DEFER", "0s"), "RETENTION_DEFER"},
		"defer below 0":    {with(local(), "RETENTION_DEFER", "-1h"), "RETENTION_DEFER"},
		"no grace":         {with(local(), "RECONCILE_GRACE", "0s"), "RECONCILE_GRACE"},
		"below no breaker": {with(local(), "RETENTION_PER_HOUR", "-1"), "RETENTION_PER_HOUR"},
		"dead links":       {with(local(), "PLAYBACK_LINK", "0s"), "PLAYBACK_LINK"},
		"lasting links":    {with(local(), "PLAYBACK_LINK", "61m"), "PLAYBACK_LINK (at most 1h)"},
		"paused maybe":     {with(local(), "RETENTION_PAUSED", "maybe"), "Paused"},

		"platform, sign-in off":          {with(azure(), "WEBSITE_AUTH_ENABLED", ""), "App Service authentication is not on here"},
		"platform, sign-in false":        {with(azure(), "WEBSITE_AUTH_ENABLED", "False"), "App Service authentication is not on here"},
		"platform, nowhere":              {with(azure(), "WEBSITE_SITE_NAME", ""), "App Service authentication is not on here"},
		"platform on one machine":        {with(local(), "IDENTITY", "platform"), "App Service authentication is not on here"},
		"unheard-of":                     {with(local(), "IDENTITY", "none"), `IDENTITY is "none": use platform, development, or leave it empty`},
		"development in another case":    {with(local(), "IDENTITY", "Development"), "IDENTITY is"},
		"development, site":              {with(develop, "WEBSITE_SITE_NAME", "bwv"), "IDENTITY=development cannot be used on Azure"},
		"development, container app":     {with(develop, "CONTAINER_APP_NAME", "bwv"), "IDENTITY=development cannot be used on Azure"},
		"development, instance":          {with(develop, "WEBSITE_INSTANCE_ID", "i-1"), "IDENTITY=development cannot be used on Azure"},
		"development, managed identity":  {with(develop, "IDENTITY_ENDPOINT", "http://169.254.255.2:8081/msi/token"), "IDENTITY=development cannot be used on Azure"},
		"development, sign-in":           {with(develop, "WEBSITE_AUTH_ENABLED", "true"), "IDENTITY=development cannot be used on Azure"},
		"development, bus elsewhere":     {with(develop, "SB", "Endpoint=sb://bwv.servicebus.windows.net/;SharedAccessKey=k"), "SB is not a connection string to it"},
		"development, ledger elsewhere":  {with(develop, "COSMOS", "AccountEndpoint=https://bwv.documents.azure.com:443/;AccountKey=k"), "COSMOS is not a connection string to it"},
		"development, store elsewhere":   {with(develop, "FOOTAGE", "AccountName=bwv;AccountKey=k;EndpointSuffix=core.windows.net"), "FOOTAGE is not a connection string to it"},
		"development, store by identity": {with(develop, "FOOTAGE", "", "FOOTAGE__blobServiceUri", "http://127.0.0.1:10000/a"), "FOOTAGE is not a connection string to it"},
		"development, store next door":   {with(develop, "FOOTAGE", "BlobEndpoint=http://10.0.0.1:10000/a"), "FOOTAGE is not a connection string to it"},
		"development, like loopback":     {with(develop, "FOOTAGE", "BlobEndpoint=http://127.0.0.1.example.com/a"), "FOOTAGE is not a connection string to it"},
		"development, loopback as user":  {with(develop, "FOOTAGE", "BlobEndpoint=http://127.0.0.1@example.com/a"), "FOOTAGE is not a connection string to it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig(c.settings)
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Fatalf("got %v, want %q", err, c.words)
			}
			hides(t, err.Error())
		})
	}
}

// hides checks that no key is in text.
func hides(t *testing.T, text string) {
	t.Helper()
	for _, key := range []string{busKey, cosmosKey, blobKey, "SharedAccessKey", "AccountKey"} {
		if strings.Contains(text, key) {
			t.Errorf("%q shows %s", text, key)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	c, err := parseConfig(local())
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&log, nil), slog.NewTextHandler(&log, nil)} {
		slog.New(handler).Info("started", "config", c, "pointer", &c, "one", c.Cosmos, slog.Group("g", "two", c.Footage))
	}
	texts := map[string]string{"JSON": string(asJSON), "slog": log.String(), "Sprint": fmt.Sprint(c.ServiceBus)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts[verb], texts["pointer "+verb], texts["one "+verb] = fmt.Sprintf(verb, c), fmt.Sprintf(verb, &c), fmt.Sprintf(verb, c.ServiceBus)
	}
	for name, text := range texts {
		hides(t, text)
		if !strings.Contains(text, "(set)") {
			t.Errorf("%s does not say that there is one: %s", name, text)
		}
	}
	if got := secret("").String(); got != "" {
		t.Errorf("no secret prints %q", got)
	}
}

func TestIdentify(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range people() {
		if !strings.HasPrefix(p.ID, "development:") || p.Name == "" || len(p.Roles) != 1 || seen[p.ID] {
			t.Errorf("%+v", p)
		}
		seen[p.ID] = true
	}
	for _, identity := range []string{"", "platform", "development"} {
		if identify(Config{Identity: identity}) == nil {
			t.Errorf("%q: nobody is asked", identity)
		}
	}
}

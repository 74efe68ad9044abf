package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is every setting of the handler, read once from the app settings. A name with two underscores is the identity-based
// form of Azure's connections; the bare name is a connection string, for one machine only.
type Config struct {
	Port int `env:"FUNCTIONS_CUSTOMHANDLER_PORT"` // given by the host

	ServiceBus          secret `env:"SB"`                          // connection string
	ServiceBusNamespace string `env:"SB__fullyQualifiedNamespace"` // e.g. bwv.servicebus.windows.net
	Footage             secret `env:"FOOTAGE"`                     // connection string of the storage account
	FootageURL          string `env:"FOOTAGE__blobServiceUri"`     // e.g. https://bwv.blob.core.windows.net
	Cosmos              secret `env:"COSMOS"`                      // AccountEndpoint=…;AccountKey=…;
	CosmosEndpoint      string `env:"COSMOS__accountEndpoint"`     // e.g. https://bwv.documents.azure.com:443/
	CosmosDatabase      string `env:"COSMOS_DATABASE" envDefault:"bwv"`
	CosmosContainer     string `env:"COSMOS_CONTAINER" envDefault:"evidence"`
	ClientID            string `env:"AZURE_CLIENT_ID"` // of the user-assigned identity; empty for the system-assigned one

	Keep    days          `env:"RETENTION_KEEP" envDefault:"31d"`       // how long unflagged recordings are kept: 31d, 744h
	Paused  bool          `env:"RETENTION_PAUSED"`                      // the kill switch: nothing is erased
	PerHour int           `env:"RETENTION_PER_HOUR" envDefault:"10000"` // disposals an hour above which the breaker trips; 0 = none
	Defer   time.Duration `env:"RETENTION_DEFER" envDefault:"1h"`       // how long a paused or stopped disposal is put off

	Grace time.Duration `env:"RECONCILE_GRACE" envDefault:"15m"` // what is younger is still on its way

	Identity string        `env:"IDENTITY"`                       // platform, development, or empty: nobody can sign in
	LinkTTL  time.Duration `env:"PLAYBACK_LINK" envDefault:"10m"` // how long a playback link lives

	FFmpeg    string        `env:"FFMPEG" envDefault:"ffmpeg"`
	FFprobe   string        `env:"FFPROBE" envDefault:"ffprobe"`
	Jobs      int           `env:"FFMPEG_JOBS"` // children at once; 0 = one a processor
	Transcode time.Duration `env:"FFMPEG_TIMEOUT" envDefault:"1h50m"`
	Profile   string        `env:"PROXY_PROFILE" envDefault:"default"` // default, or ultra-low for review over 4G

	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"info"`

	// What only the platform sets: see onAzure.
	AuthEnabled  bool   `env:"WEBSITE_AUTH_ENABLED"`
	SiteName     string `env:"WEBSITE_SITE_NAME"`
	AppName      string `env:"CONTAINER_APP_NAME"`
	InstanceID   string `env:"WEBSITE_INSTANCE_ID"`
	IdentityHost string `env:"IDENTITY_ENDPOINT"`
}

// secret is a string that does not print.
type secret string

// String hides the value.
func (s secret) String() string {
	if s == "" {
		return ""
	}
	return "(set)"
}

// GoString hides the value from %#v too.
func (s secret) GoString() string { return strconv.Quote(s.String()) }

// MarshalText hides the value wherever the configuration is written out.
func (s secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// days is a duration that may be written in days.
type days time.Duration

// UnmarshalText reads 31d, or a Go duration.
func (d *days) UnmarshalText(b []byte) error {
	if n, ok := strings.CutSuffix(string(b), "d"); ok {
		count, err := strconv.Atoi(n)
		if err == nil && count > mostDays {
			err = fmt.Errorf("%d days are more than %d", count, mostDays) // and before long more than a time.Duration holds
		}
		*d = days(time.Duration(count) * 24 * time.Hour)
		return err
	}
	t, err := time.ParseDuration(string(b))
	*d = days(t)
	return err
}

const (
	identityPlatform    = "platform"
	identityDevelopment = "development"
	// leastKeep is the shortest retention that Azure is trusted with: less is a slip of the pen.
	leastKeep = 7 * 24 * time.Hour
	mostDays  = 100 * 366
)

// parseConfig reads the settings and refuses what cannot be meant, in words.
func parseConfig(environment map[string]string) (Config, error) {
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: environment}); err != nil {
		return c, fmt.Errorf("reading the app settings: %w", err)
	}
	for name, pair := range map[string][2]string{
		"SB or SB__fullyQualifiedNamespace":  {string(c.ServiceBus), c.ServiceBusNamespace},
		"FOOTAGE or FOOTAGE__blobServiceUri": {string(c.Footage), c.FootageURL},
		"COSMOS or COSMOS__accountEndpoint":  {string(c.Cosmos), c.CosmosEndpoint},
	} {
		if (pair[0] == "") == (pair[1] == "") {
			return c, fmt.Errorf("set exactly one of %s", name)
		}
	}
	if c.Port < 1 || c.Port > 65535 {
		return c, fmt.Errorf("FUNCTIONS_CUSTOMHANDLER_PORT is not a port: the Functions host starts this program")
	}
	if time.Duration(c.Keep) < time.Second || c.onAzure() && time.Duration(c.Keep) < leastKeep {
		return c, fmt.Errorf("RETENTION_KEEP is %s: nothing below %s is accepted on Azure, and nothing below 1s anywhere", time.Duration(c.Keep), leastKeep)
	}
	if c.Defer <= 0 || c.LinkTTL <= 0 || c.LinkTTL > time.Hour || c.Grace <= 0 || c.PerHour < 0 {
		return c, fmt.Errorf("RETENTION_DEFER, PLAYBACK_LINK (at most 1h), RECONCILE_GRACE and RETENTION_PER_HOUR must be sensible positive values")
	}
	return c, c.checkIdentity()
}

// onAzure tells whether anything says that this process runs on the platform.
func (c Config) onAzure() bool {
	return c.SiteName != "" || c.AppName != "" || c.InstanceID != "" || c.IdentityHost != "" || c.AuthEnabled
}

// checkIdentity makes sure that whoever is believed can be: the platform's header only where the platform sets it and strips what clients
// send, the development header only where neither Azure nor any store but this machine's is in reach.
func (c Config) checkIdentity() error {
	switch c.Identity {
	case "":
		return nil
	case identityPlatform:
		if !c.AuthEnabled || c.SiteName == "" && c.AppName == "" {
			return fmt.Errorf("IDENTITY=platform, but App Service authentication is not on here (WEBSITE_AUTH_ENABLED, WEBSITE_SITE_NAME): anybody could claim to be anyone")
		}
		return nil
	case identityDevelopment:
		if c.onAzure() {
			return fmt.Errorf("IDENTITY=development cannot be used on Azure")
		}
		for name, at := range map[string]string{"SB": endpointOf(c.ServiceBus, "Endpoint"), "COSMOS": endpointOf(c.Cosmos, "AccountEndpoint"), "FOOTAGE": endpointOf(c.Footage, "BlobEndpoint")} {
			if !loopback(at) {
				return fmt.Errorf("IDENTITY=development needs all stores on this machine, but %s is not a connection string to it", name)
			}
		}
		return nil
	}
	return fmt.Errorf("IDENTITY is %q: use platform, development, or leave it empty", c.Identity)
}

// endpointOf reads one part of a connection string.
func endpointOf(connection secret, part string) string {
	for piece := range strings.SplitSeq(string(connection), ";") {
		if value, ok := strings.CutPrefix(piece, part+"="); ok {
			return value
		}
	}
	return ""
}

func loopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

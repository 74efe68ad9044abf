package evidence

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Unassigned is the unit of a recording whose name does not say whose it is.
const Unassigned = "unassigned"

// Name is what a blob's path says: `<unit>/<officer>/<camera>/<yyyy>/<mm>/<dd>/<start>-<name>.<ext>`.
type Name struct {
	Unit    string
	Officer string
	Camera  string
	Start   time.Time // as the dock or the camera claims it, UTC
}

// ParseName reads a blob's path. On an error (Invalid) the Name is that of unit Unassigned, so that nothing is ever dropped.
func ParseName(path string) (Name, error) {
	lost := Name{Unit: Unassigned}
	parts := strings.Split(path, "/")
	if len(parts) != 7 {
		return lost, fmt.Errorf("blob name has %d parts, not unit/officer/camera/yyyy/mm/dd/start-name.ext: %w", len(parts), Invalid)
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`).MatchString(parts[0]) {
		return lost, fmt.Errorf("blob name: unit is not a lower-case word: %w", Invalid)
	}
	word := regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)
	if !word.MatchString(parts[1]) || !word.MatchString(parts[2]) {
		return lost, fmt.Errorf("blob name: officer or camera is not a plain word: %w", Invalid)
	}
	stamp, _, _ := strings.Cut(parts[6], "-")
	start, err := time.Parse("20060102T150405Z", stamp)
	if err != nil || start.Format("2006/01/02") != strings.Join(parts[3:6], "/") {
		return lost, fmt.Errorf("blob name: start is not yyyymmddThhmmssZ of the folder's day: %w", Invalid)
	}
	return Name{Unit: parts[0], Officer: parts[1], Camera: parts[2], Start: start}, nil
}

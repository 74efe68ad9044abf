package functionshost

import (
	"fmt"
	"sort"
	"strings"
)

// settings are the app settings, looked up without regard to case as .NET's configuration does.
type settings map[string]string

func newSettings(m map[string]string) (settings, error) {
	s := make(settings, len(m))
	lower := map[string]string{}
	for name, value := range m {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0) {
			return nil, fmt.Errorf("app setting %q cannot be an environment variable", name)
		}
		if other, taken := lower[strings.ToLower(name)]; taken {
			return nil, fmt.Errorf("app settings %q and %q differ only by case", other, name)
		}
		lower[strings.ToLower(name)] = name
		s[name] = value
	}
	return s, nil
}

func (s settings) lookup(name string) (string, bool) {
	if v, ok := s[name]; ok {
		return v, true
	}
	for key, v := range s {
		if strings.EqualFold(key, name) {
			return v, true
		}
	}
	return "", false
}

// truthy reports whether the setting is "true" in any case or "1", what the host takes for a switch.
func (s settings) truthy(name string) bool {
	v, _ := s.lookup(name)
	return v == "1" || strings.EqualFold(v, "true")
}

// resolve replaces every %NAME% in a binding's property; a name without a setting is an error, as in Azure.
func (s settings) resolve(text string) (string, error) {
	return expand(text, func(name string) (string, error) {
		v, ok := s.lookup(name)
		if !ok {
			return "", fmt.Errorf("'%%%s%%' does not resolve to a value: there is no such app setting", name)
		}
		return v, nil
	})
}

// expandArgument replaces %NAME% in a handler's argument; an unset name vanishes (HttpWorkerOptionsSetup).
func expandArgument(text string, look func(string) (string, bool)) string {
	out, err := expand(text, func(name string) (string, error) {
		v, _ := look(name)
		return v, nil
	})
	if err != nil { // a lone % stays what it is
		return text
	}
	return out
}

func expand(text string, value func(string) (string, error)) (string, error) {
	var b strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, tail, closed := strings.Cut(after, "%")
		if !closed {
			return "", fmt.Errorf("%q has a %% without its end", text)
		}
		v, err := value(name)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		rest = tail
	}
}

// splitArguments cuts a command line the way .NET's ProcessStartInfo.Arguments is cut: blanks separate,
// double quotes group, backslashes before a quote escape it.
func splitArguments(line string) []string {
	var (
		out     []string
		current strings.Builder
		inWord  bool
		quoted  bool
	)
	for i := 0; i < len(line); {
		slashes := 0
		for i < len(line) && line[i] == '\\' {
			slashes, i = slashes+1, i+1
		}
		if slashes > 0 {
			inWord = true
			if i < len(line) && line[i] == '"' {
				current.WriteString(strings.Repeat(`\`, slashes/2))
				if slashes%2 == 1 {
					current.WriteByte('"')
					i++
				}
			} else {
				current.WriteString(strings.Repeat(`\`, slashes))
			}
			continue
		}
		switch c := line[i]; {
		case c == '"':
			quoted, inWord = !quoted, true
		case (c == ' ' || c == '\t') && !quoted:
			if inWord {
				out = append(out, current.String())
				current.Reset()
				inWord = false
			}
		default:
			current.WriteByte(c)
			inWord = true
		}
		i++
	}
	if inWord {
		out = append(out, current.String())
	}
	return out
}

// environment is the handler's whole environment: base, then settings, then what the host sets itself.
func environment(base, own map[string]string, s settings) []string {
	merged := map[string]string{}
	for _, layer := range []map[string]string{base, s, own} {
		for k, v := range layer {
			merged[k] = v
		}
	}
	out := make([]string, 0, len(merged))
	for k, v := range merged {
		out = append(out, k+"="+v)
	}
	sort.Strings(out)
	return out
}

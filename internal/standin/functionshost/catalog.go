package functionshost

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// loadFunctions reads every direct child of the script root that has a function.json.
func loadFunctions(root string, c hostConfig, s settings) ([]*function, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("reading the script root: %w", err)
	}
	var all []*function
	var problems []error
	for _, e := range entries {
		name := e.Name()
		data, err := readLimited(filepath.Join(root, name, "function.json"))
		if errors.Is(err, fs.ErrNotExist) || isNotDir(filepath.Join(root, name)) || (c.only != nil && !c.only[strings.ToLower(name)]) {
			continue
		}
		var f *function
		if err == nil {
			f, err = parseFunction(name, data, c.routePrefix, s)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("function %s: %w", name, err))
			continue
		}
		if sample, err := readLimited(filepath.Join(root, name, "sample.dat")); err == nil {
			f.testData = string(sample)
		}
		all = append(all, f)
	}
	problems = append(problems, checkTogether(all, c)...)
	return all, errors.Join(problems...)
}

func isNotDir(path string) bool {
	info, err := os.Stat(path)
	return err != nil || !info.IsDir()
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err == nil && len(data) > maxConfigFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxConfigFile)
	}
	return data, err
}

// checkTogether refuses what no single function.json shows.
//
// The handler's mux receives both what outsiders send and the host's own POST /<function>. A route whose first
// segment can equal a function's name would let anyone forge a trigger call, and no header tells the two apart.
func checkTogether(all []*function, c hostConfig) []error {
	var problems []error
	names := map[string]string{}
	for _, f := range all {
		if other, ok := names[strings.ToLower(f.name)]; ok {
			problems = append(problems, fmt.Errorf("functions %s and %s differ only by case", other, f.name))
		}
		names[strings.ToLower(f.name)] = f.name
		if f.bus != nil && !c.bundle {
			problems = append(problems, fmt.Errorf("function %s: serviceBusTrigger is not registered: host.json has no extensionBundle", f.name))
		}
	}
	for i, f := range all {
		if f.http == nil {
			continue
		}
		if !c.handler.proxying {
			problems = append(problems, fmt.Errorf("function %s: HTTP functions need enableProxyingHttpRequest in host.json, the JSON mode is not covered", f.name))
		}
		first, template := f.http.route.segments[0], f.http.route.template
		switch word := strings.ToLower(first.literal); {
		case word == "":
			problems = append(problems, fmt.Errorf("function %s: route %q starts with a parameter: outsiders could call POST /<function> through it", f.name, template))
		case word == "admin" || word == "runtime":
			problems = append(problems, fmt.Errorf("function %s: route %q shadows the host's own /%s", f.name, template, word))
		case names[word] != "":
			problems = append(problems, fmt.Errorf("function %s: route %q starts with the name of function %s: outsiders could forge its trigger", f.name, template, names[word]))
		}
		for _, other := range all[:i] {
			if other.http != nil && other.http.route.overlaps(f.http.route) {
				problems = append(problems, fmt.Errorf("functions %s and %s have the same route %q", other.name, f.name, template))
			}
		}
	}
	return problems
}

// findExecutable is <root>/<path> if that exists, else what PATH has, as in Azure.
func findExecutable(root, path string) (string, error) {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(root, path)
	}
	info, err := os.Stat(full)
	switch {
	case err == nil && info.IsDir():
		return "", fmt.Errorf("the handler %s is a folder", full)
	case err == nil && info.Mode()&0o111 == 0:
		return "", fmt.Errorf("the handler %s is not executable: the package must carry the x bit", full)
	case err == nil:
		return full, nil
	}
	if strings.ContainsRune(path, filepath.Separator) {
		return "", fmt.Errorf("the handler %s does not exist", full)
	}
	if found, err := exec.LookPath(path); err == nil {
		return found, nil
	}
	return "", fmt.Errorf("the handler %q is neither in %s nor in PATH", path, root)
}

// Release packs dist/ for Azure: NAME.zip, the same bytes each time, NAME.zip.sha256, and NAME.cdx.json, the list of what is inside (CycloneDX 1.5).
//
//	release DIST FOLDER NAME
package main

import (
	"archive/zip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: release DIST FOLDER NAME")
	}
	dist, folder, name := os.Args[1], os.Args[2], os.Args[3]
	if err := pack(dist, folder, name); err != nil {
		log.Fatal("release: ", err)
	}
}

func pack(dist, folder, name string) error {
	if strings.ContainsAny(name, `/\`) || name == "" {
		return fmt.Errorf("%q is not a name for a release", name)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	archive := filepath.Join(folder, name+".zip")
	sum, err := archived(dist, archive)
	if err != nil {
		return fmt.Errorf("packing %s: %w", dist, err)
	}
	if err := os.WriteFile(archive+".sha256", []byte(sum+"  "+name+".zip\n"), 0o644); err != nil {
		return err
	}
	bill, err := materials(filepath.Join(dist, "handler"), name, sum)
	if err != nil {
		return fmt.Errorf("listing what is inside: %w", err)
	}
	fmt.Printf("%s\n%s\n%d components\n", archive, sum, len(bill.Components))
	raw, err := json.MarshalIndent(bill, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name+".cdx.json"), append(raw, '\n'), 0o644)
}

// archived writes every file in order of its name, without times, so that the same sources give the same archive.
func archived(dist, to string) (sum string, err error) {
	if _, err := os.Stat(filepath.Join(dist, "host.json")); err != nil {
		return "", fmt.Errorf("this is no package: %w", err)
	}
	f, err := os.Create(to)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	z := zip.NewWriter(io.MultiWriter(f, hash))
	err = filepath.WalkDir(dist, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		below, err := filepath.Rel(dist, path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: filepath.ToSlash(below), Method: zip.Deflate, Modified: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)}
		h.SetMode(0o644)
		if below == "handler" {
			h.SetMode(0o755) // Azure starts it
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		in, err := os.Open(path)
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.Copy(w, in)
		return err
	})
	return hexOf(hash.Sum(nil)), errors.Join(err, z.Close())
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

type component struct {
	Type    string `json:"type"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type materialBill struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

// materials reads what the linker wrote into the binary: the modules that are really in it, with their checksums.
func materials(binary, name, sum string) (materialBill, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return materialBill{}, err
	}
	b := materialBill{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	b.Metadata.Component = component{Type: "application", Name: info.Main.Path, Version: name, PURL: "pkg:golang/" + info.Main.Path + "@" + name,
		Hashes: []hash{{"SHA-256", sum}}}
	b.Components = append(b.Components, component{Type: "library", Name: "go", Version: info.GoVersion, PURL: "pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, component{Type: "library", Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path + "@" + m.Version})
	}
	return b, nil
}

package main

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"

	"sigill/testidp"
	"sigill/testidp/register"
	"sigill/testidp/staff"
)

// examples are two municipalities and two e-services.
//
//go:embed tenants services
var examples embed.FS

// The secrets that the portal shares with the simulators, below DATA.
const (
	registerToken = "register.token"
	staffSecret   = "staff.secret"
)

// examplePortal is where the examples say that they lie; the portal's real
// address takes its place.
const examplePortal = "http://localhost:" + portalPort

// makePortal puts out the tenants and e-services, and the secrets. It gives the
// tenants by id, with the name that the e-ID's app is to show of each.
func makePortal(c Config, at *addresses) (map[string]string, error) {
	if err := replaceFile(filepath.Join(c.Data, registerToken), []byte(register.DefaultToken)); err != nil {
		return nil, err
	}
	if err := replaceFile(filepath.Join(c.Data, staffSecret), []byte(staff.DefaultSecret)); err != nil {
		return nil, err
	}
	var err error
	if at.tenants, err = folderOf(c.Tenants, filepath.Join(c.Data, "tenants"), "tenants", at.Portal); err != nil {
		return nil, err
	}
	if at.services, err = folderOf(c.Services, filepath.Join(c.Data, "services"), "services", at.Portal); err != nil {
		return nil, err
	}
	return askingBodies(at.tenants)
}

// folderOf is the folder that was given, or one with the examples.
func folderOf(given, made, name, portal string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if err := os.RemoveAll(made); err != nil { // of an earlier release
		return "", err
	}
	err := fs.WalkDir(examples, name, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := examples.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(filepath.Dir(made), filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, bytes.ReplaceAll(text, []byte(examplePortal), []byte(portal)), 0o600)
	})
	if err != nil {
		return "", fmt.Errorf("examples: %w", err)
	}
	return filepath.Abs(made)
}

// askingBodies reads of each tenant who asks. What else a tenant.yaml says, and
// whether it is right, is the portal's.
func askingBodies(folder string) (map[string]string, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*", "tenant.yaml"))
	if err != nil {
		return nil, err
	}
	tenants := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var t struct {
			AskingBody string `yaml:"asking_body"`
		}
		if yaml.Unmarshal(text, &t) == nil && t.AskingBody != "" {
			tenants[filepath.Base(filepath.Dir(file))] = t.AskingBody
		}
	}
	return tenants, nil
}

// makeCertificates gives each tenant the certificate that the e-ID's issuer made
// for its name.
func makeCertificates(data string, tenants map[string]string, s *testidp.Server) error {
	for id, name := range tenants {
		m, err := s.MaterialFor(name)
		if err != nil {
			return err
		}
		if err := m.WriteFiles(filepath.Join(data, "bankid", id)); err != nil {
			return err
		}
	}
	return nil
}

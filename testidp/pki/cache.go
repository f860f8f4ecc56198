package pki

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// A cache keeps entities as PEM files in one folder. Whoever writes a file
// first wins, and everybody else reads what the winner wrote, so that any
// number of processes end up with the same keys.
type cache struct{ dir string }

// entity reads one entity, or makes it with a new RSA-2048 key.
func (c cache) entity(name string, makeIt func(*rsa.PrivateKey) (*entity, error)) (*entity, error) {
	found, err := c.read(name)
	if err == nil {
		return found[name], nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("pki: key: %w", err)
	}
	made, err := makeIt(key)
	if err != nil {
		return nil, err
	}
	found, err = c.publish(name, hierarchy{name: made})
	if err != nil {
		return nil, err
	}
	return found[name], nil
}

// read returns everything in a file; the map has at least the file's name or,
// for a hierarchy, all its members.
func (c cache) read(file string) (hierarchy, error) {
	data, err := os.ReadFile(c.path(file))
	if err != nil {
		return nil, fmt.Errorf("pki: cache: %w", err)
	}
	out := hierarchy{}
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			break
		}
		name := block.Headers["Name"]
		e := out[name]
		if e == nil {
			e = &entity{}
			out[name] = e
		}
		switch block.Type {
		case "CERTIFICATE":
			e.cert, err = x509.ParseCertificate(block.Bytes)
		case "PRIVATE KEY":
			var key any
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
			e.key, _ = key.(*rsa.PrivateKey)
		}
		if err != nil {
			return nil, fmt.Errorf("pki: cache file %s: %w", file, err)
		}
	}
	for name, e := range out {
		if e.cert == nil || e.key == nil {
			return nil, fmt.Errorf("pki: cache file %s: %s is incomplete; remove the folder", file, name)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("pki: cache file %s is empty; remove the folder", file)
	}
	return out, nil
}

// publish writes a file unless there is one, and returns what the file holds
// afterwards. A hard link either appears whole or not at all.
func (c cache) publish(file string, h hierarchy) (hierarchy, error) {
	var buf bytes.Buffer
	for name, e := range h {
		der, err := x509.MarshalPKCS8PrivateKey(e.key)
		if err != nil {
			return nil, fmt.Errorf("pki: cache: %w", err)
		}
		headers := map[string]string{"Name": name}
		pem.Encode(&buf, &pem.Block{Type: "CERTIFICATE", Headers: headers, Bytes: e.cert.Raw})
		pem.Encode(&buf, &pem.Block{Type: "PRIVATE KEY", Headers: headers, Bytes: der})
	}
	temp, err := os.CreateTemp(c.dir, "new-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("pki: cache: %w", err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(buf.Bytes())
	if err := errors.Join(err, temp.Close()); err != nil {
		return nil, fmt.Errorf("pki: cache: %w", err)
	}
	if err := os.Link(temp.Name(), c.path(file)); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("pki: cache: %w", err)
	}
	return c.read(file)
}

func (c cache) path(file string) string { return filepath.Join(c.dir, file+".pem") }

// lock keeps a second process from making the same keys at the same time. It
// only saves work: correctness rests on publish, so a lock that its owner left
// behind is simply taken over when it has not been touched for staleLock.
func (c cache) lock(ctx context.Context, name string) (release func(), err error) {
	const staleLock = 20 * time.Second
	path := filepath.Join(c.dir, name+".lock")
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err == nil {
			f.Close()
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("pki: cache: %w", err)
		}
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > staleLock {
			os.Remove(path)
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(staleLock / 5)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				os.Chtimes(path, now, now)
			}
		}
	}()
	return func() { close(done); os.Remove(path) }, nil
}

// leafFile names a leaf's file without its person's number.
func leafFile(spec LeafSpec) string {
	sum := sha256.Sum256([]byte(spec.Holder.Number + "\x00" + spec.Holder.Given + "\x00" + spec.Holder.Surname))
	return "leaf-" + hex.EncodeToString(sum[:8]) + "-" + string(spec.Kind) + "-" + string(spec.Use)
}

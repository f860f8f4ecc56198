package catalogue

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigill/broker/kit/config/strict"
)

// footprint says what the files look like from outside: when it changes, they
// are read anew. Whatever lies in the folders, and one level below, counts.
func footprint(folders ...string) (string, error) {
	var b strings.Builder
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return "", err
		}
		for _, e := range entries {
			path := filepath.Join(folder, e.Name())
			info, err := os.Stat(path) // what a link leads to
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return "", err
			}
			note(&b, e.Name(), info)
			if !info.IsDir() || hidden(e.Name()) {
				continue
			}
			inner, err := os.ReadDir(path)
			if err != nil {
				return "", err
			}
			for _, f := range inner {
				if info, err := os.Stat(filepath.Join(path, f.Name())); err == nil {
					note(&b, e.Name()+"/"+f.Name(), info)
				}
			}
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

func note(b *strings.Builder, name string, info fs.FileInfo) {
	fmt.Fprintf(b, "%q %d %d %v\n", name, info.Size(), info.ModTime().UnixNano(), info.Mode())
}

// hidden are the names that editors and the system use for themselves.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// load reads a file that people wrote.
func load(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, strict.MaxSize+1)) // strict says that it is too large
}

// named puts a folder before the file's name, in which faults come without it.
func named(folder string, err error) strict.Faults {
	faults, ok := errors.AsType[strict.Faults](err)
	if !ok {
		return strict.Faults{{File: folder, Problem: plain(err)}}
	}
	out := make(strict.Faults, len(faults))
	for i, f := range faults {
		f.File = filepath.Join(folder, f.File)
		out[i] = f
	}
	return out
}

// plain is an error without the path of this machine.
func plain(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		if errors.Is(err, fs.ErrNotExist) {
			return "is missing"
		}
		return "cannot be read: " + p.Err.Error()
	}
	return err.Error()
}

// isID reports whether a folder may be a tenant's or a service's.
func isID(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
		s[0] != '-' && s[len(s)-1] != '-'
}

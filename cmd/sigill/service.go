package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigill/broker/kit/config/strict"
	"sigill/portal/form"
)

// serviceCheck tells every fault of definitions of e-services.
func serviceCheck(_ context.Context, c *call) error {
	found, faulty, err := c.services()
	if err != nil {
		return err
	}
	for _, s := range found {
		fmt.Fprintf(c.out, "%s is fine: %s version %d, %s, %s\n", s.file, s.ID, s.Version,
			count(len(s.Steps), "step"), count(len(s.Tests), "test"))
	}
	if faulty {
		return errSaid
	}
	return nil
}

// serviceTest runs the tests that stand in definitions.
func serviceTest(_ context.Context, c *call) error {
	found, faulty, err := c.services()
	if err != nil {
		return err
	}
	for _, s := range found {
		if len(s.Tests) == 0 {
			fmt.Fprintf(c.out, "%s: has no tests\n", s.ID)
		}
		for _, test := range s.Tests {
			wrong := s.Try(test)
			if len(wrong) == 0 {
				fmt.Fprintf(c.out, "%s: %s: ok\n", s.ID, test.Name)
				continue
			}
			faulty = true
			fmt.Fprintf(c.out, "%s: %s: did not follow:\n%s\n", s.ID, test.Name, indent(strings.Join(wrong, "\n")))
		}
	}
	if faulty {
		return errSaid
	}
	return nil
}

// A definition is an e-service and the file that it stands in.
type definition struct {
	*form.Service
	file string
}

// services reads the files and folders that were named. The faults of those that
// cannot be used are printed; the error is of what cannot be read at all.
func (c *call) services() (found []definition, faulty bool, err error) {
	files, err := c.definitions()
	if err != nil {
		return nil, false, err
	}
	ids := map[string]string{} // the file of each
	for _, file := range files {
		s, err := readService(file)
		if err == nil && ids[s.ID] != "" {
			err = strict.Faults{{File: file, Path: "id", Problem: fmt.Sprintf("%s is the service of %s too", s.ID, ids[s.ID])}}
		}
		var faults strict.Faults
		switch {
		case errors.As(err, &faults):
			faulty = true
			for _, f := range faults {
				f.File = file
				fmt.Fprintln(c.err, f)
			}
		case err != nil:
			return nil, false, err
		default:
			ids[s.ID] = file
			found = append(found, definition{s, file})
		}
	}
	return found, faulty, nil
}

// serviceFile is what the definition in a service's own folder is called.
const serviceFile = "service.yaml"

func readService(file string) (*form.Service, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s, err := form.Parse(file, source)
	if err != nil {
		return nil, err
	}
	whole, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	if folder := filepath.Base(filepath.Dir(whole)); filepath.Base(whole) == serviceFile && folder != s.ID {
		return nil, strict.Faults{{File: file, Path: "id", Problem: fmt.Sprintf("is %s, but the folder is %s", s.ID, folder)}}
	}
	return s, nil
}

// definitions gives the files: what was named itself, and of a folder
// service.yaml, or else */service.yaml and *.yaml.
func (c *call) definitions() ([]string, error) {
	if err := c.flags.Parse(c.args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
		return nil, errMisuse{err.Error()}
	}
	if c.flags.NArg() == 0 {
		return nil, errMisuse{"a file or a folder is missing"}
	}
	var files []string
	for _, name := range c.flags.Args() {
		more, err := definitionsIn(name)
		if err != nil {
			return nil, err
		}
		for _, file := range more {
			if !slices.Contains(files, file) {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

func definitionsIn(name string) ([]string, error) {
	switch info, err := os.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file or folder %s", name)
	case err != nil:
		return nil, err
	case !info.IsDir():
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		file := filepath.Join(name, e.Name())
		switch {
		case e.Name() == serviceFile:
			return []string{file}, nil
		case e.IsDir():
			file = filepath.Join(file, serviceFile)
			if _, err := os.Stat(file); err == nil {
				files = append(files, file)
			}
		case filepath.Ext(e.Name()) == ".yaml":
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no service in %s", name)
	}
	return files, nil
}

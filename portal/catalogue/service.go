package catalogue

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigill/broker/kit/config/strict"
	"sigill/portal"
	"sigill/portal/form"
)

const serviceFile = "service.yaml"

// source is a service that was read, and where.
type source struct {
	id      portal.ServiceID
	file    string
	service *form.Service // nil: it has faults
}

// readServices reads every service there is, those with faults too.
func (c *Catalogue) readServices() ([]source, strict.Faults, error) {
	entries, err := os.ReadDir(c.config.Services)
	if err != nil {
		return nil, nil, err
	}
	var list []source
	var faults strict.Faults
	at := map[string]int{}
	for _, e := range entries {
		name := e.Name()
		info, err := os.Stat(filepath.Join(c.config.Services, name))
		if hidden(name) || err != nil && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		id, file := name, filepath.Join(name, serviceFile)
		if !info.IsDir() {
			var ok bool
			if id, ok = strings.CutSuffix(name, ".yaml"); !ok {
				continue // a README, a list of translations
			}
			file = name
		}
		if !isID(id) {
			faults = append(faults, strict.Fault{File: file, Problem: "a service is named with a-z, 0-9 and -"})
			continue
		}
		if first, twice := at[id]; twice {
			faults = append(faults, strict.Fault{File: file, Problem: "the service " + id + " stands in " + list[first].file + " too"})
			list[first].service = nil
			continue
		}
		at[id] = len(list)
		s, wrong := c.readService(id, file)
		faults = append(faults, wrong...)
		list = append(list, source{portal.ServiceID(id), file, s})
	}
	return list, faults, nil
}

func (c *Catalogue) readService(id, file string) (*form.Service, strict.Faults) {
	text, err := load(filepath.Join(c.config.Services, file))
	if err != nil {
		return nil, strict.Faults{{File: file, Problem: plain(err)}}
	}
	s, err := c.parse(filepath.Base(file), text)
	if err != nil {
		if _, ok := errors.AsType[strict.Faults](err); !ok {
			return nil, strict.Faults{{File: file, Problem: err.Error()}}
		}
		return nil, named(filepath.Dir(file), err)
	}
	if s.ID != id {
		return nil, strict.Faults{{File: file, Path: "id", Problem: fmt.Sprintf("is %q, but the file is that of %q", s.ID, id)}}
	}
	return s, nil
}

// fit gives the tenants that can offer a service, and what those lack that want
// to and cannot.
func fit(s *form.Service, file string, tenants []portal.Tenant) (takers []portal.TenantID, lacking strict.Faults) {
	for _, t := range tenants {
		if t.Services != nil && !slices.Contains(t.Services, portal.ServiceID(s.ID)) {
			continue
		}
		missing := lacks(t, s)
		if len(missing) == 0 {
			takers = append(takers, t.ID)
		}
		for _, what := range missing {
			lacking = append(lacking, strict.Fault{File: filepath.Join(string(t.ID), tenantFile),
				Problem: fmt.Sprintf("%s, which the service %s (%s) needs; it is not offered here", what, s.ID, file)})
		}
	}
	return takers, lacking
}

// lacks names what a service refers to and the tenant does not have.
func lacks(t portal.Tenant, s *form.Service) []string {
	var missing []string
	if _, ok := t.Authorities[s.Authority]; !ok {
		missing = append(missing, "authorities: lacks "+s.Authority)
	}
	if _, ok := t.Groups[s.Handlers.Group]; !ok {
		missing = append(missing, "groups: lacks "+s.Handlers.Group)
	}
	told := map[string]bool{}
	for _, step := range s.Steps {
		for _, f := range step.Fields {
			if f.List == "" || told[f.List] {
				continue
			}
			list, ok := t.Lists[f.List]
			switch {
			case !ok:
				missing = append(missing, "lists: lacks "+f.List)
			case len(list) < f.MinCount:
				missing = append(missing, fmt.Sprintf("lists.%s: has %d alternatives and not %d", f.List, len(list), f.MinCount))
			default:
				continue
			}
			told[f.List] = true
		}
	}
	return missing
}

// absent are the services that a tenant names and nobody has.
func absent(tenants []portal.Tenant, published map[portal.ServiceID]*form.Service) (faults strict.Faults) {
	for _, t := range tenants {
		for i, id := range t.Services {
			if _, ok := published[id]; !ok {
				faults = append(faults, strict.Fault{File: filepath.Join(string(t.ID), tenantFile), Path: fmt.Sprintf("services[%d]", i),
					Problem: fmt.Sprintf("there is no service %s in order", id)})
			}
		}
	}
	return faults
}

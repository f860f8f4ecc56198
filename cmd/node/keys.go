package node

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sigill/broker/kit/keys"
)

// partKeys is the keys' name, as metrics tell it.
const partKeys = "keys"

// keysProbe tells whether a key that may be needed at any moment cannot be opened
// here, since its master key's file has not come yet.
func (v *Vault) keysProbe() probe {
	return probe{partKeys, "a key cannot be opened: a master key's file is missing", func(context.Context) error {
		var faults []error
		for _, ring := range v.Rings() {
			faults = append(faults, ring.Check())
		}
		return errors.Join(faults...)
	}}
}

// tokenKeyAge is when a key that signs tokens should have a successor. Nothing
// happens then: people decide.
const tokenKeyAge = 365 * 24 * time.Hour

// OldTokenKeys names the algorithms whose key has been used for more than a year.
func OldTokenKeys(v *Vault, now time.Time) []string {
	var list []string
	for _, k := range v.Ring.List() {
		if k.State == keys.Active && (k.Kind == keys.RS256 || k.Kind == keys.ES256) && now.Sub(k.Activated) > tokenKeyAge {
			list = append(list, k.Kind)
		}
	}
	return list
}

// followMasters has the files of the master keys read anew while a node runs.
func (v *Vault) followMasters(files []string) {
	for _, ring := range v.Rings() {
		ring.MasterFiles = files
	}
}

// keyMetrics tell of the rooms' keys when they are asked for.
type keyMetrics struct {
	vault       *Vault
	unheld, age *prometheus.Desc
}

func newKeyMetrics(v *Vault) keyMetrics {
	return keyMetrics{
		vault: v,
		unheld: prometheus.NewDesc("sigill_keys_without_master",
			"Keys of a room that lie under a master key whose file this node does not have.", []string{"room"}, nil),
		age: prometheus.NewDesc("sigill_key_age_days",
			"Days since the key in use came into use: of each kind that signs, and of the boxes the oldest.", []string{"room", "kind"}, nil),
	}
}

// Describe is of prometheus.Collector.
func (m keyMetrics) Describe(to chan<- *prometheus.Desc) { to <- m.unheld; to <- m.age }

// Collect is of prometheus.Collector.
func (m keyMetrics) Collect(to chan<- prometheus.Metric) {
	now := m.vault.now()
	for _, c := range m.vault.chains() {
		to <- prometheus.MustNewConstMetric(m.unheld, prometheus.GaugeValue, float64(c.ring.Unheld()), c.name)
		oldest := map[string]time.Time{}
		for _, k := range c.ring.List() {
			if first, ok := oldest[k.Kind]; k.State == keys.Active && (!ok || k.Activated.Before(first)) {
				oldest[k.Kind] = k.Activated
			}
		}
		for kind, since := range oldest {
			to <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, now.Sub(since).Hours()/24, c.name, kind)
		}
	}
}

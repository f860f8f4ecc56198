package config_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigill/broker/kit/config"
)

// How long a node drains: as it is said, else for a moment where somebody may
// stand in front, and not at all where nobody does.
func TestDrain(t *testing.T) {
	outside := strings.Replace(sound, "http://localhost:8080", "https://login.example.se", 1) + "trusted_proxies: [10.0.0.1]\n"
	for _, tt := range []struct {
		name, yaml, fault string
		want              time.Duration
	}{
		{"on this machine alone", sound, "", 0},
		{"on this machine, said", sound + "drain: 2s\n", "", 2 * time.Second},
		{"behind somebody", outside, "", 5 * time.Second},
		{"behind somebody, said", outside + "drain: 15s\n", "", 15 * time.Second},
		{"not at all", outside + "drain: 0s\n", "", 0},
		{"for ever", outside + "drain: 1h\n", "drain: must be from 0s to 10m", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _, err := config.Parse(filepath.Join(folder(t), "c.yaml"), []byte(tt.yaml))
			if tt.fault != "" {
				if err == nil || !strings.HasSuffix(err.Error(), tt.fault) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || c.Drain != tt.want {
				t.Errorf("drains for %s: %v", c.Drain, err)
			}
		})
	}
}

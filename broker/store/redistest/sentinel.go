package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is how the sentinel here knows its master.
const MasterName = "sigill"

// Watched is a master, a replica of it, and the sentinel that makes the replica
// master when the master is gone.
type Watched struct {
	Sentinel string // its address
	Servers  [2]*Server
}

// StartWatched starts them, and waits until the replica has what the master has.
// The first server is master.
func StartWatched(t testing.TB) *Watched {
	t.Helper()
	program(t, "redis-sentinel")
	w := &Watched{Sentinel: freeAddress(t)}
	w.Servers[0] = Start(t)
	host, port, _ := net.SplitHostPort(w.Servers[0].Addr)
	w.Servers[1] = Start(t, "--replicaof", host+" "+port)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf")
	_, own, _ := net.SplitHostPort(w.Sentinel)
	settings := fmt.Sprintf(`bind 127.0.0.1
port %s
dir %s
sentinel monitor %[3]s %[4]s %[5]s 1
sentinel down-after-milliseconds %[3]s 3000
sentinel failover-timeout %[3]s 6000
`, own, dir, MasterName, host, port)
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: w.Sentinel, Dir: dir, t: t}
	s.run = start(t, filepath.Join(dir, "log"), "redis-sentinel", file)
	t.Cleanup(s.Kill)
	s.await()
	c := redis.NewSentinelClient(&redis.Options{Addr: w.Sentinel, Protocol: 2})
	defer c.Close()
	until(t, "the sentinel knows the replica", func(ctx context.Context) bool {
		replicas, err := c.Replicas(ctx, MasterName).Result()
		return err == nil && len(replicas) == 1 && replicas[0]["master-link-status"] == "ok"
	})
	return w
}

// Cluster is three masters and a replica of the first.
type Cluster struct {
	Masters [3]*Server
	Replica *Server
}

// Addresses are those of the masters.
func (c *Cluster) Addresses() (list []string) {
	for _, s := range c.Masters {
		list = append(list, s.Addr)
	}
	return list
}

const slots = 16384

// StartCluster starts one, and waits until all of it works.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	node := func() *Server {
		_, bus, _ := net.SplitHostPort(freeAddress(t))
		return Start(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "3000")
	}
	c := &Cluster{Replica: node()}
	for i := range c.Masters {
		c.Masters[i] = node()
	}
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	all := append(slices.Clone(c.Masters[:]), c.Replica)
	clients := make([]*redis.Client, len(all))
	for i, s := range all {
		clients[i] = s.Client()
		defer clients[i].Close()
	}
	for i := range c.Masters {
		must(clients[i].Do(ctx, "cluster", "addslotsrange", i*slots/3, (i+1)*slots/3-1).Err())
		must(clients[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err())
	}
	for _, s := range all[1:] {
		host, port, _ := net.SplitHostPort(s.Addr)
		must(clients[0].Do(ctx, "cluster", "meet", host, port, s.setting("--cluster-port")).Err())
	}
	id, err := clients[0].Do(ctx, "cluster", "myid").Text()
	must(err)
	until(t, "the replica follows its master", func(ctx context.Context) bool {
		return clients[3].Do(ctx, "cluster", "replicate", id).Err() == nil
	})
	until(t, "the cluster works", func(ctx context.Context) bool {
		for _, client := range clients {
			info, err := client.ClusterInfo(ctx).Result()
			if err != nil || !hasLine(info, "cluster_state:ok") || !hasLine(info, "cluster_known_nodes:4") {
				return false
			}
		}
		shards, err := clients[0].ClusterShards(ctx).Result()
		return err == nil && len(shards) == 3 && slices.ContainsFunc(shards, func(s redis.ClusterShard) bool { return len(s.Nodes) == 2 })
	})
	until(t, "the replica has what its master has", func(ctx context.Context) bool {
		info, err := clients[3].Info(ctx, "replication").Result()
		return err == nil && hasLine(info, "master_link_status:up")
	})
	return c
}

// Follow waits until a replica has as many keys as its master, which nobody writes to
// meanwhile: what it has been answered for is lost with a master that is killed.
func Follow(t testing.TB, replica, master *Server) {
	t.Helper()
	theirs, own := master.Client(), replica.Client()
	defer theirs.Close()
	defer own.Close()
	until(t, "the replica has what its master has", func(ctx context.Context) bool {
		want, err := theirs.DBSize(ctx).Result()
		if err != nil {
			return false
		}
		got, err := own.DBSize(ctx).Result()
		return err == nil && got == want
	})
}

// until waits for something that servers agree on among themselves.
func until(t testing.TB, what string, so func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for !so(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("not within half a minute: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

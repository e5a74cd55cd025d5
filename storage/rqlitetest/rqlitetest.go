// Package rqlitetest runs real rqlited clusters on loopback, for tests and for trying things out: mutual TLS on both
// ports, foreign keys on, quick elections. The nodes end with the program that started them.
package rqlitetest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// readyIn is how long a node may take until it answers with a leader.
const readyIn = 30 * time.Second

// A Cluster is a few rqlited processes that replicate one database.
type Cluster struct {
	Dir   string // data of the nodes, their logs and the certificates
	nodes []*node
	certs *certificates
	http  *http.Client
	bin   string
}

type node struct {
	api, raft string // host:port
	mu        sync.Mutex
	process   *os.Process
	ended     chan struct{} // closed when the process is gone
}

// Start runs a cluster of n nodes for a test, and ends it with the test.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // the first build of rqlited takes minutes
	defer cancel()
	c, err := New(ctx, t.TempDir(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// New runs a cluster of n nodes that keeps its data in dir, and returns when it has a leader. rqlited is built when it
// is not there.
func New(ctx context.Context, dir string, n int) (*Cluster, error) {
	bin, err := Binary(ctx)
	if err != nil {
		return nil, err
	}
	certs, err := makeCertificates(dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, certs: certs, bin: bin}
	c.http = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: c.TLS()}}
	addresses, err := freeAddresses(2 * n)
	if err != nil {
		return nil, err
	}
	for i := range n {
		c.nodes = append(c.nodes, &node{api: addresses[2*i], raft: addresses[2*i+1]})
	}
	for i := range c.nodes {
		if err := c.Restart(i); err != nil {
			c.Close()
			return nil, err
		}
		if err := c.waitReady(ctx, i); err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// Binary gives the path of rqlited, building it first when it is missing or older than its pin.
func Binary(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil || mod == "" || mod == os.DevNull {
		return "", errors.New("run this inside gemba's source tree: rqlited is built from deploy/rqlited")
	}
	root := filepath.Dir(mod)
	bin := filepath.Join(root, "build", "rqlited")
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(bin+".lock", os.O_CREATE|os.O_RDWR, 0o644) // tests of several packages run at once
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, filepath.Join(root, "deploy", "rqlited", "build.sh"))
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build rqlited: %w\n%s", err, said)
	}
	return bin, nil
}

// URLs gives the address of each node's API, https://host:port.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = "https://" + n.api
	}
	return urls
}

// Store names the cluster as gemba's --store wants it.
func (c *Cluster) Store() string { return "rqlite:" + strings.Join(c.URLs(), ",") }

// TLS gives what a client of the nodes needs: the authority that signed them, and its own certificate.
func (c *Cluster) TLS() *tls.Config { return c.certs.client.Clone() }

// Files gives the paths of the authority's certificate and of a client's certificate and key, in PEM.
func (c *Cluster) Files() (ca, cert, key string) {
	return c.certs.path("ca.crt"), c.certs.path("client.crt"), c.certs.path("client.key")
}

// Restart starts node i, with the data that it had.
func (c *Cluster) Restart(i int) error {
	n := c.nodes[i]
	n.mu.Lock()
	defer n.mu.Unlock()
	data := filepath.Join(c.Dir, fmt.Sprintf("node%d", i+1))
	args := []string{
		"-node-id", fmt.Sprint(i + 1), "-fk",
		"-http-addr", n.api, "-raft-addr", n.raft,
		"-http-cert", c.certs.path("node.crt"), "-http-key", c.certs.path("node.key"), "-http-ca-cert", c.certs.path("ca.crt"), "-http-verify-client",
		"-node-cert", c.certs.path("node.crt"), "-node-key", c.certs.path("node.key"), "-node-ca-cert", c.certs.path("ca.crt"), "-node-verify-client",
		"-raft-timeout", "400ms", "-raft-election-timeout", "400ms", "-raft-leader-lease-timeout", "200ms",
		"-join-interval", "200ms", "-join-attempts", "50",
	}
	if i > 0 {
		args = append(args, "-join", c.nodes[0].raft)
	}
	log, err := os.OpenFile(data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(c.bin, append(args, data)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		defer log.Close()
		defer close(ended)
		// The death signal is tied to the thread that forks, so this thread must live as long as the node.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // killed nodes always end with an error
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start rqlited: %w", err)
	}
	n.process, n.ended = cmd.Process, ended
	return nil
}

// Kill9 ends node i at once, as a power cut would, and returns when it is gone.
func (c *Cluster) Kill9(i int) { c.nodes[i].end(syscall.SIGKILL) }

// Stop asks node i to end and returns when it is gone.
func (c *Cluster) Stop(i int) { c.nodes[i].end(syscall.SIGTERM) }

// Signal sends a signal to node i, SIGSTOP and SIGCONT for instance.
func (c *Cluster) Signal(i int, s syscall.Signal) error {
	n := c.nodes[i]
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process.Signal(s)
}

func (n *node) end(s syscall.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return
	}
	_ = n.process.Signal(s) // gone already is as good
	select {
	case <-n.ended:
	case <-time.After(10 * time.Second):
		_ = n.process.Kill()
		<-n.ended
	}
	n.process = nil
}

// Leader gives the node that leads, by the word of any node that knows, or -1 when there is none.
func (c *Cluster) Leader() int {
	for i := range c.nodes {
		var nodes map[string]struct {
			Addr   string `json:"addr"`
			Leader bool   `json:"leader"`
		}
		body, err := c.get(i, "/nodes?timeout=500ms")
		if err != nil || json.Unmarshal(body, &nodes) != nil {
			continue
		}
		for _, found := range nodes {
			for at, n := range c.nodes {
				if found.Leader && found.Addr == n.raft {
					return at
				}
			}
		}
	}
	return -1
}

// WaitLeader waits for a leader and gives it.
func (c *Cluster) WaitLeader(ctx context.Context) (int, error) {
	for {
		if i := c.Leader(); i >= 0 {
			return i, nil
		}
		select {
		case <-ctx.Done():
			return -1, fmt.Errorf("the cluster has no leader: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close kills every node that runs.
func (c *Cluster) Close() {
	for i := range c.nodes {
		c.Kill9(i)
	}
	c.http.CloseIdleConnections()
}

func (c *Cluster) waitReady(ctx context.Context, i int) error {
	ctx, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	for {
		_, err := c.get(i, "/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(c.Dir, fmt.Sprintf("node%d.log", i+1)))
			return fmt.Errorf("rqlited node %d is not ready: %w\n%s", i+1, err, log)
		case <-c.nodes[i].ended:
			log, _ := os.ReadFile(filepath.Join(c.Dir, fmt.Sprintf("node%d.log", i+1)))
			return fmt.Errorf("rqlited node %d ended at once:\n%s", i+1, log)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

func (c *Cluster) get(i int, path string) ([]byte, error) {
	resp, err := c.http.Get("https://" + c.nodes[i].api + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

// freeAddresses gives loopback addresses that nobody uses. Their ports lie below those that the system hands to
// outgoing connections, so that a node which was killed finds its own free when it comes back.
func freeAddresses(n int) ([]string, error) {
	const lowest, highest = 20_000, 32_000
	var addresses []string
	for tries := 0; len(addresses) < n; tries++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(highest-lowest)))
		if err != nil {
			if tries > 1000 {
				return nil, fmt.Errorf("find a free port: %w", err)
			}
			continue
		}
		defer l.Close() // only at the end, so that none is given twice
		addresses = append(addresses, l.Addr().String())
	}
	return addresses, nil
}

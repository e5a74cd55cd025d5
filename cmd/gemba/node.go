package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
	"gemba/storage"
)

// storeOptions are the options that say where the data is. Every command that opens the store has them.
type storeOptions struct {
	data      string
	store     string
	storeCA   string
	storeCert string
	storeKey  string
}

func (o *storeOptions) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.data, "data", "data", "folder of this node: database, keys, certificates")
	f.StringVar(&o.store, "store", "", "sqlite:PATH, or rqlite:https://HOST:PORT,… (default sqlite:DATA/gemba.db)")
	f.StringVar(&o.storeCA, "store-ca", "", "authority (PEM) that vouches for the rqlite nodes")
	f.StringVar(&o.storeCert, "store-cert", "", "certificate (PEM) that this node shows to rqlite")
	f.StringVar(&o.storeKey, "store-key", "", "private key (PEM) of that certificate")
}

// where is the store, with the default filled in. Plain HTTP is taken for a database on this machine only.
func (o *storeOptions) where() (string, error) {
	if o.store == "" {
		return "sqlite:" + filepath.Join(o.data, "gemba.db"), nil
	}
	kind, nodes, _ := strings.Cut(o.store, ":")
	switch {
	case kind == "sqlite" && nodes != "":
		return o.store, nil
	case kind != "rqlite":
		return "", fmt.Errorf("%q is not a store; write sqlite:PATH or rqlite:https://HOST:PORT,…", o.store)
	}
	for _, node := range strings.Split(nodes, ",") {
		u, err := url.Parse(node)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
			return "", fmt.Errorf("%q is not the address of an rqlite node; write https://HOST:PORT", node)
		case u.User != nil:
			return "", errors.New("a password in --store is not taken; use --store-cert and --store-key")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			return "", fmt.Errorf("%s is not on this machine and not encrypted; use https", u.Host)
		}
	}
	return o.store, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// tls is how we talk to rqlite nodes: nil for the system's authorities and no certificate of our own.
func (o *storeOptions) tls() (*tls.Config, error) {
	if o.storeCA == "" && o.storeCert == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.storeCA != "" {
		pem, err := os.ReadFile(o.storeCA)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", o.storeCA)
		}
	}
	if o.storeCert != "" {
		pair, err := tls.LoadX509KeyPair(o.storeCert, o.storeKey)
		if err != nil {
			return nil, err
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// A node is this machine's part of gemba: its data folder with everything secret in it, and the store.
type node struct {
	data    string
	lock    *os.File // held as long as the node is open
	name    string
	pepper  *keys.Pepper
	signing *keys.SigningKey
	store   *storage.Store
}

// openNode opens the data folder, making what is missing at first start, and the store. Nobody else can open it until it
// is closed: two programs that write under one name would break its chain in the ledger.
func openNode(ctx context.Context, o *storeOptions, trace traceLimits) (_ *node, err error) {
	where, err := o.where()
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return nil, err
	}
	n := &node{data: o.data}
	if n.lock, err = lockFolder(o.data); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.lock.Close())
		}
	}()
	if n.name, err = nodeName(filepath.Join(o.data, "node")); err != nil {
		return nil, err
	}
	if n.pepper, err = keys.LoadPepper(filepath.Join(o.data, "pepper")); err != nil {
		return nil, err
	}
	if n.signing, err = keys.LoadOrCreateSigningKey(filepath.Join(o.data, "ledger.key")); err != nil {
		return nil, err
	}
	if err := publishKey(filepath.Join(o.data, "ledger.pub"), n.signing.Public()); err != nil {
		return nil, err
	}
	ring, err := nodeRing(o)
	if err != nil {
		return nil, err
	}
	conf, err := o.tls()
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	n.store, err = storage.Open(ctx, storage.Options{
		Store: where, Writer: n.name, TLS: conf, Now: time.Now,
		Sign:     func(head []byte) (string, string) { return n.signing.Sign(head), n.signing.Public().ID() },
		SignNote: n.signing.SignNote, VerifyNote: ring.note, Witness: witnessFile(o.data),
		TracePath: tracePath(o.data), TraceKeep: trace.keep, TraceSize: trace.size,
	})
	return n, err
}

// traceLimits say how much of the trace of API calls is kept; zero for the defaults.
type traceLimits struct {
	keep time.Duration
	size int64
}

// close closes the store and lets others open the data folder.
func (n *node) close() error { return errors.Join(n.store.Close(), n.lock.Close()) }

// lockFolder makes sure that no other gemba works in a data folder. The lock goes with the process, however that ends.
func lockFolder(folder string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(folder, "node.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closing := lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, mes.Faultf(mes.Unavailable, "another gemba is running in the data folder %s; stop that one first", folder)
		}
		return nil, errors.Join(fmt.Errorf("lock the data folder: %w", err), closing)
	}
	return lock, nil
}

// nodeName reads the node's name in the ledger, or makes one that no other node has.
func nodeName(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	name := "node-" + strings.ToLower(rand.Text()[:8])
	return name, os.WriteFile(path, []byte(name+"\n"), 0o600)
}

// publishKey adds a node's public ledger key to the list of those that are known, one a line. Keys of other nodes may be
// added there by hand, so that their chains can be checked here, too.
func publishKey(path string, key keys.VerifyKey) error {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Fields(string(text)), key.String()) {
		return nil
	}
	return os.WriteFile(path, append(text, key.String()+"\n"...), 0o644)
}

// newID makes ids that sort by time, so that what is new lies together in the database.
func newID() mes.ID {
	return mes.ID(uuid.Must(uuid.NewV7()).String())
}

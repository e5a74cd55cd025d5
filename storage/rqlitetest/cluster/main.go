// Command cluster is what `make cluster` runs: three rqlited on loopback, with certificates made for the occasion, and
// one gemba with the demonstration plant on top. It is for looking and trying; a plant's own cluster is set up with the
// units in deploy.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"gemba/storage/rqlitetest"
)

func main() {
	gemba := flag.String("gemba", "build/gemba", "the program")
	data := flag.String("data", "build/cluster", "folder for everybody's data; what an earlier cluster left there is removed")
	ssh := flag.String("ssh", "127.0.0.1:2222", "address of the SSH door")
	api := flag.String("api", "127.0.0.1:8443", "address of the API door")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *gemba, *data, *ssh, *api); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, gemba, data, ssh, api string) error {
	// Ports and certificates are new each time, so the nodes of an earlier run would not find each other.
	if err := os.RemoveAll(data); err != nil {
		return err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	cluster, err := rqlitetest.New(ctx, filepath.Join(data, "rqlite"), 3)
	if err != nil {
		return err
	}
	defer cluster.Close()
	fmt.Println("Three database nodes are up:", cluster.Store())
	ca, cert, key := cluster.Files()
	cmd := exec.CommandContext(ctx, gemba, "serve", "--demo", "--data", filepath.Join(data, "gemba"), "--ssh", ssh, "--api", api,
		"--store", cluster.Store(), "--store-ca", ca, "--store-cert", cert, "--store-key", key)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

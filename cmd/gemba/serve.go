package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
	"gemba/server"
	"gemba/tui"
)

// stopTime is how long a stop may take before what is left is cut off.
const stopTime = 5 * time.Second

type serveOptions struct {
	storeOptions
	ssh      string
	api      string
	names    []string
	demo     bool
	check    bool
	sessions int
	lock     time.Duration
}

func newServeCommand() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Open the doors: SSH for people, HTTPS for machines and programs",
		Long: `Opens the store, then both doors, and serves until it is told to stop. At first start it makes what is missing in the
data folder: keys, certificates, and the first administrator. Every option also comes from the environment (GEMBA_SSH)
and from gemba.toml in the data folder (ssh = "…").`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return exitError{exitConfig, err}
			}
			if o.check {
				fmt.Fprintln(cmd.OutOrStdout(), "The configuration is right.")
				return nil
			}
			return serve(cmd.Context(), &o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	o.register(cmd)
	f := cmd.Flags()
	f.StringVar(&o.ssh, "ssh", "127.0.0.1:2222", "address of the SSH door; port 0 picks a free one")
	f.StringVar(&o.api, "api", "127.0.0.1:8443", "address of the API door; port 0 picks a free one")
	f.StringSliceVar(&o.names, "name", nil, "names and addresses that the API's certificate holds, besides this host's")
	f.BoolVar(&o.demo, "demo", false, "load the demonstration plant and let its machines run")
	f.BoolVar(&o.check, "check", false, "validate the configuration and exit")
	f.IntVar(&o.sessions, "sessions", 1000, "SSH sessions at once")
	f.DurationVar(&o.lock, "lock", 5*time.Minute, "idle time after which a terminal locks")
	return cmd
}

// validate finds what is wrong with the configuration without opening anything.
func (o *serveOptions) validate() error {
	if _, err := o.where(); err != nil {
		return err
	}
	if _, err := o.tls(); err != nil {
		return err
	}
	for name, address := range map[string]string{"ssh": o.ssh, "api": o.api} {
		if err := server.CheckAddress(address); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	if o.ssh == o.api && !portZero(o.ssh) {
		return fmt.Errorf("--ssh and --api are both %s; give each a port of its own", o.ssh)
	}
	if o.sessions < 1 || o.sessions > 100_000 {
		return errors.New("--sessions goes from 1 to 100000")
	}
	if o.lock < time.Minute || o.lock > time.Hour {
		return errors.New("--lock goes from 1m to 1h")
	}
	return nil
}

func portZero(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// serve runs a node until the context ends.
func serve(ctx context.Context, o *serveOptions, out, errs io.Writer) error {
	log := slog.New(slog.NewJSONHandler(errs, nil))
	n, err := openNode(ctx, &o.storeOptions)
	if err != nil {
		return err
	}
	defer func() {
		if err := n.store.Close(); err != nil {
			log.Error("The store did not close cleanly", "error", err)
		}
	}()
	hasher := keys.NewHasher(n.pepper)
	authority, err := keys.LoadAuthority(filepath.Join(n.data, "tls"), o.names, time.Now())
	if err != nil {
		return err
	}
	hostKey, err := keys.LoadOrCreateHostKey(filepath.Join(n.data, "ssh_host_ed25519_key"))
	if err != nil {
		return err
	}
	feed := server.NewFeed()
	app := mes.NewApp(n.store, time.Now, newID, feed.Publish)

	var plant *demo
	var credentials *demoCredentials
	if o.demo {
		if plant, err = newDemo(app, n, hasher); err == nil {
			credentials, err = plant.load(ctx)
		}
	} else {
		err = firstAdministrator(ctx, app, n, hasher, out)
	}
	if err != nil {
		return err
	}

	s, err := server.Start(ctx, server.Options{
		App: app, Records: n.store, Hasher: hasher, Pepper: n.pepper, HostKey: hostKey.Signer(), TLS: authority.ServerConfig(),
		SSHAddr: o.ssh, APIAddr: o.api, Feed: feed, Log: log, Limits: server.Limits{Sessions: o.sessions}, Now: time.Now,
		NewModel: func(v server.Visit) tea.Model { return newScreens(app, v, o.lock) },
	})
	if err != nil {
		return err
	}
	stop := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
		defer cancel()
		return s.Shutdown(ctx)
	}
	fmt.Fprintf(out, "gemba is open: SSH on %s, API on https://%s (store: %s)\n", s.SSHAddr(), s.APIAddr(), n.store.Engine())
	if plant == nil {
		<-ctx.Done()
		return stop()
	}

	credentials.SSH, credentials.API = s.SSHAddr(), "https://"+s.APIAddr()
	credentials.CAFile, credentials.HostKey = authority.File(), hostKey.AuthorizedKey()
	if err := plant.write(credentials); err != nil {
		return errors.Join(err, stop())
	}
	plant.howTo(out, credentials)
	machines, err := startMachines(ctx, plant.plant.Machines, credentials, log)
	if err != nil {
		return errors.Join(err, stop())
	}
	<-ctx.Done()
	machines.Wait()
	return stop()
}

// newScreens makes what a visitor sees.
func newScreens(app *mes.App, v server.Visit, lock time.Duration) tea.Model {
	return tui.New(tui.Session{
		App: app, Context: v.Context, Actor: v.Actor, Station: v.Station, Person: v.Person, SignIn: v.SignIn, SignOut: v.SignOut,
		Feed: v.Feed, Now: time.Now, Lock: lock, Term: v.Term, Env: v.Env, Width: v.Width, Height: v.Height,
	})
}

// firstAdministrator makes a way in for a store that has nobody yet: an administrator with a password of one's own to
// replace, in a file that only the owner of the data folder can read.
func firstAdministrator(ctx context.Context, app *mes.App, n *node, hasher *keys.Hasher, out io.Writer) error {
	people, _, err := n.store.People(ctx, mes.Page{Limit: 1})
	if err != nil || len(people) > 0 {
		return err
	}
	password := keys.NewPassphrase()
	hash, err := hasher.Hash(ctx, password, keys.Administrator)
	if err != nil {
		return err
	}
	setup := mes.System("setup", "first start")
	file := filepath.Join(n.data, "first-administrator.txt")
	text := fmt.Sprintf("badge: admin\npassword: %s\nSign in with ssh, and delete this file when you have made accounts of your own.\n", password)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	commands := []mes.Command{
		&mes.RegisterPerson{Badge: "admin", Name: "First administrator", Grants: []mes.Grant{{Role: mes.Admin}}},
		&mes.SetCredential{Person: "admin", Kind: "password", Hash: mes.Secret(hash)},
	}
	for _, c := range commands {
		if _, err := app.Do(ctx, setup, "", c); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "This is a new plant. The first administrator's badge and password are in %s\n", file)
	return err
}

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
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
	"gemba/server"
	"gemba/tui"
)

// followEvery is how often a node looks for what the others have written: what ends there ends here within a second.
const followEvery = 250 * time.Millisecond

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
	log      string

	allow     []string
	publicAck []string
	totp      string
	classes   bool
	words     []string
	traceKeep days
	traceSize int
}

func newServeCommand() *cobra.Command {
	o := serveOptions{traceKeep: days(30 * 24 * time.Hour)}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Open the doors: SSH for people, HTTPS for machines and programs",
		Long: `Opens the store, then both doors, and serves until it is told to stop. At first start it makes what is missing in the
data folder: keys, certificates, and the first administrator. Every option also comes from the environment (GEMBA_SSH)
and from gemba.toml in the data folder (ssh = "…").`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return exitError{mes.ExitConfig, err}
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
	f.StringVar(&o.log, "log", "", "file for the log and the trace of API calls, JSON lines (default standard error; DATA/gemba.log with --demo)")
	f.IntVar(&o.sessions, "sessions", 1000, "SSH sessions at once")
	f.DurationVar(&o.lock, "lock", 0, "idle time after which a terminal locks (default 5m, 3m for who manages access)")
	f.StringSliceVar(&o.allow, "allow", nil, "networks that may connect, CIDR (default this machine and private networks)")
	f.StringSliceVar(&o.publicAck, "public-ack", nil, "address of a door that listens where strangers are, knowingly; the ledger says so daily")
	f.StringVar(&o.totp, "totp", "", "who needs a one-time code besides the password: admins or off (default admins; off with --demo)")
	f.BoolVar(&o.classes, "password-classes", false, "new passwords need capital and small letters, digits and other characters")
	f.StringSliceVar(&o.words, "password-words", nil, "words of the site that no new password may be made of: company, town, product")
	f.Var(&o.traceKeep, "trace-keep", "how long API calls are kept in the trace")
	f.IntVar(&o.traceSize, "trace-mb", 1024, "megabytes that the trace may take; beyond, the oldest calls go first")
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
	if err := checkExposure(map[string]string{"ssh": o.ssh, "api": o.api}, o.publicAck); err != nil {
		return err
	}
	if _, err := parseSources(o.allow); err != nil {
		return err
	}
	if o.ssh == o.api && !portZero(o.ssh) {
		return fmt.Errorf("--ssh and --api are both %s; give each a port of its own", o.ssh)
	}
	if o.sessions < 1 || o.sessions > 100_000 {
		return errors.New("--sessions goes from 1 to 100000")
	}
	if o.lock != 0 && (o.lock < time.Minute || o.lock > time.Hour) {
		return errors.New("--lock goes from 1m to 1h")
	}
	if o.totp != "" && o.totp != "admins" && o.totp != "off" {
		return fmt.Errorf("--totp is admins or off, not %q", o.totp)
	}
	if keep := time.Duration(o.traceKeep); keep < time.Hour || keep > 3660*24*time.Hour {
		return errors.New("--trace-keep goes from 1h to 3660d")
	}
	if o.traceSize < 10 || o.traceSize > 1<<20 {
		return errors.New("--trace-mb goes from 10 to 1048576")
	}
	return nil
}

// needTOTP tells whether who manages access needs a one-time code. In the demonstration, whose passwords lie in a file,
// it would only be in the way.
func (o *serveOptions) needTOTP() bool {
	return o.totp == "admins" || o.totp == "" && !o.demo
}

func portZero(address string) bool {
	_, port, err := net.SplitHostPort(address)
	return err == nil && port == "0"
}

// serve runs a node until the context ends.
func serve(ctx context.Context, o *serveOptions, out, errs io.Writer) error {
	if o.demo && o.log == "" {
		o.log = filepath.Join(o.data, "gemba.log") // twelve machines at work would hide how to sign in
	}
	server.TuneMemory()
	log, closeLog, err := openLog(o, errs)
	if err != nil {
		return err
	}
	defer closeLog()
	n, err := openNode(ctx, &o.storeOptions, traceLimits{keep: time.Duration(o.traceKeep), size: int64(o.traceSize) << 20})
	if err != nil {
		return err
	}
	defer func() {
		if err := n.close(); err != nil {
			log.Error("The store did not close cleanly", "error", err)
		}
	}()
	hasher := keys.NewHasher(n.pepper)
	if err := n.checkPepper(ctx, hasher); err != nil {
		return err
	}
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

	if err := signOutLeftovers(ctx, app, n); err != nil {
		return err
	}
	sources, err := parseSources(o.allow)
	if err != nil {
		return err
	}
	following, stopFollowing := context.WithCancel(ctx)
	var follower sync.WaitGroup
	follower.Go(func() { n.store.Follow(following, followEvery, feed.Publish) })
	follower.Go(func() { renewDaily(following, authority, log) })
	defer func() { stopFollowing(); follower.Wait() }()
	policy := keys.Policy{Classes: o.classes, Words: o.words}
	s, err := server.Start(ctx, server.Options{
		App: app, Records: n.store, Hasher: hasher, Pepper: n.pepper, HostKey: hostKey.Signer(), TLS: authority.ServerConfig(),
		Desk: server.NewDesk(app, n.store, hasher, n.pepper, policy, time.Now), Allow: sources, PublicAck: o.publicAck,
		Trace: n.store.RecordCall, Ledger: n.store.LedgerHealth, RequireTOTP: o.needTOTP(),
		SSHAddr: o.ssh, APIAddr: o.api, Node: mes.ID(n.name), Feed: feed, Log: log, Version: version(), Limits: server.Limits{Sessions: o.sessions}, Now: time.Now,
		NewModel: func(v server.Visit) tea.Model { return newScreens(app, n.store, v, o.lock) },
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
		return errors.Join(served(ctx, s), stop())
	}

	credentials.SSH, credentials.API = s.SSHAddr(), "https://"+s.APIAddr()
	credentials.CAFile, credentials.HostKey = authority.File(), hostKey.AuthorizedKey()
	if err := plant.write(credentials); err != nil {
		return errors.Join(err, stop())
	}
	plant.howTo(out, credentials, o.needTOTP())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	machines, err := startMachines(ctx, plant.plant.Machines, credentials, log)
	if err != nil {
		return errors.Join(err, stop())
	}
	err = served(ctx, s)
	cancel()
	machines.Wait()
	return errors.Join(err, stop())
}

// signOutLeftovers ends the sign-ins of this node that it could not end itself: it was killed, or lost its power. Nobody is
// here before the doors are open.
func signOutLeftovers(ctx context.Context, app *mes.App, n *node) error {
	page := mes.Page{Limit: 200}
	for {
		left, next, err := n.store.SignIns(ctx, mes.SignInFilter{Scope: mes.Scope{{}}, Open: true, Node: mes.ID(n.name), Page: page})
		if err != nil {
			return err
		}
		for _, s := range left {
			_, err := app.Do(ctx, mes.System("start", "start after a cut"), "", &mes.SignOutPerson{Session: s.ID, End: "the server was cut off"})
			if err != nil && mes.ErrorCode(err) != mes.Refused { // what this machine's database has not heard yet has ended already
				return err
			}
		}
		if page.After = next; next == "" {
			return nil
		}
	}
}

// renewDaily keeps the certificate of the API from running out under a server that nobody stops for months.
func renewDaily(ctx context.Context, authority *keys.Authority, log *slog.Logger) {
	daily := time.NewTicker(24 * time.Hour)
	defer daily.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-daily.C:
			renewed, err := authority.Renew(now)
			switch {
			case err != nil:
				log.Error("The certificate of the API was not renewed", "expires", authority.ServerExpires(), "error", err)
			case renewed:
				log.Info("The certificate of the API was renewed", "expires", authority.ServerExpires())
			}
		}
	}
}

// served waits until gemba is told to stop, or a door has closed by itself: then the supervisor is to start it again.
func served(ctx context.Context, s *server.Server) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.Failed():
		return err
	}
}

// openLog opens where the log goes. Only its owner reads it: it says who did what from where.
func openLog(o *serveOptions, errs io.Writer) (*slog.Logger, func() error, error) {
	if o.log == "" {
		return slog.New(slog.NewJSONHandler(errs, nil)), func() error { return nil }, nil
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return nil, nil, err
	}
	file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	return slog.New(slog.NewJSONHandler(file, nil)), file.Close, nil
}

// newScreens makes what a visitor sees. Times are those of the place where a station stands, and of this machine for
// people at their own desks.
func newScreens(app *mes.App, plant mes.Records, v server.Visit, idle time.Duration) tea.Model {
	zone := time.Local
	if v.Station != nil {
		if site, err := plant.Equipment(v.Context, mes.Cached, v.Station.Site); err == nil {
			if z, err := time.LoadLocation(site.TimeZone); err == nil {
				zone = z
			}
		}
	}
	return tui.New(tui.Session{
		Context: v.Context, App: app, Actor: v.Actor, Station: v.Station, Person: v.Person, SignIn: v.SignIn, SignOut: v.SignOut,
		Door: doorOf(v.Context), Desk: v.Desk, Owes: v.Owes, QR: keys.QR,
		Feed: v.Feed, Term: v.Term, Env: v.Env, Width: v.Width, Height: v.Height, Zone: zone, Idle: idle,
	})
}

// doorOf is the address by which a session came in.
func doorOf(ctx context.Context) string {
	if at, ok := ctx.Value(ssh.ContextKeyLocalAddr).(net.Addr); ok {
		return at.String()
	}
	return ""
}

// firstAdministrator makes a way in for a store that has nobody yet: an administrator with a password for one use, which
// is shown here and nowhere else.
func firstAdministrator(ctx context.Context, app *mes.App, n *node, hasher *keys.Hasher, out io.Writer) error {
	people, _, err := n.store.People(ctx, mes.Scope{{}}, mes.Page{Limit: 1})
	if err != nil || len(people) > 0 {
		return err
	}
	password := keys.NewPassphrase()
	hash, err := hasher.Hash(ctx, password, keys.Administrator)
	if err != nil {
		return err
	}
	setup := mes.System("setup", "first start")
	commands := []mes.Command{
		&mes.RegisterPerson{Badge: "admin", Name: "First administrator", Grants: []mes.Grant{{Role: mes.Admin}}, Reason: "first start"},
		&mes.ResetSecret{Person: "admin", Kind: mes.Password, Hash: mes.Secret(hash), Reason: "first start"},
	}
	for _, c := range commands {
		if _, err := app.Do(ctx, setup, "", c); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "This is a new plant. Its first administrator signs in over SSH:\n\n"+oneTimeText+"\n", "admin", password)
	return err
}

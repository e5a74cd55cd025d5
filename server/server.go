package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/ssh"
	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// Options are what a server is made from. What stands below Version may be left out.
type Options struct {
	App      *mes.App
	Records  mes.Records           // look-ups of identities at the doors
	Hasher   *keys.Hasher          // checks passwords and PINs
	Pepper   *keys.Pepper          // checks API keys
	HostKey  gossh.Signer          // of the SSH door
	TLS      *tls.Config           // of the API
	SSHAddr  string                // host:port; port 0 takes a free one
	APIAddr  string                // host:port; port 0 takes a free one
	NewModel func(Visit) tea.Model // makes the screens of one session
	Feed     *Feed                 // what the App publishes into
	Node     mes.ID                // name of this machine, for the records of who is signed in here
	Version  string                // of gemba, for the OpenAPI document; shown to holders of a key only

	Desk        *Desk                            // makes and takes secrets; one with the usual policy if not given
	Allow       []netip.Prefix                   // networks that may connect; this machine and private networks if not given
	PublicAck   []string                         // addresses of doors that listen where strangers are, knowingly
	RequireTOTP bool                             // who manages access needs a one-time code besides the password
	Trace       func(mes.Call)                   // is told of every API request when it is over; must not block
	Ledger      func(time.Time) mes.LedgerHealth // how the evidence of this node's ledger does, for the health
	Limits      Limits
	Log         *slog.Logger
	Now         func() time.Time
}

// A Server is both doors, open.
type Server struct {
	ssh    *sshDoor
	api    *apiDoor
	sshNet net.Listener
	apiNet net.Listener
	porter *porter
	access *Mailbox
	limits Limits
	log    *slog.Logger
	failed chan error
}

// Start opens both doors, or neither. The context bounds the opening; what stops the server is Shutdown.
//
// It refuses to listen where anybody could come from: the address must be a loopback or private one, or acknowledged by
// PublicAck; the ledger is told of that first, and every day. Errors name the address and what would be right.
func Start(ctx context.Context, o Options) (*Server, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	for _, address := range []string{o.SSHAddr, o.APIAddr} {
		if err := CheckAddress(address, o.PublicAck...); err != nil {
			return nil, err
		}
	}
	if err := o.sayPublic(ctx); err != nil {
		return nil, err
	}
	refusals := newRefusals(o.App, o.Log, o.Limits.RecordedRefused, o.Now)
	s := &Server{limits: o.Limits, log: o.Log, failed: make(chan error, 2)}
	if s.ssh, err = newSSHDoor(o, newDoorman(o, refusals)); err != nil {
		return nil, err
	}
	if s.api, err = newAPIDoor(ctx, o, refusals, s.ssh.sessions.count); err != nil {
		return nil, err
	}
	listen := net.ListenConfig{KeepAlive: 30 * time.Second}
	if s.sshNet, err = listen.Listen(ctx, "tcp", o.SSHAddr); err != nil {
		s.api.stop()
		return nil, fmt.Errorf("open the SSH door at %s: %w", o.SSHAddr, err)
	}
	if s.apiNet, err = listen.Listen(ctx, "tcp", o.APIAddr); err != nil {
		_ = s.sshNet.Close()
		s.api.stop()
		return nil, fmt.Errorf("open the API door at %s: %w", o.APIAddr, err)
	}
	s.porter = newPorter(o)
	s.api.away = s.porter.count.Load
	s.access = o.Feed.Subscribe()
	go s.ssh.watch(s.access)
	go func() { s.report("SSH", s.ssh.server.Serve(watchedListener{s.sshNet, s.porter, "SSH"})) }()
	go func() { s.report("API", s.api.serve(watchedListener{s.apiNet, s.porter, "API"})) }()
	if len(o.publicDoors()) > 0 {
		go o.keepSayingPublic(s.api.ending, publicAgain)
	}
	o.Log.Info("doors open", "ssh", s.SSHAddr(), "api", s.APIAddr())
	return s, nil
}

// complete checks that nothing is missing, and fills in the defaults.
func (o Options) complete() (Options, error) {
	for name, missing := range map[string]bool{
		"App": o.App == nil, "Records": o.Records == nil, "Hasher": o.Hasher == nil, "Pepper": o.Pepper == nil, "HostKey": o.HostKey == nil,
		"TLS": o.TLS == nil, "NewModel": o.NewModel == nil, "Feed": o.Feed == nil,
	} {
		if missing {
			return o, fmt.Errorf("the server was given no %s", name)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Limits = o.Limits.withDefaults()
	return o, nil
}

// SSHAddr is where the SSH door is, host:port.
func (s *Server) SSHAddr() string { return s.sshNet.Addr().String() }

// APIAddr is where the API door is, host:port.
func (s *Server) APIAddr() string { return s.apiNet.Addr().String() }

// TurnedAway tells how many connections were closed because they came from a network that is not let in.
func (s *Server) TurnedAway() int64 { return s.porter.count.Load() }

// Failed receives what made a door close that should be open. Nothing comes when all is well.
func (s *Server) Failed() <-chan error { return s.failed }

// report tells why a door was closed, unless it was meant to.
func (s *Server) report(door string, err error) {
	if err == nil || errors.Is(err, ssh.ErrServerClosed) || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return
	}
	s.log.Error("a door closed", "door", door, "error", err)
	s.failed <- fmt.Errorf("the %s door closed: %w", door, err)
}

// Shutdown closes both doors in order: nobody new comes in; screens and commands are told and end; SSH ends; requests
// that have begun are answered. It takes no longer than the context and the limit Goodbye allow, whichever is shorter;
// what has not ended then is cut off, and the error says so.
func (s *Server) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Goodbye)
	defer cancel()
	_ = s.sshNet.Close()
	_ = s.apiNet.Close()
	answered := make(chan error, 1)
	go func() { answered <- s.api.server.Shutdown(ctx) }()
	s.ssh.goodbye(ctx)
	errSSH := s.ssh.server.Shutdown(ctx)
	if errSSH != nil {
		_ = s.ssh.server.Close()
	}
	errAPI := <-answered
	if errAPI != nil {
		_ = s.api.server.Close()
	}
	s.api.stop()
	s.porter.stop()
	s.access.Close()
	for _, err := range []error{errSSH, errAPI} {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("close the doors: %w", err)
		}
	}
	return nil
}

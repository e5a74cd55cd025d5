package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"charm.land/ssh"
	"charm.land/wish/v2"
	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// What the SSH door speaks. The defaults of the library include what has been broken; this list has only what OpenSSH,
// PuTTY and Dropbear of today know and nobody has broken.
var (
	sshKeyExchanges = []string{gossh.KeyExchangeMLKEM768X25519, gossh.KeyExchangeCurve25519, "curve25519-sha256@libssh.org"}
	sshCiphers      = []string{gossh.CipherChaCha20Poly1305, gossh.CipherAES256GCM, gossh.CipherAES128GCM}
	sshMACs         = []string{gossh.HMACSHA512ETM, gossh.HMACSHA256ETM}
	sshUserKeys     = []string{gossh.KeyAlgoED25519, gossh.KeyAlgoSKED25519, gossh.KeyAlgoECDSA256, gossh.KeyAlgoRSASHA512}
)

// identityKey is where the handshake leaves the identity in the permissions of a connection.
type identityKey struct{}

// connKey is where a connection is in its context.
var connKey = struct{ name string }{"gemba connection"}

// An sshDoor lets people and stations in.
type sshDoor struct {
	options   Options
	limits    Limits
	log       *slog.Logger
	doorman   *doorman
	strangers *places
	sessions  *places
	server    *ssh.Server

	mu   sync.Mutex
	live map[*session]struct{} // nil once the server goes down
}

func newSSHDoor(o Options, d *doorman) (*sshDoor, error) {
	door := &sshDoor{
		options: o, limits: o.Limits, log: o.Log, doorman: d,
		strangers: newPlaces(o.Limits.Strangers, o.Limits.StrangersFrom, o.Limits.StrangersWait),
		sessions:  newPlaces(o.Limits.Sessions, o.Limits.SessionsOf, 0),
		live:      map[*session]struct{}{},
	}
	server, err := wish.NewServer(
		wish.WithVersion("gemba"),
		ssh.EmulatePty(),
		ssh.WrapConn(door.receive),
		func(s *ssh.Server) error { s.AddHostKey(o.HostKey); return nil },
		wish.WithMiddleware(door.serve),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare the SSH door: %w", err)
	}
	server.HandshakeTimeout = o.Limits.Login
	server.IdleTimeout = o.Limits.Silence + o.Limits.Silence/2
	server.MaxTimeout = max(o.Limits.PersonStay, o.Limits.StationStay)
	server.ServerConfigCallback = door.config
	server.ChannelHandlers = map[string]ssh.ChannelHandler{"session": door.channel}
	server.RequestHandlers = map[string]ssh.RequestHandler{}
	server.SubsystemHandlers = map[string]ssh.SubsystemHandler{}
	door.server = server
	return door, nil
}

// receive takes a new connection, if there is a place for another stranger.
func (d *sshDoor) receive(ctx ssh.Context, conn net.Conn) net.Conn {
	source := sourceOf(conn.RemoteAddr())
	leave, ok := d.strangers.take(source, d.limits.Handshake/2)
	if !ok {
		d.log.Warn("SSH connection refused: too many that have not proven who they are", "source", source)
		return nil
	}
	c := &sshConn{Conn: conn, source: source, stall: d.limits.WriteStall, leave: leave}
	c.heard.Store(time.Now().UnixNano())
	c.hurryUntil(time.Now().Add(d.limits.Handshake))
	ctx.SetValue(connKey, c)
	return c
}

// config is how one connection proves who it is. The identity travels in the permissions that the library ties to the
// proof that succeeded, never in anything that a failed attempt could have left behind.
func (d *sshDoor) config(ctx ssh.Context) *gossh.ServerConfig {
	conn := ctx.Value(connKey).(*sshConn)
	c := &gossh.ServerConfig{
		Config:                  gossh.Config{KeyExchanges: sshKeyExchanges, Ciphers: sshCiphers, MACs: sshMACs},
		PublicKeyAuthAlgorithms: sshUserKeys,
		MaxAuthTries:            d.limits.AuthTries,
		PreAuthConnCallback: func(gossh.ServerPreAuthConn) {
			conn.hurryUntil(time.Now().Add(d.limits.Login))
		},
		// Any good key is worth a signature: which keys are known is told to nobody who does not hold them.
		PublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
			return &gossh.Permissions{}, keys.CheckPublicKey(key)
		},
		VerifiedPublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey, _ *gossh.Permissions, _ string) (*gossh.Permissions, error) {
			return d.proven(d.keyHolder(ctx, conn, keys.Fingerprint(key)))
		},
		PasswordCallback: func(meta gossh.ConnMetadata, password []byte) (*gossh.Permissions, error) {
			return d.proven(d.passwordHolder(ctx, conn, meta.User(), string(password)))
		},
		KeyboardInteractiveCallback: func(meta gossh.ConnMetadata, ask gossh.KeyboardInteractiveChallenge) (*gossh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil {
				return nil, err
			}
			if len(answers) != 1 {
				return nil, errors.New("one answer was asked for")
			}
			return d.proven(d.passwordHolder(ctx, conn, meta.User(), answers[0]))
		},
		AuthLogCallback: func(_ gossh.ConnMetadata, _ string, err error) {
			if err == nil {
				conn.leave()
				conn.hurryUntil(time.Now().Add(d.limits.OpenSession))
			}
		},
	}
	return c
}

func (d *sshDoor) proven(id *identity, err error) (*gossh.Permissions, error) {
	if err != nil {
		return nil, err
	}
	return &gossh.Permissions{ExtraData: map[any]any{identityKey{}: id}}, nil
}

// keyHolder finds who holds a key that has signed.
func (d *sshDoor) keyHolder(ctx context.Context, conn *sshConn, fingerprint string) (*identity, error) {
	id, err := d.doorman.byKey(ctx, fingerprint, conn.source)
	if err != nil {
		if mes.ErrorCode(err) == mes.Unavailable {
			d.log.Error("an SSH key could not be looked up", "error", err)
		} else {
			d.doorman.refusals.record(ctx, doorActor(conn.source, mes.ID(fingerprint)), "sign.in", "ssh_key/"+fingerprint, err.Error())
		}
		return nil, err
	}
	return id, nil
}

// passwordHolder finds who knows the password of a badge.
func (d *sshDoor) passwordHolder(ctx context.Context, conn *sshConn, badge, password string) (*identity, error) {
	person, err := d.doorman.bySecret(ctx, doorActor(conn.source, ""), badge, "password", password)
	if err != nil {
		if code := mes.ErrorCode(err); code != mes.Unauthenticated {
			d.log.Error("a password could not be checked", "error", err)
			return nil, &gossh.BannerError{Err: err, Message: mes.ErrorMessage(err) + "\n"}
		}
		return nil, err
	}
	return &identity{person: person, method: byPassword, source: conn.source}, nil
}

// channel opens the one session that a connection may have.
func (d *sshDoor) channel(srv *ssh.Server, conn *gossh.ServerConn, open gossh.NewChannel, ctx ssh.Context) {
	wire, _ := ctx.Value(connKey).(*sshConn)
	id, _ := conn.Permissions.ExtraData[identityKey{}].(*identity)
	if wire == nil || id == nil {
		_ = open.Reject(gossh.Prohibited, "nobody is signed in")
		return
	}
	ctx.Lock()
	taken := ctx.Value(channelKey) != nil
	ctx.SetValue(channelKey, true)
	ctx.Unlock()
	if taken {
		_ = open.Reject(gossh.Prohibited, "one session a connection")
		return
	}
	defer conn.Close()
	leave, ok := d.sessions.take(id.name(), 0)
	if !ok {
		d.log.Warn("SSH session refused: too many", "who", id.name(), "source", id.source)
		_ = open.Reject(gossh.ResourceShortage, "too many sessions are open; close one of yours first")
		pause(ctx, lastWords)
		return
	}
	defer leave()
	wire.hurryUntil(time.Time{})
	defer keepAlive(conn, wire, d.limits.Silence)()

	guarded := newGuardedChannel(open)
	ctx.SetValue(guardKey, guarded)
	ssh.DefaultSessionHandler(srv, conn, guarded, ctx)
	if <-guarded.closed; guarded.started {
		<-guarded.ended
	}
	leave()
	pause(ctx, lastWords)
}

// lastWords is how long a client has to take the exit status, or a refusal, and hang up by itself.
const lastWords = 500 * time.Millisecond

var (
	channelKey = struct{ name string }{"gemba channel"}
	guardKey   = struct{ name string }{"gemba guarded channel"}
)

// keepAlive asks a quiet client for a sign of life, and closes the connection of one that gives none: a cable was
// pulled, or a handheld left the radio's reach. The returned function stops it.
func keepAlive(conn *gossh.ServerConn, wire *sshConn, silence time.Duration) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(silence / 4)
		defer tick.Stop()
		var asking sync.Mutex
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			switch quiet := wire.silence(); {
			case quiet > silence:
				_ = wire.Close()
				return
			case quiet > silence/4 && asking.TryLock():
				go func() {
					defer asking.Unlock()
					_, _, _ = conn.SendRequest("keepalive@openssh.com", true, nil)
				}()
			}
		}
	}()
	return sync.OnceFunc(func() { close(done) })
}

// serve is the innermost handler of a session. Whatever goes wrong in here ends this session and nothing else.
func (d *sshDoor) serve(ssh.Handler) ssh.Handler {
	return func(sess ssh.Session) {
		conn, _ := sess.Context().Value(ssh.ContextKeyConn).(*gossh.ServerConn)
		guarded, _ := sess.Context().Value(guardKey).(*guardedChannel)
		if conn == nil || guarded == nil || conn.Permissions == nil {
			return
		}
		id, ok := conn.Permissions.ExtraData[identityKey{}].(*identity)
		if !ok {
			return
		}
		defer close(guarded.ended)
		newSession(d, sess, conn, guarded, id).run()
	}
}

// enter counts a session among the living, unless the server goes down.
func (d *sshDoor) enter(s *session) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.live == nil {
		return false
	}
	d.live[s] = struct{}{}
	return true
}

func (d *sshDoor) exit(s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, s)
}

// goodbye lets every session end: the screens are told and leave the terminal as they found it, and commands finish.
// It returns when all are gone or the context ends.
func (d *sshDoor) goodbye(ctx context.Context) {
	d.mu.Lock()
	all := make([]*session, 0, len(d.live))
	for s := range d.live {
		all = append(all, s)
	}
	d.live = nil
	d.mu.Unlock()
	for _, s := range all {
		s.end(endShutdown)
	}
	for _, s := range all {
		select {
		case <-s.done:
		case <-ctx.Done():
			return
		}
	}
}

// watch ends sessions whose right to be here has ended: a person was disabled or has other grants, a key was revoked,
// a station retired. It returns when the mailbox is closed.
func (d *sshDoor) watch(box *Mailbox) {
	for {
		topics, ok := box.Wait()
		if !ok {
			return
		}
		d.mu.Lock()
		var touched []*session
		for s := range d.live {
			if s.concerns(topics) {
				touched = append(touched, s)
			}
		}
		d.mu.Unlock()
		for _, s := range touched {
			s.recheck()
		}
	}
}

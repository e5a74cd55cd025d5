package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
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

// commandsBeside is how many command lines somebody may have carried out at once beside their screens.
const commandsBeside = 4

// An sshDoor lets people and stations in.
type sshDoor struct {
	options   Options
	limits    Limits
	log       *slog.Logger
	doorman   *doorman
	strangers *strangers
	sessions  *places
	server    *ssh.Server
	desk      *Desk
	count     atomic.Int64 // sessions there ever were

	mu   sync.Mutex
	live map[*session]struct{} // nil once the server goes down
}

func newSSHDoor(o Options, d *doorman) (*sshDoor, error) {
	if o.Desk == nil {
		o.Desk = NewDesk(o.App, o.Records, o.Hasher, o.Pepper, keys.Policy{}, o.Now)
	}
	door := &sshDoor{
		options: o, limits: o.Limits, log: o.Log, doorman: d,
		strangers: newStrangers(o.Limits.Strangers, o.Limits.StrangersFrom, o.Limits.StrangersWait),
		sessions:  newPlaces(o.Limits.Sessions, o.Limits.SessionsOf+commandsBeside, 0),
		live:      map[*session]struct{}{},
		desk:      o.Desk.at(d),
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
	c := newSSHConn(conn, d.limits.WriteStall)
	place, ok := d.strangers.enter(c.source, c.lastWord, func() { _ = conn.Close() }, d.limits.Handshake/2)
	if !ok {
		d.log.Warn("SSH connection refused: too many that have not proven who they are", "source", c.source)
		return nil
	}
	c.place = place
	c.hurryUntil(time.Now().Add(d.limits.Handshake))
	ctx.SetValue(connKey, c)
	return c
}

// config is how one connection proves who it is. The identity travels in the permissions that the library ties to the
// proof that succeeded, never in anything that a failed attempt could have left behind.
func (d *sshDoor) config(ctx ssh.Context) *gossh.ServerConfig {
	conn := ctx.Value(connKey).(*sshConn)
	return &gossh.ServerConfig{
		Config:                  gossh.Config{KeyExchanges: sshKeyExchanges, Ciphers: sshCiphers, MACs: sshMACs},
		PublicKeyAuthAlgorithms: sshUserKeys,
		MaxAuthTries:            d.limits.AuthTries,
		PreAuthConnCallback: func(gossh.ServerPreAuthConn) {
			conn.place.agreed()
			conn.hurryUntil(time.Now().Add(d.limits.Login))
		},
		// Any good key is worth a signature: which keys are known is told to nobody who does not hold them.
		PublicKeyCallback: func(_ gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
			return &gossh.Permissions{}, keys.CheckPublicKey(key)
		},
		VerifiedPublicKeyCallback: func(meta gossh.ConnMetadata, key gossh.PublicKey, _ *gossh.Permissions, _ string) (*gossh.Permissions, error) {
			return d.provenByKey(conn, meta.User(), key)
		},
		PasswordCallback: func(meta gossh.ConnMetadata, password []byte) (*gossh.Permissions, error) {
			id, code, err := d.passwordHolder(conn, meta.User(), string(password))
			if err == nil && code {
				return nil, asks(func(ask gossh.KeyboardInteractiveChallenge) (*identity, error) { return d.withCode(conn, id, ask) })
			}
			return permit(id, err)
		},
		KeyboardInteractiveCallback: func(meta gossh.ConnMetadata, ask gossh.KeyboardInteractiveChallenge) (*gossh.Permissions, error) {
			password, err := answer(ask, "Password: ")
			if err != nil {
				return nil, err
			}
			id, code, err := d.passwordHolder(conn, meta.User(), password)
			if err == nil && code {
				id, err = d.withCode(conn, id, ask)
			}
			return permit(id, err)
		},
		AuthLogCallback: func(_ gossh.ConnMetadata, _ string, err error) {
			if err == nil {
				conn.place.leave()
				conn.hurryUntil(time.Now().Add(d.limits.OpenSession))
			}
		},
	}
}

func permit(id *identity, err error) (*gossh.Permissions, error) {
	if err != nil {
		return nil, err
	}
	return &gossh.Permissions{ExtraData: map[any]any{identityKey{}: id}}, nil
}

// asks says that what was proven so far is half of it: the other half is asked for.
func asks(rest func(gossh.KeyboardInteractiveChallenge) (*identity, error)) error {
	return &gossh.PartialSuccessError{Next: gossh.ServerAuthCallbacks{
		KeyboardInteractiveCallback: func(_ gossh.ConnMetadata, ask gossh.KeyboardInteractiveChallenge) (*gossh.Permissions, error) {
			return permit(rest(ask))
		},
	}}
}

// answer asks for one thing that is not shown while it is typed.
func answer(ask gossh.KeyboardInteractiveChallenge, question string) (string, error) {
	answers, err := ask("", "", []string{question}, []bool{false})
	if err == nil && len(answers) != 1 {
		err = errors.New("one answer was asked for")
	}
	if err != nil {
		return "", err
	}
	return answers[0], nil
}

// provenByKey lets in who holds a key that has signed: a station; a person, who is asked for a code besides if they may
// give rights to others and have codes; or, as the user "enrol", a new station with its one-time code.
func (d *sshDoor) provenByKey(conn *sshConn, user string, key gossh.PublicKey) (*gossh.Permissions, error) {
	fingerprint := keys.Fingerprint(key)
	id, err := d.doorman.byKey(conn.here, fingerprint, conn.address)
	if errors.Is(err, errUnknownKey) && user == enrolUser {
		return nil, asks(func(ask gossh.KeyboardInteractiveChallenge) (*identity, error) { return d.enrol(conn, key, ask) })
	}
	var code bool
	if err == nil && id.person != nil && manages(id.person) {
		if code, err = d.doorman.hasCodes(conn.here, id.person.ID); err == nil {
			id.owes.codes = d.doorman.owesCodes(id.person, code)
		}
	}
	switch {
	case err == nil && code:
		return nil, asks(func(ask gossh.KeyboardInteractiveChallenge) (*identity, error) { return d.withCode(conn, id, ask) })
	case err == nil:
		return permit(id, nil)
	case mes.ErrorCode(err) == mes.Unavailable:
		d.log.Error("an SSH key could not be looked up", "error", err)
	default:
		d.doorman.refusals.record(conn.here, doorActor(conn.address, mes.ID(fingerprint)), "sign.in", "ssh_key/"+fingerprint, err.Error())
	}
	return nil, err
}

// passwordHolder finds who knows the password of a badge, and whether a code is to be asked for besides.
func (d *sshDoor) passwordHolder(conn *sshConn, badge, password string) (id *identity, code bool, err error) {
	at := d.options.Now()
	e, err := d.doorman.bySecret(conn.here, doorActor(conn.address, ""), badge, mes.Password, password)
	if err != nil {
		return nil, false, d.unchecked(err)
	}
	return &identity{person: e.person, method: byPassword, owes: e.owes, since: e.since, source: conn.address, at: at}, e.code, nil
}

// withCode asks somebody who has proven something else for a one-time code.
func (d *sshDoor) withCode(conn *sshConn, id *identity, ask gossh.KeyboardInteractiveChallenge) (*identity, error) {
	code, err := answer(ask, "One-time code: ")
	if err != nil {
		return nil, err
	}
	step, err := d.doorman.byCode(conn.here, id.door(), id.person, code)
	if err != nil {
		return nil, d.unchecked(err)
	}
	whole := *id
	whole.step, whole.at, whole.method = step, d.options.Now(), id.method+andCode
	return &whole, nil
}

// unchecked tells the client what it cannot know otherwise: that nothing was wrong with its secret, because it was not
// checked.
func (d *sshDoor) unchecked(err error) error {
	if mes.ErrorCode(err) == mes.Unauthenticated {
		return err
	}
	d.log.Error("a secret could not be checked", "error", err)
	return &gossh.BannerError{Err: err, Message: mes.ErrorMessage(err) + "\n"}
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
// pulled, or a handheld left the radio's reach. That takes no longer than the silence. The returned function stops it.
func keepAlive(conn *gossh.ServerConn, wire *sshConn, silence time.Duration) (stop func()) {
	done := make(chan struct{})
	go func() {
		pulse := silence / 12
		tick := time.NewTicker(pulse)
		defer tick.Stop()
		var asking sync.Mutex
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			switch quiet := wire.silence(); {
			case quiet > silence-pulse: // at the next pulse it would be too late
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

package server

import (
	"context"
	"strings"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"gemba/keys"
	"gemba/mes"
)

// issuer is what authenticator apps show above a code.
const issuer = "gemba"

// A Desk makes secrets and takes them: it is the only place where they are seen, besides the doors that check them. What
// it makes is given back once and kept nowhere; what it stores are hashes and seals. Who may have what is decided by
// [mes.App.Do], to which every act goes, with its entry in the ledger.
//
// Its errors are Faults. A text that is refused is never repeated in them. It is safe for concurrent use.
type Desk struct {
	app     *mes.App
	records mes.Records
	hasher  *keys.Hasher
	pepper  *keys.Pepper
	policy  keys.Policy
	now     func() time.Time
	doorman *doorman // counts wrong secrets; nil until the doors are open
	here    *session // in which it is used; nil for none
}

// NewDesk makes a desk. It takes and checks secrets that are replaced once it is one of the [Options] of a server.
func NewDesk(app *mes.App, records mes.Records, hasher *keys.Hasher, pepper *keys.Pepper, policy keys.Policy, now func() time.Time) *Desk {
	return &Desk{app: app, records: records, hasher: hasher, pepper: pepper, policy: policy, now: now}
}

// at gives the desk its doorman.
func (d *Desk) at(doorman *doorman) *Desk {
	mine := *d
	mine.doorman = doorman
	return &mine
}

// first refuses what must wait until a one-time secret is replaced and codes are set up.
func (d *Desk) first() error {
	if d.here == nil {
		return nil
	}
	secret, codes := d.here.owed()
	return owes{secret, codes}.fault()
}

// fault says what is to be done first, nil if nothing is.
func (o owes) fault() error {
	switch {
	case o.secret != "":
		return mes.Faultf(mes.Denied, "your %s is good for one use; replace it first: connect with a terminal, or ssh -t HOST secret replace kind=%s", o.secret, o.secret)
	case o.codes:
		return mes.Faultf(mes.Denied, "who manages access needs one-time codes; set them up first: connect with a terminal, or ssh -t HOST codes set")
	}
	return nil
}

// Reset gives a person a password or PIN for one use, within [mes.OneTimeFor].
func (d *Desk) Reset(ctx context.Context, actor mes.Actor, person mes.ID, kind, reason string) (secret string, err error) {
	if err := d.first(); err != nil {
		return "", err
	}
	c := &mes.ResetSecret{Person: person, Kind: kind, Reason: reason}
	if !managesAccess(actor) || kind != mes.Password && kind != mes.PIN {
		_, err := d.app.Do(ctx, actor, "", c) // to be refused there, and noted
		return "", err
	}
	p, err := d.records.Person(ctx, mes.Local, person)
	if mes.ErrorCode(err) == mes.NotFound {
		p, err = &mes.Person{}, nil // is refused there too
	}
	if err != nil {
		return "", err
	}
	if secret = keys.NewPassphrase(); kind == mes.PIN {
		secret = keys.NewPIN(string(p.Badge))
	}
	if c.Hash, err = d.hash(ctx, secret, classOf(p, kind)); err != nil {
		return "", err
	}
	if _, err := d.app.Do(ctx, actor, "", c); err != nil {
		return "", err
	}
	return secret, nil
}

// managesAccess tells whether an actor may give rights anywhere. Hashes are computed for nobody else.
func managesAccess(a mes.Actor) bool { return len(a.Scope(mes.ManageAccess)) > 0 }

func (d *Desk) hash(ctx context.Context, secret string, class keys.Class) (mes.Secret, error) {
	hash, err := d.hasher.Hash(ctx, secret, class)
	return mes.Secret(hash), busy(err)
}

// Remove takes a person's PIN or one-time codes away.
func (d *Desk) Remove(ctx context.Context, actor mes.Actor, person mes.ID, kind, reason string) error {
	if err := d.first(); err != nil {
		return err
	}
	_, err := d.app.Do(ctx, actor, "", &mes.RemoveSecret{Person: person, Kind: kind, Reason: reason})
	return err
}

// Replace puts a new password or PIN of the actor in the place of the old one, which must be right: wrong ones count
// like wrong sign-ins. The new one must be as the policy of the site says, and none of those before.
func (d *Desk) Replace(ctx context.Context, actor mes.Actor, kind, current, secret string) error {
	if kind != mes.Password && kind != mes.PIN {
		return mes.Faultf(mes.Invalid, "kind must be password or pin")
	}
	p, err := d.self(ctx, actor)
	if err != nil {
		return err
	}
	was, err := d.doorman.verify(ctx, actor, p, kind, current)
	if err != nil {
		return err
	}
	if err := d.acceptable(ctx, p, kind, secret, was); err != nil {
		return err
	}
	hash, err := d.hash(ctx, secret, classOf(p, kind))
	if err != nil {
		return err
	}
	return d.put(ctx, actor, &mes.ReplaceSecret{Kind: kind, Hash: hash, Was: was.Hash})
}

// put stores a new secret of the actor. It ends their other sessions, and not the one where it is done.
func (d *Desk) put(ctx context.Context, actor mes.Actor, c *mes.ReplaceSecret) error {
	if d.here == nil {
		_, err := d.app.Do(ctx, actor, "", c)
		return err
	}
	d.here.replacing.Lock()
	defer d.here.replacing.Unlock()
	if _, err := d.app.Do(ctx, actor, "", c); err != nil {
		return err
	}
	d.here.replaced(ctx, c.Kind)
	return nil
}

// self is the person who is signed in. An API key has no desk.
func (d *Desk) self(ctx context.Context, actor mes.Actor) (*mes.Person, error) {
	if len(actor.Scope(mes.OwnAccount)) == 0 || d.doorman == nil {
		return nil, mes.Faultf(mes.Denied, "only who is signed in may do this; sign in first")
	}
	return d.records.Person(ctx, mes.Local, actor.Person)
}

// acceptable tells whether a new secret may be taken.
func (d *Desk) acceptable(ctx context.Context, p *mes.Person, kind, secret string, was *mes.Credential) error {
	var err error
	if kind == mes.PIN {
		err = keys.CheckPIN(secret, string(p.Badge))
	} else {
		err = d.policy.Check(secret, string(p.Badge), p.Name)
	}
	if err != nil {
		return asFault(err, "secret")
	}
	before := []string{string(was.Hash)}
	for _, h := range was.History[:min(len(was.History), d.policy.Remembered())] {
		before = append(before, string(h))
	}
	used, err := d.hasher.Reused(ctx, before, secret)
	if err != nil {
		return busy(err)
	}
	if used {
		f := mes.Faultf(mes.Invalid, "you had this %s before; choose another", kind)
		f.Field = "secret"
		return f
	}
	return nil
}

// asFault makes a Fault of what is wrong with something typed. None of the errors that come here repeats it.
func asFault(err error, field string) error {
	f := mes.FaultFrom(mes.Invalid, err, "%s", err.Error())
	f.Field = field
	return f
}

// IssueKey makes an API key and gives it; the command's id and hash are filled in here.
func (d *Desk) IssueKey(ctx context.Context, actor mes.Actor, c mes.IssueKey) (key string, err error) {
	if err := d.first(); err != nil {
		return "", err
	}
	made, err := keys.NewAPIKey(keys.KeyKind(c.Kind))
	if err != nil {
		f := mes.Faultf(mes.Invalid, "kind must be person, machine or program")
		f.Field = "kind"
		return "", f
	}
	c.ID, c.Hash = mes.ID(made.ID), mes.Secret(d.pepper.Digest(made))
	if _, err := d.app.Do(ctx, actor, "", &c); err != nil {
		return "", err
	}
	return made.Reveal(), nil
}

// InviteStation makes the code by which a station brings its own SSH key, once: ssh enrol@HOST.
func (d *Desk) InviteStation(ctx context.Context, actor mes.Actor, station mes.ID) (code string, err error) {
	if err := d.first(); err != nil {
		return "", err
	}
	c := &mes.InviteStation{Station: station}
	if !managesAccess(actor) {
		_, err := d.app.Do(ctx, actor, "", c) // to be refused there, and noted
		return "", err
	}
	code = keys.NewCode()
	if c.Hash, err = d.hash(ctx, code, keys.Ordinary); err != nil {
		return "", err
	}
	if _, err := d.app.Do(ctx, actor, "", c); err != nil {
		return "", err
	}
	return code, nil
}

// longestComment bounds the comment of a public key that is kept, in characters.
const longestComment = 80

// AddKey lets a station or a person in by a public key, one line as in authorized_keys; the actor, if neither is said.
func (d *Desk) AddKey(ctx context.Context, actor mes.Actor, line string, station, person mes.ID) (fingerprint string, err error) {
	if err := d.first(); err != nil {
		return "", err
	}
	key, comment, err := keys.ParseAuthorizedKey(line)
	if err != nil {
		return "", asFault(err, "public_key")
	}
	public := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
	if comment = plainText(comment, longestComment); comment != "" {
		public += " " + comment
	}
	fingerprint = keys.Fingerprint(key)
	var c mes.Command = &mes.AddSSHKey{Fingerprint: mes.ID(fingerprint), PublicKey: public, Station: station, Person: person}
	if station == "" && person == "" {
		c = &mes.AddOwnSSHKey{Fingerprint: mes.ID(fingerprint), PublicKey: public}
	}
	if _, err := d.app.Do(ctx, actor, "", c); err != nil {
		return "", err
	}
	return fingerprint, nil
}

// RevokeKey ends a key of the actor's own at once.
func (d *Desk) RevokeKey(ctx context.Context, actor mes.Actor, key mes.ID) error {
	_, err := d.app.Do(ctx, actor, "", &mes.RevokeOwnKey{Key: key})
	return err
}

// BeginTOTP makes the secret of one-time codes, and the address that puts it into an authenticator app. Nothing is stored
// before ConfirmTOTP has seen a code of it.
func (d *Desk) BeginTOTP(ctx context.Context, actor mes.Actor) (secret, uri string, err error) {
	p, err := d.self(ctx, actor)
	if err != nil {
		return "", "", err
	}
	if has, err := d.doorman.hasCodes(ctx, p.ID); err != nil {
		return "", "", err
	} else if has {
		return "", "", mes.Faultf(mes.Refused, "you have one-time codes already; ask who manages access to remove them first")
	}
	return keys.NewTOTP(issuer, string(p.Badge))
}

// ConfirmTOTP takes the secret into use if the code is right. The code is used up.
func (d *Desk) ConfirmTOTP(ctx context.Context, actor mes.Actor, secret, code string) error {
	p, err := d.self(ctx, actor)
	if err != nil {
		return err
	}
	step, right := keys.CheckTOTP(secret, code, d.now(), 0)
	if !right {
		f := mes.Faultf(mes.Invalid, "the code is not right; wait for the next one, and check the clock of the telephone")
		f.Field = "code"
		return f
	}
	sealed, err := d.pepper.Seal(totpContext(p.ID), []byte(secret))
	if err != nil {
		return err
	}
	return d.put(ctx, actor, &mes.ReplaceSecret{Kind: mes.TOTP, Hash: mes.Secret(sealed), Step: step})
}

// Prove checks the actor's own secret once more, for a signature: at a station the PIN or the password, elsewhere the
// password. Wrong ones count like wrong sign-ins. The actor that it gives may sign, within [mes.ProofFor].
func (d *Desk) Prove(ctx context.Context, actor mes.Actor, secret string) (mes.Actor, error) {
	if err := d.first(); err != nil {
		return mes.Actor{}, err
	}
	p, err := d.self(ctx, actor)
	if err != nil {
		return mes.Actor{}, err
	}
	kind, method := mes.Password, byPassword
	if actor.Station != "" {
		if kind = kindOf(secret); kind == mes.PIN {
			method = byBadgePIN
		} else {
			method = byBadgePassword
		}
	}
	if _, err := d.doorman.verify(ctx, actor, p, kind, secret); err != nil {
		return mes.Actor{}, err
	}
	actor.Proof = &mes.Proof{Method: method, At: d.now()}
	return actor, nil
}

package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// refusedText is the one answer to an unknown badge, a wrong secret, an expired one, a locked badge and a disabled
// person.
const refusedText = "sign-in refused; check badge and PIN, or ask your supervisor"

// notRightText is the answer to a wrong secret of somebody who is signed in.
const notRightText = "that is not right; try again, or ask your supervisor"

// longestBadge is longer than any badge, in bytes.
const longestBadge = 64

// readTime bounds a look-up at a door.
const readTime = 5 * time.Second

// How many secrets of strangers are checked at once, how many wait, and how long. An enrolled station and whoever is
// signed in already do not stand in this line: a flood of guesses leaves them half of what the node can hash.
const (
	guestsChecked  = 1
	guestsWaiting  = 8
	guestsPatience = 3 * time.Second
)

// A doorman tells who somebody is.
type doorman struct {
	app      *mes.App
	records  mes.Records
	hasher   *keys.Hasher
	pepper   *keys.Pepper
	lockout  *lockout
	guests   *keys.Gate
	refusals *refusals
	log      *slog.Logger
	now      func() time.Time
	sleep    func(context.Context, time.Duration)
	codes    bool // who manages access must have one-time codes

	counting sync.Mutex // of failures: one after the other, they change the same few records
}

func newDoorman(o Options, refusals *refusals) *doorman {
	return &doorman{
		app: o.App, records: o.Records, hasher: o.Hasher, pepper: o.Pepper, refusals: refusals, log: o.Log, now: o.Now, sleep: pause,
		lockout: newLockout(o.Limits.Failures, o.Limits.Lock, o.Now), codes: o.RequireTOTP,
		guests: keys.NewGate(guestsChecked, guestsWaiting, guestsPatience),
	}
}

var errUnknownKey = errors.New("no station and no person has this key")

// byKey finds whose SSH key it is, and whether it may come from this address. The caller has seen a signature of it. The
// reason of a refusal is for the ledger; who is refused is told nothing.
func (d *doorman) byKey(ctx context.Context, fingerprint, address string) (*identity, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	id := &identity{key: mes.ID(fingerprint), method: byOwnKey, source: address, at: d.now()}
	key, err := d.records.SSHKey(ctx, mes.Local, id.key)
	switch {
	case mes.ErrorCode(err) == mes.NotFound:
		return nil, errUnknownKey
	case err != nil:
		return nil, err
	case key.Revoked:
		return nil, errors.New("the key is revoked")
	case !mes.InNetworks(key.Networks, address):
		return nil, errors.New("the key may not come from this network")
	case key.Station != "":
		return id, d.station(ctx, id, key.Station)
	}
	if id.person, err = d.records.Person(ctx, mes.Local, key.Person); err != nil {
		return nil, err
	}
	if id.person.Disabled {
		return nil, errors.New("the person is disabled")
	}
	if id.since, err = d.secretsOf(ctx, id.person.ID); err != nil {
		return nil, err
	}
	return id, nil
}

// station fills in the station of a key.
func (d *doorman) station(ctx context.Context, id *identity, code mes.ID) error {
	s, err := d.records.Station(ctx, mes.Local, code)
	switch {
	case err != nil:
		return err
	case s.Retired:
		return errors.New("the station is retired")
	case !mes.InNetworks(s.Networks, id.source):
		return errors.New("the station may not be in this network")
	}
	id.station = s
	return nil
}

// An entrant is a person whose secret was right.
type entrant struct {
	person *mes.Person
	owes   owes
	since  secretTimes
	code   bool // a one-time code is asked for besides
}

// bySecret tells which person has a badge and knows its secret, of the given kind (password or pin). Unknown, locked,
// disabled, expired and wrong take the same time and give the same error: the wait is measured from the start, so that
// it hides what was looked up. Busy is an error of its own: then nothing was checked.
//
// A wrong secret is counted in the store, with its ledger entry, before the answer; a right one is noted by sign.in.
func (d *doorman) bySecret(ctx context.Context, door mes.Actor, badge, kind, secret string) (*entrant, error) {
	if len(badge) > longestBadge {
		badge = badge[:longestBadge] // nobody's, and no reason to remember all of it
	}
	source, _ := mes.Sources(door, kind)
	c := &check{doorman: d, door: door, kind: kind, started: time.Now(), try: d.lockout.begin(strings.ToLower(badge), source, door.Station != "")}
	rehash, err := c.prove(ctx, badge, secret)
	if err != nil {
		return nil, err
	}
	e, err := d.admitted(ctx, c, kind)
	if err != nil {
		return nil, c.giveUp(err)
	}
	if e.code {
		c.try.undone() // half of a proof forgives nothing
	} else {
		c.try.right()
	}
	if rehash {
		d.rehash(ctx, c, secret)
	}
	return e, nil
}

// verify checks a secret of somebody who is signed in, with the same counting, waiting and ledger entries as at the
// door. What strangers do elsewhere keeps nobody from it.
func (d *doorman) verify(ctx context.Context, actor mes.Actor, p *mes.Person, kind, secret string) (*mes.Credential, error) {
	door := doorActor(actor.Source, actor.Key)
	if actor.Station != "" {
		s, err := d.records.Station(ctx, mes.Local, actor.Station)
		if err != nil {
			return nil, err
		}
		door = stationActor(s, actor.Source, actor.Key)
	}
	source, _ := mes.Sources(door, kind)
	badge := string(p.Badge)
	c := &check{doorman: d, door: door, kind: kind, known: true, started: time.Now(), try: d.lockout.begin(strings.ToLower(badge), source, true)}
	if _, err := c.prove(ctx, badge, secret); err != nil {
		if mes.ErrorCode(err) == mes.Unauthenticated {
			err = mes.Faultf(mes.Denied, notRightText)
		}
		return nil, err
	}
	c.try.right()
	return c.credential, nil
}

// admitted tells what else is to be known of a person whose secret was right.
func (d *doorman) admitted(ctx context.Context, c *check, kind string) (*entrant, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	e := &entrant{person: c.person}
	var err error
	if e.since, err = d.secretsOf(ctx, c.person.ID); err != nil {
		return nil, err
	}
	if kind == mes.PIN { // as it was when it was checked
		e.since.pin = c.credential.SetAt.UnixMilli()
	} else {
		e.since.password = c.credential.SetAt.UnixMilli()
	}
	has, err := d.hasCodes(ctx, c.person.ID)
	if err != nil {
		return nil, err
	}
	if c.credential.OneTime {
		e.owes.secret = kind
	}
	e.owes.codes = d.owesCodes(c.person, has)
	e.code = has && c.door.Station == "" // an enrolled station is a second proof already
	return e, nil
}

// owesCodes tells whether a person must set up one-time codes.
func (d *doorman) owesCodes(p *mes.Person, has bool) bool { return d.codes && !has && manages(p) }

// manages tells whether a person may give rights to others anywhere.
func manages(p *mes.Person) bool {
	return len(mes.Actor{Kind: mes.ByPerson, Grants: p.Grants}.Scope(mes.ManageAccess)) > 0
}

// hasCodes tells whether a person has one-time codes.
func (d *doorman) hasCodes(ctx context.Context, person mes.ID) (bool, error) {
	c, err := d.records.Credential(ctx, mes.Local, mes.CredentialID(person, mes.TOTP))
	if mes.ErrorCode(err) == mes.NotFound {
		return false, nil
	}
	return err == nil && c.Hash != "", err
}

// secretsOf tells when somebody's secrets were set. It is compared with what was true earlier, so it must not be older.
func (d *doorman) secretsOf(ctx context.Context, person mes.ID) (secretTimes, error) {
	var t secretTimes
	for kind, at := range map[string]*int64{mes.Password: &t.password, mes.PIN: &t.pin} {
		c, err := d.records.Credential(ctx, mes.Fresh, mes.CredentialID(person, kind))
		if err == nil {
			*at = c.SetAt.UnixMilli()
		} else if mes.ErrorCode(err) != mes.NotFound {
			return t, err
		}
	}
	return t, nil
}

// byCode checks a one-time code, of a person who has proven something else already: the password, or a key of their own.
// It gives the code's time step, which sign.in uses up. Whoever holds the person's key cannot be kept out by guesses at
// the password.
func (d *doorman) byCode(ctx context.Context, door mes.Actor, person *mes.Person, code string) (step int64, err error) {
	source, _ := mes.Sources(door, mes.TOTP)
	c := &check{
		doorman: d, door: door, kind: mes.TOTP, known: door.Key != "", started: time.Now(), person: person,
		try: d.lockout.begin(strings.ToLower(string(person.Badge)), source, door.Key != ""),
	}
	c.try.isOf(person.ID, source)
	if err := c.barred(ctx); err != nil {
		return 0, err
	}
	read, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	credential, err := d.records.Credential(read, mes.Fresh, mes.CredentialID(person.ID, mes.TOTP))
	if err != nil {
		return 0, c.giveUp(err)
	}
	secret, err := d.pepper.Open(totpContext(person.ID), string(credential.Hash))
	if err != nil {
		d.log.Error("stored one-time codes cannot be checked; remove them and set them up anew", "person", person.ID, "error", err)
		return 0, c.wrong(ctx, "the stored one-time codes cannot be checked")
	}
	step, ok := keys.CheckTOTP(string(secret), code, d.now(), credential.Step)
	if !ok {
		return 0, c.wrong(ctx, "wrong one-time code")
	}
	c.try.right()
	return step, nil
}

// totpContext binds the sealed secret of one-time codes to their owner.
func totpContext(person mes.ID) string { return "person/" + string(person) + "/totp" }

// rehash stores a right secret by the parameters of today, at the higher cost if the person can give rights by now.
func (d *doorman) rehash(ctx context.Context, c *check, secret string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	hash, err := d.hasher.Hash(ctx, secret, classOf(c.person, c.kind))
	if err == nil {
		_, err = d.app.Do(ctx, c.door, "", &mes.RehashSecret{Person: c.person.ID, Kind: c.kind, Was: c.credential.Hash, Hash: mes.Secret(hash)})
	}
	if err != nil {
		d.log.Warn("a secret was not stored by the parameters of today; the next sign-in tries again", "person", c.person.ID, "error", err)
	}
}

// classOf tells how costly the hash of a person's secret is to be.
func classOf(p *mes.Person, kind string) keys.Class {
	if kind == mes.Password && manages(p) {
		return keys.Administrator
	}
	return keys.Ordinary
}

// A check is one secret on its way through the doorman.
type check struct {
	*doorman
	door    mes.Actor // who lets people in here
	kind    string    // of the secret
	known   bool      // they have proven something before: a key of their own, or they are signed in
	try     *attempt
	started time.Time

	person     *mes.Person     // nil if nobody has the badge
	credential *mes.Credential // nil if there is none
}

// prove checks a secret from beginning to end. What is wrong is counted and gives the one answer; of what is right the
// attempt is still to be ended.
func (c *check) prove(ctx context.Context, badge, secret string) (rehash bool, err error) {
	if !c.try.locked { // what is stopped here costs no look into the store
		if err := c.look(ctx, badge); err != nil {
			return false, c.giveUp(err)
		}
	}
	if err := c.barred(ctx); err != nil {
		return false, err
	}
	reason, rehash, err := c.compare(ctx, secret)
	if err != nil {
		return false, c.giveUp(err)
	}
	if reason != "" {
		return false, c.wrong(ctx, reason)
	}
	return rehash, nil
}

// look finds the person and the secret. It looks for both whoever is asked for.
func (c *check) look(ctx context.Context, badge string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	c.person, err = c.records.Person(ctx, mes.Local, mes.ID(badge))
	if err == nil && string(c.person.Badge) != badge {
		c.person, err = nil, mes.Faultf(mes.NotFound, "an id is not a badge")
	}
	if err != nil && mes.ErrorCode(err) != mes.NotFound {
		return err
	}
	owner := mes.ID("nobody")
	if err == nil {
		owner = c.person.ID
		source, _ := mes.Sources(c.door, c.kind)
		c.try.isOf(owner, source)
	} else {
		c.person = nil
	}
	c.credential, err = c.records.Credential(ctx, mes.Fresh, mes.CredentialID(owner, c.kind))
	if mes.ErrorCode(err) == mes.NotFound {
		c.credential, err = nil, nil
	}
	return err
}

// barred refuses what is locked, by this node or in the store, whatever the secret is.
func (c *check) barred(ctx context.Context) error {
	if c.try.locked {
		return c.refuse(ctx, "locked here for a while")
	}
	locked, err := c.isLocked(ctx)
	switch {
	case err != nil:
		return c.giveUp(err)
	case locked:
		return c.refuse(ctx, "locked for a while")
	}
	return nil
}

// isLocked asks the store, which knows what other nodes know and what was before a restart.
func (c *check) isLocked(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	if c.known { // strangers have not proven what they have
		source, _ := mes.Sources(c.door, c.kind)
		pair, err := c.records.Lockout(ctx, mes.Fresh, mes.PairLockout(c.person.ID, source))
		if mes.ErrorCode(err) == mes.NotFound {
			return false, nil
		}
		_, locked := mes.Locked(c.now(), true, pair, nil, nil)
		return locked, err
	}
	var person mes.ID
	if c.person != nil {
		person = c.person.ID
	}
	_, locked, err := mes.LockedAt(ctx, c.records, mes.Fresh, c.now(), c.door, person, c.kind)
	return locked, err
}

// compare costs one hash whoever is asked for. The reason is "" when the person may come in.
func (c *check) compare(ctx context.Context, secret string) (reason string, rehash bool, err error) {
	err = c.inTurn(ctx, func() error {
		reason, rehash, err = c.hash(ctx, secret)
		return err
	})
	if reason != "" || err != nil {
		return reason, false, busy(err)
	}
	switch {
	case c.person.Disabled:
		return "the person is disabled", false, nil
	case !c.credential.Usable(c.now()):
		return "the one-time " + c.kind + " has expired", false, nil
	}
	class := classOf(c.person, c.kind)
	return "", rehash || class == keys.Administrator && c.hasher.NeedsRehash(string(c.credential.Hash), class), nil
}

// inTurn lets strangers wait in a line of their own.
func (c *check) inTurn(ctx context.Context, work func() error) (err error) {
	if c.known || c.door.Station != "" {
		return work()
	}
	if turned := c.guests.Do(ctx, func() { err = work() }); turned != nil {
		return turned
	}
	return err
}

func (c *check) hash(ctx context.Context, secret string) (reason string, rehash bool, err error) {
	switch {
	case c.person == nil:
		return "unknown badge", false, c.hasher.VerifyNobody(ctx, secret)
	case c.credential == nil || c.credential.Hash == "":
		return "the person has no " + c.kind, false, c.hasher.VerifyNobody(ctx, secret)
	}
	right, rehash, err := c.hasher.Verify(ctx, string(c.credential.Hash), secret)
	if errors.Is(err, keys.ErrMalformedHash) || errors.Is(err, keys.ErrUnknownPepper) {
		c.log.Error("a stored secret cannot be checked; set it anew", "person", c.person.ID, "kind", c.kind, "error", err)
		return "the stored " + c.kind + " cannot be checked", false, c.hasher.VerifyNobody(ctx, secret)
	}
	if err == nil && !right {
		reason = "wrong " + c.kind
	}
	return reason, rehash, err
}

// busy says in its own words that nothing was checked.
func busy(err error) error {
	if errors.Is(err, keys.ErrBusy) {
		return mes.FaultFrom(mes.Busy, err, "too many sign-ins at this moment; try again in a few seconds")
	}
	return err
}

// giveUp takes the attempt back: nothing was checked.
func (c *check) giveUp(err error) error {
	c.try.undone()
	return err
}

// wrong counts a wrong secret and gives the one answer.
func (c *check) wrong(ctx context.Context, reason string) error {
	c.try.wrong()
	c.count(ctx, reason)
	return c.answer(ctx)
}

// refuse gives the one answer to what is not even looked at.
func (c *check) refuse(ctx context.Context, reason string) error {
	c.try.wrong()
	subject := "person/unknown"
	if c.person != nil {
		subject = "person/" + string(c.person.ID)
	}
	c.refusals.record(ctx, c.door, "sign.in", subject, reason)
	return c.answer(ctx)
}

// answer waits until the time for the answer has come. When the work took longer than the wait, under load, it waits for
// the next full second.
func (c *check) answer(ctx context.Context) error {
	took := time.Since(c.started)
	wait := c.try.delay - took
	if wait < 0 {
		wait = took.Truncate(time.Second) + time.Second - took
	}
	c.sleep(ctx, wait)
	return mes.Faultf(mes.Unauthenticated, refusedText)
}

// count writes a failure down: one transaction with its ledger entry. That it could not be written changes nothing for
// who is refused.
func (c *check) count(ctx context.Context, reason string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	c.log.Info("refused", "command", "sign.in", "reason", reason, "source", c.door.Source, "key", c.door.Key, "station", c.door.Station)
	fail := &mes.FailSignIn{Kind: c.kind, Reason: reason}
	if c.person != nil {
		fail.Person = c.person.ID
	}
	c.counting.Lock()
	receipt, err := c.app.Do(ctx, c.door, "", fail)
	c.counting.Unlock()
	if err != nil {
		c.log.Error("a failed sign-in was not recorded", "person", fail.Person, "error", err)
		return
	}
	var given struct {
		Until int64 `json:"until"`
	}
	if err := json.Unmarshal(receipt.Result, &given); err != nil || given.Until == 0 {
		return
	}
	_, source := mes.Sources(c.door, c.kind)
	subject := "source/" + source
	if fail.Person != "" {
		subject = "person/" + string(fail.Person)
	}
	text := "locked after wrong secrets from " + source + " until " + time.UnixMilli(given.Until).UTC().Format(time.RFC3339)
	if _, err := c.app.Do(ctx, c.door, "", &mes.RaiseAlert{What: "locked_out", Subject: subject, Text: text}); err != nil {
		c.log.Error("an alert was not recorded", "what", "locked_out", "subject", subject, "error", err)
	}
}

// unlocked forgets what was cleared in the store: a supervisor unlocked somebody, or they signed in on another node.
func (d *doorman) unlocked(record mes.ID) {
	if !d.lockout.holds(record) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	l, err := d.records.Lockout(ctx, mes.Local, record)
	if err == nil && l.Failures == 0 && l.Streak == 0 && l.Until.IsZero() {
		d.lockout.forget(record)
	}
}

// kindOf tells what somebody at a station typed: digits are a PIN, anything else a password.
func kindOf(secret string) string {
	if secret != "" && strings.Trim(secret, "0123456789") == "" {
		return mes.PIN
	}
	return mes.Password
}

// pause waits, or returns when the context ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

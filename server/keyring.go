package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// keyAge is how long a key's record is believed without a look into the store. It is what another node's revocation
// takes at most; one of this node counts at once.
const keyAge = time.Second

// keyringSize bounds the keys that are remembered.
const keyringSize = 10_000

// A keyring knows the API keys that were used lately.
type keyring struct {
	app      *mes.App
	records  mes.Records
	pepper   *keys.Pepper
	refusals *refusals
	bad      *buckets // wrong keys by source
	uses     keyUses
	log      *slog.Logger
	now      func() time.Time

	mu   sync.Mutex
	held map[mes.ID]*heldKey
}

// A heldKey is a key's record as it was read.
type heldKey struct {
	key    *mes.Key
	person *mes.Person // owner of a person's key
	readAt time.Time
}

func newKeyring(o Options, refusals *refusals) *keyring {
	perMinute := float64(o.Limits.BadKeys)
	return &keyring{
		app: o.App, records: o.Records, pepper: o.Pepper, refusals: refusals, log: o.Log, now: o.Now,
		bad: newBuckets(perMinute/60, perMinute, o.Now), held: map[mes.ID]*heldKey{}, uses: keyUses{last: map[mes.ID]keyUse{}},
	}
}

var (
	errNoKey    = mes.Faultf(mes.Unauthenticated, "send an API key: Authorization: Bearer KEY")
	errScheme   = mes.Faultf(mes.Unauthenticated, "send the API key as Authorization: Bearer KEY, or as X-Api-Key: KEY")
	errTwoKeys  = mes.Faultf(mes.Invalid, "more than one key came with the request; send one")
	errWrongKey = mes.Faultf(mes.Unauthenticated, "the API key is not valid; copy it again, or ask for a new one")
	errBadKeys  = mes.Faultf(mes.Busy, "too many wrong keys from your address; wait a minute")
)

// keyIn takes the key out of a request.
func keyIn(r *http.Request) (keys.APIKey, error) {
	authorization, plain := r.Header.Values("Authorization"), r.Header.Values("X-Api-Key")
	var text string
	switch {
	case len(authorization)+len(plain) == 0:
		return keys.APIKey{}, errNoKey
	case len(authorization)+len(plain) > 1:
		return keys.APIKey{}, errTwoKeys
	case len(plain) == 1:
		text = plain[0]
	default:
		scheme, rest, _ := strings.Cut(authorization[0], " ")
		switch strings.ToLower(scheme) {
		case "bearer", "token":
			text = rest
		case "basic":
			return keys.APIKey{}, errBasic
		default:
			return keys.APIKey{}, errScheme
		}
	}
	key, err := keys.ParseAPIKey(strings.TrimSpace(text))
	if err != nil {
		return keys.APIKey{}, wrongKey("malformed API key")
	}
	return key, nil
}

// wrongKey refuses a key with the one text for all reasons. The reason is for the trace and the ledger.
func wrongKey(reason string) error {
	return mes.FaultFrom(mes.Unauthenticated, errors.New(reason), "%s", errWrongKey.Message)
}

// actor tells who a key stands for, which came from an origin. Errors: Unauthenticated, one text for all reasons; Busy
// for a source that sent too many wrong ones; Unavailable when the store does not answer.
func (k *keyring) actor(ctx context.Context, key keys.APIKey, from origin) (mes.Actor, error) {
	id := mes.ID(key.ID)
	held, err := k.hold(ctx, id, from.source)
	if err != nil {
		return mes.Actor{}, err
	}
	if reason, foreign := k.refusal(key, held, from); reason != "" {
		if foreign {
			k.bad.take(from.source)
		}
		k.refusals.record(ctx, apiDoorActor(from.source, id), "key.use", "api_key/"+key.ID, reason)
		return mes.Actor{}, wrongKey(reason)
	}
	a := mes.Actor{
		Kind: held.key.Kind, ID: cmp.Or(held.key.Principal, id), Name: held.key.Name, Key: id, Source: from.source, Grants: held.key.Grants,
	}
	if p := held.person; p != nil {
		a.ID, a.Person, a.Name, a.Grants = p.ID, p.ID, p.Name, p.Grants
	}
	k.watchUse(ctx, a)
	return a, nil
}

// refusal tells why a key may not be used, "" if it may. Foreign is one that nobody here was given, or that came from
// somewhere else than its owner: of those a source may not send many.
func (k *keyring) refusal(key keys.APIKey, held *heldKey, from origin) (reason string, foreign bool) {
	switch {
	case held.key == nil:
		return "unknown API key", true
	case string(held.key.Kind) != string(key.Kind), !k.pepper.Matches(key, string(held.key.Hash)):
		return "wrong API key", true
	case !mes.InNetworks(held.key.Networks, from.address):
		return "API key from a network that is not its own", true
	case held.key.Revoked:
		return "revoked API key", false
	case !held.key.Live(k.now()):
		return "expired API key", false
	case held.key.Kind == mes.ByPerson && (held.person == nil || held.person.Disabled):
		return "API key of a disabled person", false
	}
	return "", false
}

// apiDoorActor is the API door itself, for what it has to tell the ledger.
func apiDoorActor(source string, key mes.ID) mes.Actor {
	return mes.Actor{Kind: mes.BySystem, ID: "door", Name: "API door", Key: key, Source: source, Grants: []mes.Grant{{Role: mes.Kiosk}}}
}

// hold gives the record of a key, not older than keyAge. An unknown key has none.
func (k *keyring) hold(ctx context.Context, id mes.ID, source string) (*heldKey, error) {
	now := k.now()
	k.mu.Lock()
	held := k.held[id]
	k.mu.Unlock()
	if held != nil && now.Sub(held.readAt) < keyAge {
		return held, nil
	}
	if held == nil && k.bad.empty(source) {
		return nil, errBadKeys
	}
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	key, err := k.records.Key(ctx, mes.Local, id)
	if mes.ErrorCode(err) == mes.NotFound {
		k.forget(id)
		return &heldKey{}, nil
	}
	if err != nil {
		return nil, err
	}
	held = &heldKey{key: key, readAt: now}
	if key.Kind == mes.ByPerson {
		if held.person, err = k.records.Person(ctx, mes.Local, key.Person); err != nil && mes.ErrorCode(err) != mes.NotFound {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.held) >= keyringSize {
		clear(k.held)
	}
	k.held[id] = held
	return held, nil
}

func (k *keyring) forget(id mes.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.held, id)
}

// watch forgets keys whose record, or whose owner's, has changed. It returns when the mailbox is closed.
func (k *keyring) watch(box *Mailbox) {
	for {
		topics, ok := box.Wait()
		if !ok {
			return
		}
		for _, topic := range topics {
			kind, id, _ := strings.Cut(topic, ":")
			switch {
			case topic == Everything:
				k.mu.Lock()
				clear(k.held)
				k.mu.Unlock()
			case kind == string(mes.KindKey):
				k.forget(mes.ID(id))
			case kind == string(mes.KindPerson):
				k.mu.Lock()
				for key, held := range k.held {
					if held.person != nil && held.person.ID == mes.ID(id) {
						delete(k.held, key)
					}
				}
				k.mu.Unlock()
			}
		}
	}
}

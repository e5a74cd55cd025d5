package mes

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// An App is the door to the floor: every write goes through Do, every read through its methods.
type App struct {
	store   Store
	now     func() time.Time
	newID   func() ID
	publish func(topics ...string)
	lanes   lanes
}

// NewApp makes the door over a store. Time and ids come from outside; publish is told what changed after each commit
// and must not block.
func NewApp(store Store, now func() time.Time, newID func() ID, publish func(topics ...string)) *App {
	return &App{store: store, now: now, newID: newID, publish: publish}
}

// maxAttempts bounds how often a command is decided again because somebody else was faster.
const maxAttempts = 3

// Do is the only way to change anything. It authorizes, decides and commits a command with its ledger entry, all or
// nothing, and publishes what changed afterwards. The same command id always gives the same receipt; an empty id is a
// new one.
//
// Errors are Faults: Denied when no grant of the actor holds the command's verb, Invalid, NotFound and Refused from the
// rules, Conflict when others kept being faster or the id was used for something else, and Unavailable when the store
// could not say in time whether it was done. Sending it again with the same id is then safe.
func (a *App) Do(ctx context.Context, actor Actor, id ID, c Command) (Receipt, error) {
	spec := SpecOf(c)
	if spec == nil {
		return Receipt{}, Faultf(Internal, "the command is not in the table")
	}
	repeatable := id != ""
	if !repeatable {
		id = a.newID()
	} else if len(id) > 80 || checkText("id", string(id), 80) != nil {
		return Receipt{}, invalid("id", "a command id has 1 to 80 plain characters")
	}
	given, digest, err := writtenDown(spec, c)
	if err != nil {
		return Receipt{}, err
	}
	defer a.lanes.enter(c)()

	level := Cached
	for attempt := 0; attempt < maxAttempts; {
		d := a.begin(ctx, actor, id, spec, level)
		err := d.authorize()
		if err == nil {
			err = c.decide(d)
		}
		if err != nil {
			if level == Cached && ErrorCode(err) != Denied && ErrorCode(err) != Invalid {
				level = Fresh // never refuse on what memory says
				continue
			}
			if repeatable && ErrorCode(err) != Unauthenticated {
				if r, found := a.earlier(ctx, actor, id, digest); found != nil || r.ID != "" {
					return r, found
				}
			}
			return Receipt{}, a.refused(ctx, d, given, err)
		}
		change, err := d.change(given, digest)
		if err != nil {
			return Receipt{}, err
		}
		receipt, err := a.store.Commit(ctx, change)
		if errors.Is(err, ErrStale) {
			level, attempt = Fresh, attempt+1
			continue
		}
		if err == nil && !receipt.Replayed {
			a.publish(change.Topics()...)
		}
		return receipt, err
	}
	return Receipt{}, Faultf(Conflict, "others changed this while you worked; look again and repeat")
}

// writtenDown is the command as the ledger keeps it, and the digest that ties its id to its content.
func writtenDown(spec *Spec, c Command) (given json.RawMessage, digest string, err error) {
	in, bulk := c.(*Ingest)
	if bulk && in.Digest != "" {
		return in.brief(), in.Digest, nil
	}
	if given, err = json.Marshal(c); err != nil {
		return nil, "", invalid("", "the command cannot be written down: %v", err)
	}
	digest = digestOf(spec.Name, given)
	if bulk {
		in.Digest = digest
		given = in.brief()
	}
	return given, digest, nil
}

// begin opens a decision.
func (a *App) begin(ctx context.Context, actor Actor, id ID, spec *Spec, level Freshness) *Decision {
	return &Decision{
		Actor: actor, ID: id, Now: a.now().UTC().Truncate(time.Millisecond), NewID: a.newID, ctx: ctx, store: a.store, level: level, spec: spec,
		scope: actor.Scope(spec.Verb), loaded: map[ref]*held{}, result: map[string]any{},
	}
}

// authorize refuses a command whose verb no grant holds. Where it is held is checked as the command reads.
func (d *Decision) authorize() error {
	if d.Actor.ID == "" {
		return Faultf(Unauthenticated, "nobody is signed in; sign in first")
	}
	if len(d.scope) == 0 {
		return Faultf(Denied, "you may not %s; ask who manages access", d.spec.Help)
	}
	return nil
}

// earlier gives the receipt of a command that was done before under the same id.
func (a *App) earlier(ctx context.Context, actor Actor, id ID, digest string) (Receipt, error) {
	r, err := a.store.Receipt(ctx, id)
	if err != nil {
		return Receipt{}, nil // not known: the refusal stands
	}
	if r.By != actor.ID || r.Digest != digest {
		return Receipt{}, Faultf(Conflict, "the command id %s was used for something else; use a new one", id)
	}
	r.Replayed = true
	return r, nil
}

// maxGivenRefused is how many bytes of a refused command the ledger keeps as they came; of a longer one it keeps the
// length and the digest.
const maxGivenRefused = 16_384

// refused records a refusal and gives it back. A refusal that cannot be recorded is still a refusal: nothing was done.
func (a *App) refused(ctx context.Context, d *Decision, given json.RawMessage, cause error) error {
	if code := ErrorCode(cause); code == Unavailable || code == Internal {
		return cause
	}
	if len(given) > maxGivenRefused {
		given, _ = json.Marshal(map[string]any{"bytes": len(given), "digest": digestOf(d.spec.Name, given)})
	}
	entry, err := d.entry(NotDone, ErrorCode(cause), ErrorMessage(cause), Detail{Given: given})
	if err == nil {
		_, err = a.store.Commit(ctx, &Change{Entry: entry})
	}
	if err != nil && ErrorCode(err) != Unavailable {
		return errors.Join(cause, err)
	}
	return cause
}

// Refuse records that somebody was turned away before any command: a wrong PIN, an unknown badge, a bad key.
func (a *App) Refuse(ctx context.Context, actor Actor, command, subject string, cause *Fault) error {
	d := a.begin(ctx, actor, a.newID(), &Spec{Name: command, View: ActivityLog}, Cached)
	d.subject = plain(subject, 120)
	return a.refused(ctx, d, nil, cause)
}

// Now is the App's clock, for screens that show how long something has been so.
func (a *App) Now() time.Time { return a.now().UTC() }

// NewID makes a command id: forms make theirs when they open, so that sending twice does once.
func (a *App) NewID() ID { return a.newID() }

package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"gemba/mes"
)

// A key that is used from two addresses at a time has been copied, perhaps by somebody who should not have it. That is
// said, and said again every hour; it is not stopped, because a line may hang on it.
const (
	twoPlacesWithin = 10 * time.Minute
	twoPlacesAgain  = time.Hour
)

// keyUses remember from where each key was used last.
type keyUses struct {
	mu   sync.Mutex
	last map[mes.ID]keyUse
}

type keyUse struct {
	source string
	at     time.Time
	said   time.Time // when somebody was told of two places
}

// note takes down a use. It tells the other source when somebody should be told of it.
func (u *keyUses) note(key mes.ID, source string, now time.Time) (other string, tell bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	use, known := u.last[key]
	if !known {
		u.makeRoom(now)
	}
	tell = known && use.source != source && now.Sub(use.at) < twoPlacesWithin && (use.said.IsZero() || now.Sub(use.said) >= twoPlacesAgain)
	other = use.source
	if tell {
		use.said = now
	}
	use.source, use.at = source, now
	u.last[key] = use
	return other, tell
}

// makeRoom forgets the uses that cannot matter any more, and then whatever comes to hand.
func (u *keyUses) makeRoom(now time.Time) {
	if len(u.last) < keyringSize {
		return
	}
	for key, use := range u.last {
		if now.Sub(use.at) >= twoPlacesAgain {
			delete(u.last, key)
		}
	}
	for key := range u.last {
		if len(u.last) <= keyringSize*3/4 { // not one by one: a flood would search all of them each time
			return
		}
		delete(u.last, key)
	}
}

// watchUse takes down a use of a good key, and raises the alarm when it is in two places.
func (k *keyring) watchUse(ctx context.Context, a mes.Actor) {
	other, tell := k.uses.note(a.Key, a.Source, k.now())
	if !tell {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTime)
	defer cancel()
	_, err := k.app.Do(ctx, apiDoorActor(a.Source, a.Key), "", &mes.RaiseAlert{
		What: "key_in_two_places", Subject: "api_key/" + string(a.Key),
		Text: fmt.Sprintf("API key %s is used from %s and from %s; give each its own key, and revoke this one if one of them is not known", a.Key, other, a.Source),
	})
	if err != nil {
		k.log.Error("an alert was not recorded", "what", "key_in_two_places", "key", a.Key, "error", err)
	}
}

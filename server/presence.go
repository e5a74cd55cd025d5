package server

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"gemba/mes"
)

// How a session can end, as the ledger says it.
const (
	endLeft     = "signed out"
	endBack     = "came back"
	endOther    = "somebody else signed in"
	endLost     = "connection lost"
	endShutdown = "server going down"
	endTime     = "time is over"
	endFault    = "screen failed"
	endTaken    = "taken over"
	endDisabled = "account disabled"
	endGrants   = "rights changed"
	endSecret   = "secret changed"
	endKey      = "key revoked"
	endStation  = "station retired or moved"
)

// farewells are the last words to somebody whose session did not end by their own wish.
var farewells = map[string]string{
	endShutdown: "gemba is going down. What you sent is safe; connect again in a moment.",
	endTime:     "You were connected for very long; connect again.",
	endFault:    "The screen failed, and this was noted. What you sent is safe; connect again.",
	endTaken:    "You signed in elsewhere once more than you may; this was your oldest session, and it has ended.",
	endDisabled: "Your account is closed. Ask your supervisor.",
	endGrants:   "What you may do has changed; connect again.",
	endSecret:   "Your password or PIN was changed; connect again with the new one. If you do not know of it, tell your supervisor.",
	endKey:      "The key of this connection is no longer valid. Ask your supervisor.",
	endStation:  "This station was retired or moved; connect again, or ask who manages the stations.",
}

// watch ends sessions whose right to be here has ended: a person was disabled or has other grants or another password, a
// key was revoked, a station retired. What another node did comes the same way. It returns when the mailbox is closed.
func (d *sshDoor) watch(box *Mailbox) {
	for {
		topics, ok := box.Wait()
		if !ok {
			return
		}
		for _, topic := range topics {
			if id, of := strings.CutPrefix(topic, string(mes.KindLockout)+":"); of {
				d.doorman.unlocked(mes.ID(id))
			} else if topic == Everything {
				for _, id := range d.doorman.lockout.held() {
					d.doorman.unlocked(id)
				}
			}
		}
		for _, s := range d.sessionsWhere(func(s *session) bool { return s.concerns(topics) }) {
			go s.recheck() // one that is slow keeps no other alive
		}
	}
}

// sessionsWhere lists living sessions, the oldest first.
func (d *sshDoor) sessionsWhere(is func(*session) bool) []*session {
	d.mu.Lock()
	all := make([]*session, 0, len(d.live))
	for s := range d.live {
		all = append(all, s)
	}
	d.mu.Unlock()
	all = slices.DeleteFunc(all, func(s *session) bool { return !is(s) })
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.number, b.number) })
	return all
}

// takeOver ends the oldest screens of a person or station, until there is room for another: whoever comes has proven
// anew who they are, and what is in the way may be a session whose cable was pulled a moment ago. Commands are left
// alone.
func (d *sshDoor) takeOver(by *session, is func(*session) bool) {
	own := d.sessionsWhere(func(s *session) bool { return s != by && s.isScreen() && is(s) })
	for len(own) >= d.limits.SessionsOf {
		own[0].end(endTaken)
		own = own[1:]
	}
}

// sameAs chooses the sessions of whoever opened this one.
func (s *session) sameAs(other *session) bool { return s.id.name() == other.id.name() }

// of chooses the sessions in which a person is signed in, at stations and on connections of their own.
func of(person mes.ID) func(*session) bool {
	return func(s *session) bool {
		p, _ := s.signedIn()
		return p != nil && p.ID == person
	}
}

// isScreen tells whether the session shows screens, and is to go on.
func (s *session) isScreen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.quit != nil && s.how == ""
}

// signedIn gives who is signed in, nil if nobody is, and since when their secrets are.
func (s *session) signedIn() (*mes.Person, secretTimes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.person, s.since
}

// concerns tells whether topics are about what lets this session be here.
func (s *session) concerns(topics []string) bool {
	person, _ := s.signedIn()
	is := func(topic string, kind mes.Kind, id mes.ID) bool {
		return id != "" && topic == string(kind)+":"+string(id)
	}
	return slices.ContainsFunc(topics, func(t string) bool {
		return t == Everything || is(t, mes.KindSSHKey, s.id.key) ||
			s.id.station != nil && is(t, mes.KindStation, s.id.station.ID) ||
			person != nil && (is(t, mes.KindPerson, person.ID) || is(t, mes.KindCredential, mes.CredentialID(person.ID, mes.Password)) ||
				is(t, mes.KindCredential, mes.CredentialID(person.ID, mes.PIN)))
	})
}

// recheck ends the session when its key, station or person may no longer be here, or the person may do other things
// than when they came.
func (s *session) recheck() {
	ctx, cancel := context.WithTimeout(context.Background(), readTime)
	defer cancel()
	if how := s.unwelcome(ctx); how != "" {
		s.end(how)
	}
}

// unwelcome tells why the session may not go on, "" if it may. What cannot be read is left for the next time.
func (s *session) unwelcome(ctx context.Context) string {
	records := s.door.options.Records
	if s.id.key != "" {
		key, err := records.SSHKey(ctx, mes.Local, s.id.key)
		if err == nil && (key.Revoked || !mes.InNetworks(key.Networks, s.id.source)) {
			return endKey
		}
	}
	if was := s.id.station; was != nil {
		now, err := records.Station(ctx, mes.Local, was.ID)
		if err == nil && (now.Retired || now.Line != was.Line || !mes.InNetworks(now.Networks, s.id.source)) {
			return endStation
		}
	}
	s.replacing.Lock() // a secret that is replaced in this very session does not end it
	defer s.replacing.Unlock()
	person, since := s.signedIn()
	if person == nil {
		return ""
	}
	now, err := records.Person(ctx, mes.Local, person.ID)
	switch {
	case err != nil:
	case now.Disabled:
		return endDisabled
	case !slices.Equal(now.Grants, person.Grants):
		return endGrants
	}
	if times, err := s.door.doorman.secretsOf(ctx, person.ID); err == nil && times != since {
		return endSecret
	}
	return ""
}

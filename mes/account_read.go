package mes

import (
	"context"
	"time"
)

// PersonDetail is a person with all that belongs to their account.
type PersonDetail struct {
	Person   Person       `json:"person"`
	Secrets  []SecretInfo `json:"secrets"`
	Lockouts []Lockout    `json:"lockouts"`
	Keys     []KeyInfo    `json:"keys"`     // API keys, newest first, at most 100
	SSHKeys  []SSHKey     `json:"ssh_keys"` // revoked ones too
	Open     []SignIn     `json:"open"`     // where the person is signed in now
}

// SecretInfo tells that a person has a secret, and nothing of it.
type SecretInfo struct {
	Kind      string    `json:"kind"`
	SetAt     time.Time `json:"set_at"`
	OneTime   bool      `json:"one_time"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// KeyInfo is an API key as a list shows it, with the grants that it has, by itself or by its owner.
type KeyInfo struct {
	ID        ID        `json:"id"`
	Kind      ActorKind `json:"kind"`
	Principal ID        `json:"principal"`
	Name      string    `json:"name"`
	Person    ID        `json:"person"`
	Grants    []Grant   `json:"grants"`
	Networks  []string  `json:"networks"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Revoked   bool      `json:"revoked"`
}

// Person gives a person with all that belongs to their account. Who may do nothing where the actor looks after people is
// not there.
func (a *App) Person(ctx context.Context, actor Actor, ref ID) (*PersonDetail, error) {
	s, err := sees(actor, RegisterPeople)
	if err != nil {
		return nil, err
	}
	p, err := a.store.Person(ctx, Local, ref)
	if err != nil && ErrorCode(err) != NotFound {
		return nil, err
	}
	if err != nil || !s.Meets(p.Grants) {
		return nil, notFound("person", ref)
	}
	return a.account(ctx, p)
}

// Account gives who is signed in, with all that belongs to their account.
func (a *App) Account(ctx context.Context, actor Actor) (*PersonDetail, error) {
	if _, err := sees(actor, OwnAccount); err != nil {
		return nil, err
	}
	p, err := a.store.Person(ctx, Local, actor.Person)
	if err != nil {
		return nil, err
	}
	return a.account(ctx, p)
}

// account puts together what belongs to a person.
func (a *App) account(ctx context.Context, p *Person) (*PersonDetail, error) {
	detail := &PersonDetail{Person: *p, Secrets: []SecretInfo{}}
	for _, kind := range []string{Password, PIN, TOTP} {
		c, err := a.store.Credential(ctx, Local, CredentialID(p.ID, kind))
		switch {
		case err == nil && c.Hash != "":
			detail.Secrets = append(detail.Secrets, SecretInfo{kind, c.SetAt, c.OneTime, c.ExpiresAt})
		case err != nil && ErrorCode(err) != NotFound:
			return nil, err
		}
	}
	var err error
	all, page := Scope{{}}, Page{Limit: defaultPage}
	if detail.Lockouts, _, err = a.store.Lockouts(ctx, LockoutFilter{Scope: all, Person: p.ID, Page: page}); err != nil {
		return nil, err
	}
	if detail.Keys, _, err = a.store.Keys(ctx, KeyFilter{Scope: all, Person: p.ID, Page: page}); err != nil {
		return nil, err
	}
	if detail.SSHKeys, err = a.store.SSHKeys(ctx, SSHKeyFilter{Scope: all, Person: p.ID}); err != nil {
		return nil, err
	}
	detail.Open, _, err = a.store.SignIns(ctx, SignInFilter{Scope: all, Open: true, Person: p.ID, Page: page})
	return detail, err
}

// Keys lists API keys, newest first.
func (a *App) Keys(ctx context.Context, actor Actor, f KeyFilter) ([]KeyInfo, string, error) {
	var err error
	if f.Scope, err = sees(actor, ManageAccess); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Keys(ctx, f)
}

// SSHKeys lists SSH keys of people and stations.
func (a *App) SSHKeys(ctx context.Context, actor Actor, f SSHKeyFilter) ([]SSHKey, error) {
	var err error
	if f.Scope, err = sees(actor, ManageAccess); err != nil {
		return nil, err
	}
	return a.store.SSHKeys(ctx, f)
}

// SignIns lists sign-ins: those at stations that the actor may read the ledger of, and those at no station.
func (a *App) SignIns(ctx context.Context, actor Actor, f SignInFilter) ([]SignIn, string, error) {
	var err error
	if f.Scope, err = sees(actor, ViewLedger); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.SignIns(ctx, f)
}

// Lockouts lists who is locked out, and who has failed lately.
func (a *App) Lockouts(ctx context.Context, actor Actor, f LockoutFilter) ([]Lockout, string, error) {
	var err error
	if f.Scope, err = sees(actor, UnlockPeople); err != nil {
		return nil, "", err
	}
	f.Page = f.Page.bounded()
	return a.store.Lockouts(ctx, f)
}

package storage

import (
	"context"
	"errors"

	"gemba/mes"
)

// Person gives a person by id or badge.
func (s *Store) Person(ctx context.Context, f mes.Freshness, ref mes.ID) (*mes.Person, error) {
	return find[mes.Person](ctx, s, f, "person", "badge", ref)
}

// People lists persons by badge.
func (s *Store) People(ctx context.Context, scope mes.Scope, p mes.Page) ([]mes.Person, string, error) {
	q := selectFrom(tableFor[mes.Person]()).meets(scope, "grants")
	if err := q.after(p.After, ">", "badge"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.Person](ctx, s, local, q.end("ORDER BY badge LIMIT ?", int64(limitOf(p)+1)))
	return paged(found, err, p, func(p *mes.Person) []any { return []any{p.Badge} })
}

// Credential gives a person's proof of one kind.
func (s *Store) Credential(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Credential, error) {
	return find[mes.Credential](ctx, s, f, "credential", "", id)
}

// Key gives an API key by its public part.
func (s *Store) Key(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Key, error) {
	return find[mes.Key](ctx, s, f, "API key", "", id)
}

// SSHKey gives an SSH key by its fingerprint.
func (s *Store) SSHKey(ctx context.Context, f mes.Freshness, fingerprint mes.ID) (*mes.SSHKey, error) {
	return find[mes.SSHKey](ctx, s, f, "SSH key", "", fingerprint)
}

// SignIn gives a sign-in by its id.
func (s *Store) SignIn(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.SignIn, error) {
	return find[mes.SignIn](ctx, s, f, "sign-in", "", id)
}

// Reading gives the confirmation that a person has read an instruction.
func (s *Store) Reading(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Reading, error) {
	return one[mes.Reading](ctx, s, levelOf(f), selectFrom(tableFor[mes.Reading]()).and("id = ?", string(id)), "confirmation", id)
}

// Lockout gives a lockout by its id.
func (s *Store) Lockout(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Lockout, error) {
	return find[mes.Lockout](ctx, s, f, "lockout", "", id)
}

// LockoutsOf gives the lockouts of a person, from everywhere and from each source.
func (s *Store) LockoutsOf(ctx context.Context, f mes.Freshness, person mes.ID) ([]mes.Lockout, error) {
	return all[mes.Lockout](ctx, s, levelOf(f), selectFrom(tableFor[mes.Lockout]()).and("person = ?", string(person)).end("ORDER BY id"))
}

// Principal gives whom API keys stand for.
func (s *Store) Principal(ctx context.Context, f mes.Freshness, id mes.ID) (*mes.Principal, error) {
	return find[mes.Principal](ctx, s, f, "principal", "", id)
}

// grantsOf is what the person of a row may do, NULL for nobody's.
const grantsOf = "(SELECT grants FROM person p WHERE p.id = "

// Keys lists API keys, newest first.
func (s *Store) Keys(ctx context.Context, f mes.KeyFilter) ([]mes.KeyInfo, string, error) {
	const grants = "iif(person = '', grants, " + grantsOf + "api_key.person))"
	q := newQuery("SELECT id, kind, principal, name, person, "+grants+", networks, created_at_ms, expires_at_ms, revoked FROM api_key").
		match("person", string(f.Person)).meets(f.Scope, grants)
	if err := q.after(f.Page.After, "<", "created_at_ms", "id"); err != nil {
		return nil, "", err
	}
	var found []mes.KeyInfo
	var bad error
	err := s.each(ctx, q.end("ORDER BY created_at_ms DESC, id DESC LIMIT ?", int64(limitOf(f.Page)+1)), "list API keys", func(v scanned) {
		var k mes.KeyInfo
		bad = errors.Join(bad, v.into(0, &k.ID, &k.Kind, &k.Principal, &k.Name, &k.Person, &k.Grants, &k.Networks, &k.CreatedAt, &k.ExpiresAt, &k.Revoked))
		found = append(found, k)
	})
	return paged(found, errors.Join(err, bad), f.Page, func(k *mes.KeyInfo) []any { return []any{k.CreatedAt.UnixMilli(), k.ID} })
}

// SSHKeys lists SSH keys by their fingerprints.
func (s *Store) SSHKeys(ctx context.Context, f mes.SSHKeyFilter) ([]mes.SSHKey, error) {
	const site, line = "COALESCE((SELECT site FROM station t WHERE t.id = ssh_key.station), '')", "COALESCE((SELECT line FROM station t WHERE t.id = ssh_key.station), '')"
	q := selectFrom(tableFor[mes.SSHKey]()).match("station", string(f.Station)).match("person", string(f.Person)).
		within(f.Scope, place{site: site, line: line}).meets(f.Scope, grantsOf+"ssh_key.person)")
	return all[mes.SSHKey](ctx, s, local, q.end("ORDER BY id"))
}

// SignIns lists sign-ins: those that have not ended first, and the newest first.
func (s *Store) SignIns(ctx context.Context, f mes.SignInFilter) ([]mes.SignIn, string, error) {
	q := selectFrom(tableFor[mes.SignIn]()).match("person", string(f.Person)).match("node", string(f.Node)).within(f.Scope, place{site: "site", line: "line"})
	if f.Open {
		q.and("to_ms IS NULL")
	}
	if err := q.after(f.Page.After, "<", "to_ms IS NULL", "from_ms", "id"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.SignIn](ctx, s, local, q.end("ORDER BY to_ms IS NULL DESC, from_ms DESC, id DESC LIMIT ?", int64(limitOf(f.Page)+1)))
	return paged(found, err, f.Page, func(i *mes.SignIn) []any {
		open := 0
		if i.To.IsZero() {
			open = 1
		}
		return []any{open, i.From.UnixMilli(), i.ID}
	})
}

// Lockouts lists lockouts, those with the newest failure first. What counts nothing is left out.
func (s *Store) Lockouts(ctx context.Context, f mes.LockoutFilter) ([]mes.Lockout, string, error) {
	q := selectFrom(tableFor[mes.Lockout]()).and("streak > 0").match("person", string(f.Person)).meets(f.Scope, grantsOf+"lockout.person)")
	if !f.At.IsZero() {
		q.and("until_ms > ?", f.At.UnixMilli())
	}
	if err := q.after(f.Page.After, "<", "last_ms", "id"); err != nil {
		return nil, "", err
	}
	found, err := all[mes.Lockout](ctx, s, local, q.end("ORDER BY last_ms DESC, id DESC LIMIT ?", int64(limitOf(f.Page)+1)))
	return paged(found, err, f.Page, func(l *mes.Lockout) []any { return []any{l.Last.UnixMilli(), l.ID} })
}

// Signatures lists the signatures on a record, oldest first.
func (s *Store) Signatures(ctx context.Context, record string) ([]mes.Signature, error) {
	return all[mes.Signature](ctx, s, local, selectFrom(tableFor[mes.Signature]()).and("record = ?", record).end("ORDER BY at_ms, id"))
}

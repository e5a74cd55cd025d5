package storage

import (
	"context"

	"gemba/mes"
)

// Person gives a person by id or badge.
func (s *Store) Person(ctx context.Context, f mes.Freshness, ref mes.ID) (*mes.Person, error) {
	return find[mes.Person](ctx, s, f, "person", "badge", ref)
}

// People lists persons by badge.
func (s *Store) People(ctx context.Context, p mes.Page) ([]mes.Person, string, error) {
	q := selectFrom(tableFor[mes.Person]())
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

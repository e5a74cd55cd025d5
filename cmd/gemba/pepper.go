package main

import (
	"context"
	"errors"
	"fmt"

	"gemba/keys"
	"gemba/mes"
)

// pepperLooked is how many people are looked at until one is found whose secrets tell about the pepper.
const pepperLooked = 100

// checkPepper refuses a node that would turn everybody away: no secret in the store was made with the pepper in its data
// folder. So it is on a new node of a plant whose pepper was not brought along.
func (n *node) checkPepper(ctx context.Context, hasher *keys.Hasher) error {
	people, _, err := n.store.People(ctx, mes.Scope{{}}, mes.Page{Limit: pepperLooked})
	if err != nil {
		return err
	}
	foreign := false
	for i := range people {
		for _, kind := range []string{mes.Password, mes.PIN} {
			c, err := n.store.Credential(ctx, mes.Local, mes.CredentialID(people[i].ID, kind))
			if mes.ErrorCode(err) == mes.NotFound || err == nil && c.Hash == "" {
				continue
			}
			if err != nil {
				return err
			}
			if _, _, err := hasher.Verify(ctx, string(c.Hash), " "); !errors.Is(err, keys.ErrUnknownPepper) {
				return nil
			}
			foreign = true
		}
	}
	if !foreign {
		return nil
	}
	return exitError{mes.ExitConfig, fmt.Errorf("nobody's secret was made with the pepper in %s, so nobody could sign in; copy the file pepper from another node of the plant, "+
		"or if it was replaced on purpose begin anew with gemba admin reset BADGE", n.data)}
}

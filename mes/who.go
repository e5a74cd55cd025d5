package mes

import "context"

// A Who is a person as the ledger's readers know them.
type Who struct {
	ID    ID     `json:"id"`
	Badge ID     `json:"badge"`
	Name  string `json:"name"`
}

// Who tells which people are behind ids or badges, for who may read the ledger: its entries carry ids alone. What is
// nobody's is not in the answer.
func (a *App) Who(ctx context.Context, actor Actor, refs ...ID) (map[ID]Who, error) {
	if _, err := sees(actor, ViewLedger); err != nil {
		return nil, err
	}
	known := map[ID]Who{}
	for _, ref := range refs {
		if _, found := known[ref]; found || ref == "" {
			continue
		}
		p, err := a.store.Person(ctx, Cached, ref)
		switch {
		case err == nil:
			known[ref] = Who{p.ID, p.Badge, p.Name}
		case ErrorCode(err) != NotFound:
			return nil, err
		}
	}
	return known, nil
}

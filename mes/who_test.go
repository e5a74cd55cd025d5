package mes

import "testing"

// TestWho: names are for who reads the ledger, and what is nobody's is left out.
func TestWho(t *testing.T) {
	f := newFloor(t)
	p := f.person("ann")
	reader := as(f.person("south"), Grant{Role: Auditor})
	known, err := f.app.Who(t.Context(), reader, "ann", p.ID, "nobody", "", "ann")
	if err != nil || len(known) != 2 || known["ann"].ID != p.ID || known[p.ID].Name != p.Name || known[p.ID].Badge != "ann" {
		t.Errorf("Who gave %v, %v", known, err)
	}
	if _, err := f.app.Who(t.Context(), as(p, Grant{Role: Operator}), "ann"); ErrorCode(err) != Denied {
		t.Errorf("an operator is told names: %v", err)
	}
}

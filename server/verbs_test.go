package server

import (
	"encoding/json"
	"strings"
	"testing"

	"gemba/mes"
)

// The verbs over real SSH, by a lead with her own key.
func TestVerbs(t *testing.T) {
	p := newPlant(t)
	p.do(&mes.DefineProduct{Code: "P1", Name: "Valve", Family: "valves"})
	file, _ := p.sshKey("2001", "")
	do := func(words ...string) (string, string, int) { return p.ssh("2001", file, words...) }

	out, _, status := do("help")
	if status != 0 || !strings.Contains(out, "order list") || !strings.Contains(out, "job report") || strings.Contains(out, "credential") {
		t.Errorf("help: %d %s", status, out)
	}
	if out, _, status := do("help", "job", "report"); status != 0 || !strings.Contains(out, "job report ORDER/OPERATION") {
		t.Errorf("help job report: %d %s", status, out)
	}
	if out, _, status := do("order", "--help"); status != 0 || !strings.Contains(out, "order release") || strings.Contains(out, "machine") {
		t.Errorf("order --help: %d %s", status, out)
	}
	out, _, status = do("product", "list")
	if status != 0 || strings.ContainsAny(out, "\x1b\u202e") || !strings.Contains(out, "P1") {
		t.Errorf("product list: %d %q", status, out)
	}
	out, _, status = do("equipment", "list", "--json")
	var list struct{ Items []mes.Equipment }
	if err := json.Unmarshal([]byte(out), &list); err != nil || status != 0 || len(list.Items) != 3 {
		t.Errorf("equipment list: %d %v %s", status, err, out)
	}
	for _, test := range []struct {
		words  string
		status int
		errs   string
	}{
		{"order show NOPE", mes.ExitNotFound, "NOPE"},
		{"order lsit", mes.ExitUsage, "did you mean order list"},
		{"order fly", mes.ExitUsage, "order can: "},
		{"sandwich", mes.ExitUsage, "help lists them all"},
		{"order create", mes.ExitUsage, ""},
		{"order create product=P1 quantity=many", mes.ExitUsage, "whole number"},
		{"order list --force", mes.ExitUsage, "--json"},
		{"order list 'x", mes.ExitUsage, "quote"},
		{"product define code=P2 name=Two family=f", mes.ExitDenied, "may not"},
		{"credential set person=2001 kind=pin hash=x", mes.ExitUsage, "no verb"},
		{"sign in person=2001", mes.ExitUsage, "no verb"},
	} {
		out, errs, status := do(test.words)
		if status != test.status || !strings.Contains(errs, test.errs) || out != "" {
			t.Errorf("%s: %d %q %q", test.words, status, out, errs)
		}
	}
	out, errs, status := do("order", "show", "NOPE", "--json")
	var pr problem
	if err := json.Unmarshal([]byte(out), &pr); err != nil || pr.Code != mes.NotFound || pr.Status != 404 || status != mes.ExitNotFound || errs == "" {
		t.Errorf("a problem as JSON: %d %s %q", status, out, errs)
	}
	for i := range 2 {
		out, errs, status := do("machine", "count", "M1", "value=5", "--id=once", "--json")
		if status != mes.ExitDenied {
			t.Errorf("%d: a lead feeds machines: %d %s %s", i, status, out, errs)
		}
	}
	if _, errs, status := p.ssh("2001", file); status != mes.ExitUsage || !strings.Contains(errs, "terminal") {
		t.Errorf("no command and no terminal: %d %s", status, errs)
	}
}

func TestVerbWithID(t *testing.T) {
	p := newPlant(t)
	p.person("5001", mes.Grant{Role: mes.Maintenance})
	file, _ := p.sshKey("5001", "")
	first, _, status := p.ssh("5001", file, "machine count M1 value=5 --id=once --json")
	again, errs, _ := p.ssh("5001", file, "machine count M1 value=5 --id once --json")
	var one, two mes.Receipt
	if err := json.Unmarshal([]byte(first), &one); err != nil || status != 0 {
		t.Fatal(status, err, first)
	}
	if err := json.Unmarshal([]byte(again), &two); err != nil || two.N != one.N || !two.Replayed || !strings.Contains(errs, "done before") {
		t.Errorf("again: %v %s %s", err, again, errs)
	}
	if _, _, status := p.ssh("5001", file, "machine count M1 value=6 --id=once"); status != mes.ExitRefused {
		t.Errorf("another content: %d", status)
	}
}

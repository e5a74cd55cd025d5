package security

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

var keyName = regexp.MustCompile(`\{(never|escaped|spoilt|basic|basickey):([^}]+)\}`)

// fillKeys is fill, with keys that are not good ones too.
func (s *site) fillKeys(text string) string {
	text = keyName.ReplaceAllStringFunc(text, func(found string) string {
		m := keyName.FindStringSubmatch(found)
		switch m[1] {
		case "never":
			return neverIssued(m[2])
		case "escaped":
			var b strings.Builder
			for _, c := range []byte(neverIssued(m[2])) {
				fmt.Fprintf(&b, "%%%02x", c)
			}
			return b.String()
		case "basic":
			return base64.StdEncoding.EncodeToString([]byte(m[2] + ":" + s.person(m[2]).Password))
		case "basickey":
			return base64.StdEncoding.EncodeToString([]byte(m[2] + ":" + s.key(m[2])))
		}
		good := []byte(s.key(m[2]))
		if good[len(good)-10]++; strings.IndexByte(base62, good[len(good)-10]) < 0 {
			good[len(good)-10] = 'a'
		}
		return string(good)
	})
	return s.fill(text)
}

// TestAPIKeys is group K: one key, one principal, and nothing but a key.
func TestAPIKeys(t *testing.T) {
	t.Parallel()
	onEngines(t, true, func(t *testing.T, s *site) {
		cases := table[struct{ Header, Address, Body []named }](t, "apikey.toml")
		for _, c := range cases.Header {
			var headers []string
			if c.Text != "" {
				headers = append(headers, s.fillKeys(c.Text))
			}
			a := s.caller(t).call("", "GET", "/v1/me", "", headers...)
			check(t, "K", c.Name, c.Want, a.outcome())
		}
		c := s.caller(t)
		for _, row := range cases.Address {
			check(t, "K", row.Name, row.Want, c.call(s.key("reporting"), "GET", s.fillKeys(row.Text), "").outcome())
		}
		for _, row := range cases.Body {
			check(t, "K", row.Name, row.Want, c.call(s.key("erp"), "POST", "/v1/products", s.fillKeys(row.Text)).outcome())
		}
		a := c.call("", "GET", "/v1/me", "", "Authorization: Bearer "+s.key("reporting"), "Authorization: Bearer "+s.key("erp"))
		check(t, "K", "two keys in two headers", "400 invalid", a.outcome())
		a = c.call(s.key("reporting"), "GET", "/v1/me", "", "X-Api-Key: "+s.key("erp"))
		check(t, "K", "two keys in different headers", "400 invalid", a.outcome())

		scopes(t, s)
		replays(t, s)
		wrongKeys(t, s)
	})
}

// scopes: a key reaches what it was made for and nothing beside, and what is beside looks like nothing.
func scopes(t *testing.T, s *site) {
	c := s.caller(t)
	own := s.key("machine-TURN-1")
	state := `{"state":"running"}`
	check(t, "K", "a machine feeds itself", "200", c.call(own, "POST", "/v1/machines/TURN-1/state", state).outcome())
	other, none := c.call(own, "POST", "/v1/machines/TURN-2/state", state), c.call(own, "POST", "/v1/machines/NONE-2/state", state)
	check(t, "K", "a machine feeds another", "404 not_found or 403 denied", other.outcome())
	check(t, "K", "another machine looks like none", strings.ReplaceAll(none.body, "NONE-2", "TURN-2"), other.body)
	batch := c.call(own, "POST", "/v1/ingest", `{"machine":"TURN-2","states":[{"state":"down"}]}`)
	checkThat(t, "K", "a machine feeds another in a batch", batch.status >= 400 || strings.Contains(batch.body, "not_found"), "%s %s", batch.outcome(), batch.body)
	mixed := c.call(own, "POST", "/v1/ingest", `{"machine":"TURN-1","states":[{"state":"running"},{"machine":"TURN-2","state":"down"}]}`)
	checkThat(t, "K", "a machine feeds another in the middle of its own", mixed.status >= 400 || strings.Contains(mixed.body, "not_found"), "%s %s", mixed.outcome(), mixed.body)
	for _, path := range []string{"/v1/orders", "/v1/people", "/v1/ledger", "/v1/machines", "/v1/machines/TURN-1/samples", "/v1/stations", "/v1/stream"} {
		check(t, "K", "a machine reads "+path, "403 denied", c.call(own, "GET", path, "").outcome())
	}
	check(t, "K", "a feeder plans", "403 denied", c.call(own, "POST", "/v1/orders", `{"product":"P-100","quantity":1}`).outcome())
	check(t, "K", "a reader plans", "403 denied", c.call(s.key("reporting"), "POST", "/v1/orders", `{"product":"P-100","quantity":1}`).outcome())
	check(t, "K", "a planner makes people", "403 denied", c.call(s.key("erp"), "POST", "/v1/people", `{"badge":"1777","name":"x"}`).outcome())
	check(t, "K", "a historian gives rights", "403 denied", c.call(s.key("replay"), "POST", "/v1/people", `{"badge":"1778","name":"x","grants":[{"role":"admin"}]}`).outcome())
	check(t, "K", "a planner revokes a key", "403 denied or 404 not_found", c.call(s.key("erp"), "POST", "/v1/keys/"+strings.Split(s.key("reporting"), "_")[2][:8]+"/revoke", `{}`).outcome())
	for _, grant := range []string{"setup", "kiosk", "root", "admin "} {
		a := c.call(s.key("replay"), "POST", "/v1/people", `{"badge":"1779","name":"x","grants":[{"role":"`+grant+`"}]}`)
		checkThat(t, "K", "the role "+grant, a.status == 400 || a.status == 403, "%s", a.outcome())
	}
	// No key opens a screen, and no credential of a person opens the API (group A has the rest).
	for _, path := range []string{"/v1/sign/in", "/v1/keys/issue", "/v1/credentials", "/v1/people/9001/secret"} {
		check(t, "K", "POST "+path, "404 not_found", c.call(s.key("erp"), "POST", path, `{}`).outcome())
	}
}

// replays: the same command is done once, whenever and however often it comes.
func replays(t *testing.T, s *site) {
	c, key := s.caller(t), s.key("machine-MILL-1")
	count := func(value, seq int, more string) string {
		return fmt.Sprintf(`{"counter":"parts-%s","value":%d,"seq":%d%s}`, s.engine(), value, seq, more)
	}
	const path = "/v1/machines/MILL-1/count"
	id := fmt.Sprintf("replay-%s-%d", s.engine(), time.Now().UnixNano())
	first := c.call(key, "POST", path, count(10, 1, ""), "Idempotency-Key: "+id)
	check(t, "K", "a reading", "200", first.outcome())
	n := 20
	if *full {
		n = 1000
	}
	for range n {
		again := c.call(key, "POST", path, count(10, 1, ""), "Idempotency-Key: "+id)
		if !check(t, "K", "the same reading again", "200", again.outcome()) || !strings.Contains(again.body, `"replayed":true`) {
			t.Fatalf("the same id did it again: %s", again.body)
		}
	}
	check(t, "K", "the same id, another reading", "409 conflict", c.call(key, "POST", path, count(11, 1, ""), "Idempotency-Key: "+id).outcome())
	check(t, "K", "the same id, another command", "409 conflict", c.call(key, "POST", "/v1/machines/MILL-1/state", `{"state":"running"}`, "Idempotency-Key: "+id).outcome())
	stolen := c.call(s.key("machine-MILL-2"), "POST", "/v1/machines/MILL-2/count", count(10, 1, ""), "Idempotency-Key: "+id)
	checkThat(t, "K", "somebody else's id", stolen.status == 409 && !strings.Contains(stolen.body, "MILL-1"), "%s %s", stolen.outcome(), stolen.body)
	a := c.call(s.key("reporting"), "GET", "/v1/commands/"+id, "")
	check(t, "K", "somebody else's receipt", "404 not_found or 403 denied", a.outcome())

	// Readings that come late, twice under other ids, or in another order.
	for _, r := range []struct {
		name        string
		value, seq  int
		more, wants string
	}{
		{"the next reading", 12, 2, "", "200"},
		{"an older number later", 11, 1, "", "200 or 409 refused or 400 invalid"},
		{"a clock a day behind", 13, 3, fmt.Sprintf(`,"at":"%s"`, time.Now().Add(-24*time.Hour).UTC().Format(time.RFC3339)), "200 or 409 refused or 400 invalid"},
		{"a clock a day ahead", 14, 4, fmt.Sprintf(`,"at":"%s"`, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)), "400 invalid or 409 refused"},
		{"a negative reading", -1, 5, "", "400 invalid"},
	} {
		check(t, "K", r.name, r.wants, c.call(key, "POST", path, count(r.value, r.seq, r.more)).outcome())
	}
}

// wrongKeys: guessing is slowed by the source, and who has a good key does not notice. What was never a key costs nothing.
func wrongKeys(t *testing.T, s *site) {
	source := newSource()
	c := s.callerFrom(t, source)
	for range 60 {
		check(t, "K", "malformed, again and again", "401 unauthenticated", c.call(s.fillKeys("{spoilt:erp}"), "GET", "/v1/me", "").outcome())
	}
	check(t, "K", "a good key after malformed ones", "200", c.call(s.key("erp"), "GET", "/v1/me", "").outcome())
	turned := 0
	for range 12 {
		a := c.call(neverIssued("program"), "GET", "/v1/me", "")
		if a.status == 429 {
			turned++
			checkThat(t, "K", "it says when to come back", a.header.Get("Retry-After") != "", "it does not")
		}
	}
	checkThat(t, "K", "after five wrong keys a source is turned away", turned >= 6, "%d of 12 were", turned)
	check(t, "K", "a good key in use, beside a guesser at the same address", "200", c.call(s.key("erp"), "GET", "/v1/me", "").outcome())

	// The refusals are in the ledger, each with its source, and none with a key in it.
	var page struct {
		Items []struct{ Command, Outcome, Source string }
	}
	s.mustRun(t, "5001", "ledger list command=key.use limit=1000 --json", &page)
	found := 0
	for _, e := range page.Items {
		if e.Source == source.String() && e.Outcome == "refused" {
			found++
		}
	}
	checkThat(t, "K", "wrong keys are in the ledger, malformed ones are not", found >= 5 && found <= 12, "%d entries", found)
	text, _ := json.Marshal(page)
	checkThat(t, "K", "no key in the ledger", !strings.Contains(string(text), "gemba_"), "there is one")
}

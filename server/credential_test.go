package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// callsOf collects what the trace is told.
type callsOf struct {
	mu   sync.Mutex
	made []mes.Call
}

func (c *callsOf) trace(o *Options) {
	o.Trace = func(made mes.Call) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.made = append(c.made, made)
	}
}

func (c *callsOf) all() []mes.Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]mes.Call(nil), c.made...)
}

func (c *callsOf) find(id string) (mes.Call, bool) {
	for _, made := range c.all() {
		if made.ID == id {
			return made, true
		}
	}
	return mes.Call{}, false
}

// A secret is refused wherever it does not belong, and is then in no file, no log, no ledger and no trace.
func TestNoSecretWhereNoneBelongs(t *testing.T) {
	var calls callsOf
	p := newPlant(t, calls.trace)
	c := p.client()
	good := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Planner}, mes.Grant{Role: mes.Feeder})
	other := p.apiKey(keys.ProgramKey).Reveal()
	escaped := strings.ReplaceAll(other, "g", `\u0067`)
	const canary = "canary-rabo-7QK2"
	for name, test := range map[string]struct {
		method, path, body string
		header             []string
	}{
		"Basic":                              {"GET", "/v1/me", "", []string{"Authorization: Basic Y2FuYXJ5LXJhYm8tN1FLMjp4"}},
		"Basic with a body":                  {"POST", "/v1/machines/M1/state", `{"state":"running"}`, []string{"Authorization: basic Y2FuYXJ5LXJhYm8tN1FLMjp4"}},
		"parameter api_key":                  {"GET", "/v1/me?api_key=" + canary, "", nil},
		"parameter API-Key":                  {"GET", "/v1/me?API-Key=" + canary, "", nil},
		"parameter Password":                 {"GET", "/v1/orders?Password=" + canary, "", nil},
		"parameter key":                      {"GET", "/v1/orders?key=" + canary, "", nil},
		"parameter token":                    {"GET", "/v1/orders?limit=3&token=" + canary, "", nil},
		"parameter of a command":             {"POST", "/v1/machines/M1/state?pin=" + canary, `{"state":"running"}`, nil},
		"parameter of an unknown path":       {"GET", "/login?passwd=" + canary, "", nil},
		"a key as a parameter":               {"GET", "/v1/orders?q=" + other, "", nil},
		"a key as a parameter, escaped":      {"GET", "/v1/orders?q=" + strings.ReplaceAll(other, "_", "%5F"), "", nil},
		"a key as a parameter's name":        {"GET", "/v1/orders?" + other, "", nil},
		"a key in the path":                  {"GET", "/v1/orders/" + other, "", nil},
		"a key in the path, escaped":         {"GET", "/v1/orders/" + strings.ReplaceAll(other, "e", "%65"), "", nil},
		"a key in an unknown path":           {"GET", "/" + other + "/me", "", nil},
		"a key as the id of a command":       {"POST", "/v1/machines/M1/state", `{"state":"running"}`, []string{"Idempotency-Key: " + other}},
		"field password":                     {"POST", "/v1/machines/M1/state", `{"state":"running","password":"` + canary + `"}`, nil},
		"field Password":                     {"POST", "/v1/machines/M1/state", `{"state":"running","Pass-Word":"` + canary + `"}`, nil},
		"field password, escaped":            {"POST", "/v1/machines/M1/state", `{"state":"running","p\u0061ssword":"` + canary + `"}`, nil},
		"field pin inside":                   {"POST", "/v1/machines/M1/state", `{"state":{"a":[{"pin":"` + canary + `"}]}}`, nil},
		"field secret":                       {"POST", "/v1/orders", `{"number":"1","secret":"` + canary + `"}`, nil},
		"field api_key":                      {"POST", "/v1/orders", `{"number":"1","api_key":"` + canary + `"}`, nil},
		"field key":                          {"POST", "/v1/orders", `{"number":"1","key":"` + canary + `"}`, nil},
		"field access_token":                 {"POST", "/v1/orders", `{"access_token":"` + canary + `"}`, nil},
		"a key in a text":                    {"POST", "/v1/machines/M1/state", `{"state":"running","reason":"` + other + `"}`, nil},
		"a key in a text, escaped":           {"POST", "/v1/machines/M1/state", `{"state":"running","reason":"` + escaped + `"}`, nil},
		"most of a key in a text":            {"POST", "/v1/machines/M1/state", `{"state":"running","reason":"my key ` + other[:len(other)-4] + `"}`, nil},
		"a key as a field":                   {"POST", "/v1/machines/M1/state", `{"state":"running","` + other + `":1}`, nil},
		"a key behind the document":          {"POST", "/v1/machines/M1/state", `{"state":"running"} ` + other, nil},
		"field password of a batch":          {"POST", "/v1/ingest", `{"password":"` + canary + `"}`, nil},
		"field pin of a sample":              {"POST", "/v1/ingest", `{"samples":[{"tag":"a","pin":"` + canary + `"}]}`, nil},
		"field token of an alarm":            {"POST", "/v1/ingest", `{"alarms":[{"key":"a","token":"` + canary + `"}]}`, nil},
		"a key in a sample":                  {"POST", "/v1/ingest", `{"machine":"M1","samples":[{"tag":"a","text":"` + other + `"}]}`, nil},
		"a key in a sample, escaped":         {"POST", "/v1/ingest", `{"machine":"M1","samples":[{"tag":"a","text":"` + escaped + `"}]}`, nil},
		"a password in a body of no command": {"POST", "/v1/login?password=" + canary, `{"user":"1001","password":"` + canary + `"}`, nil},
	} {
		key := good.Reveal()
		if strings.HasPrefix(name, "Basic") {
			key = ""
		}
		a := p.call(c, key, test.method, test.path, test.body, test.header...)
		if a.status != 400 || a.json["code"] != "credential_in_request" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		for _, secret := range []string{canary, "Y2FuYXJ5", other, other[:len(other)-4]} {
			if strings.Contains(a.body, secret) {
				t.Errorf("%s: the answer repeats it: %s", name, a.body)
			}
		}
		made, found := calls.find(a.header.Get("X-Request-Id"))
		if !found || made.Status != 400 || !strings.HasPrefix(made.Reason, "credential_in_request: ") {
			t.Errorf("%s: the trace tells %+v", name, made)
		}
	}
	if a := p.call(c, good.Reveal(), "POST", "/v1/ingest", `{"machine":"M1","alarms":[{"key":"belt","level":"fault"}]}`); a.status != 200 {
		t.Errorf("a field that is called key and is none: %d %s", a.status, a.body)
	}
	p.unseen(t, &calls, canary, "Y2FuYXJ5LXJhYm8tN1FLMjp4", other, other[:len(other)-4], good.Reveal())
}

// unseen checks that secrets are nowhere.
func (p *plant) unseen(t *testing.T, calls *callsOf, secrets ...string) {
	t.Helper()
	ledger, err := json.Marshal(p.entries(1000))
	p.must(err)
	trace, err := json.Marshal(calls.all())
	p.must(err)
	for _, secret := range secrets {
		for where, text := range map[string]string{"the log": p.log.String(), "the ledger": string(ledger), "the trace": string(trace)} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, where)
			}
		}
		p.must(filepath.WalkDir(p.dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%q is in %s", secret, path)
			}
			return err
		}))
	}
}

// countedRecords counts what is read at the doors.
type countedRecords struct {
	mes.Records
	mu   sync.Mutex
	read int
}

func (r *countedRecords) Key(ctx context.Context, l mes.Freshness, id mes.ID) (*mes.Key, error) {
	r.mu.Lock()
	r.read++
	r.mu.Unlock()
	return r.Records.Key(ctx, l, id)
}

func (r *countedRecords) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read
}

// What was never a key is refused without a look into the store, and without a word in the ledger: a flood of it costs
// nothing. A key that could be one costs one look, five times a minute.
func TestMalformedKeysCostNoRead(t *testing.T) {
	var records *countedRecords
	p := newPlant(t, func(o *Options) {
		records = &countedRecords{Records: o.Records}
		o.Records = records
	})
	c := p.client()
	good := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer}).Reveal()
	before := p.entries(1)[0].N
	for name, key := range map[string]string{
		"a password": operatorPassword, "one changed": good[:len(good)-1] + "!", "cut": good[:len(good)-1], "longer": good + "x", "another kind": strings.Replace(good, "program", "machine", 1),
		"two exchanged": good[:20] + good[21:22] + good[20:21] + good[22:], "capitals": strings.ToUpper(good), "64 kB": strings.Repeat("x", 7<<10),
	} {
		if key == good {
			continue // the two that were exchanged are the same
		}
		if a := p.call(c, key, "GET", "/v1/me", ""); a.status != 401 || a.json["code"] != "unauthenticated" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for range 100 {
		p.call(c, good[:len(good)-1]+"!", "GET", "/v1/me", "")
	}
	if n := records.count(); n != 0 {
		t.Errorf("malformed keys were looked up %d times", n)
	}
	if after := p.entries(1)[0].N; after != before {
		t.Errorf("malformed keys wrote %d entries", after-before)
	}
	for range 20 {
		never, err := keys.NewAPIKey(keys.ProgramKey)
		p.must(err)
		p.call(c, never.Reveal(), "GET", "/v1/me", "")
	}
	if n := records.count(); n < 1 || n > 6 {
		t.Errorf("20 keys that were never issued were looked up %d times", n)
	}
}

// Whatever is wrong with a key, the answer is the same; what it was stands in the ledger.
func TestOneAnswerToEveryWrongKey(t *testing.T) {
	p := newPlant(t, func(o *Options) { o.Limits.BadKeys = 100 })
	from := p.clientFrom("127.0.0.7")
	issue := func(change func(*mes.IssueKey)) keys.APIKey {
		key, err := keys.NewAPIKey(keys.ProgramKey)
		p.must(err)
		command := &mes.IssueKey{ID: mes.ID(key.ID), Kind: mes.ByProgram, Name: "test", Grants: []mes.Grant{{Role: mes.Viewer}}, Hash: mes.Secret(p.pepper.Digest(key))}
		change(command)
		p.do(command)
		return key
	}
	never, err := keys.NewAPIKey(keys.ProgramKey)
	p.must(err)
	revoked := issue(func(*mes.IssueKey) {})
	p.do(&mes.RevokeKey{Key: mes.ID(revoked.ID)})
	forged := issue(func(c *mes.IssueKey) { c.Hash = mes.Secret(p.pepper.Digest(never)) })
	elsewhere := issue(func(c *mes.IssueKey) { c.Networks = []string{"10.1.2.0/24", "127.0.0.8", "fd00::/8"} })
	there := issue(func(c *mes.IssueKey) { c.Networks = []string{"127.0.0.0/29"} })
	bodies := map[string]bool{}
	for reason, key := range map[string]string{
		"unknown API key": never.Reveal(), "revoked API key": revoked.Reveal(), "wrong API key": forged.Reveal(),
		"API key from a network that is not its own": elsewhere.Reveal(), "": operatorPassword,
	} {
		a := p.call(from, key, "GET", "/v1/me", "")
		if a.status != 401 || a.header.Get("WWW-Authenticate") != `Bearer realm="gemba"` {
			t.Errorf("%s: %d %s", reason, a.status, a.body)
		}
		bodies[a.body] = true
		if e := p.entries(1)[0]; reason != "" && (e.Command != "key.use" || e.Message != reason || e.Outcome != mes.NotDone || e.Source != "127.0.0.7") {
			t.Errorf("%s: the ledger says %s %s from %s", reason, e.Command, e.Message, e.Source)
		}
	}
	if len(bodies) != 1 {
		t.Errorf("the answers differ: %v", bodies)
	}
	if a := p.call(from, there.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
		t.Errorf("a key from its own network: %d %s", a.status, a.body)
	}
	if a := p.call(p.clientFrom("127.0.0.9"), there.Reveal(), "GET", "/v1/me", ""); a.status != 401 {
		t.Errorf("a key from beside its own network: %d %s", a.status, a.body)
	}
	if a := p.call(p.clientFrom("127.0.0.8"), elsewhere.Reveal(), "GET", "/v1/me", ""); a.status != 200 {
		t.Errorf("a key from its own address: %d %s", a.status, a.body)
	}
}

// A key ends on its day, and a person's key with the person.
func TestKeysEnd(t *testing.T) {
	at := &clock{at: time.Now()}
	p := newPlant(t, func(o *Options) { o.Now = at.now })
	c := p.client()
	expect := func(key keys.APIKey, status int, reason string) {
		t.Helper()
		a := p.call(c, key.Reveal(), "GET", "/v1/me", "")
		if e := p.entries(1)[0]; a.status != status || status != 200 && (e.Command != "key.use" || e.Message != reason) {
			t.Errorf("%d %s, the ledger says %s: %s", a.status, a.body, e.Command, e.Message)
		}
	}
	day, err := keys.NewAPIKey(keys.ProgramKey)
	p.must(err)
	p.do(&mes.IssueKey{ID: mes.ID(day.ID), Kind: mes.ByProgram, Name: "test", Days: 1, Hash: mes.Secret(p.pepper.Digest(day))})
	persons := p.apiKey(keys.PersonKey)
	expect(day, 200, "")
	expect(persons, 200, "")
	at.move(23 * time.Hour)
	expect(day, 200, "")
	at.move(2 * time.Hour)
	expect(day, 401, "expired API key")
	expect(persons, 200, "")
	p.do(&mes.DisablePerson{Person: "2001", Reason: "left the company"})
	at.move(2 * keyAge)
	expect(persons, 401, "API key of a disabled person")
}

// While one key takes the other's place, both are good, and stand for the same principal: what was done with one can be
// repeated with the other.
func TestTwoKeysOfOnePrincipal(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	issue := func() (keys.APIKey, error) {
		key, err := keys.NewAPIKey(keys.MachineKey)
		p.must(err)
		_, err = p.app.Do(context.Background(), setup, "", &mes.IssueKey{
			ID: mes.ID(key.ID), Kind: mes.ByMachine, Name: "lathe", Principal: "M1", Grants: []mes.Grant{{Role: mes.Feeder, Machine: "M1"}}, Hash: mes.Secret(p.pepper.Digest(key)),
		})
		return key, err
	}
	first, err := issue()
	p.must(err)
	second, err := issue()
	p.must(err)
	if _, err := issue(); mes.ErrorCode(err) != mes.Refused {
		t.Errorf("a third live key: %v", err)
	}
	for i, key := range []keys.APIKey{first, second} {
		a := p.call(c, key.Reveal(), "POST", "/v1/machines/M1/state", `{"state":"running"}`, "Idempotency-Key: change-over")
		if a.status != 200 || (a.json["replayed"] == true) != (i == 1) {
			t.Errorf("key %d: %d %s", i, a.status, a.body)
		}
	}
	var who mes.Actor
	p.must(json.Unmarshal([]byte(p.call(c, second.Reveal(), "GET", "/v1/me", "").body), &who))
	if who.Kind != mes.ByMachine || who.ID != "M1" || who.Key != mes.ID(second.ID) {
		t.Errorf("a machine's key stands for %+v", who)
	}
}

// An API key opens no session, and a password no API.
func TestKeysAndPasswordsStayApart(t *testing.T) {
	p := newPlant(t)
	if a := p.call(p.client(), operatorPassword, "GET", "/v1/me", ""); a.status != http.StatusUnauthorized {
		t.Errorf("a password as an API key: %d %s", a.status, a.body)
	}
	key := p.apiKey(keys.PersonKey)
	cmd := p.sshCommand("2001", []string{"-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1"}, "me")
	p.password(cmd, key.Reveal())
	if out, err := cmd.CombinedOutput(); err == nil || strings.Contains(string(out), "Person 2001") {
		t.Errorf("an API key as a password: %v %s", err, out)
	}
	if strings.Contains(p.log.String(), key.Reveal()) {
		t.Error("the key is in the log")
	}
}

func TestIsSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"password": true, "PASS_WORD": true, "pass-word": true, "X-API-Key": true, "Access Token": true, "key": true, "PIN": true, "Authorization": true,
		"": false, "state": false, "keys": false, "monkey": false, "pins": false, "spindle": false, strings.Repeat("key", 100): false,
	} {
		if isSecretName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

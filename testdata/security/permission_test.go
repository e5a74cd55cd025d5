package security

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// permissionCases is permission.toml.
type permissionCases struct {
	Role  map[string][]string
	Route []struct {
		Verbs []string
		Gets  []string
		Posts [][2]string
	}
}

// principals counts the programs that keys are issued for: each has its own.
var principals int

// issue makes an API key with a role and a scope, the way an administrator does.
func (s *site) issue(t testing.TB, role, scope string) (key, id string) {
	t.Helper()
	talliesMu.Lock()
	principals++
	n := principals
	talliesMu.Unlock()
	var made struct{ Key, ID string }
	s.mustRun(t, "9001", fmt.Sprintf("key issue name=suite-%d kind=program principal=suite-%d role=%s %s --json", n, n, role, scope), &made)
	return made.Key, made.ID
}

// TestPermissions is group P: every role at every route, whole plants and parts of them.
func TestPermissions(t *testing.T) {
	t.Parallel()
	onEngines(t, true, func(t *testing.T, s *site) {
		cases := table[permissionCases](t, "permission.toml")
		t.Run("cells", func(t *testing.T) { cells(t, s, cases) })
		t.Run("complete", func(t *testing.T) { complete(t, s, cases) })
		t.Run("scopes", func(t *testing.T) { scoped(t, s, cases) })
	})
}

// cells is roles by routes.
func cells(t *testing.T, s *site, cases permissionCases) {
	var roles []string
	for role := range cases.Role {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	c := s.caller(t)
	for _, role := range roles {
		key, _ := s.issue(t, role, "")
		holds := func(verbs []string) string {
			if slices.ContainsFunc(verbs, func(verb string) bool { return slices.Contains(cases.Role[role], verb) }) {
				return "allowed"
			}
			return "403 denied"
		}
		got := func(a answer) string {
			if a.status == 401 || a.status == 403 || a.status >= 500 || a.status == 0 || a.status == 429 {
				return a.outcome()
			}
			return "allowed"
		}
		for _, route := range cases.Route {
			for _, path := range route.Gets {
				check(t, "P", role+" GET "+path, holds(route.Verbs), got(c.call(key, "GET", path, "")))
			}
			for _, post := range route.Posts {
				check(t, "P", role+" POST "+post[0], holds(route.Verbs), got(c.call(key, "POST", post[0], post[1])))
			}
		}
	}
}

// complete: every route that the API says it has is in the table, or is one that everybody with a key may ask.
func complete(t *testing.T, s *site, cases permissionCases) {
	known := map[string]bool{
		"GET /v1/me": true, "GET /v1/health": true, "GET /v1/stream": true, "GET /v1/openapi.json": true, "GET /v1/openapi.yaml": true,
		"GET /v1/commands/{}":              true, // one's own; group K has those of others
		"POST /v1/instructions/{}/confirm": true, // of people only
		"GET /v1/signatures":               true, // of a record that must be there
	}
	shape := func(path string) string {
		parts := strings.Split(path, "/")
		for i, part := range parts {
			if strings.HasPrefix(part, "{") || part == "NONE" || part == "A" || part == "10" {
				parts[i] = "{}"
			}
		}
		return strings.Join(parts, "/")
	}
	for _, route := range cases.Route {
		for _, path := range route.Gets {
			known["GET "+shape(path)] = true
		}
		for _, post := range route.Posts {
			known["POST "+shape(post[0])] = true
		}
	}
	var document struct {
		Paths map[string]map[string]json.RawMessage
	}
	a := s.caller(t).call(s.key("reporting"), "GET", "/v1/openapi.json", "")
	must(t, json.Unmarshal([]byte(a.body), &document))
	for path, methods := range document.Paths {
		for method := range methods {
			name := strings.ToUpper(method) + " " + shape(path)
			checkThat(t, "P", name+" has its cells", known[name], "it is in no group of permission.toml")
		}
	}
}

// Things of the plant and where they are.
type thing struct{ path, site, line string }

var things = []thing{
	{"/v1/orders/1001", "NORTH", ""}, {"/v1/orders/1004", "NORTH", ""}, {"/v1/orders/1006", "SOUTH", ""}, {"/v1/orders/1007", "SOUTH", ""},
	{"/v1/machines/TURN-1/totals", "NORTH", "TURN"}, {"/v1/machines/MILL-2/totals", "NORTH", "MILL"}, {"/v1/machines/GRIND-1/totals", "NORTH", "GRIND"},
	{"/v1/machines/ASSY-1/totals", "SOUTH", "ASSY"}, {"/v1/machines/TEST-1/totals", "SOUTH", "ASSY"},
}

// scoped: a part of the plant is all there is for whoever has a part, in single reads, in lists and in commands.
func scoped(t *testing.T, s *site, cases permissionCases) {
	sites := map[string][]string{"NORTH": {"TURN", "MILL", "GRIND"}, "SOUTH": {"ASSY"}}
	c := s.caller(t)
	ask := func(role, site, line, machine string) {
		var scope []string
		for name, value := range map[string]string{"site": site, "line": line, "machine": machine} {
			if value != "" {
				scope = append(scope, name+"="+value)
			}
		}
		slices.Sort(scope)
		key, _ := s.issue(t, role, strings.Join(scope, " "))
		who := strings.Join(append([]string{role}, scope...), " ")
		for _, th := range things {
			if line != "" && th.line == "" || machine != "" && !strings.Contains(th.path, "machines") {
				continue // an order runs over several lines and machines; the random test of the rules has those
			}
			want := "200"
			switch covered := (site == "" || th.site == site) && (line == "" || th.line == line) && (machine == "" || strings.Contains(th.path, machine+"/")); {
			case !slices.Contains(cases.Role[role], "view_floor"):
				want = "403 denied"
			case !covered:
				want = "404 not_found"
			}
			a := c.call(key, "GET", th.path, "")
			check(t, "P", who+" GET "+th.path, want, a.outcome())
			if want == "404 not_found" { // and it looks as if it were not there
				name := strings.Split(th.path, "/")[3]
				none := c.call(key, "GET", strings.Replace(th.path, name, "NONE", 1), "")
				check(t, "P", who+" cannot tell "+name+" from nothing", none.body, strings.ReplaceAll(a.body, name, "NONE"))
			}
		}
	}
	ask("viewer", "", "", "")
	for site, lines := range sites {
		ask("viewer", site, "", "")
		ask("lead", site, "", "")
		for _, line := range lines {
			ask("viewer", site, line, "")
		}
	}
	ask("viewer", "", "", "TURN-1")
	n := 4
	if *full {
		n = 150
	}
	random := rand.New(rand.NewPCG(1, 2))
	var roles []string
	for role := range cases.Role {
		roles = append(roles, role)
	}
	slices.Sort(roles)
	for range n {
		site := []string{"", "NORTH", "SOUTH"}[random.IntN(3)]
		line := ""
		if random.IntN(2) == 0 {
			line = []string{"TURN", "MILL", "GRIND", "ASSY"}[random.IntN(4)]
		}
		ask(roles[random.IntN(len(roles))], site, line, "")
	}

	// Lists and commands of one facility.
	south, _ := s.issue(t, "viewer", "site=SOUTH")
	for path, foreign := range map[string][]string{
		"/v1/orders?limit=1000": {`"site":"NORTH"`, `"number":"1001"`}, "/v1/machines": {`"TURN-1"`, `"MILL-1"`}, "/v1/queue": {`"line":"TURN"`, `"line":"MILL"`},
		"/v1/sessions?limit=1000": {`"machine":"MILL-1"`, `"machine":"TURN-2"`}, "/v1/stations": {"KIOSK-TURN"}, "/v1/equipment": {`"TURN-1"`},
	} {
		a := c.call(south, "GET", path, "")
		for _, text := range foreign {
			checkThat(t, "P", "viewer site=SOUTH GET "+path+" has no "+text, a.status == 200 && !strings.Contains(a.body, text), "%s: it has", a.outcome())
		}
	}
	planner, _ := s.issue(t, "planner", "site=SOUTH")
	for _, post := range [][2]string{{"/v1/orders/1008/unrelease", `{}`}, {"/v1/orders/1016/cancel", `{"reason":"x"}`}, {"/v1/orders/1004/reprioritise", `{"priority":1}`}} {
		check(t, "P", "planner site=SOUTH POST "+post[0], "404 not_found", c.call(planner, "POST", post[0], post[1]).outcome())
	}
	// Nobody gives more than they have.
	for _, line := range []string{
		"key issue name=x kind=program principal=more role=setup", "key issue name=x kind=program principal=more role=kiosk", "key issue name=x kind=program principal=more role=root",
		"person grant 1001 role=setup reason=x",
	} {
		r := s.run(t, "9001", line)
		checkThat(t, "P", line, r.status == 2 || r.status == 4, "status %d: %s", r.status, r.out)
	}
	for _, badge := range []string{"1001", "2001", "3001", "3002", "3003", "4001", "4002", "5001", "5002"} {
		for _, line := range []string{
			"key issue name=x kind=program principal=own role=viewer", "secret reset 9001 kind=password reason=x", "person grant " + badge + " role=admin reason=x",
			"station invite KIOSK-TURN", "person disable 9001 reason=x",
		} {
			r := s.run(t, badge, line)
			checkThat(t, "P", badge+" "+line, r.status == 4 && r.out == "", "status %d: %s%s", r.status, r.out, r.errs)
		}
	}
}

package mes

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestCommands_table: what is made from the table relies on every row being complete.
func TestCommands_table(t *testing.T) {
	verbs := []Verb{OwnAccount} // which needs no role
	for _, list := range Roles {
		verbs = append(verbs, list...)
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i := range Commands {
		s := &Commands[i]
		noun, verb, _ := strings.Cut(s.Name, ".")
		if noun == "" || verb == "" || names[s.Name] {
			t.Errorf("%q is no name, or one of two", s.Name)
		}
		names[s.Name] = true
		if s.Help == "" || s.Help != strings.ToLower(s.Help[:1])+s.Help[1:] && !strings.HasPrefix(s.Help, "API") || strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: help %q", s.Name, s.Help)
		}
		if s.View != ActivityLog && s.View != TransactionLog && s.View != ChangeLog {
			t.Errorf("%s: view %q", s.Name, s.View)
		}
		if !slices.Contains(verbs, s.Verb) {
			t.Errorf("%s: no role holds %q", s.Name, s.Verb)
		}
		if SpecOf(s.New()) != s {
			t.Errorf("%s: its type has another row", s.Name)
		}
		method, path, params := s.Route()
		if s.Path != "" && (method != "POST" || !strings.HasPrefix(path, "/") || paths[path]) {
			t.Errorf("%s: path %q", s.Name, s.Path)
		}
		paths[path] = s.Path != ""
		checkFields(t, s.Name, s.Fields(), params)
	}
	for i := range Queries {
		s := &Queries[i]
		path, params := s.Route()
		if names[s.Name] || paths["GET "+path] || s.Help == "" || !slices.Contains(verbs, s.Verb) || !strings.HasPrefix(s.Path, "GET /") {
			t.Errorf("%+v", s)
		}
		names[s.Name], paths["GET "+path] = true, true
		checkFields(t, s.Name, s.Fields(), params)
	}
}

func checkFields(t *testing.T, name string, fields []Field, params []string) {
	t.Helper()
	found := 0
	for _, f := range fields {
		if f.Name == "" || f.Doc == "" {
			t.Errorf("%s: field %+v needs a name and a doc", name, f)
		}
		if f.InPath {
			found++
			if f.Optional {
				t.Errorf("%s: %s is in the path and cannot be left out", name, f.Name)
			}
		}
	}
	if found != len(params) {
		t.Errorf("%s: the path names %v", name, params)
	}
	var inside func(t reflect.Type) []string
	inside = func(of reflect.Type) (bad []string) { // what lists hold is documented too
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() != "gemba/mes" || of == reflect.TypeFor[Stamp]() {
			return nil
		}
		for i := range of.NumField() {
			if f := of.Field(i); f.IsExported() && f.Tag.Get("json") == "" {
				bad = append(bad, of.Name()+"."+f.Name)
			}
		}
		return bad
	}
	for _, f := range fields {
		if bad := inside(f.Type); len(bad) > 0 {
			t.Errorf("%s: %v have no name on the wire", name, bad)
		}
	}
}

func TestParse(t *testing.T) {
	for line, want := range map[string]Command{
		"job report 1001/20 good=8 scrap=2:DIM-OOS,1:BURR":     &ReportJob{Order: "1001", Operation: "20", Good: 8, Scrap: []Part{{2, "DIM-OOS"}, {1, "BURR"}}},
		"job.report 1001 20 good=8":                            &ReportJob{Order: "1001", Operation: "20", Good: 8},
		`job report 1/2 scrap=[{"quantity":1,"reason":"A,B"}]`: &ReportJob{Order: "1", Operation: "2", Scrap: []Part{{1, "A,B"}}},
		"order create P1 100 priority=2":                       &CreateOrder{Product: "P1", Quantity: 100, Priority: 2},
		"order create product=P1 quantity=100":                 &CreateOrder{Product: "P1", Quantity: 100},
		"order release 1001":                                   &ReleaseOrder{Order: "1001"},
		"order release 1001 at=2026-11-23T06:00:00Z":           &ReleaseOrder{Order: "1001", At: At(monday)},
		"order hold 1001 quality reason=burrs":                 &HoldOrder{Order: "1001", Type: "quality", Reason: "burrs"},
		"key revoke SHA256:a/b+c/d":                            &RevokeKey{Key: "SHA256:a/b+c/d"},
		"machine count M1 value=5 seq=7":                       &CountMachine{Machine: "M1", Value: 5, Seq: 7},
		"job start 1001/10 with_setup=true":                    &StartJob{Order: "1001", Operation: "10", WithSetup: true},
	} {
		words := strings.Fields(line)
		if strings.Contains(line, "[{") {
			words = strings.SplitN(line, " ", 4)
		}
		got, spec, err := Parse(words)
		if err != nil || !reflect.DeepEqual(got, want) || spec != SpecOf(want) {
			t.Errorf("%q gives %+v (%v), want %+v", line, got, err, want)
		}
	}
	for line, words := range map[string]string{
		"":                             "say what to do",
		"fly":                          "there is no command",
		"order":                        "order can: create, release",
		"order fly 1":                  "order can: create, release",
		"key issue":                    "key can: revoke",
		"sign in":                      "there is no command",
		"job report":                   "say the order: job report ORDER/OPERATION",
		"job report 1001":              "say the operation",
		"job report 1001/20/30 good=1": "is too much",
		"job report 1001/20 good=1.5":  "is not a right good: a whole number expected",
		"job report 1001/20 good=NaN":  "a whole number expected",
		"job report 1001/20 good=1e3":  "a whole number expected",
		"job report 1001/20 good=99999999999999999999": "a whole number expected",
		"job report 1001/20 good=":                     "a whole number expected",
		"job report 1001/20 good=1 good=2":             "good is said twice",
		"job report 1001/20 well=1":                    `has no "well"`,
		"job report 1001/20 order=7":                   `has no "order"`,
		"job report 1001/20 good=1 loose":              "stands alone",
		"job report 1001/20 scrap=x":                   "write it like 2:DIM-OOS",
		"job start 1001/20 with_setup=maybe":           "true or false expected",
		"order release 1 at=yesterday":                 "RFC 3339",
	} {
		if _, _, err := Parse(strings.Fields(line)); ErrorCode(err) != Invalid || !strings.Contains(ErrorMessage(err), words) {
			t.Errorf("%q gives %v, want …%s…", line, err, words)
		}
	}
}

func TestParseQuery(t *testing.T) {
	for line, want := range map[string]Query{
		"order":                         &ListOrders{},
		"order list state=draft,closed": &ListOrders{State: []OrderState{OrderDraft, OrderClosed}},
		"order list q=10 limit=5":       &ListOrders{Search: "10", Limit: 5},
		"order show 1001":               &ShowOrder{Order: "1001"},
		"order.show 1001":               &ShowOrder{Order: "1001"},
		"totals line=L1":                &ShowTotals{Line: "L1"},
		"me":                            &ShowMe{},
		"machine counts M1":             &MachineRows{Machine: "M1", of: "counts"},
		"machine timeline M1 from=2026-11-23T06:00:00Z": &ShowTimeline{Machine: "M1", From: At(monday)},
	} {
		got, spec, err := ParseQuery(strings.Fields(line))
		if err != nil || spec == nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q gives %+v (%v), want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"", "fly", "order release 1", "job report 1/2"} {
		if _, spec, err := ParseQuery(strings.Fields(line)); spec != nil || err != nil {
			t.Errorf("%q is the query %v (%v)", line, spec, err)
		}
	}
	for _, line := range []string{"order show", "order list limit=x", "order list nothing=1", "machine counts"} {
		if _, spec, err := ParseQuery(strings.Fields(line)); spec == nil || ErrorCode(err) != Invalid {
			t.Errorf("%q gives %v %v", line, spec, err)
		}
	}
}

// TestParse_everyCommand: what the usage says can be written down and read again.
func TestParse_everyCommand(t *testing.T) {
	for i := range Commands {
		s := &Commands[i]
		if s.Path == "" {
			continue
		}
		words := strings.Split(s.Name, ".")
		want := map[string]any{}
		var rest []string
		for _, f := range s.Fields() {
			var text string
			switch f.Type.Kind() {
			case reflect.String:
				text = "W" + f.Name
				want[f.Name] = text
			case reflect.Int, reflect.Int64:
				text = "7"
				want[f.Name] = 7.0
			case reflect.Bool:
				text = "true"
				want[f.Name] = true
			default:
				continue
			}
			if f.InPath {
				words = append(words, text)
			} else {
				rest = append(rest, f.Name+"="+text)
			}
		}
		c, _, err := Parse(append(words, rest...))
		if err != nil {
			t.Errorf("%s: %v", s.Usage(), err)
			continue
		}
		text, _ := json.Marshal(c)
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s is %v, want %v", s.Name, name, got[name], value)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("job report 1001/20 good=8 scrap=2:DIM-OOS,1:BURR")
	f.Add("order create P1 100 due=2026-11-23T06:00:00Z")
	f.Add("revision draft P1 rev=A routing=[{\"seq\":10}]")
	f.Add("machine ingest states=[{\"state\":\"idle\",\"at\":1}]")
	f.Add("order list state=draft limit=5")
	f.Fuzz(func(t *testing.T, line string) {
		words := strings.Fields(line)
		c, _, err := Parse(words)
		if err != nil && ErrorCode(err) != Invalid || strings.IndexFunc(ErrorMessage(err), hidden) >= 0 {
			t.Errorf("%q gives %q (%s)", line, err, ErrorCode(err))
		}
		if err == nil {
			if _, digest, err := writtenDown(SpecOf(c), c); err != nil && ErrorCode(err) != Invalid || err == nil && digest == "" {
				t.Errorf("%q cannot be written down: %v", line, err)
			}
		}
		if _, _, err := ParseQuery(words); err != nil && ErrorCode(err) != Invalid {
			t.Errorf("%q as a query gives %v", line, err)
		}
	})
}

// A member that a grant does not have would silently widen it.
func TestParse_unknownMember(t *testing.T) {
	for _, word := range []string{`grants=[{"role":"operator","scope":"TURN"}]`, `grants=[{"role":"operator"}]]`} {
		if c, _, err := Parse([]string{"person", "register", "badge=1", "name=Ada", word}); ErrorCode(err) != Invalid {
			t.Errorf("%s gave %+v, %v", word, c, err)
		}
	}
	if _, _, err := Parse([]string{"person", "register", "badge=1", "name=Ada", `grants=[{"role":"operator","line":"TURN"}]`}); err != nil {
		t.Error(err)
	}
}

package tui

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"gemba/mes"
	"gemba/tui/widget"
)

// newEntry shows one entry of the ledger in full: who, where, when, what, how it went and why, what changed from what to
// what, and who signed.
func newEntry(a *App, row *logRow) *sheet {
	e := &row.Entry
	s := &sheet{a: a, title: a.say("title.entry"), note: e.Writer + "/" + itoa(int(e.N))}
	add := func(key, text string) {
		if text != "" {
			s.facts = append(s.facts, fact{a.say(key), text, widget.Plain})
		}
	}
	var d mes.Detail
	_ = json.Unmarshal(e.Detail, &d) // what cannot be read is not shown; the hash below tells of it
	given := flat(d.Given)
	add("entry.when", e.At.In(a.s.Zone).Format("2006-01-02 15:04:05.000 MST"))
	add("entry.who", row.principal(a))
	add("entry.where", row.where())
	add("entry.what", command(e.Command))
	add("entry.about", row.about(a))
	word := a.outcomeWord(e)
	if e.Code != "" && e.Code != mes.Refused {
		word.Text += " (" + string(e.Code) + ")"
	}
	s.facts = append(s.facts, fact{a.say("entry.outcome"), word.Text, word.Tone})
	add("entry.message", e.Message)
	add("entry.reason", given["reason"])
	for _, o := range d.Odd {
		add("entry.odd", o.Text)
	}
	s.facts = append(s.facts, signatures(a, d.Rows)...)
	if e.View == mes.ChangeLog && e.Outcome == mes.Done {
		s.facts = append(s.facts, row.changes(a, d.Rows)...)
	} else {
		s.facts = append(s.facts, listed(a, "entry.given", given)...)
		s.facts = append(s.facts, listed(a, "entry.gave", flat(d.Result))...)
	}
	s.facts = append(s.facts, fact{text: a.say("entry.evidence")})
	add("entry.sign_in", string(e.Session))
	add("entry.key", string(e.Key))
	add("entry.command", string(e.ID))
	add("entry.subject", e.Subject)
	add("entry.hash", e.Hash)
	add("entry.before", e.PrevHash)
	return s
}

// principal names who did it, with badge or kind.
func (r *logRow) principal(a *App) string {
	if who, ok := r.people[r.Person]; ok {
		return a.say("entry.person", who.Name, string(who.Badge))
	}
	return r.who(a) + " (" + string(r.Kind) + ")"
}

// signatures lists the signatures among the rows that a command wrote.
func signatures(a *App, rows []mes.RowImage) []fact {
	var out []fact
	for _, row := range rows {
		var s mes.Signature
		if row.Kind != mes.KindSignature || json.Unmarshal(row.After, &s) != nil {
			continue
		}
		out = append(out, fact{a.say("entry.signed"), a.say("entry.signature", s.Meaning, s.Name, s.Method, s.At.In(a.s.Zone).Format("15:04:05")), widget.Act})
	}
	return out
}

// changes lists what changed in the rows that a command wrote, field by field: "~" a field that is another, "+" one that
// was added, "-" one that is gone.
func (r *logRow) changes(a *App, rows []mes.RowImage) []fact {
	var out []fact
	for i := range rows {
		row := &rows[i]
		if row.Kind == mes.KindSignature {
			continue
		}
		before, after := flat(row.Before), flat(row.After)
		head, fresh := "entry.changed", len(row.Before) == 0
		if fresh {
			head = "entry.added"
		}
		facts := []fact{{text: a.say(head, strings.ReplaceAll(string(row.Kind), "_", " "), r.name(row.Key))}}
		for _, name := range slices.Sorted(maps.Keys(union(before, after))) {
			was, is := r.name(mes.ID(before[name])), r.name(mes.ID(after[name]))
			if was == is || name == "version" {
				continue
			}
			change := fact{"~ " + name, a.say("entry.from_to", shown(was), shown(is)), widget.Plain}
			switch _, known := before[name]; {
			case !known || was == "":
				change = fact{"+ " + name, is, widget.Plain}
			case is == "":
				change = fact{"- " + name, was, widget.Plain}
			}
			facts = append(facts, change)
		}
		if len(facts) > 1 {
			out = append(out, facts...)
		}
	}
	return out
}

// listed are the fields of a document under a heading.
func listed(a *App, head string, fields map[string]string) []fact {
	var out []fact
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if fields[name] != "" {
			out = append(out, fact{"  " + name, fields[name], widget.Plain})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return append([]fact{{text: a.say(head)}}, out...)
}

// shown writes a value of which nothing is left to see.
func shown(value string) string {
	if value == "" {
		return "-"
	}
	return value
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// flat gives the fields of a JSON document by their paths, like grants[0].role. What is empty, zero or false is "".
func flat(document json.RawMessage) map[string]string {
	out := map[string]string{}
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var v any
	if len(document) == 0 || d.Decode(&v) != nil {
		return out
	}
	flatten(out, "", v)
	return out
}

func flatten(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if path != "" {
				name = path + "." + name
			}
			flatten(out, name, member)
		}
	case []any:
		for i, item := range v {
			flatten(out, path+"["+itoa(i)+"]", item)
		}
	case string:
		if t, err := time.Parse(time.RFC3339, v); err == nil && t.IsZero() {
			v = ""
		}
		out[path] = v
	case json.Number:
		if out[path] = v.String(); v == "0" {
			out[path] = ""
		}
	case bool:
		if out[path] = ""; v {
			out[path] = "true"
		}
	}
}

package server

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gemba/keys"
	"gemba/mes"
)

// A deskVerb is a verb beside the command table: what it makes is shown once, and what it takes comes from standard
// input, because command lines are seen by others.
type deskVerb struct {
	name  string // "secret reset"
	help  string
	words []deskWord
	done  func(v *verb, ctx context.Context, given map[string]string) (any, error)
	owing bool // may be done before a one-time secret is replaced
}

// A deskWord is something a desk verb is told. The ones that are needed may also stand alone, in their order.
type deskWord struct {
	name, doc string
	needed    bool
	many      bool // may be said more than once
}

var deskVerbs = []deskVerb{
	{
		name: "secret reset", help: "give a person a password or PIN for one use, shown once",
		words: []deskWord{
			{name: "person", doc: "badge or id of the person", needed: true},
			{name: "kind", doc: "password or pin", needed: true},
			{name: "reason", doc: "why", needed: true},
		},
		done: (*verb).resetSecret,
	},
	{
		name: "secret replace", help: "replace your own password or PIN; the one you have and the new one are read from standard input, a line each", owing: true,
		words: []deskWord{{name: "kind", doc: "password or pin; password if not said"}},
		done:  (*verb).replaceSecret,
	},
	{
		name: "secret remove", help: "take a person's PIN or one-time codes away",
		words: []deskWord{
			{name: "person", doc: "badge or id of the person", needed: true},
			{name: "kind", doc: "pin or totp", needed: true},
			{name: "reason", doc: "why", needed: true},
		},
		done: (*verb).removeSecret,
	},
	{
		name: "codes set", help: "set up one-time codes of your own; a code of the app is read from standard input", owing: true,
		done: (*verb).setCodes,
	},
	{
		name: "key issue", help: "make an API key, shown once",
		words: []deskWord{
			{name: "name", doc: "what it is for", needed: true},
			{name: "kind", doc: "person, machine or program", needed: true},
			{name: "person", doc: "badge of the owner of a person's key"},
			{name: "principal", doc: "code of the machine or program that it stands for"},
			{name: "role", doc: "what a machine's or program's key may do", many: true},
			{name: "site", doc: "facility where it may; all if not said"},
			{name: "line", doc: "work centre where it may; all if not said"},
			{name: "machine", doc: "machine that it may do it for; all if not said"},
			{name: "network", doc: "network it may come from, like 10.1.2.0/24; all if not said", many: true},
			{name: "days", doc: "days until it expires, 365 if not said"},
			{name: "reason", doc: "why"},
		},
		done: (*verb).issueKey,
	},
	{
		name: "key add", help: "let yourself, a person or a station be known by an SSH key; its line of the .pub file is read from standard input",
		words: []deskWord{
			{name: "station", doc: "code of the station whose key it is"},
			{name: "person", doc: "or badge of the person; yourself if neither is said"},
		},
		done: (*verb).addKey,
	},
	{
		name: "key drop", help: "end an SSH key or API key of your own at once",
		words: []deskWord{{name: "key", doc: "fingerprint of the SSH key, or id of the API key", needed: true}},
		done:  (*verb).dropKey,
	},
	{
		name: "station invite", help: "make the one-time code by which a station brings its key, shown once",
		words: []deskWord{{name: "station", doc: "code of the station", needed: true}},
		done:  (*verb).inviteStation,
	},
}

// findDeskVerb finds the desk verb that the words begin with, as "secret reset" or "secret.reset".
func findDeskVerb(words []string) (found *deskVerb, rest []string) {
	for i := range deskVerbs {
		d := &deskVerbs[i]
		noun, act, _ := strings.Cut(d.name, " ")
		switch {
		case words[0] == noun+"."+act:
			return d, words[1:]
		case len(words) > 1 && words[0] == noun && words[1] == act:
			return d, words[2:]
		}
	}
	return nil, nil
}

// usage is how the verb is written.
func (d *deskVerb) usage() string {
	text := d.name
	for i, w := range d.words {
		switch {
		case w.needed && i == 0 && w.name != "name":
			text += " " + strings.ToUpper(w.name)
		case w.needed:
			text += " " + w.name + "=…"
		default:
			text += " [" + w.name + "=…]"
		}
	}
	return text
}

// read puts the words of a command line to their names. Said more than once, they are parted by newlines.
func (d *deskVerb) read(words []string) (map[string]string, error) {
	given := map[string]string{}
	for _, word := range words {
		name, value, named := strings.Cut(word, "=")
		if !named {
			i := slices.IndexFunc(d.words, func(w deskWord) bool { return w.needed && given[w.name] == "" })
			if i < 0 {
				return nil, mes.Faultf(mes.Invalid, "%q is too much; write: %s", plainText(word, 40), d.usage())
			}
			name, value = d.words[i].name, word
		}
		i := slices.IndexFunc(d.words, func(w deskWord) bool { return w.name == name })
		switch before, said := given[name]; {
		case i < 0:
			return nil, mes.Faultf(mes.Invalid, "%s has no %q; write: %s", d.name, plainText(name, 40), d.usage())
		case said && !d.words[i].many:
			return nil, mes.Faultf(mes.Invalid, "%s is said twice", name)
		case said:
			value = before + "\n" + value
		}
		given[name] = value
	}
	for _, w := range d.words {
		if w.needed && given[w.name] == "" {
			f := mes.Faultf(mes.Invalid, "say the %s: %s", w.name, d.usage())
			f.Field = w.name
			return nil, f
		}
	}
	return given, nil
}

// desk carries out a desk verb.
func (v *verb) atDesk(ctx context.Context, d *deskVerb, words []string) error {
	if v.id != "" {
		return mes.Faultf(mes.Invalid, "%s takes no --id: what it shows is shown once", d.name)
	}
	given, err := d.read(words)
	if err != nil {
		return err
	}
	answer, err := d.done(v, ctx, given)
	if err != nil {
		return err
	}
	return v.show(answer)
}

// What desk verbs show. Secrets are in the document once, and nowhere else.
type (
	secretShown struct {
		Person    mes.ID `json:"person"`
		Kind      string `json:"kind"`
		Secret    string `json:"secret"`
		ValidFor  int    `json:"valid_for_s"`
		NextStep  string `json:"next"`
		ShownOnce bool   `json:"shown_once"`
	}
	keyShown struct {
		Key       string `json:"key"`
		ID        string `json:"id"`
		NextStep  string `json:"next"`
		ShownOnce bool   `json:"shown_once"`
	}
	codeShown struct {
		Station   mes.ID `json:"station"`
		Code      string `json:"code"`
		ValidFor  int    `json:"valid_for_s"`
		NextStep  string `json:"next"`
		ShownOnce bool   `json:"shown_once"`
	}
	sshKeyShown struct {
		Fingerprint string `json:"fingerprint"`
	}
	doneShown struct {
		Done string `json:"done"`
	}
)

func (v *verb) resetSecret(ctx context.Context, given map[string]string) (any, error) {
	secret, err := v.desk.Reset(ctx, v.actor, mes.ID(given["person"]), given["kind"], given["reason"])
	return secretShown{
		Person: mes.ID(given["person"]), Kind: given["kind"], Secret: secret, ValidFor: int(mes.OneTimeFor / time.Second), ShownOnce: true,
		NextStep: "hand it over; whoever has it signs in within 15 minutes and replaces it first",
	}, err
}

func (v *verb) removeSecret(ctx context.Context, given map[string]string) (any, error) {
	err := v.desk.Remove(ctx, v.actor, mes.ID(given["person"]), given["kind"], given["reason"])
	return doneShown{"secret.remove"}, err
}

func (v *verb) replaceSecret(ctx context.Context, given map[string]string) (any, error) {
	kind := given["kind"]
	if kind == "" {
		kind = mes.Password
	}
	what := kind
	if kind == mes.PIN {
		what = "PIN"
	}
	current, err := v.line(ctx, "The "+what+" you have: ")
	if err != nil {
		return nil, err
	}
	secret, err := v.line(ctx, "The new "+what+": ")
	if err != nil {
		return nil, err
	}
	if v.terminal { // nobody sees what they type
		again, err := v.line(ctx, "The new "+what+" again: ")
		if err != nil {
			return nil, err
		}
		if again != secret {
			return nil, mes.Faultf(mes.Invalid, "the two are not the same; nothing was changed, try again")
		}
	}
	return doneShown{"secret.replace"}, v.desk.Replace(ctx, v.actor, kind, current, secret)
}

func (v *verb) setCodes(ctx context.Context, _ map[string]string) (any, error) {
	secret, uri, err := v.desk.BeginTOTP(ctx, v.actor)
	if err != nil {
		return nil, err
	}
	if squares, err := keys.QR(uri); err == nil && v.terminal {
		_, _ = io.WriteString(v.errs, drawQR(squares))
	}
	fmt.Fprintf(v.errs, "Put this into an authenticator app: %s\n%s\n", secret, uri)
	code, err := v.line(ctx, "The code that it shows: ")
	if err != nil {
		return nil, err
	}
	return doneShown{"codes.set"}, v.desk.ConfirmTOTP(ctx, v.actor, secret, code)
}

// drawQR writes a QR code with two modules a character, dark on light whatever the terminal's colours are.
func drawQR(dark [][]bool) string {
	const quiet = 2
	at := func(x, y int) bool { return y >= 0 && y < len(dark) && x >= 0 && x < len(dark[y]) && dark[y][x] }
	var b strings.Builder
	for y := -quiet; y < len(dark)+quiet; y += 2 {
		b.WriteString("\x1b[38;5;16;48;5;231m")
		for x := -quiet; x < len(dark)+quiet; x++ {
			switch top, bottom := at(x, y), at(x, y+1); {
			case top && bottom:
				b.WriteString("█")
			case top:
				b.WriteString("▀")
			case bottom:
				b.WriteString("▄")
			default:
				b.WriteString(" ")
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String()
}

func (v *verb) issueKey(ctx context.Context, given map[string]string) (any, error) {
	c := mes.IssueKey{
		Name: given["name"], Kind: mes.ActorKind(given["kind"]), Person: mes.ID(given["person"]), Principal: mes.ID(given["principal"]), Reason: given["reason"],
	}
	if text := given["network"]; text != "" {
		c.Networks = strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' })
	}
	for _, role := range strings.FieldsFunc(given["role"], func(r rune) bool { return r == '\n' || r == ',' }) {
		c.Grants = append(c.Grants, mes.Grant{Role: mes.Role(role), Site: mes.ID(given["site"]), Line: mes.ID(given["line"]), Machine: mes.ID(given["machine"])})
	}
	if len(c.Grants) == 0 && given["site"]+given["line"]+given["machine"] != "" {
		return nil, mes.Faultf(mes.Invalid, "say the role that the key has there: role=feeder, for a machine")
	}
	if text := given["days"]; text != "" {
		if _, err := fmt.Sscanf(text, "%d", &c.Days); err != nil || fmt.Sprint(c.Days) != text {
			return nil, mes.Faultf(mes.Invalid, "%q is not a right days: a whole number expected", plainText(text, 20))
		}
	}
	key, err := v.desk.IssueKey(ctx, v.actor, c)
	if err != nil {
		return nil, err
	}
	made, err := keys.ParseAPIKey(key)
	return keyShown{Key: key, ID: made.ID, ShownOnce: true, NextStep: "put it where it is used, readable by its owner only; it is not shown again"}, err
}

func (v *verb) addKey(ctx context.Context, given map[string]string) (any, error) {
	line, err := v.line(ctx, "The line of the .pub file: ")
	if err != nil {
		return nil, err
	}
	fingerprint, err := v.desk.AddKey(ctx, v.actor, line, mes.ID(given["station"]), mes.ID(given["person"]))
	return sshKeyShown{fingerprint}, err
}

func (v *verb) dropKey(ctx context.Context, given map[string]string) (any, error) {
	return doneShown{"key.drop"}, v.desk.RevokeKey(ctx, v.actor, mes.ID(given["key"]))
}

func (v *verb) inviteStation(ctx context.Context, given map[string]string) (any, error) {
	code, err := v.desk.InviteStation(ctx, v.actor, mes.ID(given["station"]))
	return codeShown{
		Station: mes.ID(given["station"]), Code: code, ValidFor: int(mes.InvitationFor / time.Second), ShownOnce: true,
		NextStep: "at the station, within 15 minutes: ssh -i KEY " + enrolUser + "@HOST",
	}, err
}

// Bounds of what a desk verb reads: the longest line, in bytes, and how long somebody may take over it.
const (
	longestLine = 8 << 10
	lineTime    = 2 * time.Minute
)

// line reads one line of standard input. On a terminal the question is shown, and what is typed is not.
func (v *verb) line(ctx context.Context, question string) (string, error) {
	if v.terminal {
		fmt.Fprint(v.errs, question)
		defer fmt.Fprintln(v.errs)
	}
	if v.in == nil {
		return "", mes.Faultf(mes.Invalid, "there is no standard input to read from")
	}
	type read struct {
		line string
		err  error
	}
	got := make(chan read, 1)
	go func() { // ends with the session at the latest: its channel is closed then
		line, err := readLine(v.in, v.terminal)
		got <- read{line, err}
	}()
	ctx, cancel := context.WithTimeout(ctx, lineTime)
	defer cancel()
	select {
	case r := <-got:
		return r.line, r.err
	case <-ctx.Done():
		return "", mes.Faultf(mes.Invalid, "nothing came on standard input in time; nothing was changed")
	}
}

// readLine reads bytes up to the end of a line and no further. A terminal's backspace takes back, its Ctrl+C gives up.
func readLine(in io.Reader, terminal bool) (string, error) {
	var line []byte
	var b [1]byte
	for {
		n, err := in.Read(b[:])
		if n == 0 && err == nil {
			continue
		}
		switch {
		case n == 0 && len(line) == 0:
			return "", mes.Faultf(mes.Invalid, "a line is missing on standard input; nothing was changed")
		case n == 0 || b[0] == '\n' || terminal && b[0] == '\r':
			return strings.TrimSuffix(string(line), "\r"), nil
		case terminal && (b[0] == 0x7f || b[0] == '\b'):
			_, size := utf8.DecodeLastRune(line)
			line = line[:len(line)-size]
			continue
		case terminal && (b[0] == 3 || b[0] == 4):
			return "", mes.Faultf(mes.Invalid, "given up; nothing was changed")
		case len(line) == longestLine:
			return "", mes.Faultf(mes.TooLarge, "a line on standard input has at most %d bytes", longestLine)
		}
		line = append(line, b[0])
	}
}

package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"gemba/mes"
)

// A verb is a command line that is being carried out. Data goes to out, everything else to errs.
type verb struct {
	app      *mes.App
	actor    mes.Actor
	desk     *Desk
	in       io.Reader
	out      io.Writer
	errs     io.Writer
	terminal bool // somebody types and looks on
	json     bool
	id       mes.ID
}

// run carries out a command line and gives its exit status.
func (v *verb) run(ctx context.Context, line string) int {
	words, err := splitWords(line)
	if err == nil {
		words, err = v.options(words)
	}
	if err == nil {
		err = v.do(ctx, words)
	}
	if err != nil {
		v.fail(err)
	}
	return mes.ExitStatus(err)
}

// options takes --json and --id out of the words. What follows -- is no option.
func (v *verb) options(words []string) (rest []string, err error) {
	help := false
	for i := 0; i < len(words); i++ {
		word := words[i]
		value, isID := strings.CutPrefix(word, "--id=")
		switch {
		case word == "--":
			rest = append(rest, words[i+1:]...)
			i = len(words)
		case word == "--json":
			v.json = true
		case word == "--help", word == "-h":
			help = true
		case word == "--id" && i+1 < len(words):
			i++
			v.id = mes.ID(words[i])
		case isID:
			v.id = mes.ID(value)
		case strings.HasPrefix(word, "--"):
			return nil, mes.Faultf(mes.Invalid, "there is no option %s; there are --json and --id=ID", plainText(word, 40))
		default:
			rest = append(rest, word)
		}
	}
	if help {
		rest = append([]string{"help"}, rest...)
	}
	return rest, nil
}

func (v *verb) do(ctx context.Context, words []string) error {
	if len(words) == 0 || words[0] == "help" {
		return v.help(words[min(1, len(words)):])
	}
	desk, rest := findDeskVerb(words)
	if owing := v.desk.first(); owing != nil && (desk == nil || !desk.owing) {
		return owing
	}
	if desk != nil {
		return v.atDesk(ctx, desk, rest)
	}
	query, spec, err := mes.ParseQuery(words)
	if err != nil {
		return err
	}
	if spec != nil {
		answer, err := query.Answer(ctx, v.app, v.actor)
		if err != nil {
			return err
		}
		return v.show(answer)
	}
	if !isCommand(words) {
		return unknownVerb(words)
	}
	command, _, err := mes.Parse(words)
	if err != nil {
		return err
	}
	receipt, err := v.app.Do(ctx, v.actor, v.id, command)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		fmt.Fprintln(v.errs, "This was done before under the same id; nothing happened now.")
	}
	return v.show(receipt)
}

// show writes an answer: a JSON document, or lines for people.
func (v *verb) show(answer any) error {
	if v.json {
		return writeJSON(v.out, answer)
	}
	if list, ok := answer.(mes.List); ok && list.Next != "" {
		fmt.Fprintf(v.errs, "There is more: add after=%s\n", plainText(list.Next, 0))
	}
	_, err := io.WriteString(v.out, forPeople(answer))
	return err
}

// fail says what is wrong. With --json the problem is a document too.
func (v *verb) fail(err error) {
	fmt.Fprintln(v.errs, plainText(mes.ErrorMessage(err), 0))
	if v.json {
		_ = writeJSON(v.out, problemOf(err))
	}
}

func writeJSON(w io.Writer, v any) error {
	document, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = w.Write(append(plainJSON(document), '\n'))
	return err
}

// help lists the verbs, those of one noun, or tells about one verb.
func (v *verb) help(words []string) error {
	name := strings.Join(words, ".")
	rows := [][]string{}
	var fields []mes.Field
	var usage, about string
	add := func(full, help, use string, of []mes.Field) {
		noun, _, _ := strings.Cut(full, ".")
		if name == "" || name == noun || name == full {
			rows = append(rows, []string{strings.ReplaceAll(full, ".", " "), help})
		}
		if name == full {
			usage, about, fields = use, help, of
		}
	}
	for i := range mes.Queries {
		s := &mes.Queries[i]
		add(s.Name, s.Help, s.Usage(), s.Fields())
	}
	for i := range mes.Commands {
		if s := &mes.Commands[i]; s.Path != "" {
			add(s.Name, s.Help, s.Usage(), s.Fields())
		}
	}
	for i := range deskVerbs {
		d := &deskVerbs[i]
		fields := make([]mes.Field, len(d.words))
		for j, w := range d.words {
			fields[j] = mes.Field{Name: w.name, Doc: w.doc, Optional: !w.needed}
		}
		add(strings.ReplaceAll(d.name, " ", "."), d.help, d.usage(), fields)
	}
	if len(rows) == 0 {
		return unknownVerb(words)
	}
	var b strings.Builder
	if usage == "" {
		if name == "" {
			b.WriteString("ssh HOST VERB [WORD…] [name=value…] [--json] [--id=ID]\n\n")
		}
		b.WriteString(table(nil, rows))
		b.WriteString("\nMore about one: help VERB. --json gives one JSON document; --id makes a command safe to send again.\n")
	} else {
		fmt.Fprintf(&b, "%s\n\n  %s\n\n", about, usage)
		rows = rows[:0]
		for _, f := range fields {
			need := ""
			if !f.Optional {
				need = "needed"
			}
			rows = append(rows, []string{"  " + f.Name, f.Doc, need})
		}
		b.WriteString(table(nil, rows))
	}
	_, err := io.WriteString(v.out, b.String())
	return err
}

// verbNames are all verbs as they are typed.
func verbNames() []string {
	names := []string{"help"}
	for i := range mes.Queries {
		names = append(names, strings.ReplaceAll(mes.Queries[i].Name, ".", " "))
	}
	for i := range mes.Commands {
		if mes.Commands[i].Path != "" {
			names = append(names, strings.ReplaceAll(mes.Commands[i].Name, ".", " "))
		}
	}
	for i := range deskVerbs {
		names = append(names, deskVerbs[i].name)
	}
	return names
}

// isCommand tells whether the words begin with the name of a command, as "job report" or "job.report".
func isCommand(words []string) bool {
	for i := range mes.Commands {
		s := &mes.Commands[i]
		noun, act, _ := strings.Cut(s.Name, ".")
		if s.Path != "" && (words[0] == s.Name || len(words) > 1 && words[0] == noun && words[1] == act) {
			return true
		}
	}
	return false
}

// unknownVerb says what somebody may have meant.
func unknownVerb(words []string) error {
	var acts []string
	for _, name := range verbNames() {
		if act, ok := strings.CutPrefix(name, words[0]+" "); ok {
			acts = append(acts, act)
		}
	}
	typed := plainText(strings.Join(words[:min(2, len(words))], " "), 60)
	near := nearest(strings.ReplaceAll(strings.ToLower(typed), ".", " "), verbNames())
	hint := "help lists them all"
	if len(acts) > 0 {
		hint = words[0] + " can: " + strings.Join(acts, ", ")
	}
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
	}
	return mes.Faultf(mes.Invalid, "there is no verb %q; %s", typed, hint)
}

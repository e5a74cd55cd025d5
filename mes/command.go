package mes

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// A Command is one thing that somebody wants done. It is plain data: it can be sent over a wire, logged, shown and sent
// again.
type Command interface {
	// decide reads what it needs through d, applies the rules, and stages what changes. It does nothing else, and the
	// same reads always lead to the same decision.
	decide(d *Decision) error
}

// Spec is a row of the command table.
type Spec struct {
	Name string         // "order.release", as the ledger and the SSH verb say it
	Help string         // one line, for people
	Path string         // "POST /orders/{order}/release" below /v1; empty when only the doors themselves use it
	Verb Verb           // what a grant must allow
	View View           // log that its entries belong to
	New  func() Command // an empty one, to decode into
}

// Commands lists every command there is, and is the only place that does: routes, their OpenAPI document, SSH verbs,
// the palette and the permission tests are made from it.
var Commands = []Spec{
	{"order.create", "plan a work order", "POST /orders", PlanOrders, TransactionLog, func() Command { return new(CreateOrder) }},
	{"order.release", "hand a draft order to the floor", "POST /orders/{order}/release", PlanOrders, TransactionLog, func() Command { return new(ReleaseOrder) }},
	{"order.unrelease", "take an order back that has not started", "POST /orders/{order}/unrelease", PlanOrders, TransactionLog, func() Command { return new(UnreleaseOrder) }},
	{"order.hold", "stop an order or an operation by a constraint", "POST /orders/{order}/hold", HoldOrders, TransactionLog, func() Command { return new(HoldOrder) }},
	{"order.unhold", "release a hold", "POST /orders/{order}/unhold", HoldOrders, TransactionLog, func() Command { return new(UnholdOrder) }},
	{"order.pause", "pause an order by decision", "POST /orders/{order}/pause", LeadWork, TransactionLog, func() Command { return new(PauseOrder) }},
	{"order.resume", "let a paused order go on", "POST /orders/{order}/resume", LeadWork, TransactionLog, func() Command { return new(ResumeOrder) }},
	{"order.complete", "say that an order is made", "POST /orders/{order}/complete", LeadWork, TransactionLog, func() Command { return new(CompleteOrder) }},
	{"order.close", "end a completed order for good", "POST /orders/{order}/close", LeadWork, TransactionLog, func() Command { return new(CloseOrder) }},
	{"order.cancel", "give an order up before anything was reported", "POST /orders/{order}/cancel", PlanOrders, TransactionLog, func() Command { return new(CancelOrder) }},
	{"order.reopen", "take a completed order back for a correction", "POST /orders/{order}/reopen", Supervise, TransactionLog, func() Command { return new(ReopenOrder) }},
	{"order.split", "move part of an order into one of its own", "POST /orders/{order}/split", PlanOrders, TransactionLog, func() Command { return new(SplitOrder) }},
	{"order.reprioritise", "change how urgent an order is", "POST /orders/{order}/reprioritise", PlanOrders, TransactionLog, func() Command { return new(ReprioritiseOrder) }},

	{"job.start", "begin work on an operation", "POST /orders/{order}/operations/{operation}/start", WorkJobs, TransactionLog, func() Command { return new(StartJob) }},
	{"job.pause", "stop the clock of a session", "POST /orders/{order}/operations/{operation}/pause", WorkJobs, TransactionLog, func() Command { return new(PauseJob) }},
	{"job.resume", "start the clock of a paused session again", "POST /orders/{order}/operations/{operation}/resume", WorkJobs, TransactionLog, func() Command { return new(ResumeJob) }},
	{"job.report", "report good, scrap, rework and review pieces", "POST /orders/{order}/operations/{operation}/report", WorkJobs, TransactionLog, func() Command { return new(ReportJob) }},
	{"job.stop", "end a session", "POST /orders/{order}/operations/{operation}/stop", WorkJobs, TransactionLog, func() Command { return new(StopJob) }},
	{"job.complete", "say that an operation is done", "POST /orders/{order}/operations/{operation}/complete", WorkJobs, TransactionLog, func() Command { return new(CompleteJob) }},
	{"job.skip", "leave an optional operation out", "POST /orders/{order}/operations/{operation}/skip", LeadWork, TransactionLog, func() Command { return new(SkipJob) }},
	{"job.correct", "take a wrong report back, or put the right one in its place", "POST /reports/{report}/correct", WorkJobs, TransactionLog, func() Command { return new(CorrectReport) }},
	{"instruction.confirm", "confirm to have read a work instruction", "POST /instructions/{instruction}/confirm", WorkJobs, TransactionLog, func() Command { return new(ConfirmInstruction) }},

	{"machine.state", "record a machine's state", "POST /machines/{machine}/state", FeedMachines, TransactionLog, func() Command { return new(SetMachineState) }},
	{"machine.count", "record a machine's counter reading", "POST /machines/{machine}/count", FeedMachines, TransactionLog, func() Command { return new(CountMachine) }},
	{"machine.ingest", "take a batch of states, counts, samples and alarms", "POST /ingest", FeedMachines, TransactionLog, func() Command { return new(Ingest) }},

	{"product.define", "add a product or change its name", "POST /products", DefineProducts, ChangeLog, func() Command { return new(DefineProduct) }},
	{"revision.draft", "write a draft revision of a product", "POST /products/{product}/revisions", DefineProducts, ChangeLog, func() Command { return new(DraftRevision) }},
	{"revision.submit", "hand a draft revision in for review", "POST /products/{product}/revisions/{rev}/submit", DefineProducts, ChangeLog, func() Command { return new(SubmitRevision) }},
	{"revision.reject", "give a revision back to its author", "POST /products/{product}/revisions/{rev}/reject", DefineProducts, ChangeLog, func() Command { return new(RejectRevision) }},
	{"revision.release", "put a reviewed revision into effect", "POST /products/{product}/revisions/{rev}/release", DefineProducts, ChangeLog, func() Command { return new(ReleaseRevision) }},
	{"revision.retire", "end a released revision", "POST /products/{product}/revisions/{rev}/retire", DefineProducts, ChangeLog, func() Command { return new(RetireRevision) }},
	{"equipment.define", "add equipment or change its settings", "POST /equipment", DefinePlant, ChangeLog, func() Command { return new(DefineEquipment) }},
	{"station.enrol", "add a station or change where it stands", "POST /stations", DefinePlant, ChangeLog, func() Command { return new(EnrolStation) }},
	{"station.retire", "take a station out of use, with its keys", "POST /stations/{station}/retire", DefinePlant, ChangeLog, func() Command { return new(RetireStation) }},
	{"person.register", "add a person or change their name, skills and grants", "POST /people", RegisterPeople, ChangeLog, func() Command { return new(RegisterPerson) }},
	{"person.disable", "end a person's account until it is enabled again", "POST /people/{person}/disable", ManageAccess, ChangeLog, func() Command { return new(DisablePerson) }},
	{"person.enable", "let a disabled person in again", "POST /people/{person}/enable", ManageAccess, ChangeLog, func() Command { return new(EnablePerson) }},
	{"person.unlock", "let a person try again who was locked out", "POST /people/{person}/unlock", UnlockPeople, ChangeLog, func() Command { return new(UnlockPerson) }},
	{"person.grant", "give a person a role", "POST /people/{person}/grant", ManageAccess, ChangeLog, func() Command { return new(GrantRole) }},
	{"person.ungrant", "take a role away from a person", "POST /people/{person}/ungrant", ManageAccess, ChangeLog, func() Command { return new(UngrantRole) }},

	{"key.revoke", "end an API key or SSH key at once", "POST /keys/{key}/revoke", ManageAccess, ChangeLog, func() Command { return new(RevokeKey) }},
	{"key.issue", "store a new API key", "", ManageAccess, ChangeLog, func() Command { return new(IssueKey) }},
	{"key.add_ssh", "let a station or person be known by an SSH key", "", ManageAccess, ChangeLog, func() Command { return new(AddSSHKey) }},
	{"key.add_own_ssh", "let yourself be known by an SSH key", "", OwnAccount, ChangeLog, func() Command { return new(AddOwnSSHKey) }},
	{"key.revoke_own", "end a key of your own at once", "", OwnAccount, ChangeLog, func() Command { return new(RevokeOwnKey) }},
	{"station.invite", "let a station make itself known by a one-time code", "", ManageAccess, ChangeLog, func() Command { return new(InviteStation) }},
	{"station.join", "make a station known that has given its one-time code", "", SignInHere, ChangeLog, func() Command { return new(JoinStation) }},
	{"secret.reset", "give a person a password or PIN for one use", "", ManageAccess, ChangeLog, func() Command { return new(ResetSecret) }},
	{"secret.replace", "replace a secret of your own", "", OwnAccount, ChangeLog, func() Command { return new(ReplaceSecret) }},
	{"secret.remove", "take a person's PIN or one-time codes away", "", ManageAccess, ChangeLog, func() Command { return new(RemoveSecret) }},
	{"secret.rehash", "store a secret by newer parameters", "", SignInHere, ActivityLog, func() Command { return new(RehashSecret) }},
	{"credential.set", "replace a password, a PIN or one-time codes", "", ManageAccess, ChangeLog, func() Command { return new(SetCredential) }},
	{"sign.in", "let a person in", "", SignInHere, ActivityLog, func() Command { return new(SignInPerson) }},
	{"sign.fail", "count a wrong secret", "", SignInHere, ActivityLog, func() Command { return new(FailSignIn) }},
	{"sign.out", "note that a person left", "", SignInHere, ActivityLog, func() Command { return new(SignOutPerson) }},
	{"alert.raise", "note what somebody should look at", "", SignInHere, ActivityLog, func() Command { return new(RaiseAlert) }},
}

// specs finds a command's row by its type.
var specs = func() map[reflect.Type]*Spec {
	m := map[reflect.Type]*Spec{}
	for i := range Commands {
		m[reflect.TypeOf(Commands[i].New())] = &Commands[i]
	}
	return m
}()

// SpecOf gives the row of a command, nil when it is not in the table.
func SpecOf(c Command) *Spec { return specs[reflect.TypeOf(c)] }

// Route splits the path of a command: method, path, and the names of the fields that the path carries.
func (s *Spec) Route() (method, path string, params []string) { return route(s.Path) }

func route(text string) (method, path string, params []string) {
	method, path, _ = strings.Cut(text, " ")
	for _, part := range strings.Split(path, "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			params = append(params, strings.TrimSuffix(name, "}"))
		}
	}
	return method, path, params
}

// Fields lists the fields of a command as its JSON names them, in order; the path's first.
func (s *Spec) Fields() []Field {
	_, _, params := s.Route()
	return fieldsOf(reflect.TypeOf(s.New()).Elem(), params)
}

func fieldsOf(t reflect.Type, params []string) []Field {
	var inPath, others []Field
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		field := Field{Name: name, Doc: f.Tag.Get("doc"), Optional: strings.Contains(opts, "omitempty"), Type: f.Type, index: i}
		if slices.Contains(params, name) {
			field.InPath = true
			inPath = append(inPath, field)
		} else {
			others = append(others, field)
		}
	}
	return append(inPath, others...)
}

// A Field of a command.
type Field struct {
	Name     string
	Doc      string
	Optional bool
	InPath   bool
	Type     reflect.Type
	index    int
}

// Parse makes a command from the words of a command line: first its name ("job report" or "job.report"), then what its
// path carries ("1001/20" or "1001 20"), then name=value for the rest. Lists with reasons are written
// scrap=2:DIM-OOS,1:BURR.
func Parse(words []string) (Command, *Spec, error) {
	if len(words) == 0 {
		return nil, nil, invalid("", "say what to do, like: job report 1001/20 good=8")
	}
	spec, rest := findSpec(words)
	if spec == nil {
		return nil, nil, unknownVerb(words)
	}
	c := spec.New()
	return c, spec, parseFields(c, spec.Fields(), spec.Usage(), spec.Name, rest)
}

// parseFields fills a command or query from the words after its name.
func parseFields(target any, fields []Field, usage, name string, rest []string) error {
	room := 0 // for words without a name
	for _, f := range fields {
		if f.InPath || !f.Optional {
			room++
		}
	}
	var path []string
	for len(rest) > 0 && !strings.Contains(rest[0], "=") {
		words := []string{rest[0]}
		if room > 1 { // one thing may hold a slash itself: the fingerprint of an SSH key does
			words = strings.Split(rest[0], "/")
		}
		path = append(path, words...)
		rest = rest[1:]
	}
	for _, f := range fields {
		if !f.InPath && (f.Optional || len(path) == 0) {
			continue
		}
		if len(path) == 0 {
			return invalid(f.Name, "say the %s: %s", f.Name, usage)
		}
		if err := Set(target, f, path[0]); err != nil {
			return err
		}
		path = path[1:]
	}
	if len(path) > 0 {
		return invalid("", "%q is too much; write: %s", path[0], usage)
	}
	seen := map[string]bool{}
	for _, word := range rest {
		field, value, ok := strings.Cut(word, "=")
		if !ok {
			return invalid("", "%q stands alone; write name=value, as in: %s", word, usage)
		}
		if seen[field] {
			return invalid(field, "%s is said twice", field)
		}
		seen[field] = true
		i := slices.IndexFunc(fields, func(f Field) bool { return f.Name == field && !f.InPath })
		if i < 0 {
			return invalid(field, "%s has no %q; write: %s", name, field, usage)
		}
		if err := Set(target, fields[i], value); err != nil {
			return err
		}
	}
	return nil
}

// Usage is how the command is written on a command line.
func (s *Spec) Usage() string { return usage(s.Name, s.Fields()) }

func usage(name string, fields []Field) string {
	words := []string{strings.ReplaceAll(name, ".", " ")}
	var path, rest []string
	for _, f := range fields {
		switch {
		case f.InPath:
			path = append(path, strings.ToUpper(f.Name))
		case f.Optional:
			rest = append(rest, "["+f.Name+"=…]")
		default:
			rest = append(rest, f.Name+"=…")
		}
	}
	if len(path) > 0 {
		words = append(words, strings.Join(path, "/"))
	}
	return strings.Join(append(words, rest...), " ")
}

func findSpec(words []string) (*Spec, []string) {
	for i := range Commands {
		s := &Commands[i]
		if s.Path == "" {
			continue
		}
		if words[0] == s.Name {
			return s, words[1:]
		}
		if noun, verb, _ := strings.Cut(s.Name, "."); len(words) > 1 && words[0] == noun && words[1] == verb {
			return s, words[2:]
		}
	}
	return nil, nil
}

func unknownVerb(words []string) error {
	var verbs []string
	for i := range Commands {
		if noun, verb, _ := strings.Cut(Commands[i].Name, "."); noun == words[0] && Commands[i].Path != "" {
			verbs = append(verbs, verb)
		}
	}
	if len(verbs) > 0 {
		return invalid("", "%s can: %s", words[0], strings.Join(verbs, ", "))
	}
	return invalid("", "there is no command %q; help lists them all", strings.Join(words[:min(len(words), 2)], " "))
}

// setField puts the text of a command line into a field.
func setField(v reflect.Value, name, text string) error {
	err := parseInto(v, text)
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	if err != nil {
		return invalid(name, "%q is not a right %s: %s expected", text, name, describe(v.Type()))
	}
	return nil
}

// worded is a field with a form of its own on command lines.
type worded interface{ fromWord(text string) error }

func parseInto(v reflect.Value, text string) error {
	if w, ok := v.Addr().Interface().(worded); ok {
		return w.fromWord(text)
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Slice:
		if strings.HasPrefix(text, "[") {
			return fromJSON(v, text)
		}
		for _, part := range strings.Split(text, ",") {
			item := reflect.New(v.Type().Elem()).Elem()
			if err := parseInto(item, part); err != nil {
				return err
			}
			v.Set(reflect.Append(v, item))
		}
		return nil
	}
	return fromJSON(v, text)
}

// fromJSON reads one JSON value and nothing else. A member that is not known is refused: a misspelt limit of a grant
// would be a grant without limit.
func fromJSON(v reflect.Value, text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v.Addr().Interface()); err != nil {
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			return invalid("", "there is no %s here", name)
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return invalid("", "%q holds more than one value", text)
	}
	return nil
}

func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list, or JSON,"
	}
	return fmt.Sprintf("a %s", t.Kind())
}

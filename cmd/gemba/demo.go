package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/BurntSushi/toml"

	"gemba/keys"
	"gemba/mes"
	"gemba/testdata/plant"
)

// The demonstration plant as its file describes it.
type demoPlant struct {
	Enterprise struct{ Code, Name string } `toml:"enterprise"`
	Sites      []struct {
		Code, Name string
		TimeZone   string `toml:"time_zone"`
	} `toml:"site"`
	Lines    []struct{ Code, Name, Site string } `toml:"line"`
	Machines []demoMachine                       `toml:"machine"`
	Stations []struct {
		Code, Name, Line, Machine string
		Networks                  []string
	} `toml:"station"`
	People []struct {
		Badge, Name, Site, Line string
		Roles                   []mes.Role
		Skills                  []string
	} `toml:"person"`
	Products []struct {
		Code, Name, Unit, Family, Rev string
		Routing                       []demoOperation
	} `toml:"product"`
	Orders []struct {
		Number, Product, State string
		Quantity               int64
		StartDay               int `toml:"start_day"`
		DueDay                 int `toml:"due_day"`
		Priority               int
	} `toml:"order"`
	Jobs []struct {
		Order, Operation, Person, Machine string
		Good                              int64
		Scrap                             []struct {
			Quantity int64
			Reason   string
		}
		Running bool
	} `toml:"job"`
	Keys []struct {
		Name     string
		Scopes   []mes.Role
		Networks []string
	} `toml:"key"`
}

type demoMachine struct {
	Code, Name, Line string
	Classes          []string
	CycleS           int `toml:"cycle_s"`
	TimeoutS         int `toml:"timeout_s"`
}

type demoOperation struct {
	Seq              int
	Code, Name, Line string
	Class, Skill     string
	SetupS           int `toml:"setup_s"`
	RunMS            int `toml:"run_ms"`
	Optional         bool
}

// demoCredentials is what scripts read to sign in: DATA/demo-credentials.json, for the owner's eyes only.
type demoCredentials struct {
	SSH      string        `json:"ssh"`
	API      string        `json:"api"`
	CAFile   string        `json:"ca_file"`
	HostKey  string        `json:"ssh_host_key"` // in known_hosts form, without the host
	People   []demoPerson  `json:"people"`
	Stations []demoStation `json:"stations"`
	Keys     []demoKey     `json:"keys"`
}

type demoPerson struct {
	Badge          string     `json:"badge"`
	Name           string     `json:"name"`
	Roles          []mes.Role `json:"roles"`
	PIN            string     `json:"pin"`
	Password       string     `json:"password"`
	PrivateKeyFile string     `json:"private_key_file"`
}

type demoStation struct {
	Code           string `json:"code"`
	PrivateKeyFile string `json:"private_key_file"`
}

type demoKey struct {
	Name      string     `json:"name"`
	Principal mes.ID     `json:"principal"`
	Scopes    []mes.Role `json:"scopes"`
	Key       string     `json:"key"`
}

func (c *demoCredentials) key(name string) string {
	for _, k := range c.Keys {
		if k.Name == name {
			return k.Key
		}
	}
	return ""
}

// A demo loads the demonstration plant through the one door, like anybody else's plant.
type demo struct {
	app    *mes.App
	node   *node
	hasher *keys.Hasher
	plant  demoPlant
	base   time.Time // midnight of the day the plant was first loaded
}

func newDemo(app *mes.App, n *node, h *keys.Hasher) (*demo, error) {
	d := &demo{app: app, node: n, hasher: h}
	meta, err := toml.Decode(plant.TOML, &d.plant)
	if err == nil && len(meta.Undecoded()) > 0 {
		err = fmt.Errorf("unknown names: %v", meta.Undecoded())
	}
	if err != nil {
		return nil, fmt.Errorf("demonstration plant: %w", err)
	}
	return d, nil
}

// load makes the plant and everybody's credentials. Doing it again changes nothing: every command has a fixed id, and
// the credentials that were handed out stay valid.
func (d *demo) load(ctx context.Context) (*demoCredentials, error) {
	if err := d.equipment(ctx); err != nil {
		return nil, err
	}
	if err := d.products(ctx); err != nil {
		return nil, err
	}
	if err := d.people(ctx); err != nil {
		return nil, err
	}
	credentials, err := d.credentials(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.orders(ctx); err != nil {
		return nil, err
	}
	return credentials, nil
}

// do carries out a command of the set-up under an id of its own. What was done at an earlier start is not done again.
func (d *demo) do(ctx context.Context, as mes.ID, id string, c mes.Command) (mes.Receipt, error) {
	if r, err := d.node.store.Receipt(ctx, mes.ID("demo/"+id)); err == nil {
		return r, nil
	} else if mes.ErrorCode(err) != mes.NotFound {
		return r, err
	}
	r, err := d.app.Do(ctx, mes.System(as, "demonstration plant"), mes.ID("demo/"+id), c)
	if err != nil {
		return r, fmt.Errorf("demonstration plant, %s: %w", id, err)
	}
	return r, nil
}

func (d *demo) equipment(ctx context.Context) error {
	p := &d.plant
	all := []mes.DefineEquipment{{Code: mes.ID(p.Enterprise.Code), Name: p.Enterprise.Name, Level: mes.Enterprise}}
	for _, s := range p.Sites {
		all = append(all, mes.DefineEquipment{Code: mes.ID(s.Code), Name: s.Name, Level: mes.Site, Parent: mes.ID(p.Enterprise.Code), TimeZone: s.TimeZone})
	}
	for _, l := range p.Lines {
		all = append(all, mes.DefineEquipment{Code: mes.ID(l.Code), Name: l.Name, Level: mes.WorkCentre, Parent: mes.ID(l.Site)})
	}
	for _, m := range p.Machines {
		all = append(all, mes.DefineEquipment{Code: mes.ID(m.Code), Name: m.Name, Level: mes.WorkUnit, Parent: mes.ID(m.Line), Classes: m.Classes, TimeoutS: m.TimeoutS, MicrostopS: 60})
	}
	for i := range all {
		r, err := d.do(ctx, "demo", "equipment/"+string(all[i].Code), &all[i])
		if err != nil {
			return err
		}
		if i == 0 {
			d.base = r.At.Truncate(24 * time.Hour)
		}
	}
	for _, s := range p.Stations {
		c := &mes.EnrolStation{Code: mes.ID(s.Code), Name: s.Name, Line: mes.ID(s.Line), Machine: mes.ID(s.Machine), Networks: s.Networks}
		if _, err := d.do(ctx, "demo", "station/"+s.Code, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) products(ctx context.Context) error {
	for _, p := range d.plant.Products {
		code := mes.ID(p.Code)
		routing := make([]mes.RoutingOperation, len(p.Routing))
		for i, o := range p.Routing {
			routing[i] = mes.RoutingOperation{Seq: o.Seq, Code: o.Code, Name: o.Name, Line: mes.ID(o.Line), Class: o.Class, SetupS: o.SetupS, RunMS: o.RunMS, Optional: o.Optional, Skill: o.Skill}
		}
		steps := []struct {
			as mes.ID // who wrote it is not who approves it
			id string
			c  mes.Command
		}{
			{"engineer", "product/" + p.Code, &mes.DefineProduct{Code: code, Name: p.Name, Unit: p.Unit, Family: p.Family}},
			{"engineer", "revision/" + p.Code + "/draft", &mes.DraftRevision{Product: code, Rev: p.Rev, EffectiveFrom: mes.At(d.base.AddDate(0, 0, -30)), Routing: routing}},
			{"engineer", "revision/" + p.Code + "/submit", &mes.SubmitRevision{Product: code, Rev: p.Rev}},
			{"approver", "revision/" + p.Code + "/release", &mes.ReleaseRevision{Product: code, Rev: p.Rev}},
		}
		for _, s := range steps {
			if _, err := d.do(ctx, s.as, s.id, s.c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *demo) people(ctx context.Context) error {
	for _, p := range d.plant.People {
		c := &mes.RegisterPerson{Badge: mes.ID(p.Badge), Name: p.Name}
		for _, role := range p.Roles {
			c.Grants = append(c.Grants, mes.Grant{Role: role, Site: mes.ID(p.Site), Line: mes.ID(p.Line)})
		}
		for _, skill := range p.Skills {
			c.Skills = append(c.Skills, mes.Certificate{Skill: skill})
		}
		if _, err := d.do(ctx, "demo", "person/"+p.Badge, c); err != nil {
			return err
		}
	}
	return nil
}

// credentialsFile is there while the doors are open, and says where they are. secretsFile keeps what was handed out over
// restarts.
func (d *demo) credentialsFile() string { return filepath.Join(d.node.data, "demo-credentials.json") }
func (d *demo) secretsFile() string     { return filepath.Join(d.node.data, "demo-secrets.json") }

// credentials gives everybody their way in. What an earlier start handed out is used again.
func (d *demo) credentials(ctx context.Context) (*demoCredentials, error) {
	if err := os.Remove(d.credentialsFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	text, err := os.ReadFile(d.secretsFile())
	if err == nil {
		var c demoCredentials
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, fmt.Errorf("%s is damaged (%w); delete it to have new credentials made", d.secretsFile(), err)
		}
		return &c, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	c, err := d.newCredentials(ctx)
	if err != nil {
		return nil, err
	}
	return c, writeSecret(d.secretsFile(), c)
}

// newCredentials makes them all.
func (d *demo) newCredentials(ctx context.Context) (*demoCredentials, error) {
	folder := filepath.Join(d.node.data, "demo-keys")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	c := &demoCredentials{}
	for _, s := range d.plant.Stations {
		file := filepath.Join(folder, "station-"+s.Code)
		if err := d.sshKey(ctx, file, s.Code, &mes.AddSSHKey{Station: mes.ID(s.Code)}); err != nil {
			return nil, err
		}
		c.Stations = append(c.Stations, demoStation{s.Code, file})
	}
	for _, p := range d.plant.People {
		who := demoPerson{Badge: p.Badge, Name: p.Name, Roles: p.Roles, PIN: keys.NewPIN(p.Badge), Password: keys.NewPassphrase(), PrivateKeyFile: filepath.Join(folder, "person-"+p.Badge)}
		class := keys.Ordinary
		if p.Roles[0] == mes.Admin {
			class = keys.Administrator
		}
		for kind, secret := range map[string]string{"pin": who.PIN, "password": who.Password} {
			if err := d.secret(ctx, p.Badge, kind, secret, class); err != nil {
				return nil, err
			}
		}
		if err := d.sshKey(ctx, who.PrivateKeyFile, p.Badge, &mes.AddSSHKey{Person: mes.ID(p.Badge)}); err != nil {
			return nil, err
		}
		c.People = append(c.People, who)
	}
	for _, k := range d.plant.Keys {
		var grants []mes.Grant
		for _, role := range k.Scopes {
			grants = append(grants, mes.Grant{Role: role})
		}
		issue := mes.IssueKey{Name: k.Name, Kind: mes.ByProgram, Principal: mes.ID(k.Name), Grants: grants, Networks: k.Networks}
		if err := d.apiKey(ctx, c, issue, k.Scopes); err != nil {
			return nil, err
		}
	}
	for _, m := range d.plant.Machines {
		code := mes.ID(m.Code)
		issue := mes.IssueKey{Name: "machine-" + m.Code, Kind: mes.ByMachine, Principal: code, Grants: []mes.Grant{{Role: mes.Feeder, Machine: code}}}
		if err := d.apiKey(ctx, c, issue, []mes.Role{mes.Feeder}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (d *demo) secret(ctx context.Context, badge, kind, secret string, class keys.Class) error {
	hash, err := d.hasher.Hash(ctx, secret, class)
	if err != nil {
		return err
	}
	_, err = d.app.Do(ctx, mes.System("demo", "demonstration plant"), "", &mes.SetCredential{Person: mes.ID(badge), Kind: kind, Hash: mes.Secret(hash)})
	return err
}

func (d *demo) sshKey(ctx context.Context, file, comment string, c *mes.AddSSHKey) error {
	k, err := keys.NewSSHKey(comment)
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err // of a first start that was cut short: nobody was told of it
	}
	if err := k.WriteFile(file); err != nil {
		return err
	}
	c.Fingerprint, c.PublicKey = mes.ID(k.Fingerprint()), k.AuthorizedKey()
	_, err = d.app.Do(ctx, mes.System("demo", "demonstration plant"), "", c)
	return err
}

func (d *demo) apiKey(ctx context.Context, c *demoCredentials, issue mes.IssueKey, scopes []mes.Role) error {
	k, err := keys.NewAPIKey(keys.KeyKind(issue.Kind))
	if err != nil {
		return err
	}
	issue.ID, issue.Hash = mes.ID(k.ID), mes.Secret(d.node.pepper.Digest(k))
	if _, err := d.app.Do(ctx, mes.System("demo", "demonstration plant"), "", &issue); err != nil {
		return err
	}
	c.Keys = append(c.Keys, demoKey{issue.Name, issue.Principal, scopes, k.Reveal()})
	return nil
}

// orders plans the week and has some of it worked on already.
func (d *demo) orders(ctx context.Context) error {
	for _, o := range d.plant.Orders {
		start := d.base.AddDate(0, 0, o.StartDay).Add(6 * time.Hour)
		c := &mes.CreateOrder{Number: o.Number, Product: mes.ID(o.Product), Quantity: o.Quantity, Tolerance: 5, Priority: o.Priority,
			PlannedStart: mes.At(start), Due: mes.At(d.base.AddDate(0, 0, o.DueDay).Add(14 * time.Hour))}
		if _, err := d.do(ctx, "planner", "order/"+o.Number, c); err != nil {
			return err
		}
		if o.State == string(mes.OrderDraft) {
			continue
		}
		if _, err := d.do(ctx, "planner", "order/"+o.Number+"/release", &mes.ReleaseOrder{Order: mes.ID(o.Number)}); err != nil {
			return err
		}
	}
	for i, j := range d.plant.Jobs {
		id := fmt.Sprintf("job/%d/", i)
		r, err := d.do(ctx, "lead", id+"start", &mes.StartJob{Order: mes.ID(j.Order), Operation: j.Operation, Machine: mes.ID(j.Machine), Person: mes.ID(j.Person)})
		if err != nil {
			return err
		}
		var started struct{ Session mes.ID }
		if err := json.Unmarshal(r.Result, &started); err != nil {
			return err
		}
		report := &mes.ReportJob{Order: mes.ID(j.Order), Operation: j.Operation, Session: started.Session, Good: j.Good}
		for _, s := range j.Scrap {
			report.Scrap = append(report.Scrap, mes.Part{Quantity: s.Quantity, Reason: s.Reason})
		}
		if _, err := d.do(ctx, "lead", id+"report", report); err != nil {
			return err
		}
		if j.Running {
			continue
		}
		if _, err := d.do(ctx, "lead", id+"stop", &mes.StopJob{Order: mes.ID(j.Order), Operation: j.Operation, Session: started.Session}); err != nil {
			return err
		}
	}
	return nil
}

// write puts the credentials where scripts find them.
func (d *demo) write(c *demoCredentials) error { return writeSecret(d.credentialsFile(), c) }

// writeSecret writes a file for its owner's eyes, whole or not at all.
func writeSecret(path string, c *demoCredentials) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// howTo says how to sign in.
func (d *demo) howTo(out io.Writer, c *demoCredentials, needTOTP bool) {
	host, port, _ := net.SplitHostPort(c.SSH)
	var lead, operator demoPerson
	for _, p := range c.People {
		switch {
		case operator.Badge == "" && p.Roles[0] == mes.Operator:
			operator = p
		case lead.Badge == "" && p.Roles[0] == mes.Lead:
			lead = p
		}
	}
	kiosk, codes := c.Stations[0], ""
	if !needTOTP {
		codes = "Administrators need no one-time code here, as they do in a plant; --totp admins asks for it.\n"
	}
	fmt.Fprintf(out, `
The demonstration plant is running. Sign in from another terminal:

  as a lead, from your own desk (password %s)
    ssh -p %s %s@%s

  as an operator at the %s (badge %s, PIN %s)
    ssh -p %s -i %s -o IdentitiesOnly=yes kiosk@%s

Everybody's badge, PIN, password and keys are in %s
%sStop with Ctrl-C.
`, lead.Password, port, lead.Badge, host, kiosk.Code, operator.Badge, operator.PIN, port, kiosk.PrivateKeyFile, host, d.credentialsFile(), codes)
}

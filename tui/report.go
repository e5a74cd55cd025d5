package tui

import (
	"encoding/json"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// quantityDigits is how many digits a quantity has at most, unless more is available; more is a barcode.
const quantityDigits = 7

// newReport is the one form for all that became of pieces: good, scrap, rework, review. What is available stands there
// as good, so that Enter is enough when all went well.
func newReport(j *job) *slip {
	a := j.a
	o := &j.detail.Order
	mine := j.own()
	rework := mine != nil && mine.Kind == mes.ReworkWork
	digits := quantityDigits
	quantity := func(name string) *widget.Field {
		return &widget.Field{Name: name, Label: a.say("qty." + name), Kind: widget.Quantity, Max: digits, Unit: o.Unit}
	}
	used := usedReasons(j.detail.Reports)
	reason := func(of string) *widget.Field {
		return &widget.Field{Name: of + "_reason", Label: a.say("field.reason_of"), Kind: widget.Text, Max: 80, With: of, Known: used}
	}
	s := &slip{title: a.say("title.report"), send: a.say("key.book")}
	s.form.Fields = []*widget.Field{quantity("good"), quantity("scrap"), reason("scrap"), quantity("rework"), reason("rework"), quantity("review"), reason("review")}
	available := int64(0)
	// As long as nobody typed how many are good, what is typed as scrap and the like comes out of them.
	s.adjust = func(f *widget.Form) {
		if good := f.Field("good"); available > 0 && !good.Touched() && good.Refused() == widget.NoRefusal {
			good.Preset(itoa(int(max(available-f.Number("scrap")-f.Number("rework")-f.Number("review"), 0))))
		}
	}
	// Others report on the same operation meanwhile: what stands there by default is what is left by now.
	renew := func() {
		op, left := j.operation()
		if op == nil {
			return
		}
		if rework {
			left = max(op.Rework-op.Reworked, 0)
		}
		available = left
		s.about = []string{a.say("report.about", j.number(), op.Name, count(available), o.Unit)}
		for _, f := range s.form.Fields {
			if f.Kind == widget.Quantity {
				f.Max = max(f.Max, len(itoa(int(available))))
			}
		}
		if good := s.form.Field("good"); available <= 0 && !good.Touched() {
			good.Preset("")
		}
		s.adjust(&s.form)
	}
	renew()
	var read question[*mes.OrderDetail]
	s.follows = j.Concerns
	s.fresh = func() tea.Cmd {
		return read.ask(a, j.reader(), func(d *mes.OrderDetail) {
			if a.top() == Screen(s) { // else the job itself reads, and later
				j.detail = d
				renew()
			}
		})
	}
	session := mes.ID("")
	if mine != nil {
		session = mine.ID
	}
	s.build = func(f *widget.Form) mes.Command {
		c := &mes.ReportJob{Order: o.ID, Operation: itoa(j.seq), Session: session, Good: f.Number("good"),
			Scrap: parts(f, "scrap"), Rework: parts(f, "rework"), Review: parts(f, "review")}
		if c.Good+f.Number("scrap")+f.Number("rework")+f.Number("review") == 0 {
			a.tell(widget.Warning, "say.nothing")
			return nil
		}
		return c
	}
	s.done = func(r mes.Receipt) { a.tellReceipt(s, r) }
	return s
}

// parts gives the quantity and reason of a kind, none if the field is empty.
func parts(f *widget.Form, kind string) []mes.Part {
	if n := f.Number(kind); n > 0 {
		return []mes.Part{{Quantity: n, Reason: f.Value(kind + "_reason")}}
	}
	return nil
}

// usedReasons are the reasons that were given on this order before, the newest first.
func usedReasons(reports []mes.Report) []string {
	var out []string
	for i := range reports {
		if r := reports[i]; r.Reason != "" && r.Corrects == "" && !slices.Contains(out, r.Reason) {
			out = append(out, r.Reason)
		}
	}
	return out
}

// tellReceipt shows what was booked, and what is left.
func (a *App) tellReceipt(s *slip, r mes.Receipt) {
	var gave struct {
		Number    string `json:"number"`
		Operation int    `json:"operation"`
		Available int64  `json:"available"`
	}
	if json.Unmarshal(r.Result, &gave) != nil {
		a.tell(widget.Normal, "say.done", s.title)
		return
	}
	var parts []string
	for _, kind := range []string{"good", "scrap", "rework", "review"} {
		if n := s.form.Number(kind); n > 0 {
			parts = append(parts, count(n)+" "+strings.ToLower(a.say("qty."+kind)))
		}
	}
	key := "say.booked"
	if r.Replayed {
		key = "say.booked_before"
	}
	a.tell(widget.Normal, key, strings.Join(parts, ", "), count(gave.Available), r.Writer, r.N)
}

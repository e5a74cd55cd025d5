package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/widget"
)

// scanned takes a code that was scanned where no field waits for text, and opens what it names: an operation written
// ORDER/SEQ, an order, or a machine.
func (a *App) scanned(text string) tea.Cmd {
	code := strings.TrimSpace(strings.TrimRight(text, "\r\n\t"))
	if a.person == nil || a.locked || a.bound() || code == "" {
		return nil
	}
	order, seq, _ := strings.Cut(code, "/")
	if len(order) > 40 || strings.IndexFunc(code, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		a.tell(widget.Fault, "say.unknown_code", widget.Cut(code, 40))
		return nil
	}
	number, visit, app, actor, parent, line := a.visit, a.visit, a.s.App, a.actor, a.s.Context, a.line()
	a.tell(widget.Neutral, "say.looking_up", code)
	return func() tea.Msg {
		ctx, done := context.WithTimeout(parent, patience)
		defer done()
		detail, err := app.Order(ctx, actor, mes.ID(order))
		_, notMachine := app.MachineTotals(ctx, actor, mes.ID(code))
		return answerMsg{func(a *App) tea.Cmd {
			if number != visit || a.visit != visit || a.locked {
				return nil
			}
			a.status = status{}
			switch {
			case err == nil:
				return a.openScanned(detail, seq, line)
			case notMachine == nil:
				return a.open(newMachine(a, mes.ID(code)))
			case mes.ErrorCode(err) == mes.NotFound:
				a.tell(widget.Fault, "say.unknown_code", code)
				return nil
			}
			a.fail(err)
			return nil
		}}
	}
}

// openScanned opens the operation that was scanned, or the one of this line that can be worked on, or the order.
func (a *App) openScanned(o *mes.OrderDetail, seq string, line mes.ID) tea.Cmd {
	for i := range o.Operations {
		op := &o.Operations[i]
		switch {
		case seq != "" && (seq == itoa(op.Seq) || seq == op.Code):
			return a.open(newJob(a, o.Order.ID, op.Seq))
		case seq == "" && line != "" && op.Line == line && (op.State == mes.OpReady || op.State == mes.OpRunning || op.State == mes.OpPaused):
			return a.open(newJob(a, o.Order.ID, op.Seq))
		}
	}
	return a.open(newOrder(a, o.Order.ID))
}

// line is the work centre where this terminal stands, if it does.
func (a *App) line() mes.ID {
	if a.s.Station == nil {
		return ""
	}
	return a.s.Station.Line
}

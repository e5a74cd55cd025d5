// Package tui is what people see of the floor: one model a session, one screen a file, made for a keyboard, a scanner
// and a small window.
//
// # Rules of the room
//
// Nothing in Update or View waits: whatever asks the floor is a command, and its answer carries the number of the
// question, so that a late one is dropped. Nothing is global: a session's terminal is known from its Session alone. Text
// from outside is made safe where it is drawn, in package widget. A state is never told by its colour alone.
//
// Control characters do nothing but what their keys say (Enter, Tab, Esc back, Ctrl+L redraw): a scanner sends them
// around its codes, and Ctrl+C is how it ends one.
// A key that comes right behind another only moves: no barcode presses a button, and what a scan or a paste filled in is
// sent by a key of its own.
package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"gemba/mes"
	"gemba/tui/text"
	"gemba/tui/widget"
)

// A Feed tells a session what changed on the floor.
type Feed interface {
	// Wait blocks until something changed and names it ("work_order:ID", "machine:CODE"). It gives false when the
	// session is over.
	Wait() (topics []string, ok bool)
}

// A Session is one terminal: who or what opened it, and all that its screens need.
type Session struct {
	Context context.Context // of the connection
	App     *mes.App
	Actor   mes.Actor    // the station, or the person whose own connection it is
	Station *mes.Station // nil on a person's own connection
	Person  *mes.Person  // nil at a station until somebody signs in

	// SignIn checks a badge with its PIN or password and records the stay. Its error may be shown.
	SignIn func(ctx context.Context, badge, secret string) (mes.Actor, *mes.Person, error)
	// SignOut records that a stay ended, and how.
	SignOut func(ctx context.Context, actor mes.Actor, how string)

	Door string                              // host and port by which this session came in
	Desk Desk                                // makes secrets; nil: nothing that needs one is offered
	Owes func() (replace string, enrol bool) // what who is signed in must do first, as it is now; nil: nothing
	QR   func(text string) ([][]bool, error) // draws a text as a QR code, true is dark; nil: the text has to do

	Feed          Feed // nil: nothing moves by itself
	Term          string
	Env           []string // of the client
	Width, Height int
	Zone          *time.Location // of the clock and all times; UTC if nil
	Idle          time.Duration  // without a key until the screen locks; 0: five minutes, three for who manages access; below 0: never
}

const (
	operatorIdle = 5 * time.Minute
	adminIdle    = 3 * time.Minute
	patience     = 15 * time.Second       // for one answer of the floor
	retryAfter   = 2 * time.Second        // between tries while the store does not answer
	breath       = 250 * time.Millisecond // between two readings of the same screen
)

// Quit tells a session that the server is going down.
type Quit struct{ Reason string }

// App is the model of a session. Use [New].
type App struct {
	s     Session
	say   func(key string, args ...any) string
	paint *widget.Painter
	ascii bool

	width, height int
	now           time.Time // as of the last message
	lastKey       time.Time

	actor    mes.Actor
	person   *mes.Person
	due      duty
	visit    int // rises when somebody else is signed in; what belongs to an earlier visit is dropped
	signin   *signIn
	locked   bool
	stack    []Screen
	help     *help
	status   status
	errand   *errand
	typed    []stroke // what came while an answer was awaited
	burst    burst
	farewell string

	// after gives a message after a while; tests put their own clock here.
	after func(d time.Duration, m tea.Msg) tea.Cmd
}

// New makes the model of a session.
func New(s Session) tea.Model {
	if s.Context == nil {
		s.Context = context.Background()
	}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	a := &App{s: s, say: text.English.Say, ascii: !speaksUTF8(s.Term, s.Env), width: s.Width, height: s.Height, now: s.App.Now()}
	a.lastKey = a.now
	a.paint = newPainter(true, a.ascii)
	a.after = func(d time.Duration, m tea.Msg) tea.Cmd { return tea.Tick(d, func(time.Time) tea.Msg { return m }) }
	a.signin = newSignIn(a)
	a.actor = s.Actor
	if s.Person != nil {
		a.welcome(s.Actor, s.Person)
	}
	return a
}

// Init starts the clock, the feed and the first screen.
func (a *App) Init() tea.Cmd {
	cmds := []tea.Cmd{a.tick(), a.waitFeed(), a.top().Load()}
	if answersColours(a.s.Term) {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	return tea.Batch(cmds...)
}

// Messages of the root.
type (
	tickMsg    struct{}
	feedMsg    struct{ topics []string }
	feedEndMsg struct{}
)

func (a *App) tick() tea.Cmd { return a.after(time.Second, tickMsg{}) }

// waitFeed asks for the next change. Update asks again after each, so that a slow terminal is told late and never
// overrun.
func (a *App) waitFeed() tea.Cmd {
	feed := a.s.Feed
	if feed == nil {
		return nil
	}
	return func() tea.Msg {
		topics, ok := feed.Wait()
		if !ok {
			return feedEndMsg{}
		}
		return feedMsg{topics}
	}
}

// Update takes one message.
func (a *App) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	a.now = a.s.App.Now()
	switch m := msg.(type) {
	case tea.WindowSizeMsg:
		a.width, a.height = m.Width, m.Height
	case tea.BackgroundColorMsg:
		a.paint = newPainter(m.IsDark(), a.ascii)
	case tickMsg:
		return a, tea.Batch(a.tick(), a.watchIdle())
	case feedMsg:
		return a, tea.Batch(a.waitFeed(), a.changed(m.topics))
	case feedEndMsg:
		return a, a.end(a.say("bye.ended"))
	case Quit:
		return a, a.end(a.say("bye.server", m.Reason))
	case tea.KeyPressMsg:
		return a, a.key(m)
	case tea.PasteMsg:
		return a, a.paste(m.Content)
	case burstMsg:
		return a, a.burstOver(m)
	case answerMsg:
		return a, tea.Batch(m.take(a), a.replay())
	case againMsg:
		return a, m.ask()
	case errandMsg:
		return a, tea.Batch(a.errandBack(m), a.replay())
	case retryMsg:
		return a, a.send(m.errand)
	case signedInMsg:
		return a, tea.Batch(a.signedIn(m), a.replay())
	}
	return a, nil
}

// top is the screen that is seen: the sign-in as long as nobody is, or may be, in front of the others.
func (a *App) top() Screen {
	if a.person == nil || a.locked || len(a.stack) == 0 {
		return a.signin
	}
	return a.stack[len(a.stack)-1]
}

// open puts a screen on top.
func (a *App) open(s Screen) tea.Cmd {
	a.stack = append(a.stack, s)
	return s.Load()
}

// goTo leaves all screens above the first for another. What was being typed has been sent or left before.
func (a *App) goTo(s Screen) tea.Cmd {
	a.stack = a.stack[:1]
	if a.stack[0].Title() == s.Title() {
		return a.stack[0].Load()
	}
	return a.open(s)
}

// shut takes the top screen away.
func (a *App) shut() tea.Cmd {
	if len(a.stack) < 2 {
		return nil
	}
	a.stack = a.stack[:len(a.stack)-1]
	return a.top().Load()
}

// back leaves the screen. What was typed and not sent is left only when it is asked for twice.
func (a *App) back() tea.Cmd {
	if a.person == nil || a.locked {
		return nil
	}
	if t, ok := a.top().(typist); ok && t.Draft() && a.status.key != "say.unsent" {
		a.tell(widget.Warning, "say.unsent")
		return nil
	}
	if a.status.key == "say.unsent" {
		a.status = status{}
	}
	return a.shut()
}

// everything is the topic of a feed that has lost count of what changed.
const everything = "*"

// changed reads again what a change on the floor may have touched, on the screen that is seen. The others read when
// they come back up.
func (a *App) changed(topics []string) tea.Cmd {
	s := a.top()
	for _, t := range topics {
		if t == everything || s.Concerns(t) {
			return s.Load()
		}
	}
	return nil
}

// end says good-bye on the terminal's own screen and ends the program.
func (a *App) end(words string) tea.Cmd {
	a.farewell = words
	return tea.Quit
}

// leave ends a person's own connection.
func (a *App) leave(how, words string) tea.Cmd {
	return tea.Sequence(a.signOut(how), a.end(words))
}

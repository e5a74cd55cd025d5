package mes

import (
	"errors"
	"fmt"
	"strings"
)

// A Code says what kind of trouble a [Fault] is. There are few, and each maps to one HTTP status and one exit status.
type Code string

const (
	Invalid         Code = "invalid"         // the input itself is wrong; sending it again cannot help
	Unauthenticated Code = "unauthenticated" // nobody proved who is asking
	Denied          Code = "denied"          // known, but not allowed
	Unsigned        Code = "unsigned"        // allowed, once the actor signs: the same with a Proof is done
	NotFound        Code = "not_found"       // not there, or out of the actor's scope: the two look the same
	Refused         Code = "refused"         // a rule of the floor says no in the present state
	Conflict        Code = "conflict"        // somebody else was faster, or an id was used for something else
	TooLarge        Code = "too_large"       // over a stated limit
	Busy            Code = "busy"            // over a rate or a queue; later it works
	Unavailable     Code = "unavailable"     // the store could not answer; the same id may be sent again safely
	Internal        Code = "internal"        // a fault of ours; the cause is in the log, never in the message
)

// A Fault is an error that may be shown: Message is plain and says what would be right. Field names the input at fault,
// when there is one. The cause, if any, is for the log only.
type Fault struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Field   string `json:"field,omitempty"`
	cause   error
}

func (f *Fault) Error() string { return f.Message }

// Unwrap gives the cause that led to the fault.
func (f *Fault) Unwrap() error { return f.cause }

// Faultf makes a fault with a formatted message. What somebody typed may be quoted in it: it is made plain and kept
// short, because messages end up on other people's terminals.
func Faultf(code Code, format string, args ...any) *Fault {
	return &Fault{Code: code, Message: plain(fmt.Sprintf(format, args...), maxMessage)}
}

// maxMessage is how many characters of a message are kept.
const maxMessage = 400

// plain puts a mark in the place of every character that does something to a terminal instead of being seen, and ends
// the text after a number of characters.
func plain(text string, most int) string {
	n := 0
	end := strings.IndexFunc(text, func(rune) bool { n++; return n > most })
	if end >= 0 {
		text = text[:end] + "…"
	}
	return strings.Map(func(r rune) rune {
		if hidden(r) {
			return '·'
		}
		return r
	}, text)
}

// FaultFrom makes a fault that keeps the error behind it for the log.
func FaultFrom(code Code, cause error, format string, args ...any) *Fault {
	f := Faultf(code, format, args...)
	f.cause = cause
	return f
}

// ErrorCode tells the code of an error: Internal for anything that is not a Fault, "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var f *Fault
	if errors.As(err, &f) {
		return f.Code
	}
	return Internal
}

// ErrorMessage tells what may be shown of an error. Nothing internal is ever in it.
func ErrorMessage(err error) string {
	var f *Fault
	switch {
	case err == nil:
		return ""
	case errors.As(err, &f):
		return f.Message
	}
	return "something went wrong on our side; try again, and tell your administrator if it stays"
}

func refuse(format string, args ...any) error { return Faultf(Refused, format, args...) }

func invalid(field, format string, args ...any) error {
	f := Faultf(Invalid, format, args...)
	f.Field = field
	return f
}

func notFound(what string, id ID) error { return Faultf(NotFound, "there is no %s %s here", what, id) }

// ErrStale is returned by a store when an expectation of a change did not hold: somebody else was faster. The command
// is read and decided again.
var ErrStale = errors.New("stale: what the decision was made on has changed")

package mes

// Exit statuses, the same for the local program and for verbs over SSH.
const (
	ExitDone     = 0
	ExitFailed   = 1
	ExitUsage    = 2
	ExitNotFound = 3
	ExitDenied   = 4
	ExitRefused  = 5
	ExitLater    = 75 // busy or unavailable: the same again works later
	ExitConfig   = 78 // the configuration is wrong
)

// ExitStatus is the exit status that tells an error.
func ExitStatus(err error) int {
	switch ErrorCode(err) {
	case "":
		return ExitDone
	case Invalid, TooLarge:
		return ExitUsage
	case NotFound:
		return ExitNotFound
	case Denied, Unauthenticated, Unsigned:
		return ExitDenied
	case Refused, Conflict:
		return ExitRefused
	case Busy, Unavailable:
		return ExitLater
	}
	return ExitFailed
}

// Package text holds every word that people see on a screen, by key, one catalogue for a language.
package text

import "fmt"

// A Catalogue is the texts of one language.
type Catalogue map[string]string

// Say gives a text with its arguments filled in. A key that is missing shows itself, so that a screen never stays empty;
// the tests look for it.
func (c Catalogue) Say(key string, args ...any) string {
	form, ok := c[key]
	switch {
	case !ok:
		return "(" + key + ")"
	case len(args) == 0:
		return form
	}
	return fmt.Sprintf(form, args...)
}

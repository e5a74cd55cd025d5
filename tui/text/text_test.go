package text_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gemba/tui/text"
)

// families are keys whose end is only known when a screen is drawn; mes names the ends.
var families = []string{"qty.", "kind.", "hold.", "role.", "state.", "orders.", "language.", "scope.", "secret.", "principal.", "keyfor.", "advice."}

// keysIn finds every text key that a screen names: string literals of the form noun.words.
func keysIn(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no screens found: %v", err)
	}
	var groups []string
	for key := range text.English {
		group, _, _ := strings.Cut(key, ".")
		if !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	found := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			s, _ := strconv.Unquote(lit.Value)
			group, rest, dotted := strings.Cut(s, ".")
			if dotted && rest != "" && !strings.ContainsAny(s, " /:=%") && slices.Contains(groups, group) {
				found[s] = file
			}
			return true
		})
	}
	return found
}

func TestEnglish_hasEveryKey(t *testing.T) {
	found := keysIn(t)
	if len(found) < 100 {
		t.Fatalf("only %d keys found in the screens; the search is broken", len(found))
	}
	for key, file := range found {
		if _, ok := text.English[key]; !ok {
			t.Errorf("%s says %q, and the English catalogue does not", file, key)
		}
	}
	for key := range text.English {
		if _, used := found[key]; used || strings.HasSuffix(key, ".short") {
			continue
		}
		if !slices.ContainsFunc(families, func(f string) bool { return strings.HasPrefix(key, f) }) {
			t.Errorf("no screen says %q", key)
		}
	}
}

func TestSay_missingKeyShows(t *testing.T) {
	if got := text.English.Say("no.such"); got != "(no.such)" {
		t.Errorf("Say of a missing key is %q", got)
	}
}

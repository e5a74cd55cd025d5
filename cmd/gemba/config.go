package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gemba/mes"
)

// settle fills the flags of a command that were not given: from the environment (GEMBA_ and the flag's name in
// capitals), then from the configuration file. A flag beats the environment, the environment beats the file, and the
// file beats the default. A name in the environment or the file that no command knows is an error: a misspelt limit must
// not pass for one.
func settle(cmd *cobra.Command) error {
	if err := knownEnvironment(os.Environ(), knownOptions(cmd.Root())); err != nil {
		return err
	}
	if err := fromEnvironment(cmd.Flags()); err != nil {
		return err
	}
	path, _ := cmd.Flags().GetString("config")
	if path == "" {
		data := cmd.Flags().Lookup("data")
		if data == nil {
			return nil
		}
		path = filepath.Join(data.Value.String(), "gemba.toml")
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return nil
		}
	}
	return fromFile(cmd, path)
}

// ours begins every name in the environment that is meant for gemba.
const ours = "GEMBA_"

// inEnvironment is the name that an option has in the environment.
func inEnvironment(option string) string {
	return ours + strings.ToUpper(strings.ReplaceAll(option, "-", "_"))
}

// knownEnvironment refuses a name of ours that no command knows. It does not repeat the value, which may be a secret that
// was put in the wrong place.
func knownEnvironment(environment []string, options map[string]bool) error {
	known := []string{inEnvironment("config")}
	for option := range options {
		known = append(known, inEnvironment(option))
	}
	slices.Sort(known)
	for _, set := range environment {
		name, _, _ := strings.Cut(set, "=")
		if strings.HasPrefix(name, ours) && !slices.Contains(known, name) {
			return exitError{mes.ExitConfig, fmt.Errorf("environment: there is no option %s%s; gemba serve --help lists them", name, nearest(name, known))}
		}
	}
	return nil
}

func fromEnvironment(flags *pflag.FlagSet) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		name := inEnvironment(f.Name)
		value, given := os.LookupEnv(name)
		if !given || f.Changed || wrong != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			wrong = exitError{mes.ExitConfig, fmt.Errorf("%s=%q in the environment: %w", name, value, err)}
		}
	})
	return wrong
}

func fromFile(cmd *cobra.Command, path string) error {
	var values map[string]any
	if _, err := toml.DecodeFile(path, &values); err != nil {
		return exitError{mes.ExitConfig, fmt.Errorf("configuration file %s: %w", path, err)}
	}
	known := knownOptions(cmd.Root())
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f := cmd.Flags().Lookup(name)
		switch {
		case !known[name]:
			return exitError{mes.ExitConfig, fmt.Errorf("configuration file %s: there is no option %q%s; gemba serve --help lists them", path, name, nearest(name, slices.Sorted(maps.Keys(known))))}
		case f == nil || f.Changed:
			continue
		}
		if err := cmd.Flags().Set(name, text(values[name])); err != nil {
			return exitError{mes.ExitConfig, fmt.Errorf("configuration file %s: %s: %w", path, name, err)}
		}
	}
	return nil
}

// text is a value of the file as the flag would be given.
func text(value any) string {
	if list, ok := value.([]any); ok {
		parts := make([]string, len(list))
		for i, v := range list {
			parts[i] = fmt.Sprint(v)
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(value)
}

// knownOptions are the options of every command: one file may serve all of them.
func knownOptions(root *cobra.Command) map[string]bool {
	known := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		c.PersistentFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	delete(known, "help")
	delete(known, "config")
	return known
}

// nearest suggests the name that was probably meant: the one that fewest slips of the keys make of what was written, if
// they are few.
func nearest(name string, known []string) string {
	best, least := "", len(name)/3+1
	for _, k := range known {
		if d := slips(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", but there is " + best
}

// slips is how many letters must be put in, taken out, changed, or swapped with the next, to make one word of the other.
func slips(a, b string) int {
	before, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			next[j+1] = min(row[j+1], next[j]) + 1
			if a[i] == b[j] {
				next[j+1] = min(next[j+1], row[j])
			} else {
				next[j+1] = min(next[j+1], row[j]+1)
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row, next = row, next, before
	}
	return row[len(b)]
}

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"gemba/mes"
)

// settle fills the flags of a command that were not given: from the environment (GEMBA_ and the flag's name in
// capitals), then from the configuration file. A flag beats the environment, the environment beats the file, and the
// file beats the default. A name in the file that no command knows is an error: a misspelt limit must not pass for one.
func settle(cmd *cobra.Command) error {
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

func fromEnvironment(flags *pflag.FlagSet) error {
	var wrong error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "GEMBA_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
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
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f := cmd.Flags().Lookup(name)
		switch {
		case !known[name]:
			return exitError{mes.ExitConfig, fmt.Errorf("configuration file %s: there is no option %q; gemba serve --help lists them", path, name)}
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

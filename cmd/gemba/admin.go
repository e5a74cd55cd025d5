package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
)

func newAdminCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "admin", Short: "Help from the console when nobody can get in"}
	cmd.AddCommand(newAdminResetCommand())
	return cmd
}

func newAdminResetCommand() *cobra.Command {
	var o storeOptions
	var reason string
	var grant bool
	cmd := &cobra.Command{
		Use:   "reset BADGE --reason TEXT [--data DIR]",
		Short: "Give an administrator a new way in",
		Long: `For when no administrator can sign in any more. Enables the person, lifts every lock, takes away the one-time
codes, and prints a password that works once, for 15 minutes, and must be replaced at the first sign-in. Stop
gemba first, and start it again afterwards. It needs the data folder, and leaves entries in the ledger that say
who ran it.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reason == "" {
				return exitError{mes.ExitUsage, fmt.Errorf("say why, for the ledger: --reason TEXT")}
			}
			n, err := openNode(cmd.Context(), &o, traceLimits{})
			if err != nil {
				return err
			}
			err = resetAdministrator(cmd.Context(), n, mes.ID(args[0]), reason, grant, cmd.OutOrStdout())
			if closing := n.close(); err == nil {
				err = closing
			}
			return err
		},
	}
	o.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the ledger")
	cmd.Flags().BoolVar(&grant, "grant", false, "also make the person an administrator")
	return cmd
}

// resetAdministrator lets a person in again who manages access.
func resetAdministrator(ctx context.Context, n *node, badge mes.ID, reason string, grant bool, out io.Writer) error {
	app := mes.NewApp(n.store, time.Now, newID, func(...string) {})
	console := mes.System("console", "console: "+consoleUser())
	person, err := n.store.Person(ctx, mes.Fresh, badge)
	if err != nil {
		return err
	}
	manages := slices.ContainsFunc(person.Grants, func(g mes.Grant) bool { return g == mes.Grant{Role: mes.Admin} })
	if !manages && !grant {
		return mes.Faultf(mes.Refused, "%s is no administrator of the whole plant; add --grant to make them one", badge)
	}
	password := keys.NewPassphrase()
	hash, err := keys.NewHasher(n.pepper).Hash(ctx, password, keys.Administrator)
	if err != nil {
		return err
	}
	var commands []mes.Command
	if person.Disabled {
		commands = append(commands, &mes.EnablePerson{Person: person.ID, Reason: reason})
	}
	if !manages {
		commands = append(commands, &mes.GrantRole{Person: person.ID, Role: mes.Admin, Reason: reason})
	}
	switch codes, err := n.store.Credential(ctx, mes.Fresh, mes.CredentialID(person.ID, mes.TOTP)); {
	case err == nil && codes.Hash != "":
		commands = append(commands, &mes.RemoveSecret{Person: person.ID, Kind: mes.TOTP, Reason: reason})
	case err != nil && mes.ErrorCode(err) != mes.NotFound:
		return err
	}
	commands = append(commands, &mes.ResetSecret{Person: person.ID, Kind: mes.Password, Hash: mes.Secret(hash), Reason: reason})
	for _, c := range commands {
		if _, err := app.Do(ctx, console, "", c); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, oneTimeText, badge, password)
	return err
}

const oneTimeText = `badge: %s
password: %s
It works once, within 15 minutes, and must be replaced at the first sign-in. It is shown only here.
`

// consoleUser is who runs this program, as the operating system tells.
func consoleUser() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

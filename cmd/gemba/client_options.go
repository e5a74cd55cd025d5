package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gemba/keys"
	"gemba/mes"
)

// defaultAPI is where a server on this machine listens.
const defaultAPI = "https://127.0.0.1:8443"

// maxKeyFile bounds what is read as a key file.
const maxKeyFile = 1 << 20

// clientOptions say where the API is and which key opens it. The key is never given on the command line, where
// everybody on the machine could read it.
type clientOptions struct {
	api      string
	keyFile  string
	keyName  string
	ca       string
	patience time.Duration
}

func (o *clientOptions) register(cmd *cobra.Command, keyName string, patience time.Duration) {
	f := cmd.Flags()
	f.StringVar(&o.api, "api", "", "address of the API (default what the key file says, or "+defaultAPI+")")
	f.StringVar(&o.keyFile, "key-file", "", "file with the API key, or the demo-credentials.json of gemba serve --demo")
	f.StringVar(&o.keyName, "key-name", keyName, "which key of demo-credentials.json")
	f.StringVar(&o.ca, "ca", "", "authority (PEM) that vouches for the server (default what the key file says)")
	f.DurationVar(&o.patience, "patience", patience, "how long to keep trying when the server is away")
}

// A keyFile is what a file with keys holds: one key alone, or the credentials that the demonstration writes.
type keyFile struct {
	API  string `json:"api"`
	CA   string `json:"ca_file"`
	Keys []struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	} `json:"keys"`
}

// open makes the client. Names are tried in turn when the key file holds several keys and none was asked for; warn
// gets what is not wrong enough to stop.
func (o *clientOptions) open(warn io.Writer, conns int, names ...string) (*client, error) {
	if o.keyFile == "" {
		return nil, exitError{mes.ExitUsage, errors.New("say where the API key is: --key-file FILE, or GEMBA_KEY_FILE")}
	}
	file, err := readKeyFile(o.keyFile, warn)
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	if o.keyName != "" {
		names = []string{o.keyName}
	}
	key, err := file.pick(o.keyFile, names)
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	base, err := apiAddress(firstOf(o.api, file.API, defaultAPI))
	if err != nil {
		return nil, exitError{mes.ExitUsage, err}
	}
	ca := firstOf(o.ca, file.CA)
	if ca == "" {
		return nil, exitError{mes.ExitUsage, errors.New("say which authority vouches for the server: --ca FILE, or GEMBA_CA")}
	}
	config, err := keys.ClientConfig(ca)
	if errors.Is(err, fs.ErrNotExist) && o.ca == "" {
		// The folder was moved or is seen from elsewhere: the authority still lies beside the credentials.
		config, err = keys.ClientConfig(filepath.Join(filepath.Dir(o.keyFile), filepath.Base(ca)))
	}
	if err != nil {
		return nil, exitError{mes.ExitConfig, err}
	}
	c := newClient(base, key, config, conns)
	c.patience = o.patience
	c.say = func(format string, args ...any) { fmt.Fprintf(warn, format+"\n", args...) }
	return c, nil
}

func readKeyFile(path string, warn io.Writer) (*keyFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(warn, "warning: others on this machine may read %s; run: chmod 600 %s\n", path, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than a key file can be", path)
	}
	text = bytes.TrimSpace(text)
	var k keyFile
	if !bytes.HasPrefix(text, []byte("{")) {
		k.Keys = append(k.Keys, struct {
			Name string `json:"name"`
			Key  string `json:"key"`
		}{Key: string(text)})
		return &k, nil
	}
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("%s is neither an API key nor a file of credentials: %w", path, err)
	}
	return &k, nil
}

// pick gives the only key of the file, or the first of the names that it has. A key is checked before it is sent
// anywhere: what is in the file may not be a key at all.
func (k *keyFile) pick(path string, names []string) (string, error) {
	if len(k.Keys) == 1 && k.Keys[0].Name == "" {
		return checkedKey(path, k.Keys[0].Key)
	}
	var have []string
	for _, name := range names {
		for _, key := range k.Keys {
			if key.Name == name {
				return checkedKey(path, key.Key)
			}
		}
	}
	for _, key := range k.Keys {
		have = append(have, key.Name)
	}
	return "", fmt.Errorf("%s has no key named %s; it has: %s. Choose with --key-name", path, strings.Join(names, " or "), strings.Join(have, ", "))
}

func checkedKey(path, text string) (string, error) {
	if _, err := keys.ParseAPIKey(text); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}

// apiAddress checks the address of the API: HTTPS, and nothing secret in it. HOST:PORT alone will do: it is how the
// server is told where to listen, maybe in the same configuration file.
func apiAddress(text string) (string, error) {
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "":
		return "", fmt.Errorf("%q is not the address of an API; write it like %s", text, defaultAPI)
	case u.Scheme != "https":
		return "", fmt.Errorf("%s is not encrypted; the API is https://%s", text, u.Host)
	case u.User != nil || u.RawQuery != "":
		return "", errors.New("a key or password in the address is not taken; put the key into --key-file")
	}
	return "https://" + u.Host + strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1"), nil
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

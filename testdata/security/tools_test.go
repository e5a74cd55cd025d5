package security

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTools lets the tools of others look at a site, and the clients that people have sign in. It is part of the full form
// only: the tools are not on every machine, and take minutes.
func TestTools(t *testing.T) {
	if !*full {
		return
	}
	t.Parallel()
	s := newSite(t, "sqlite")
	t.Run("ssh-audit", func(t *testing.T) { sshAudit(t, s) })
	t.Run("testssl", func(t *testing.T) { testSSL(t, s) })
	t.Run("clients", func(t *testing.T) { clients(t, s) })
	t.Run("sqlmap", func(t *testing.T) { sqlMap(t, s) })
}

// spoken by the SSH door and unknown to older ssh-audits, which then call them failures.
var newerThanAudit = []string{"mlkem768x25519-sha256", "kex-strict-s-v00@openssh.com"}

// sshAudit finds nothing broken and nothing weak. What it calls a warning and we keep, for PuTTY's and Dropbear's sake, is
// listed in the README.
func sshAudit(t *testing.T, s *site) {
	tool := needTool(t, "ssh-audit", "ssh-audit")
	host, port, err := net.SplitHostPort(s.known.SSH)
	must(t, err)
	said, err := run(2*time.Minute, "", tool, "--no-colors", "-p", port, host)
	if err != nil && len(said) == 0 {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			section = line
		}
		found := regexp.MustCompile(`^\((\w+)\) (\S+)`).FindStringSubmatch(line)
		if found == nil || strings.Contains(section, "recommendations") || strings.Contains(section, "additional info") {
			continue
		}
		newer := false
		for _, name := range newerThanAudit {
			newer = newer || found[2] == name
		}
		checkThat(t, "Y", "ssh-audit: "+found[1]+" "+found[2], newer || !strings.Contains(line, "[fail]") && !strings.Contains(line, "[warn]"), "%s", line)
	}
	for _, name := range []string{"curve25519-sha256", "chacha20-poly1305@openssh.com", "hmac-sha2-512-etm@openssh.com", "ssh-ed25519"} {
		checkThat(t, "Y", "ssh-audit sees "+name, strings.Contains(said, name), "it does not:\n%s", said)
	}
}

// testSSL sees TLS 1.2 and 1.3 alone, with forward secrecy, and no known hole.
func testSSL(t *testing.T, s *site) {
	tool := needTool(t, "testssl", "testssl.sh")
	report := filepath.Join(t.TempDir(), "testssl.json")
	said, err := run(15*time.Minute, "", tool, "--quiet", "--color", "0", "--warnings", "batch", "--ip", "127.0.0.1", "-p", "-f", "-s", "-U", "--jsonfile", report,
		strings.TrimPrefix(s.known.API, "https://"))
	text, unread := os.ReadFile(report)
	if unread != nil {
		t.Fatalf("%v %v\n%s", unread, err, said)
	}
	var findings []struct{ ID, Severity, Finding string }
	must(t, json.Unmarshal(text, &findings))
	offered := map[string]string{}
	for _, f := range findings {
		offered[f.ID] = f.Finding
		switch f.Severity {
		case "LOW", "MEDIUM", "HIGH", "CRITICAL":
			check(t, "Y", "testssl: "+f.ID, "", f.Severity+": "+f.Finding)
		case "OK":
			check(t, "Y", "testssl: "+f.ID, "OK", f.Severity)
		}
	}
	for protocol, want := range map[string]bool{"SSLv2": false, "SSLv3": false, "TLS1": false, "TLS1_1": false, "TLS1_2": true, "TLS1_3": true} {
		finding := offered[protocol]
		checkThat(t, "Y", "testssl: "+protocol, finding != "" && strings.HasPrefix(finding, "offered") == want, "%q", finding)
	}
}

// clients: what people have at their desks signs in, and by default chooses something good.
func clients(t *testing.T, s *site) {
	host, port, err := net.SplitHostPort(s.known.SSH)
	must(t, err)
	p := s.person("2001")
	openssh, err := s.openSSH(t, p.Badge, []string{"-i", p.File, "-o", "BatchMode=yes"}, "me").CombinedOutput()
	checkThat(t, "Y", "OpenSSH signs in", err == nil && strings.Contains(string(openssh), p.Name), "%v %s", err, openssh)

	plink := needTool(t, "plink", "putty-tools")
	fingerprint, err := run(time.Minute, s.known.HostKey+"\n", needTool(t, "ssh-keygen", "openssh-client"), "-l", "-f", "-")
	must(t, err)
	hostKey := strings.Fields(fingerprint)[1]
	said, err := run(time.Minute, "", plink, "-batch", "-ssh", "-P", port, "-hostkey", hostKey, "-pw", p.Password, p.Badge+"@"+host, "me")
	checkThat(t, "Y", "plink signs in with a password", err == nil && strings.Contains(said, p.Name), "%v %s", err, said)

	dbclient := needTool(t, "dbclient", "dropbear-bin")
	cmd := exec.Command(dbclient, "-y", "-y", "-p", port, p.Badge+"@"+host, "me")
	cmd.Env = append(os.Environ(), "DROPBEAR_PASSWORD="+p.Password, "HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	checkThat(t, "Y", "dbclient signs in with a password", err == nil && strings.Contains(string(out), p.Name), "%v %s", err, out)
}

// sqlMap tries every parameter of every read, and the fields of a command.
func sqlMap(t *testing.T, s *site) {
	tool := needTool(t, "sqlmap", "sqlmap")
	key := s.key("reporting")
	var document struct {
		Paths map[string]map[string]struct {
			Parameters []struct{ Name, In string }
		}
	}
	a := s.caller(t).call(key, "GET", "/v1/openapi.json", "")
	must(t, json.Unmarshal([]byte(a.body), &document))
	type target struct{ name, url, data, key string }
	var targets []target
	for path, methods := range document.Paths {
		get, ok := methods["get"]
		if !ok || strings.HasSuffix(path, "/stream") || strings.Contains(path, "openapi") {
			continue
		}
		values := map[string]string{"order": "1001", "machine": "TURN-1", "product": "P-100", "person": "1001", "limit": "5", "command": "x", "from": "2026-01-01T00:00:00Z"}
		address, query := path, []string{}
		for _, parameter := range get.Parameters {
			value := values[parameter.Name]
			if value == "" {
				value = "1"
			}
			if parameter.In == "path" {
				address = strings.ReplaceAll(address, "{"+parameter.Name+"}", value+"*")
			} else {
				query = append(query, parameter.Name+"="+value)
			}
		}
		for _, one := range query { // one at a time, or the first wrong one hides the others
			targets = append(targets, target{"GET " + path + " " + one, strings.ReplaceAll(address, "*", "") + "?" + one, "", key})
		}
		if strings.Contains(address, "*") {
			targets = append(targets, target{"GET " + path, address, "", key})
		}
	}
	targets = append(targets,
		target{"POST /v1/products", "/v1/products", `{"code":"SQL*","name":"x*"}`, s.key("erp")},
		target{"POST /v1/machines/{machine}/state", "/v1/machines/TURN-1*/state", `{"state":"running","raw":"x*"}`, s.key("machines")})
	together(2, len(targets), func(i int) {
		c := targets[i]
		args := []string{
			"-u", s.known.API + c.url, "--batch", "--level", "5", "--risk", "3", "--dbms", "sqlite", "--technique", "BEUST", "--timeout", "10", "--retries", "1",
			"--threads", "2", "--flush-session", "--output-dir", filepath.Join(scratch, fmt.Sprintf("sqlmap-%d", i)), "--headers", "Authorization: Bearer " + c.key,
			"--skip", "Host,User-Agent,Referer,Authorization", "--ignore-code", "*", "--disable-coloring", "--time-sec", "2",
		}
		if c.data != "" {
			args = append(args, "--data", c.data, "--method", "POST")
		}
		said, err := run(40*time.Minute, "", tool, args...)
		tested := strings.Contains(said, "do not appear to be injectable") || strings.Contains(said, "not injectable")
		checkThat(t, "Y", "sqlmap: "+c.name, tested && !strings.Contains(said, "is vulnerable") && !strings.Contains(said, "identified the following injection"), "%v %s", err, tail(said, 600))
	})
}

func tail(text string, n int) string { return text[max(0, len(text)-n):] }

// run runs a tool for a time at most, and gives all that it says.
func run(most time.Duration, input, tool string, args ...string) (string, error) {
	cmd := exec.Command(tool, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Stdin = &out, &out, strings.NewReader(input)
	if err := cmd.Start(); err != nil {
		return "", err
	}
	timer := time.AfterFunc(most, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	return out.String(), err
}

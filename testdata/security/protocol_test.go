package security

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// strangerTime is how long somebody who has not agreed on keys may stay, with what a busy machine adds.
const strangerTime = 14 * time.Second

// growth is how many MB a site may grow by under the attacks of a group, above what it had when they began.
const growth = 50

// TestProtocol is group D: what is not SSH, what is SSH badly, and what may not be asked for. The attacker is cut off in
// time, the memory does not grow, and others notice nothing.
func TestProtocol(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	before, _ := s.memory(t)
	t.Run("handshake", func(t *testing.T) { strangers(t, s) })
	t.Run("algorithms", func(t *testing.T) { algorithms(t, s) })
	t.Run("requests", func(t *testing.T) { requests(t, s) })
	t.Run("floods", func(t *testing.T) { floods(t, s) })
	after, _ := s.memory(t)
	checkThat(t, "D", "memory", after-before < growth, "it grew from %.0f to %.0f MB", before, after)
	client, err := s.dial(newSource(), "2001", ssh.PublicKeys(keyFile(t, s.person("2001").File)))
	check(t, "D", "a good client afterwards", "as 2001", s.who(client, err))
}

// protocolCases is protocol.toml.
type protocolCases struct {
	Stranger []struct {
		Name string
		Send []string // pieces of text; {hex:…}, {repeat:TEXT:N}, {packet:HEX} and {kexinit:NAME} stand for bytes
		Want string
	}
	Algorithm []struct{ Kind, Name, Want string }
}

func strangers(t *testing.T, s *site) {
	cases := table[protocolCases](t, "protocol.toml").Stranger
	together(len(cases), len(cases), func(i int) {
		c := cases[i]
		conn, err := dialFrom(newSource(), s.known.SSH)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go func() {
			for _, piece := range c.Send {
				if _, err := conn.Write(bytesOf(piece)); err != nil {
					return
				}
			}
		}()
		check(t, "D", c.Name, c.Want, stalled(conn, strangerTime))
	})
}

var bytesName = regexp.MustCompile(`(?s)\{(?:(hex|packet):([0-9a-f]*)|(kexinit):([a-z0-9-]+)|(repeat):(.*?):([0-9]+))\}`)

// bytesOf puts bytes in the place of what stands for them.
func bytesOf(piece string) []byte {
	return []byte(bytesName.ReplaceAllStringFunc(piece, func(found string) string {
		m := bytesName.FindStringSubmatch(found)
		switch {
		case m[3] != "":
			return string(packet(kexInit(m[4])))
		case m[5] != "":
			n, err := strconv.Atoi(m[7])
			if err != nil {
				panic(err)
			}
			return strings.Repeat(m[6], n)
		}
		raw, err := hex.DecodeString(m[2])
		if err != nil {
			panic(err)
		}
		if m[1] == "packet" {
			raw = packet(raw)
		}
		return string(raw)
	}))
}

// packet frames a payload as SSH does before any key is agreed.
func packet(payload []byte) []byte {
	padding := 8 - (len(payload)+5)%8
	if padding < 4 {
		padding += 8
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(1+len(payload)+padding))
	frame = append(append(frame, byte(padding)), payload...)
	return append(frame, make([]byte, padding)...)
}

// kexInit is a client's offer of one key exchange, with what goes with it.
func kexInit(exchange string) []byte {
	return ssh.Marshal(struct {
		Kind                                            byte `sshtype:"20"`
		Cookie                                          [16]byte
		Exchanges, HostKeys, C1, C2, M1, M2, Z1, Z2, L1 []string
		L2                                              []string
		Follows                                         bool
		Reserved                                        uint32
	}{
		Exchanges: []string{exchange}, HostKeys: []string{"ssh-ed25519"}, C1: []string{"aes128-gcm@openssh.com"}, C2: []string{"aes128-gcm@openssh.com"},
		M1: []string{"hmac-sha2-256-etm@openssh.com"}, M2: []string{"hmac-sha2-256-etm@openssh.com"}, Z1: []string{"none"}, Z2: []string{"none"},
	})
}

// algorithms that were broken, or that nobody should still use, are not spoken.
func algorithms(t *testing.T, s *site) {
	for _, c := range table[protocolCases](t, "protocol.toml").Algorithm {
		config := &ssh.ClientConfig{User: "2001", Auth: []ssh.AuthMethod{ssh.PublicKeys(keyFile(t, s.person("2001").File))}}
		config.SetDefaults()
		switch c.Kind {
		case "exchange":
			config.KeyExchanges = []string{c.Name}
		case "cipher":
			config.Ciphers = []string{c.Name}
		case "mac":
			config.MACs, config.Ciphers = []string{c.Name}, []string{"aes128-ctr", "aes256-ctr"}
		case "host key":
			config.HostKeyAlgorithms = []string{c.Name}
		}
		client, err := s.dialConfig(newSource(), config)
		got := "spoken"
		if err != nil {
			got = "refused"
		} else {
			client.Close()
		}
		check(t, "D", c.Kind+" "+c.Name, c.Want, got)
	}
}

// requests are what somebody who is signed in may not ask of the server.
func requests(t *testing.T, s *site) {
	client := s.as(t, "1001")
	address := ssh.Marshal(struct {
		Host   string
		Port   uint32
		Origin string
		From   uint32
	}{"127.0.0.1", 22, "127.0.0.1", 1})
	for name, payload := range map[string][]byte{
		"direct-tcpip": address, "direct-streamlocal@openssh.com": ssh.Marshal(struct{ Path, A string }{"/run/x", ""}), "forwarded-tcpip": address,
		"tun@openssh.com": nil, "auth-agent@openssh.com": nil, "x11": nil, "nothing": nil, strings.Repeat("x", 30_000): nil,
	} {
		_, _, err := client.OpenChannel(name, payload)
		got := "opened"
		if err != nil {
			got = "refused"
		}
		check(t, "D", "channel "+cut(name), "refused", got)
	}
	for name, payload := range map[string][]byte{
		"tcpip-forward": ssh.Marshal(struct {
			Host string
			Port uint32
		}{"127.0.0.1", 0}),
		"cancel-tcpip-forward":                  ssh.Marshal(struct{ Host string }{"127.0.0.1"}),
		"streamlocal-forward@openssh.com":       ssh.Marshal(struct{ Path string }{"/tmp/x"}),
		"no-more-sessions@openssh.com":          nil,
		"hostkeys-prove-00@openssh.com":         []byte("rubbish"),
		"nothing-" + strings.Repeat("x", 20000): nil,
	} {
		ok, _, err := client.SendRequest(name, true, payload)
		got := "refused"
		if err != nil || ok {
			got = fmt.Sprint(ok, err)
		}
		check(t, "D", "request "+cut(name), "refused", got)
	}
	_, err := client.NewSession()
	must(t, err)
	_, err = client.NewSession()
	checkThat(t, "D", "a second session on a connection", err != nil, "it was opened")
	client.Close()
	text := func(words ...string) []byte {
		var b []byte
		for _, w := range words {
			b = append(b, ssh.Marshal(struct{ S string }{w})...)
		}
		return b
	}
	for name, payload := range map[string][]byte{
		"subsystem sftp": text("sftp"), "subsystem scp": text("scp"), "auth-agent-req@openssh.com": nil, "break": {0, 0, 0, 1},
		"x11-req": append([]byte{0}, text("MIT-MAGIC-COOKIE-1", "00")...), "signal": text("KILL"), "exit-status": {0, 0, 0, 0}, "xon-xoff": {1},
		"exec cut short": {0, 0, 1}, "exec of 20 kB": text(strings.Repeat("me ", 7000)), "env LD_PRELOAD": text("LD_PRELOAD", "/tmp/x.so"),
		"env PATH": text("PATH", "/tmp"), "env LC_ with an escape": text("LC_ALL", "\x1b[2J"), "env of 30 kB": text("LANG", strings.Repeat("x", 30_000)),
		"pty-req cut short": {0, 0, 0, 5, 'x'}, "unknown": nil,
	} {
		client := s.as(t, "1001")
		session, err := client.NewSession()
		must(t, err)
		kind, _, _ := strings.Cut(name, " ")
		ok, err := session.SendRequest(kind, true, payload)
		got := "refused"
		if err != nil || ok {
			got = fmt.Sprint(ok, err)
		}
		check(t, "D", "session request "+name, "refused", got)
		client.Close()
	}

	for _, line := range []string{"scp -t /tmp", "scp -f /etc/passwd", "rsync --server . /tmp", "git-upload-pack 'x'", "sh", "/bin/sh -c id", "internal-sftp", "sftp-server"} {
		r := s.run(t, "1001", line)
		checkThat(t, "D", "exec "+line, r.status == 2 && r.out == "" && !strings.Contains(r.errs, "uid="), "status %d: %s%s", r.status, r.out, r.errs)
	}
}

func cut(name string) string {
	if len(name) > 40 {
		return name[:40] + "…"
	}
	return name
}

// A dam lets a connection's client stop reading.
type dam struct {
	net.Conn
	shut atomic.Bool
	hold chan struct{}
}

func (d *dam) Read(p []byte) (int, error) {
	if d.shut.Load() {
		<-d.hold
		return 0, io.EOF
	}
	return d.Conn.Read(p)
}

// floods come from somebody who is signed in. Each ends in the attacker being slowed or cut off, and a colleague's
// command takes no longer than a good one may.
func floods(t *testing.T, s *site) {
	colleague := func(name string) {
		began := time.Now()
		r := s.run(t, "2001", "me")
		took := time.Since(began)
		checkThat(t, "D", "a colleague during "+name, r.status == 0 && took < 2*time.Second, "status %d after %v", r.status, took)
	}
	n := 2000
	if *full {
		n = 20_000
	}

	client := s.as(t, "1001")
	for range n {
		_, _, err := client.SendRequest("nothing@example", false, []byte("rubbish"))
		if err != nil {
			break
		}
	}
	colleague("a flood of global requests")
	client.Close()

	client = s.as(t, "1001")
	for range n / 10 {
		if _, _, err := client.OpenChannel("nothing", nil); err == nil {
			t.Error("a channel of no kind was opened")
		}
	}
	colleague("a flood of rejected channels (CVE-2026-39827)")
	client.Close()

	client = s.as(t, "1001")
	session, err := client.NewSession()
	must(t, err)
	for i := range n {
		if _, err := session.SendRequest("env", false, ssh.Marshal(struct{ Name, Value string }{fmt.Sprintf("LC_A%d", i), strings.Repeat("x", 30_000)})); err != nil {
			break
		}
	}
	colleague("a flood of variables")
	client.Close()

	// Keys are agreed anew as often as the client's library can.
	config := &ssh.ClientConfig{User: "1001", Auth: []ssh.AuthMethod{ssh.PublicKeys(keyFile(t, s.person("1001").File))}}
	config.RekeyThreshold = 256
	client, err = s.dialConfig(newSource(), config)
	must(t, err)
	for range n / 10 {
		if _, _, err := client.SendRequest("nothing@example", true, bytes.Repeat([]byte("x"), 300)); err != nil {
			break
		}
	}
	colleague("a storm of new keys")
	client.Close()

	// A client that asks for much and reads nothing.
	conn, err := dialFrom(newSource(), s.known.SSH)
	must(t, err)
	d := &dam{Conn: conn, hold: make(chan struct{})}
	client, err = s.over(d, &ssh.ClientConfig{User: "1001", Auth: []ssh.AuthMethod{ssh.PublicKeys(keyFile(t, s.person("1001").File))}})
	must(t, err)
	sc, err := openScreen(client, "xterm-256color", 400, 200)
	must(t, err)
	d.shut.Store(true)
	go func() {
		for i := range uint32(4000) {
			if sc.resize(200+i%200, 100+i%100) != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	colleague("a client that reads nothing")
	close(d.hold)
	client.Close()

	// One that is signed in and opens no session.
	client = s.as(t, "1001")
	idle := make(chan struct{})
	go func() { _ = client.Wait(); close(idle) }()
	got := "closed"
	select {
	case <-idle:
	case <-time.After(strangerTime):
		got = "open"
	}
	check(t, "D", "a connection without a session", "closed", got)
}

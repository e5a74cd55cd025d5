package security

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

type named struct{ Name, Text, Want string }

// httpCases is http.toml.
type httpCases struct {
	Raw []struct {
		Name string
		Send []string
		Want string
	}
	Body, Header []named
	Address      []struct{ Path, Want string }
}

// slowTime is how long a request may take to come, and an answer to be taken, with what a busy machine adds.
const slowTime = 20 * time.Second

// TestHTTP is group H: the API answers what is wrong with 4xx or not at all, in time, and stays small.
func TestHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	cases := table[httpCases](t, "http.toml")
	before, _ := s.memory(t)
	t.Run("cases", func(t *testing.T) {
		t.Run("raw", func(t *testing.T) { t.Parallel(); rawRequests(t, s, cases) })
		t.Run("bodies", func(t *testing.T) { t.Parallel(); bodies(t, s, cases) })
		t.Run("addresses", func(t *testing.T) { t.Parallel(); unknownAddresses(t, s, cases) })
		t.Run("tls", func(t *testing.T) { t.Parallel(); tlsVersions(t, s) })
		t.Run("slow", func(t *testing.T) { t.Parallel(); slow(t, s) })
		t.Run("h2", func(t *testing.T) { t.Parallel(); http2(t, s) })
	})
	crowd(t, s)
	_, highest := s.memory(t)
	measure(t, "memory under HTTP load, MB", highest)
	checkThat(t, "H", "memory", highest-before < 100 && highest < memoryLimit, "it grew from %.0f to %.0f MB", before, highest)
}

func rawRequests(t *testing.T, s *site, cases httpCases) {
	together(8, len(cases.Raw), func(i int) {
		c := cases.Raw[i]
		conn, err := s.raw(t, newSource())
		if err != nil {
			t.Error(err)
			return
		}
		var text strings.Builder
		for _, piece := range c.Send {
			text.Write(bytesOf(s.fill(piece)))
		}
		check(t, "H", c.Name, c.Want, outcomes(rawRequest(conn, text.String())))
	})
}

func bodies(t *testing.T, s *site, cases httpCases) {
	c, key := s.caller(t), s.key("machines")
	for _, body := range cases.Body {
		a := c.call(key, "POST", "/v1/machines/TURN-1/state", string(bytesOf(body.Text)), "Content-Type: application/json")
		check(t, "H", "body: "+body.Name, body.Want, a.outcome())
		for _, inner := range []string{"goroutine", ".go:", "sqlite", "SQL", "/tmp/", "panic", "encoding/json"} {
			if strings.Contains(a.body, inner) {
				t.Errorf("body %s: the answer tells of %q: %s", body.Name, inner, a.body)
			}
		}
	}
	for _, h := range cases.Header {
		a := c.call(key, "POST", "/v1/machines/TURN-1/state", `{"state":"running"}`, string(bytesOf(h.Text)))
		check(t, "H", "header: "+h.Name, h.Want, a.outcome())
	}
	for _, name := range []string{"Server", "X-Powered-By", "Via", "X-Runtime"} {
		a := c.call(key, "GET", "/v1/me", "")
		check(t, "H", "no "+name+" in an answer", "", a.header.Get(name))
	}
	good := c.call(key, "GET", "/v1/orders", "")
	check(t, "H", "nothing of an answer is kept by caches", "no-store", good.header.Get("Cache-Control"))
}

func unknownAddresses(t *testing.T, s *site, cases httpCases) {
	one := ""
	same := func(name string, a answer) {
		if one == "" {
			one = a.body
		}
		checkThat(t, "H", name+" has the one body", a.body == one, "it is %.200q", a.body)
	}
	ask := func(path, key string) answer {
		conn, err := s.raw(t, newSource())
		must(t, err)
		request := "GET " + path + " HTTP/1.1\r\nHost: x\r\n"
		if key != "" {
			request += "Authorization: Bearer " + key + "\r\n"
		}
		answers := rawRequest(conn, request+"Connection: close\r\n\r\n")
		if len(answers) == 0 {
			return answer{}
		}
		return answers[0]
	}
	for _, c := range cases.Address {
		a := ask(c.Path, s.key("reporting"))
		check(t, "H", "GET "+c.Path, c.Want, a.outcome())
		if !strings.HasPrefix(c.Path, "/v1/orders/") { // one order that is not there has its own words
			same("GET "+c.Path, a)
		}
		check(t, "H", "GET "+c.Path+" without a key", "401 unauthenticated", ask(c.Path, "").outcome())
	}
	words := []string{"admin", "login", "users", "config", "backup", "api", "v2", "status", "health", "console", "sql", "query", "graphql", "swagger", "actuator", "phpmyadmin"}
	endings := []string{"", "/", ".php", ".bak", "~", "/index.html"}
	folders := []string{"", "/v1", "/api"}
	if *full {
		for n := range 280 {
			words = append(words, fmt.Sprintf("word%d", n))
		}
	}
	c := s.caller(t)
	for _, folder := range folders {
		for _, word := range words {
			for _, ending := range endings {
				path := folder + "/" + word + ending
				if path == "/v1/health" {
					continue
				}
				a := c.call(s.key("reporting"), "GET", path, "")
				for a.code == "busy" {
					time.Sleep(time.Second)
					a = c.call(s.key("reporting"), "GET", path, "")
				}
				check(t, "H", "GET "+path, "404 not_found", a.outcome())
				same("GET "+path, a)
			}
		}
	}
}

func tlsVersions(t *testing.T, s *site) {
	for _, c := range []struct {
		name, want string
		change     func(*tls.Config)
	}{
		{"TLS 1.0", "refused", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }},
		{"TLS 1.1", "refused", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }},
		{"TLS 1.2", "spoken", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 }},
		{"TLS 1.3", "spoken", func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }},
		{"TLS 1.2 without forward secrecy", "refused", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_CBC_SHA}
		}},
		{"TLS 1.2 with CBC", "refused", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256}
		}},
		{"TLS 1.2 with 3DES or RC4", "refused", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA, tls.TLS_ECDHE_RSA_WITH_RC4_128_SHA}
		}},
	} {
		conn, err := s.raw(t, newSource(), c.change)
		got := "refused"
		if err == nil {
			got = "spoken"
			conn.Close()
		}
		check(t, "H", c.name, c.want, got)
	}
	if _, err := s.raw(t, newSource(), func(c *tls.Config) { c.ServerName = "elsewhere.example" }); err == nil {
		t.Error("the certificate holds a name that nobody gave it")
	}
	// Clear text where TLS is spoken gets nothing that tells what is there.
	conn, err := dialFrom(newSource(), strings.TrimPrefix(s.known.API, "https://"))
	must(t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /v1/me HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	said, _ := io.ReadAll(conn)
	checkThat(t, "H", "clear text", !strings.Contains(string(said), "200") && !strings.Contains(strings.ToLower(string(said)), "gemba"), "it is answered: %q", said)
}

// slow clients are cut off.
func slow(t *testing.T, s *site) {
	key := s.key("machines")
	drip := func(conn net.Conn, text string, every time.Duration) {
		for i := range len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return
			}
			time.Sleep(every)
		}
	}
	head := "POST /v1/machines/TURN-1/state HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n"
	cases := []struct {
		name string
		do   func(conn net.Conn)
	}{
		{"a header, letter by letter", func(c net.Conn) {
			go drip(c, "GET /v1/me HTTP/1.1\r\nX-A: "+strings.Repeat("x", 200), 200*time.Millisecond)
		}},
		{"half a header", func(c net.Conn) { _, _ = io.WriteString(c, "GET /v1/me HTTP/1.1\r\nHost: x\r\n") }},
		{"a body, letter by letter", func(c net.Conn) {
			_, _ = io.WriteString(c, head+"Content-Length: 100000\r\n\r\n")
			go drip(c, strings.Repeat(" ", 200), 200*time.Millisecond)
		}},
		{"a body that does not come", func(c net.Conn) { _, _ = io.WriteString(c, head+"Content-Length: 1000000000\r\n\r\n") }},
		{"a batch that does not come", func(c net.Conn) {
			_, _ = io.WriteString(c, "POST /v1/ingest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+key+"\r\nContent-Length: 8000000\r\n\r\n{")
		}},
		{"chunks that stop", func(c net.Conn) { _, _ = io.WriteString(c, head+"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"sta") }},
	}
	together(len(cases), len(cases), func(i int) {
		conn, err := s.raw(t, newSource())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		cases[i].do(conn)
		check(t, "H", "slow: "+cases[i].name, "closed", stalled(conn, slowTime))
	})
	// A handshake that stops in the middle.
	conn, err := dialFrom(newSource(), strings.TrimPrefix(s.known.API, "https://"))
	must(t, err)
	defer conn.Close()
	_, _ = conn.Write([]byte{0x16, 3, 1, 1, 0, 1, 0, 0, 0xfc})
	check(t, "H", "slow: half a TLS handshake", "closed", stalled(conn, slowTime))
}

// Frames of HTTP 2 as an attacker writes them.
func frame(kind, flags byte, stream uint32, payload []byte) []byte {
	b := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags}
	return append(binary.BigEndian.AppendUint32(b, stream), payload...)
}

// headerBlock writes names and values without any table.
func headerBlock(pairs ...string) []byte {
	var b []byte
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, 0, byte(len(pairs[i])))
		b = append(append(b, pairs[i]...), byte(len(pairs[i+1])))
		b = append(b, pairs[i+1]...)
	}
	return b
}

func http2(t *testing.T, s *site) {
	request := headerBlock(":method", "GET", ":scheme", "https", ":authority", "x", ":path", "/v1/orders", "authorization", "Bearer "+s.key("reporting"))
	n := 2000
	if *full {
		n = 20_000
	}
	flood := func(one func(i int) []byte) func(conn net.Conn) {
		return func(conn net.Conn) {
			for i := range n {
				if _, err := conn.Write(one(i)); err != nil {
					return
				}
			}
		}
	}
	odd := func(i int) uint32 { return uint32(2*i + 1) }
	cases := []struct {
		name string
		do   func(conn net.Conn)
	}{
		{"requests that are taken back at once (CVE-2023-44487)", flood(func(i int) []byte {
			return append(frame(1, 5, odd(i), request), frame(3, 0, odd(i), []byte{0, 0, 0, 8})...)
		})},
		{"more requests at once than agreed", flood(func(i int) []byte { return frame(1, 4, odd(i), request) })},
		{"headers that go on without end (CVE-2023-45288)", flood(func(i int) []byte {
			if i == 0 {
				return frame(1, 1, 1, request)
			}
			return frame(9, 0, 1, headerBlock("x-a", strings.Repeat("x", 100)))
		})},
		{"settings without end", flood(func(int) []byte { return frame(4, 0, 0, nil) })},
		{"pings without end", flood(func(int) []byte { return frame(6, 0, 0, make([]byte, 8)) })},
		{"empty data without end", flood(func(i int) []byte {
			if i == 0 {
				return frame(1, 4, 1, headerBlock(":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/v1/ingest", "authorization", "Bearer "+s.key("machines")))
			}
			return frame(0, 0, 1, nil)
		})},
		{"windows that overflow", flood(func(int) []byte { return frame(8, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}) })},
		{"a frame of 16 MB", func(c net.Conn) { _, _ = c.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}) }},
		{"priorities in a circle", flood(func(i int) []byte { return frame(2, 0, odd(i%50), []byte{0x80, 0, 0, byte(i), 255}) })},
		{"a table that is told to grow", func(c net.Conn) { _, _ = c.Write(frame(1, 5, 1, []byte{0x3f, 0xff, 0xff, 0xff, 0xff, 0x7f})) }},
	}
	for _, c := range cases {
		conn, err := s.raw(t, newSource(), func(c *tls.Config) { c.NextProtos = []string{"h2"} })
		must(t, err)
		_, _ = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
		_, _ = conn.Write(frame(4, 0, 0, nil))
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		done := make(chan struct{})
		go func() { c.do(conn); close(done) }()
		began := time.Now()
		a := s.caller(t).call(s.key("erp"), "GET", "/v1/me", "")
		took := time.Since(began)
		checkThat(t, "H", "a good client during "+c.name, a.status == 200 && took < goodWait, "%s after %v", a.outcome(), took)
		select {
		case <-done:
		case <-time.After(slowTime):
		}
		conn.Close()
	}
}

// crowd is many slow clients at once, from one address and from many. A good client does not wait.
func crowd(t *testing.T, s *site) {
	n := 300
	if *full {
		n = 1000
	}
	one := newSource()
	for name, from := range map[string]func() net.IP{"one address": func() net.IP { return one }, "many addresses": newSource} {
		conns := make([]net.Conn, n)
		together(20, n, func(i int) {
			if conn, err := s.raw(t, from()); err == nil {
				_, _ = io.WriteString(conn, "POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n")
				conns[i] = conn
			}
		})
		began := time.Now()
		a := s.caller(t).call(s.key("erp"), "GET", "/v1/me", "")
		took := time.Since(began)
		measure(t, fmt.Sprintf("an API call beside %d slow ones from %s, seconds", n, name), took.Seconds())
		checkThat(t, "H", fmt.Sprintf("a good client beside %d slow ones from %s", n, name), a.status == 200 && took < goodWait, "%s %s after %v", a.outcome(), a.body, took)
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
	}
}

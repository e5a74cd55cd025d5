package security

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An answer of the API. Status 0 is none: the connection was closed.
type answer struct {
	status int
	code   string // of a problem
	field  string // of a problem
	body   string
	header http.Header
}

// outcome is an answer in one word or two: the status, and a problem's code.
func (a answer) outcome() string {
	if a.status == 0 {
		return "closed"
	}
	return strings.TrimSpace(strconv.Itoa(a.status) + " " + a.code)
}

// trust is the TLS configuration of somebody who knows the site's authority.
func (s *site) trust(t testing.TB) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(s.known.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		t.Fatal("the site's authority cannot be read")
	}
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// An http client of one attacker.
type caller struct {
	s      *site
	t      testing.TB
	client *http.Client
}

func (s *site) caller(t testing.TB) *caller {
	t.Helper()
	return s.callerFrom(t, newSource())
}

func (s *site) callerFrom(t testing.TB, source net.IP) *caller {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: s.trust(t), ForceAttemptHTTP2: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: source}}).DialContext,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{s, t, &http.Client{Transport: transport, Timeout: 40 * time.Second}}
}

// call makes a request with a key; headers are "Name: value" lines.
func (c *caller) call(key, method, path, body string, headers ...string) answer {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.s.known.API+path, reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	res, err := c.client.Do(r)
	if err != nil {
		return answer{body: err.Error()}
	}
	defer res.Body.Close()
	return readAnswer(res)
}

func readAnswer(res *http.Response) answer {
	text, _ := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	a := answer{status: res.StatusCode, body: string(text), header: res.Header}
	var problem struct{ Code, Field string }
	if res.StatusCode >= 400 && json.Unmarshal(text, &problem) == nil {
		a.code, a.field = problem.Code, problem.Field
	}
	return a
}

// raw opens a TLS connection that speaks whatever the attacker likes.
func (s *site) raw(t testing.TB, source net.IP, change ...func(*tls.Config)) (*tls.Conn, error) {
	t.Helper()
	conn, err := dialFrom(source, strings.TrimPrefix(s.known.API, "https://"))
	if err != nil {
		return nil, err
	}
	config := s.trust(t)
	for _, c := range change {
		c(config)
	}
	_ = conn.SetDeadline(time.Now().Add(40 * time.Second))
	secured := tls.Client(conn, config)
	if err := secured.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	return secured, nil
}

// rawRequest sends bytes and reads the answers to them until the connection is closed, or one second has passed without
// another.
func rawRequest(conn net.Conn, text string) (answers []answer) {
	defer conn.Close()
	_, _ = io.WriteString(conn, text)
	reader := bufio.NewReader(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
		res, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		answers = append(answers, readAnswer(res))
		res.Body.Close()
	}
}

// outcomes is rawRequest in words.
func outcomes(answers []answer) string {
	if len(answers) == 0 {
		return "closed"
	}
	var words []string
	for _, a := range answers {
		words = append(words, a.outcome())
	}
	return strings.Join(words, ", ")
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// neverIssued makes an API key of a kind whose form and checksum are right, and which nobody was ever given.
func neverIssued(kind string) string {
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	for i := range random {
		random[i] = base62[int(random[i])%len(base62)]
	}
	return withChecksum("gemba_" + kind + "_" + string(random))
}

// withChecksum ends the text of a key the way a key ends.
func withChecksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	end := make([]byte, 6)
	for i := len(end) - 1; i >= 0; i-- {
		end[i] = base62[sum%62]
		sum /= 62
	}
	return body + string(end)
}

// stalled tells how a connection ends on which nothing more is said: "closed" within the time, or "open".
func stalled(conn net.Conn, most time.Duration) string {
	_ = conn.SetReadDeadline(time.Now().Add(most))
	var sink [4096]byte
	for {
		_, err := conn.Read(sink[:])
		var late net.Error
		switch {
		case err == nil:
		case errors.As(err, &late) && late.Timeout():
			return "open"
		default:
			return "closed"
		}
	}
}

// compact makes a JSON document that fits on a line of a report.
func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

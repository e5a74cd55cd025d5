package keys

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

// handshake connects a client to a server in memory and returns what they agreed on.
func handshake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		secured := tls.Server(conn, server)
		if secured.Handshake() == nil {
			_, _ = io.Copy(io.Discard, secured)
		}
	}()
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	conn, err := tls.DialWithDialer(dialer, "tcp", listener.Addr().String(), client)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func TestClientTrustsOurServer(t *testing.T) {
	authority := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), time.Now())
	client, err := ClientConfig(authority.File())
	if err != nil {
		t.Fatal(err)
	}
	state, err := handshake(t, authority.ServerConfig(), client)
	if err != nil {
		t.Fatal(err)
	}
	if state.Version != tls.VersionTLS13 || state.CurveID != tls.X25519MLKEM768 {
		t.Errorf("agreed on %s with %v", tls.VersionName(state.Version), state.CurveID)
	}
}

func TestServerSpeaksHTTP2(t *testing.T) {
	authority := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), time.Now())
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	listener := server.Listener
	server.Config.TLSConfig = authority.ServerConfig()
	go server.Config.ServeTLS(listener, "", "")
	defer server.Config.Close()
	config, err := ClientConfig(authority.File())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.ProtoMajor != 2 {
		t.Errorf("spoke %s", response.Proto)
	}
}

func TestRenewalReachesNewConnections(t *testing.T) {
	authority := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), time.Now().Add(-380*day))
	server := authority.ServerConfig()
	client, err := ClientConfig(authority.File())
	if err != nil {
		t.Fatal(err)
	}
	before, err := handshake(t, server, client)
	if err != nil {
		t.Fatal(err)
	}
	if renewed, err := authority.Renew(time.Now()); !renewed || err != nil {
		t.Fatal(renewed, err)
	}
	after, err := handshake(t, server, client)
	if err != nil {
		t.Fatal(err)
	}
	if before.PeerCertificates[0].Equal(after.PeerCertificates[0]) {
		t.Error("the old certificate is still presented")
	}
}

func TestTLSRefuses(t *testing.T) {
	authority := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), time.Now())
	stranger := mustAuthority(t, filepath.Join(t.TempDir(), "tls"), time.Now())
	for what, change := range map[string]func(*tls.Config){
		"TLS 1.1": func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 },
		"CBC": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
		},
		"no ECDHE": func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		},
		"P-521":             func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP521} },
		"another authority": func(c *tls.Config) { other, _ := ClientConfig(stranger.File()); c.RootCAs = other.RootCAs },
		"the system's":      func(c *tls.Config) { c.RootCAs = nil },
		"another name":      func(c *tls.Config) { c.ServerName = "other.example" },
		"a later time":      func(c *tls.Config) { c.Time = func() time.Time { return time.Now().Add(400 * day) } },
	} {
		client, err := ClientConfig(authority.File())
		if err != nil {
			t.Fatal(err)
		}
		change(client)
		if state, err := handshake(t, authority.ServerConfig(), client); err == nil {
			t.Errorf("%s: connected with %s", what, tls.VersionName(state.Version))
		}
	}
	for what, suite := range map[string]uint16{
		"AES-128-GCM": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "ChaCha20": tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	} {
		client, err := ClientConfig(authority.File())
		if err != nil {
			t.Fatal(err)
		}
		client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{suite}
		if _, err := handshake(t, authority.ServerConfig(), client); err != nil {
			t.Errorf("TLS 1.2 with %s: %v", what, err)
		}
	}
}

func TestClientConfigRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if _, err := ClientConfig(path); err == nil {
		t.Error("a missing file was accepted")
	}
	writeFile(t, path, "not a certificate", 0o600)
	if _, err := ClientConfig(path); err == nil {
		t.Error("a file without certificate was accepted")
	}
}

package security

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// goodWait is how long the attacks of a group may keep a good client waiting. The machine does other work meanwhile.
const goodWait = 2 * time.Second

// memoryLimit is what a site may use at most, in MB, whatever is done to it.
const memoryLimit = 300

// TestLoad is group E: many at once. The caps hold, and a good kiosk comes in.
func TestLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sqlite")
	half, logins := 400, 40
	if *full {
		half, logins = 3000, 200
	}
	// A kiosk whose line is cut tries again by itself.
	persist := func(station string) (*ssh.Client, error) {
		began, key := time.Now(), ssh.PublicKeys(keyFile(t, s.station(station)))
		for {
			client, err := s.dial(newSource(), "kiosk", key)
			if err == nil || time.Since(began) > goodWait {
				return client, err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	kiosk := func(name string) {
		began := time.Now()
		client, err := persist("KIOSK-TURN")
		took := time.Since(began)
		measure(t, "kiosk sign-in during "+name+", seconds", took.Seconds())
		if checkThat(t, "E", "a kiosk during "+name, err == nil && took < goodWait, "%v after %v", err, took) {
			client.Close()
		}
	}
	one := newSource()
	for _, c := range []struct {
		name string
		from func(i int) net.IP
		says string
	}{
		{"%d silent connections from one address", func(int) net.IP { return one }, ""},
		{"%d version lines from one address", func(int) net.IP { return one }, "SSH-2.0-client\r\n"},
		{"%d silent connections from as many addresses", func(int) net.IP { return newSource() }, ""},
		{"%d offers from as many addresses", func(int) net.IP { return newSource() }, "SSH-2.0-client\r\n" + string(packet(kexInit("curve25519-sha256")))},
	} {
		name := fmt.Sprintf(c.name, half)
		conns := make([]net.Conn, half)
		together(50, half, func(i int) {
			if conn, err := dialFrom(c.from(i), s.known.SSH); err == nil {
				_, _ = io.WriteString(conn, c.says)
				conns[i] = conn
			}
		})
		kiosk(name)
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
		time.Sleep(200 * time.Millisecond)
	}

	// Handshakes as fast as this machine makes them, while a kiosk signs in.
	stop := make(chan struct{})
	var all sync.WaitGroup
	var made atomic.Int64
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if client, err := s.dial(newSource(), "1001", ssh.PublicKeys(newKey(t))); err == nil {
					client.Close()
				}
				made.Add(1)
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	kiosk("a storm of handshakes")
	close(stop)
	all.Wait()

	// People who come to work at the same minute.
	var in atomic.Int64
	began := time.Now()
	together(logins, logins, func(int) {
		client, err := persist("KIOSK-MILL")
		if err != nil {
			t.Log(err)
			return
		}
		in.Add(1)
		client.Close()
	})
	measure(t, fmt.Sprintf("%d sign-ins at once, seconds", logins), time.Since(began).Seconds())
	check(t, "E", "sign-ins at once", fmt.Sprint(logins), fmt.Sprint(in.Load()))

	// Sessions of one person: a fifth takes the place of the oldest.
	var open []*screen
	for range 5 {
		sc, err := openScreen(s.as(t, "1002"), "xterm", 80, 24)
		must(t, err)
		open = append(open, sc)
	}
	checkThat(t, "E", "the oldest of five sessions of one person", open[0].gone(5*time.Second), "it goes on")
	_, alive := open[4].responds(90, 25)
	checkThat(t, "E", "the newest of them", alive, "it is dead")
	kiosk("a person's sessions")
	for _, sc := range open {
		sc.client.Close()
	}

	_, highest := s.memory(t)
	measure(t, "memory under SSH load, MB", highest)
	checkThat(t, "E", "memory", highest < memoryLimit, "it reached %.0f MB", highest)
}

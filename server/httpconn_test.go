package server

import (
	"net"
	"testing"
	"time"
)

// A connection that was accepted just before the server goes down, and says nothing, does not keep it waiting.
func TestCallers_lateOnesAreDismissed(t *testing.T) {
	c := newCallers(Limits{}.withDefaults())
	open := func() (begun *caller, client net.Conn) {
		ours, client := net.Pipe()
		t.Cleanup(func() { client.Close() })
		one := &caller{Conn: ours, of: c, source: "10.0.0.1"}
		one.heard.Store(time.Now().UnixNano())
		return one, client
	}
	read := func(one *caller) <-chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := one.Read(make([]byte, 1))
			ended <- err
		}()
		return ended
	}
	early, _ := open()
	late, _ := open()
	ends := read(early)
	for c.count() == 0 {
		time.Sleep(time.Millisecond)
	}
	c.dismiss()
	for name, ended := range map[string]<-chan error{"the early one": ends, "the late one": read(late)} {
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s read something", name)
			}
		case <-time.After(5 * time.Second):
			t.Errorf("%s still waits", name)
		}
	}
}

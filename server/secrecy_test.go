package server

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"gemba/keys"
	"gemba/mes"
)

// raw sends a request as it is written and gives the status and the body.
func (p *plant) raw(client *http.Client, request string) (int, string) {
	p.t.Helper()
	config := client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.NextProtos = nil
	conn, err := tls.Dial("tcp", p.server.APIAddr(), config)
	p.must(err)
	defer conn.Close()
	p.must(conn.SetDeadline(time.Now().Add(10 * time.Second)))
	_, err = io.WriteString(conn, request)
	p.must(err)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	p.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	p.must(err)
	for name := range res.Header {
		switch name {
		case "Content-Type", "Content-Length", "Date", "X-Request-Id", "Cache-Control", "X-Content-Type-Options", "Www-Authenticate":
		default:
			p.t.Errorf("the header %s tells more than it must: %v", name, res.Header[name])
		}
	}
	return res.StatusCode, string(body)
}

// Every address that there is not gets the same answer, however it is written; without a key, every address at all.
func TestAddressesTellNothing(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	key := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Admin}).Reveal()
	var words []string
	for _, word := range strings.Fields(`.env .git/config .htaccess admin api backup config console cgi-bin/test debug/pprof debug/vars docs favicon.ico graphql
		health healthz index.html index.php login metrics openapi.json phpinfo.php robots.txt server-status status swagger v1 v2 v2/orders version wp-admin ws`) {
		words = append(words, "/"+word, "/v1/"+word+"x", "/"+word+"/", "/v1/"+word+"/../"+word)
	}
	for _, up := range []string{"../", "..%2f", "%2e%2e/", "%2e%2e%2f", ".%2e/", "..%5c", `..\`, "..;/", "%252e%252e%252f", "..%c0%af", "....//"} {
		for _, at := range []string{"/", "/v1/", "/v1/orders/", "/v1/machines/M1/"} {
			words = append(words, at+strings.Repeat(up, 3)+"etc/passwd")
		}
	}
	words = append(words, "//v1/me", "/v1//me", "/v1/./me", "/v1/me/", "/V1/me", "/v1/ME", "/v1/me%00", "/v1/me%20", "/v1/me.json", "/v1/me;x=1", "/v1/orders%2F")
	known, stranger := map[string]bool{}, map[string]bool{}
	ask := func(method, path string) {
		request := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: plant\r\nConnection: close\r\n", method, path)
		status, body := p.raw(c, request+"Authorization: Bearer "+key+"\r\n\r\n")
		known[fmt.Sprint(status, body)] = true
		if status != http.StatusNotFound || len(known) > 1 {
			t.Errorf("%s %s: %d %s", method, path, status, body)
			clear(known)
		}
		status, body = p.raw(c, request+"\r\n")
		stranger[fmt.Sprint(status, body)] = true
		if status != http.StatusUnauthorized || len(stranger) > 1 {
			t.Errorf("%s %s without a key: %d %s", method, path, status, body)
			clear(stranger)
		}
	}
	for _, word := range words {
		if strings.HasPrefix(word, "/v1/orders/") && strings.Count(word, "/") == 3 {
			continue // the name of an order, if a strange one
		}
		ask("GET", word)
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW"} {
		ask(method, "/v1/orders")
		ask(method, "/v1/nothing")
	}
	ask("OPTIONS", "*")
	ask("POST", "/v1/me")
	ask("GET", "/v1/ingest")
}

// What is out of reach looks like what is not there.
func TestForbiddenLooksLikeUnknown(t *testing.T) {
	p := newPlant(t)
	c := p.client()
	p.do(&mes.DefineEquipment{Code: "L2", Name: "Other line", Level: mes.WorkCentre, Parent: "S1"})
	p.do(&mes.DefineEquipment{Code: "M2", Name: "Other lathe", Level: mes.WorkUnit, Parent: "L2"})
	p.do(&mes.EnrolStation{Code: "K2", Name: "Other kiosk", Line: "L2"})
	viewer := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Viewer, Line: "L1"}).Reveal()
	machine := p.apiKey(keys.MachineKey, mes.Grant{Role: mes.Feeder, Machine: "M1"}).Reveal()
	admin := p.apiKey(keys.ProgramKey, mes.Grant{Role: mes.Admin, Line: "L1"}).Reveal()
	for _, test := range []struct{ key, method, path, body, there, nowhere string }{
		{viewer, "GET", "/v1/machines/%s/timeline", "", "M2", "M9"},
		{viewer, "GET", "/v1/machines/%s/counts", "", "M2", "M9"},
		{machine, "POST", "/v1/machines/%s/state", `{"state":"running"}`, "M2", "M9"},
		{machine, "POST", "/v1/ingest", `{"machine":"%s","states":[{"state":"running"}]}`, "M2", "M9"},
		{admin, "POST", "/v1/stations/%s/retire", `{"reason":"test"}`, "K2", "K9"},
	} {
		ask := func(name string) string {
			path, body := test.path, test.body
			if strings.Contains(path, "%s") {
				path = fmt.Sprintf(path, name)
			} else {
				body = fmt.Sprintf(body, name)
			}
			a := p.call(c, test.key, test.method, path, body)
			delete(a.json, "id")
			delete(a.json, "at")
			delete(a.json, "n")
			return fmt.Sprint(a.status, " ", strings.ReplaceAll(fmt.Sprint(a.json), name, "NAME"))
		}
		there, nowhere := ask(test.there), ask(test.nowhere)
		if there != nowhere {
			t.Errorf("%s %s: out of reach %s, not there %s", test.method, test.path, there, nowhere)
		}
	}
}

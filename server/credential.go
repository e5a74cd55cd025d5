package server

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"gemba/keys"
	"gemba/mes"
)

// The only secret that belongs into a request is an API key in its header. Anywhere else it would end up in logs and in
// the ledger, which cannot forget: such a request is refused before anybody reads on, and its answer repeats nothing.

// credentialInRequest is the code of a request that carries a secret where none belongs.
const credentialInRequest mes.Code = "credential_in_request"

var (
	errBasic           = mes.Faultf(credentialInRequest, "Basic is not accepted, and no user name or password is; send an API key: Authorization: Bearer KEY, and change the password that was sent")
	errSecretInAddress = mes.Faultf(credentialInRequest, "a key or password is in the address, where logs may keep it; send the key as Authorization: Bearer KEY, and revoke or change what was sent")
	errSecretInBody    = mes.Faultf(credentialInRequest, "a key or password is in the body, where it does not belong; send an API key as Authorization: Bearer KEY, and revoke or change what was sent")
	errSecretInHeader  = mes.Faultf(credentialInRequest, "a key is in a header that is recorded; send it as Authorization: Bearer KEY, and revoke this one")
)

// secretNames are what people call parameters and fields that hold a secret, without capitals, hyphens and underscores.
var secretNames = map[string]bool{
	"password": true, "passwd": true, "pwd": true, "passphrase": true, "passcode": true, "pin": true, "secret": true, "clientsecret": true,
	"apikey": true, "xapikey": true, "key": true, "privatekey": true, "token": true, "accesstoken": true, "authtoken": true, "refreshtoken": true,
	"bearer": true, "auth": true, "authorization": true, "credential": true, "credentials": true,
}

// longestName is the longest name that is looked at; no name of a secret has so many letters.
const longestName = 40

// isSecretName tells whether a field or parameter is called like a secret.
func isSecretName(name string) bool {
	if len(name) > longestName {
		return false
	}
	return secretNames[strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(name))]
}

// innocent gives those fields of a type, and of what is inside it, that are called like secrets and are none: the key
// of an alarm, a key that is to be revoked.
func innocent(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
			look(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for i := range t.NumField() {
				f := t.Field(i)
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				if isSecretName(name) {
					names[name] = true
				}
				look(f.Type)
			}
		}
	}
	look(t)
	return names
}

// secretInAddress tells whether a key or password was put into the address. Known are parameters that only look so.
func secretInAddress(u *url.URL, known func(parameter string) bool) bool {
	if u.User != nil || keys.HoldsAPIKey([]byte(u.Path)) || keys.HoldsAPIKey([]byte(u.RawQuery)) {
		return true
	}
	for name, values := range u.Query() {
		if isSecretName(name) && !known(name) || keys.HoldsAPIKey([]byte(name)) {
			return true
		}
		for _, value := range values {
			if keys.HoldsAPIKey([]byte(value)) {
				return true
			}
		}
	}
	return false
}

// secretInHeader tells whether a key is in a header that is written down.
func secretInHeader(h http.Header) bool {
	for _, value := range h.Values("Idempotency-Key") {
		if keys.HoldsAPIKey([]byte(value)) {
			return true
		}
	}
	return false
}

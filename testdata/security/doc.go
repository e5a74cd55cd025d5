// Package security holds the security suite: it starts the real program with the demonstration plant on loopback, and
// attacks it from outside as strangers, insiders, machines and their networks would, over SSH, over HTTPS and with the
// files in its hands. Nothing here knows how gemba is made; it imports what an attacker could write as well.
//
// A group of cases is one file, named by the letter that the reports use: auth (A), brute (B), timing (C), protocol (D),
// load (E), pty (F), keyboard (G), http (H), injection (I), apikey (K), permission (P), session (S), tamper (T),
// display (V) and secrets (X). Every case has a name and the outcome that is right; tables are in the TOML files beside.
//
//	go test ./testdata/security                        the quick form, part of make test
//	go test ./testdata/security -args -security.full   the full form, with the tools that deploy/tools.sh names
//
// Each attacker comes from an address of its own in 127.0.0.0/8, so that what one has coming does not reach another.
package security

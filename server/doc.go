// Package server lets people and machines in. It has two doors: SSH for people and stations, HTTPS with API keys for
// machines and programs. Both lead to the same [mes.App], and neither knows a rule of the floor.
//
// # What comes in is hostile until proven otherwise
//
// Everything that a client can make grow has a bound before it is read or allocated: connections, handshakes, sessions,
// windows, environment, pasted text, request bodies, headers, open streams. The bounds are in [Limits]. Connections from
// networks that are not let in end before a byte is sent; those that are slow on purpose give their places to others.
//
// # Who is asking
//
// An SSH identity is what the finished handshake proved: the key that signed, or the badge whose password was right.
// A key that was merely offered counts for nothing. An API key is looked up in a cache that forgets within a second,
// so that a revoked key is dead within a second. Anywhere but in its header, a key is refused like every other secret,
// and kept nowhere: not in the log, not in the ledger, not in the trace of calls.
//
// # Guessing
//
// A secret is checked by one doorman, for all doors and the desk. A barrier in memory stops floods before they cost
// anything; what is counted in the store holds on every node and after a restart. Strangers wait in a line of their own,
// so that an enrolled station signs in meanwhile, and what they do keeps nobody out of it. Every refusal has the same
// words and takes the same time.
//
// # Made from tables
//
// API routes, their OpenAPI document, SSH verbs and their help are made from [mes.Commands] and [mes.Queries]. A new
// command needs no change here.
//
// # Start and stop
//
// [Start] opens both doors or neither. [Server.Shutdown] refuses newcomers, lets the screens say goodbye, and then
// closes.
package server

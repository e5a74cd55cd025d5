#!/bin/sh
# Says which programs the tests need and are not there, and how to get them. It installs nothing.
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need go "go(https://go.dev/doc/install)"
need gcc gcc
need ssh openssh-client
need ssh-keygen openssh-client
need tmux tmux
need sqlite3 sqlite3
[ -z "$missing" ] && exit 0
echo "The tests need these and cannot find them:$missing" >&2
echo "On Debian or Ubuntu: apt-get install gcc openssh-client tmux sqlite3" >&2
echo "On Fedora: dnf install gcc openssh-clients tmux sqlite" >&2
exit 1

#!/bin/sh
# Says which programs the tests need and are not there, and how to get them. It installs nothing.
#
#   deploy/tools.sh            for make test
#   deploy/tools.sh security   for make security as well: the attackers' own tools
missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need go "go(https://go.dev/doc/install)"
need gcc gcc
need ssh openssh-client
need ssh-keygen openssh-client
need tmux tmux
need sqlite3 sqlite3
debian="gcc openssh-client tmux sqlite3"
fedora="gcc openssh-clients tmux sqlite"
if [ "$1" = security ]; then
	need ssh-audit ssh-audit
	need testssl testssl.sh
	need sqlmap sqlmap
	need plink putty-tools
	need dbclient dropbear-bin
	debian="$debian ssh-audit testssl.sh sqlmap putty-tools dropbear-bin"
	fedora="$fedora ssh-audit testssl sqlmap putty dropbear"
fi
[ -z "$missing" ] && exit 0
echo "The tests need these and cannot find them:$missing" >&2
echo "On Debian or Ubuntu: apt-get install $debian" >&2
echo "On Fedora: dnf install $fedora" >&2
exit 1

package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"gemba/server"
)

// checkExposure refuses to listen where strangers are, unless the configuration names that very address. Doors are
// addresses by their names: "ssh", "api".
func checkExposure(doors map[string]string, acknowledged []string) error {
	for name, address := range doors {
		if err := server.CheckAddress(address, acknowledged...); err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
	}
	for _, address := range acknowledged {
		known := false
		for _, door := range doors {
			known = known || door == address
		}
		if !known {
			return fmt.Errorf("--public-ack: no door listens on %s; name the very address of --ssh or --api, or leave it out", address)
		}
	}
	return nil
}

// parseSources reads the networks that may connect: CIDR or single addresses.
func parseSources(list []string) ([]netip.Prefix, error) {
	var sources []netip.Prefix
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if single, wrong := netip.ParseAddr(text); wrong == nil {
			prefix, err = netip.PrefixFrom(single, single.BitLen()), nil
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("--allow: %q is not a network; write it like 10.1.0.0/16 or 10.1.2.3", text)
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("--allow: %s is everybody; name the plant's own networks, like 10.1.0.0/16", text)
		}
		sources = append(sources, prefix.Masked())
	}
	return sources, nil
}

// days is a length of time that may also be said in days: 30d.
type days time.Duration

func (d *days) Set(text string) error {
	length, err := time.ParseDuration(text)
	if number, ok := strings.CutSuffix(text, "d"); ok {
		var n uint64
		n, err = strconv.ParseUint(number, 10, 16)
		length = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || length <= 0 {
		return errors.New("write a length of time like 30d or 12h")
	}
	*d = days(length)
	return nil
}

func (d *days) String() string {
	const day = 24 * time.Hour
	if length := time.Duration(*d); length > 0 && length%day == 0 {
		return strconv.FormatInt(int64(length/day), 10) + "d"
	}
	return time.Duration(*d).String()
}

func (d *days) Type() string { return "time" }

package mes

import (
	"net/netip"
	"slices"
	"strings"
)

// maxNetworks bounds the networks that a key or a station may come from.
const maxNetworks = 20

// checkNetworks gives networks in their canonical form: a CIDR with no bit set behind its length, or one address.
func checkNetworks(networks []string) ([]string, error) {
	if len(networks) > maxNetworks {
		return nil, invalid("networks", "at most %d networks", maxNetworks)
	}
	var canonical []string
	for _, n := range networks {
		text := ""
		if addr, err := netip.ParseAddr(n); err == nil && addr.Zone() == "" {
			text = addr.Unmap().String()
		} else if prefix, err := netip.ParsePrefix(n); err == nil && !prefix.Addr().Is4In6() {
			text = prefix.Masked().String()
		}
		if text == "" {
			return nil, invalid("networks", "%q is not a network; write it like 10.1.2.0/24, or one address", n)
		}
		if !slices.Contains(canonical, text) {
			canonical = append(canonical, text)
		}
	}
	return canonical, nil
}

// InNetworks tells whether an address may come from any of these networks. No networks are all; an address that is none
// is in no network.
func InNetworks(networks []string, source string) bool {
	if len(networks) == 0 {
		return true
	}
	addr, err := netip.ParseAddr(source)
	if err != nil {
		return false
	}
	addr = addr.Unmap().WithZone("")
	return slices.ContainsFunc(networks, func(n string) bool {
		if !strings.Contains(n, "/") {
			one, err := netip.ParseAddr(n)
			return err == nil && one == addr
		}
		prefix, err := netip.ParsePrefix(n)
		return err == nil && prefix.Contains(addr)
	})
}

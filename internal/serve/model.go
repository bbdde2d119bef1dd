package serve

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"flowyte/internal/assist"
	"flowyte/internal/assist/chat"
	"flowyte/internal/secret"
)

// model opens the way to the model that the settings name; nil when they name
// none. It has a door of its own: the setting admits the endpoint's port, and an
// address of this machine that it names, for the model alone.
func (s *Server) model(o Options) (assist.Model, error) {
	if o.ModelURL == nil {
		return nil, nil
	}
	port := o.ModelURL.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[o.ModelURL.Scheme]
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("the model's port: %w", err)
	}
	guard, err := s.door(o, slices.Concat(o.AllowTargets, itself(o.ModelURL.Hostname())), slices.Concat(o.AllowPorts, []uint16{uint16(number)}))
	if err != nil {
		return nil, err
	}
	var key secret.Text
	if o.ModelKeyFile != "" {
		b, err := os.ReadFile(o.ModelKeyFile)
		if err != nil {
			return nil, fmt.Errorf("read the model's key: %w", err)
		}
		key = secret.New(strings.TrimSpace(string(b)))
	}
	return chat.New(chat.Options{URL: o.ModelURL, Model: o.Model, Key: key, Guard: guard})
}

// itself are the addresses of this machine that a host's name stands for; none
// for any other host.
func itself(host string) []netip.Prefix {
	if host == "localhost" {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Unmap().IsLoopback() {
		return []netip.Prefix{netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())}
	}
	return nil
}

package cli

import (
	"flowyte/internal/config"
	"flowyte/internal/oplog"
	"flowyte/internal/serve"
)

type serveCommand struct{ config.Flags }

// Run serves until interrupted.
func (c serveCommand) Run(a *app) error {
	settings, err := c.Settings()
	if err != nil {
		return err
	}
	log := oplog.New(a.err, settings.LogLevel)
	server, err := serve.Open(a.ctx, serve.Options{Settings: settings, Version: version, Log: log})
	if err != nil {
		return err
	}
	log.Info("listening", "address", server.Addr().String())
	err = server.Wait(a.ctx)
	log.Info("stopped")
	return err
}

package cli

import (
	"log/slog"

	"flowyte/internal/config"
	"flowyte/internal/serve"
)

type serveCommand struct{ config.Flags }

// Run serves until interrupted.
func (c serveCommand) Run(a *app) error {
	settings, err := c.Settings()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(a.err, &slog.HandlerOptions{Level: settings.LogLevel}))
	server, err := serve.Open(a.ctx, serve.Options{Settings: settings, Version: version, Log: log})
	if err != nil {
		return err
	}
	log.Info("listening", "address", server.Addr().String())
	return server.Wait(a.ctx)
}

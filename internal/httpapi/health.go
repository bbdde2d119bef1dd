package httpapi

import "net/http"

// health is what an orchestrator is told: about the process alone, nothing
// about tenants.
type health struct {
	Status string `json:"status"`
}

func (a *API) addHealth() {
	a.addPage("GET /healthz", func(x *exchange, _ *http.Request) error {
		x.send(reply{status: http.StatusOK, body: encode(health{"ok"})})
		return nil
	})
	a.addPage("GET /readyz", func(x *exchange, r *http.Request) error {
		if err := a.Ready(r.Context()); err != nil {
			return err
		}
		x.send(reply{status: http.StatusOK, body: encode(health{"ready"})})
		return nil
	})
}

package control

import (
	"flowyte/api"
	"flowyte/internal/grant"
	"flowyte/internal/schema"
)

// Scripts writes the SQL for least-privilege users. It touches no database.
func (s *Service) Scripts(kind schema.Kind, in grant.Input) (api.Scripts, error) {
	write := grant.Postgres
	if kind == schema.MySQL {
		write = grant.MySQL
	}
	out, err := write(in)
	if err != nil {
		return api.Scripts{}, err
	}
	v := api.Scripts{ReadOnly: viewScript(out.ReadOnly)}
	if out.Write != nil {
		v.Write = ptr(viewScript(*out.Write))
	}
	if !out.GeneratedPassword.Empty() {
		v.GeneratedPassword = out.GeneratedPassword.Reveal()
	}
	return v, nil
}

func viewScript(s grant.Script) api.ScriptPart {
	return api.ScriptPart{User: s.User, SQL: s.SQL, Tables: s.Tables, Notes: orEmpty(s.Notes)}
}

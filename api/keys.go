package api

// APIKeyRequest makes a key. Scopes are at least one, and none that the key
// that asks does not have itself.
type APIKeyRequest struct {
	Name   string   `json:"name,omitempty" max:"200"` // for people
	Scopes []string `json:"scopes"`
}

// APIKey is a key of the organisation.
type APIKey struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	LastFour  string     `json:"lastFour"` // of the key, to tell it by
	Scopes    []string   `json:"scopes"`
	CreatedAt Timestamp  `json:"createdAt"`
	RevokedAt *Timestamp `json:"revokedAt"`
	// Key is the key itself. It is in the answer that made it and never again.
	Key string `json:"key,omitempty"`
}

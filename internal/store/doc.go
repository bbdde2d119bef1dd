// Package store keeps the service's own state: organisations, keys,
// connections, catalogues, agents, skills, versions, conversations. One
// contract, the methods of Store, over one SQLite file in the data folder.
//
// Every query names the organisation. What belongs to another organisation is
// answered like what never existed: the fault not_found. A store that cannot
// be read or written answers store_unavailable, one whose content is damaged
// store_damaged; no fault shows SQL or what the driver said.
//
// Every change made for somebody takes an Actor and leaves a line of Activity
// in the same transaction, so that none can be made without its trace.
package store

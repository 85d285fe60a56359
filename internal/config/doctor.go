package config

// Doctor is the configuration of bin/invalidator doctor: the invalidator's, and what
// it looks at of the API's.
type Doctor struct {
	Invalidator
	LiveMax         int    // LIVE_MAX
	APIAddr         string // HTTP_ADDR: where an API may be asked
	DatabaseReadURL Secret // DATABASE_READ_URL
}

// LoadDoctor reads the configuration of bin/invalidator doctor. Its error is Faults.
func LoadDoctor(getenv Getenv) (Doctor, error) {
	e := environment{getenv: getenv}
	c := Doctor{
		Invalidator: Invalidator{Shared: e.shared(), Addr: e.invalidatorAddr()},
		LiveMax:     e.liveMax(), APIAddr: e.apiAddr(), DatabaseReadURL: e.databaseReadURL(),
	}
	return c, e.err()
}

func (e *environment) liveMax() int { return e.integer("LIVE_MAX", 200_000, 1, 10_000_000) }

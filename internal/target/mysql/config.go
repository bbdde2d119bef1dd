package mysql

import (
	"errors"
	"time"

	"flowyte/internal/target"

	"github.com/go-sql-driver/mysql"
)

// privateNetwork is how the driver is told that nobody listens on the way, so
// that caching_sha2_password may finish: TLS is up before the driver comes.
const privateNetwork = "unix"

// noAddress stands where the driver wants an address. It reaches nobody: the
// dialer knows where to go.
const noAddress = "flowyte"

// maxSent bounds what the driver sends in one packet.
const maxSent = 4 << 20

// buildConfig makes the driver's configuration for one connection, field by
// field. There is no connection string, no registered name and no file in it,
// and nothing to fall back to.
func buildConfig(c *target.Credentials, l account, d *dialer) (*mysql.Config, error) {
	config := mysql.NewConfig()
	config.User = l.user
	config.Passwd = l.password.Reveal()
	config.DBName = c.Database
	config.Net = privateNetwork
	config.Addr = noAddress
	config.DialFunc = d.dial
	config.Collation = "utf8mb4_general_ci"
	config.ConnectionAttributes = "program_name:flowyte"
	config.Loc = time.UTC
	config.MaxAllowedPacket = maxSent
	config.Logger = &mysql.NopLogger{}
	config.ClientFoundRows = true // an update counts the rows it matched
	config.AllowNativePasswords = true
	return config, assert(config, c, l)
}

var errConfig = errors.New("mysql: the driver's configuration is not the one that was asked for")

// assert compares the built configuration with what it was built from, so that
// a new release of the driver cannot change a default unnoticed.
func assert(config *mysql.Config, c *target.Credentials, l account) error {
	off := config.AllowAllFiles || config.AllowCleartextPasswords || config.AllowFallbackToPlaintext ||
		config.AllowOldPasswords || config.ColumnsWithAlias || config.InterpolateParams ||
		config.MultiStatements || config.ParseTime || config.RejectReadOnly
	named := config.TLS != nil || config.TLSConfig != "" || config.ServerPubKey != "" || len(config.Params) > 0
	ok := config.User == l.user && config.Passwd == l.password.Reveal() && config.Passwd != "" &&
		config.DBName == c.Database && config.Net == privateNetwork && config.Addr == noAddress &&
		config.DialFunc != nil && config.MaxAllowedPacket == maxSent && config.Timeout == 0
	if off || named || !ok {
		return errConfig
	}
	return nil
}

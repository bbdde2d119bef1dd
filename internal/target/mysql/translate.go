package mysql

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"flowyte/internal/egress"
	"flowyte/internal/fault"

	"github.com/go-sql-driver/mysql"
)

// The numbers that are told apart elsewhere.
const (
	numberOptionPrevents  = 1290 // the server runs with read_only or the like
	numberReadOnlySession = 1792
	numberReadOnlyMode    = 1836
	numberNeedReprepare   = 1615
	numberUnknownStmt     = 1243
	numberLockTimeout     = 1205
	numberDeadlock        = 1213
	numberChanged         = 1020 // since the transaction read it
	numberUnknownThread   = 1094
	numberNotOwner        = 1095
	numberIdleTooLong     = 4031
	numberRolledBack      = 3101 // by a plugin, at COMMIT
)

// serverError is what the log learns of a server's error: its number. The text
// holds values, names and addresses.
type serverError uint16

func (e serverError) Error() string { return "server error " + strconv.Itoa(int(e)) }

// numberOf is the number of the server's error in err's chain, 0 when the
// server did not send one.
func numberOf(err error) uint16 {
	var e *mysql.MySQLError
	if errors.As(err, &e) {
		return e.Number
	}
	return 0
}

// refusal is the server's error that a fault was made of.
func refusal(err error) serverError {
	if err == nil { // nearly always; looking into it would cost memory
		return 0
	}
	var e serverError
	errors.As(fault.Cause(err), &e)
	return e
}

// plain strips an error of everything that must not be logged. What is left is
// a number or a type.
func plain(err error) error {
	var errno syscall.Errno
	var alert tls.AlertError
	switch {
	case err == nil:
		return nil
	case numberOf(err) != 0:
		return serverError(numberOf(err))
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &alert):
		return alert
	}
	for _, known := range []error{
		egress.ErrBudget, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, io.ErrUnexpectedEOF, io.EOF,
		net.ErrClosed, driver.ErrBadConn, mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrBusyBuffer,
	} {
		if errors.Is(err, known) {
			return known
		}
	}
	return fmt.Errorf("mysql: %T", err)
}

// panicked is what a panic of the driver becomes: hostile bytes are the only
// known cause. The log gets the stack, which holds no values.
func panicked(v any) error {
	return fault.Wrap(fault.ProtocolError, fmt.Errorf("mysql: the driver panicked with a %T\n%s", v, debug.Stack()))
}

// connectFault translates what the driver says of an attempt to connect.
// Refusals of the guard, of TLS and of the screen are faults already.
func connectFault(ctx context.Context, d *dialer, err error) error {
	if f, ok := fault.As(err); ok {
		return f
	}
	if number := numberOf(err); number != 0 {
		f := connectRefusal(number)
		if d.screen != nil && d.screen.unproven && f.Code == fault.CredentialsRejected {
			f.WithFix("If the user exists, have it log in with caching_sha2_password instead of sha256_password.")
		}
		return f
	}
	if errors.Is(err, mysql.ErrUnknownPlugin) || errors.Is(err, mysql.ErrCleartextPassword) || errors.Is(err, mysql.ErrOldPassword) {
		return fault.Wrap(fault.AuthMethodRefused, plain(err))
	}
	return lost(ctx, d, err, fault.Unreachable)
}

// connectRefusal is the server's refusal of a login.
func connectRefusal(number uint16) *fault.Error {
	cause := serverError(number)
	switch number {
	case 1045, 1698, // user or password
		1129, 1130, // this host
		1820, 1862, // the password has expired
		3118, 3955, 4151: // the account is locked
		return fault.Wrap(fault.CredentialsRejected, cause)
	case 1251, 1275, 1524: // the method of authentication
		return fault.Wrap(fault.AuthMethodRefused, cause)
	case 1044, 1049: // no right to the database, or no such database
		return fault.Wrap(fault.DatabaseUnknown, cause)
	case 1040, 1203, 1226: // connections in all, of the user, of the account
		return fault.Wrap(fault.ServerBusy, cause)
	case 1053, 1077, 1079, 3032: // shutting down, starting, ended, offline
		return fault.Wrap(fault.ServerStarting, cause)
	}
	return fault.Wrap(fault.DatabaseError, cause)
}

// lost explains an error after which the connection is of no use. The screen
// knows the reason, where the driver only says that there was one. gone is the
// code for an end by the peer or the network.
func lost(ctx context.Context, d *dialer, err error, gone fault.Code) error {
	if d.screen != nil && d.screen.err != nil {
		err = d.screen.err
	}
	if f, ok := fault.As(err); ok {
		return f
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil, errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Wrap(fault.DatabaseTimeout, plain(err))
	case errors.Is(err, egress.ErrBudget):
		return fault.Wrap(fault.ProtocolError, egress.ErrBudget)
	case isNetwork(err):
		return fault.Wrap(gone, plain(err))
	}
	// What is left is the driver's judgement of malformed packets.
	return fault.Wrap(fault.ProtocolError, plain(err))
}

func isNetwork(err error) bool {
	var op *net.OpError
	var errno syscall.Errno
	return errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}

// codeOf sorts the numbers of a statement's errors. Values are judged against
// the discovered types before they are bound, so a server that cannot read one
// has other types by now.
func codeOf(number uint16) fault.Code {
	switch number {
	case 1051, 1054, 1109, 1146, 1176, // table, column or index is gone
		1305, 1356, 1449, // a view's function, source or definer
		1264, 1265, 1267, 1270, 1271, 1292, 1366, 1406, // type, length or collation
		numberNeedReprepare, numberUnknownStmt:
		return fault.SchemaDrift
	case 1044, 1142, 1143, 1227, 1345, 1370:
		return fault.PermissionDenied
	case 1205, 1317, 1969, 3024: // a lock, an interruption, the two statement limits
		return fault.DatabaseTimeout
	case 1040, 1203, 1226:
		return fault.ServerBusy
	case 1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 3169, 4031: // the server ended the connection
		return fault.ConnectionLost
	}
	return fault.DatabaseError
}

// writeCodeOf sorts the numbers of a write's errors, whose refusals say more:
// nothing was written, and why. A trigger may refuse a row with any number, and
// one of its own has the class of state that is kept for that.
func writeCodeOf(number uint16, state string) fault.Code {
	switch number {
	case 1062, 1169, 1586, 1859:
		return fault.AlreadyExists
	case numberLockTimeout, numberDeadlock, numberChanged:
		return fault.RowLocked
	case numberOptionPrevents, numberReadOnlyMode, numberReadOnlySession:
		return fault.ConnectionLost // to a server that may write
	case 1048, 1364, // a value is missing
		1216, 1217, 1451, 1452, 1369, 3819, 4025, // a key of another table, a view, a check
		1264, 1265, 1292, 1366, 1367, 1406, 1411, 1690, // the value does not fit
		1365, 1442, 1526, 1644: // a division, a trigger's own table, a partition, SIGNAL
		return fault.ConstraintViolated
	}
	switch code := codeOf(number); {
	case code == fault.PermissionDenied:
		return fault.RoleCannotWrite
	case code == fault.DatabaseError && strings.HasPrefix(state, userDefined):
		return fault.ConstraintViolated
	default:
		return code
	}
}

// userDefined is the class of SQLSTATE of unhandled conditions that are a
// program's own.
const userDefined = "45"

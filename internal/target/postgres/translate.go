package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"

	"flowyte/internal/egress"
	"flowyte/internal/fault"

	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that are told apart.
const (
	stateFeatureNotSupported = "0A000"
	stateReadOnly            = "25006"
	stateStatementUnknown    = "26000"
	stateProtocolViolation   = "08P01"
	stateInvalidParameter    = "22023"
	stateIdleInTransaction   = "25P03"
	stateSerialization       = "40001"
	stateDeadlock            = "40P01"
)

// sqlState is what the log learns of a server's error: its number. Message,
// detail and context hold values, names and addresses.
type sqlState string

func (s sqlState) Error() string { return "SQLSTATE " + string(s) }

// stateOf is the SQLSTATE of the server's error in err's chain, "" when the
// server did not send one.
func stateOf(err error) string {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return ""
	}
	if len(e.Code) != 5 {
		return "?????"
	}
	for _, c := range []byte(e.Code) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return "?????"
		}
	}
	return e.Code
}

// plain strips an error of everything that must not be logged: the driver's
// errors name user, database and address, the server's quote values. What is
// left is a number or a type.
func plain(err error) error {
	var errno syscall.Errno
	var alert tls.AlertError
	switch {
	case err == nil:
		return nil
	case stateOf(err) != "":
		return sqlState(stateOf(err))
	case errors.Is(err, egress.ErrBudget):
		return egress.ErrBudget
	case errors.As(err, &errno):
		return errno
	case errors.As(err, &alert):
		return alert
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, io.ErrUnexpectedEOF, io.EOF, net.ErrClosed, pgconn.ErrConnClosed} {
		if errors.Is(err, known) {
			return known
		}
	}
	return fmt.Errorf("postgres: %T", innermost(err))
}

func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// connectFault translates what the driver says of an attempt to connect. TLS
// and the dialer's refusals are faults already. Poolers have one SQLSTATE for
// everything; there passwordRefused tells what it was about.
func connectFault(ctx context.Context, err error, passwordRefused bool) *fault.Error {
	if f, ok := fault.As(err); ok {
		return f
	}
	cause := plain(err)
	switch state := stateOf(err); state {
	case "":
	case "28P01", "28000":
		return fault.Wrap(fault.CredentialsRejected, cause)
	case stateProtocolViolation:
		if passwordRefused {
			return fault.Wrap(fault.CredentialsRejected, cause)
		}
		return fault.Wrap(fault.DatabaseUnknown, cause)
	case "3D000", "42501": // no such database, or no right to connect to it
		return fault.Wrap(fault.DatabaseUnknown, cause)
	case "53300", "53400":
		return fault.Wrap(fault.ServerBusy, cause)
	case "57P01", "57P02", "57P03":
		return fault.Wrap(fault.ServerStarting, cause)
	default:
		return fault.Wrap(fault.DatabaseError, cause)
	}
	switch {
	case ctx.Err() != nil || isTimeout(err):
		return fault.Wrap(fault.DatabaseTimeout, cause)
	case errors.Is(err, egress.ErrBudget):
		return fault.Wrap(fault.ProtocolError, cause)
	case isNetwork(err):
		return fault.Wrap(fault.Unreachable, cause)
	}
	// What is left is the driver's judgement of malformed messages, among them
	// a wrong server signature.
	return fault.Wrap(fault.ProtocolError, cause)
}

// statementFault translates what became of a statement.
func statementFault(ctx context.Context, err error) *fault.Error {
	if f, ok := fault.As(err); ok {
		return f
	}
	cause := plain(err)
	if state := stateOf(err); state != "" {
		return fault.Wrap(codeOf(state), cause)
	}
	switch {
	case ctx.Err() != nil || isTimeout(err):
		return fault.Wrap(fault.DatabaseTimeout, cause)
	case errors.Is(err, egress.ErrBudget):
		return fault.Wrap(fault.ProtocolError, cause)
	case isNetwork(err):
		return fault.Wrap(fault.ConnectionLost, cause)
	}
	return fault.Wrap(fault.ProtocolError, cause)
}

// codeOf sorts the SQLSTATEs of a statement. Values are judged against the
// discovered types before they are bound, so a server that cannot read one has
// other types by now.
func codeOf(state string) fault.Code {
	switch state {
	case "42703", "42P01", "42883", "42704", "42804", "42P18", stateFeatureNotSupported, "22P02", "22003", "22007", "22008", "3F000":
		return fault.SchemaDrift
	case "42501":
		return fault.PermissionDenied
	case "57014", "55P03":
		return fault.DatabaseTimeout
	case "57P01", "57P02", "57P03", "57P05", "25P03", "08000", "08003", "08006", stateProtocolViolation:
		// A protocol violation is how poolers report a server connection that
		// died on them; servers themselves have no reason to send it.
		return fault.ConnectionLost
	case "53300", "53400":
		return fault.ServerBusy
	}
	return fault.DatabaseError
}

// writeFault sorts a fault of a statement again for a write, whose refusals say
// more: nothing was written, and why.
func writeFault(err error) error {
	var state sqlState
	if err == nil || !errors.As(fault.Cause(err), &state) {
		return err
	}
	return fault.Wrap(writeCodeOf(state), state)
}

func writeCodeOf(state sqlState) fault.Code {
	switch state {
	case "23505":
		return fault.AlreadyExists
	case "42501": // also where row security refuses the row
		return fault.RoleCannotWrite
	case "55P03", stateDeadlock, stateSerialization:
		return fault.RowLocked
	case stateReadOnly:
		return fault.ConnectionLost // to a server that may write
	case stateFeatureNotSupported: // a rule does something else instead
		return fault.NotWritten
	}
	if code := codeOf(string(state)); code != fault.DatabaseError && state != "22003" {
		return code
	}
	// What is left is the server's own trouble, or a rule of the table: a
	// trigger may refuse a row with any SQLSTATE.
	if slices.Contains(troubles, string(state[:2])) {
		return fault.DatabaseError
	}
	return fault.ConstraintViolated
}

// troubles are the classes of SQLSTATE that say nothing of the values.
var troubles = []string{
	"08", "0A", "25", "26", "28", "2D", "34", "3B", "3D", "40", "42", "53", "54", "55", "57", "58", "72", "F0", "HV", "XX", "??",
}

func isTimeout(err error) bool {
	var timeout net.Error
	return pgconn.Timeout(err) || errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
}

func isNetwork(err error) bool {
	var op *net.OpError
	var errno syscall.Errno
	return errors.As(err, &op) || errors.As(err, &errno) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, pgconn.ErrConnClosed)
}

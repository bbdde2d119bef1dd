package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/aead/aesgcm"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"flowyte/internal/fault"
)

const (
	// keyFileMode is what a key file is made with.
	keyFileMode fs.FileMode = 0o600
	// keyFileLimit is far above any keyset and far below a file that would hurt.
	keyFileLimit = 64 << 10
	// keyBytes is the size of an AES-256 key.
	keyBytes = 32
)

// Master is the opened master key: an AES-256-GCM keyset that seals only the
// root of a Keyring and what the Keyring seals. It never leaves the process.
type Master struct {
	aead tink.AEAD
}

// Format prints Redacted.
func (m *Master) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// OpenMaster reads the key file at path. Errors are faults:
// master_key_missing when there is no file, master_key_permissions when others
// than its owner may read or write it, and master_key_invalid when it is
// empty, cut short or anything but AES-256-GCM keys.
func OpenMaster(path string) (*Master, error) {
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.Wrap(fault.MasterKeyMissing, err)
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.Wrap(fault.MasterKeyPermissions, err).WithDetail("This process may not read the key file.")
	case err != nil:
		return nil, fault.Wrap(fault.MasterKeyInvalid, err)
	}
	defer file.Close()

	// The open file is judged, not the path, which could lead elsewhere by now.
	info, err := file.Stat()
	if err != nil {
		return nil, fault.Wrap(fault.MasterKeyInvalid, err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fault.Wrap(fault.MasterKeyPermissions, fmt.Errorf("the mode of the key file is %v", info.Mode()))
	}
	text, err := io.ReadAll(io.LimitReader(file, keyFileLimit+1))
	if err != nil {
		return nil, fault.Wrap(fault.MasterKeyInvalid, err)
	}
	return parseMaster(text)
}

func parseMaster(text []byte) (*Master, error) {
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fault.New(fault.MasterKeyInvalid).WithDetail("The key file is empty.")
	case len(text) > keyFileLimit:
		return nil, fault.New(fault.MasterKeyInvalid).WithDetail("The key file is far too long to be a key.")
	}
	// The library's errors are dropped: a parser may quote what it read.
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, fault.New(fault.MasterKeyInvalid)
	}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fault.New(fault.MasterKeyInvalid)
		}
		params, ok := entry.Key().Parameters().(*aesgcm.Parameters)
		if !ok || params.KeySizeInBytes() != keyBytes || params.Variant() != aesgcm.VariantTink {
			return nil, fault.New(fault.MasterKeyInvalid).WithDetail("The key file holds a key that is not AES-256-GCM.")
		}
	}
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fault.New(fault.MasterKeyInvalid)
	}
	return &Master{aead: primitive}, nil
}

// CreateMaster makes a new key file at path, durable and complete before it
// appears there, and opens it. A file that is there already, or that another
// process puts there first, is opened and never replaced.
func CreateMaster(path string) (*Master, error) {
	if err := writeNewKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fault.Wrap(fault.DataFolderUnusable, err).WithDetail("The master key file could not be written.")
	}
	return OpenMaster(path)
}

// writeNewKey links a finished file to path, which fails with fs.ErrExist
// where renaming would replace.
func writeNewKey(path string) (err error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	file, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(file.Name())) }()
	if err := errors.Join(
		insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(file)),
		file.Chmod(keyFileMode),
		file.Sync(),
		file.Close(),
	); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

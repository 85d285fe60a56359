package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/freshlist/freshlist/internal/local"
)

// Certificates are files in PEM: an authority, and what it has signed. Everybody may read
// them, the servers' account too.
type Certificates struct {
	CA                    string
	ServerCert, ServerKey string // for 127.0.0.1
	ClientCert, ClientKey string
}

// NewCertificates makes an authority and its certificates for one test.
func NewCertificates(t testing.TB) Certificates {
	t.Helper()
	dir, err := local.ScratchDir("freshlist-certificates-*")
	check(t, "make a folder", err)
	t.Cleanup(func() { check(t, "remove certificates", os.RemoveAll(dir)) })
	check(t, "open the folder", os.Chmod(dir, 0o755))
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authorityKey := newKey(t)
	c := Certificates{CA: filepath.Join(dir, "ca.pem")}
	writePEM(t, c.CA, "CERTIFICATE", sign(t, authority, authority, authorityKey, authorityKey))
	issue := func(name string, serial int64, usage x509.ExtKeyUsage) (cert, key string) {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage, x509.ExtKeyUsageClientAuth},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		own := newKey(t)
		cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
		writePEM(t, cert, "CERTIFICATE", sign(t, template, authority, own, authorityKey))
		der, err := x509.MarshalPKCS8PrivateKey(own)
		check(t, "encode a key", err)
		writePEM(t, key, "PRIVATE KEY", der)
		return cert, key
	}
	c.ServerCert, c.ServerKey = issue("server", 2, x509.ExtKeyUsageServerAuth)
	c.ClientCert, c.ClientKey = issue("client", 3, x509.ExtKeyUsageClientAuth)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, "make a key", err)
	return key
}

func sign(t testing.TB, of, by *x509.Certificate, own, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, of, by, own.Public(), key)
	check(t, "sign a certificate", err)
	return der
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	check(t, "write "+kind, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o644))
}

// Settings are the lines of redis.conf by which a server asks for the clients' certificates on
// another port.
func (c Certificates) Settings(port int) []string {
	return []string{
		fmt.Sprint("tls-port ", port), "tls-auth-clients yes", "tls-ca-cert-file " + c.CA,
		"tls-cert-file " + c.ServerCert, "tls-key-file " + c.ServerKey,
	}
}

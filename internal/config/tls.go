package config

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// TLS is what connections to Redis over TLS need besides the address. However it is printed,
// no key shows.
type TLS struct{ config *tls.Config }

// Config returns a copy for one client; nil if REDIS_CA_FILE and REDIS_CERT_FILE are not set.
func (t TLS) Config() *tls.Config { return t.config.Clone() }

// redisTLS reads the files that REDIS_CA_FILE, REDIS_CERT_FILE and REDIS_KEY_FILE name.
func (e *environment) redisTLS(used bool) TLS {
	const ca, cert, key = "REDIS_CA_FILE", "REDIS_CERT_FILE", "REDIS_KEY_FILE"
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	set := false
	if pem, ok := e.file(ca); ok {
		set = true
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			e.fault(ca, "names a file without a certificate in PEM", "name the certificates of the authorities that have signed those of Redis")
		}
	}
	certPEM, hasCert := e.file(cert)
	keyPEM, hasKey := e.file(key)
	switch {
	case hasCert && hasKey:
		set = true
		pair, err := tls.X509KeyPair(certPEM, keyPEM)
		if err != nil {
			e.fault(cert, "and "+key+" are no certificate and key that belong together, both in PEM",
				"give Redis' client certificate and its unencrypted key")
		}
		t.Certificates = []tls.Certificate{pair}
	case e.getenv(cert) != "" && e.getenv(key) == "":
		e.fault(key, "is not set, but "+cert+" is", "set both, or none")
	case e.getenv(key) != "" && e.getenv(cert) == "":
		e.fault(cert, "is not set, but "+key+" is", "set both, or none")
	}
	for _, name := range []string{ca, cert, key} {
		if _, ok := e.get(name); ok && !used {
			e.fault(name, "is set, but REDIS_URL is without TLS", "begin REDIS_URL with rediss, or unset it")
		}
	}
	if !set {
		return TLS{}
	}
	return TLS{t}
}

// file reads the file that a variable names.
func (e *environment) file(name string) (content []byte, ok bool) {
	path, ok := e.get(name)
	if !ok {
		return nil, false
	}
	content, err := os.ReadFile(path)
	if err != nil {
		e.fault(name, "names a file that cannot be read: "+err.Error(), "correct the path, or the rights of the file")
		return nil, false
	}
	return content, true
}

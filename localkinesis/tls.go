package localkinesis

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"
)

// selfSignedFor is how long a self-signed certificate is valid: longer than a
// server in development runs.
const selfSignedFor = 365 * 24 * time.Hour

// SelfSigned makes a certificate for Options.Certificate that nobody but its
// own holder has signed: for localhost, 127.0.0.1 and ::1, and for further names
// and addresses. It is valid for a year. Clients have to trust its Leaf, or any
// certificate; the server's own client does.
func SelfSigned(further ...string) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: make a key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("localkinesis: make a serial number: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "kinetrail local Kinesis"},
		NotBefore:    now.Add(-time.Hour), // the clock of a client may be late
		NotAfter:     now.Add(selfSignedFor),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, // some clients trust nothing else by its file

		BasicConstraintsValid: true,
	}
	for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, further...) {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("localkinesis: read the certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// trusting is what a client needs to trust a certificate and nothing else.
func trusting(c *tls.Certificate) (*tls.Config, error) {
	leaf := c.Leaf
	if leaf == nil {
		var err error
		if leaf, err = x509.ParseCertificate(c.Certificate[0]); err != nil {
			return nil, err
		}
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	// The server is dialled by its address, which a certificate need not have.
	if len(leaf.DNSNames) > 0 {
		config.ServerName = leaf.DNSNames[0]
	}
	return config, nil
}

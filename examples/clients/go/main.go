// A signed OpenCloud call with Go's standard library: RFC 9421 is a few lines where the client chooses what it covers.
//
//	go run . KEY.pem URL [BODY]
//
// KEY.pem is an Ed25519 key of `openssl genpkey`. Prints the answer's body once its signature is verified.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

var (
	nonceOf      = regexp.MustCompile(`"([^"]+)";keyid="([^"]+)"`)
	componentsOf = regexp.MustCompile(`"([^"]+)"(;tr)?[ )]`)
)

type line struct{ name, value string }

type node struct {
	Provider struct{ Audience string }
	Node     struct{ ID string }
}

type caller struct {
	key        ed25519.PrivateKey
	id, nonce  string
	node       node
	target     *url.URL
	body       []byte
	roundTrips int
}

func binary(data []byte) string { return ":" + base64.StdEncoding.EncodeToString(data) + ":" }

func contentDigest(body []byte) string {
	digest := sha256.Sum256(body)
	return "sha-256=" + binary(digest[:])
}

func didOf(public ed25519.PublicKey) string {
	number, base, digit := new(big.Int).SetBytes(append([]byte{0xed, 1}, public...)), big.NewInt(58), new(big.Int)
	text := ""
	for number.Sign() > 0 {
		number.DivMod(number, base, digit)
		text = alphabet[digit.Int64():digit.Int64()+1] + text
	}
	return "did:key:z" + text
}

func publicKey(did string) (ed25519.PublicKey, error) {
	number := new(big.Int)
	for _, letter := range strings.TrimPrefix(did, "did:key:z") {
		number.Mul(number, big.NewInt(58)).Add(number, big.NewInt(int64(strings.IndexRune(alphabet, letter))))
	}
	raw := number.Bytes()
	if len(raw) != 34 || raw[0] != 0xed || raw[1] != 1 {
		return nil, errors.New("no Ed25519 key: " + did)
	}
	return raw[2:], nil
}

func loadKey(file string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no PEM: " + file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	found, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("no Ed25519 key: " + file)
	}
	return found, nil
}

// parameters writes the covered components in the order of the lines, and what follows them.
func parameters(lines []line, more string) string {
	names := make([]string, len(lines))
	for i, each := range lines {
		names[i] = strconv.Quote(each.name)
	}
	return "(" + strings.Join(names, " ") + ")" + more
}

func base(lines []line, parameters string) []byte {
	var text bytes.Buffer
	for _, each := range lines {
		fmt.Fprintf(&text, "%q: %s\n", each.name, each.value)
	}
	fmt.Fprintf(&text, "%q: %s", "@signature-params", parameters)
	return text.Bytes()
}

func (c *caller) method() string {
	if len(c.body) > 0 {
		return http.MethodPost
	}
	return http.MethodGet
}

func (c *caller) send() (*http.Response, []byte, error) {
	request, err := http.NewRequest(c.method(), c.target.String(), bytes.NewReader(c.body))
	if err != nil {
		return nil, nil, err
	}
	lines := []line{{"@method", c.method()}, {"@path", c.target.EscapedPath()}, {"@query", "?" + c.target.RawQuery},
		{"opencloud-audience", c.node.Provider.Audience}}
	if len(c.body) > 0 {
		lines = append(lines, line{"content-digest", contentDigest(c.body)})
	}
	for _, each := range lines[3:] {
		request.Header.Set(each.name, each.value)
	}
	more := fmt.Sprintf(";created=%d;keyid=%q", time.Now().Unix(), c.id)
	if c.nonce != "" {
		more += fmt.Sprintf(";nonce=%q", c.nonce)
	}
	input := parameters(lines, more)
	request.Header.Set("Signature-Input", "sig="+input)
	request.Header.Set("Signature", "sig="+binary(ed25519.Sign(c.key, base(lines, input))))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	for _, found := range nonceOf.FindAllStringSubmatch(answer.Header.Get("OpenCloud-Nonce"), -1) {
		if found[2] == c.id {
			c.nonce = found[1]
		}
	}
	c.roundTrips++
	return answer, content, err
}

// check verifies that the node signed this answer to this request.
func (c *caller) check(answer *http.Response, content []byte) error {
	field := func(name string) string {
		if value := answer.Header.Get(name); value != "" {
			return value
		}
		return answer.Trailer.Get(name)
	}
	input := strings.TrimPrefix(field("Signature-Input"), "oc=")
	var text strings.Builder
	covered := map[string]bool{}
	for _, found := range componentsOf.FindAllStringSubmatch(input[:strings.Index(input, ")")+1], -1) {
		covered[found[1]] = true
		value := field(found[1])
		if found[1] == "@status" {
			value = strconv.Itoa(answer.StatusCode)
		}
		fmt.Fprintf(&text, "%q%s: %s\n", found[1], found[2], value)
	}
	for _, name := range []string{"@status", "content-digest", "opencloud-status", "opencloud-request"} {
		if !covered[name] {
			return errors.New("the answer's signature does not cover " + name)
		}
	}
	fmt.Fprintf(&text, "%q: %s", "@signature-params", input)
	public, err := publicKey(c.node.Node.ID)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(strings.Trim(strings.TrimPrefix(field("Signature"), "oc="), ":"))
	if err != nil || !ed25519.Verify(public, []byte(text.String()), signature) {
		return errors.New("the answer's signature is wrong")
	}
	if field("Content-Digest") != contentDigest(content) {
		return errors.New("another body was signed")
	}
	lines := []line{{"@method", c.method()}, {"@path", c.target.EscapedPath()}, {"@query", "?" + c.target.RawQuery},
		{"content-digest", contentDigest(c.body)}, {"opencloud-audience", c.node.Provider.Audience}}
	digest := sha256.Sum256(base(lines, parameters(lines, "")))
	if field("OpenCloud-Request") != binary(digest[:]) {
		return errors.New("this is the answer to another request")
	}
	return nil
}

func (c *caller) learn() error {
	about, err := http.Get(c.target.Scheme + "://" + c.target.Host + "/.well-known/decloud")
	if err != nil {
		return err
	}
	defer about.Body.Close()
	return json.NewDecoder(about.Body).Decode(&c.node)
}

func run() error {
	if len(os.Args) < 3 {
		return errors.New("usage: go run . KEY.pem URL [BODY]")
	}
	key, err := loadKey(os.Args[1])
	if err != nil {
		return err
	}
	target, err := url.Parse(os.Args[2])
	if err != nil {
		return err
	}
	c := caller{key: key, id: didOf(key.Public().(ed25519.PublicKey)), target: target}
	if len(os.Args) > 3 {
		c.body = []byte(os.Args[3])
	}
	if err := c.learn(); err != nil {
		return err
	}
	answer, content, err := c.send()
	if err == nil && answer.Header.Get("OpenCloud-Status") == "request-declined.refresh-nonce" {
		answer, content, err = c.send()
	}
	if err != nil {
		return err
	}
	if err := c.check(answer, content); err != nil {
		return fmt.Errorf("%s: %w", answer.Status, err)
	}
	os.Stdout.Write(content)
	fmt.Fprintf(os.Stderr, "%d %s, %d round trips, verified: true\n", answer.StatusCode,
		answer.Header.Get("OpenCloud-Status"), c.roundTrips)
	if answer.StatusCode >= 400 {
		return errors.New(answer.Status)
	}
	return nil
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

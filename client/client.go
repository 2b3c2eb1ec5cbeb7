package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Client speaks to one server with one token.
type Client struct {
	base      *url.URL
	token     string
	http      *http.Client
	retry     RetryPolicy
	userAgent string
}

// Option changes a default of [New].
type Option func(*Client)

// WithHTTPClient sets the HTTP client, for instance for a private certificate
// authority or a proxy. Its Timeout also ends long reports; leave it 0.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithRetry sets how often and when calls are repeated.
func WithRetry(p RetryPolicy) Option { return func(c *Client) { c.retry = p } }

// WithVersion sets the version in the User-Agent header, meterbook/<version>.
// The default is the version of this module in the running program.
func WithVersion(version string) Option {
	return func(c *Client) { c.userAgent = "meterbook/" + version }
}

// New returns a client of the server at baseURL, such as
// "http://127.0.0.1:8080". The token is <id>$<secret>; an empty one sends no
// credentials. It does not connect.
func New(baseURL, token string, options ...Option) (*Client, error) {
	if baseURL != "" && !strings.Contains(baseURL, "://") {
		return nil, fmt.Errorf("server address %q: it must begin with http:// or https://, such as http://%[1]s", baseURL)
	}
	base, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("server address %q: %w", baseURL, err)
	}
	if (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, fmt.Errorf("server address %q: it must look like http://host:port or https://host", baseURL)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("server address %q: it must not carry a user, a query or a fragment", base.Redacted())
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token has a space or a character outside ASCII; copy it again, as it was printed: <id>$<secret>")
	}
	c := &Client{base: base, token: token, userAgent: "meterbook/" + moduleVersion()}
	for _, option := range options {
		option(c)
	}
	if c.http == nil {
		c.http = defaultHTTPClient()
	}
	c.retry = c.retry.withDefaults()
	return c, nil
}

// answerWaitMax bounds the wait for an answer to begin once the request is
// sent. The answer itself may take as long as it needs.
const answerWaitMax = 5 * time.Minute

func defaultHTTPClient() *http.Client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answerWaitMax,
	}
	return &http.Client{Transport: transport}
}

// Close closes the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

const modulePath = "github.com/meterbook/meterbook"

// moduleVersion finds the version under which this module was built into the
// running program, whether that is Meterbook itself or another program.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	modules := append([]*debug.Module{&info.Main}, info.Deps...)
	for _, m := range modules {
		if m.Path == modulePath && m.Version != "" && m.Version != "(devel)" {
			return m.Version
		}
	}
	return "devel"
}

// call is one request, which may be made several times.
type call struct {
	method, path string
	query        url.Values
	contentType  string
	// body opens the body anew for each attempt; nil means none.
	body func() (io.ReadCloser, error)
	// safe says that making the call twice does no harm.
	safe bool
	// once says that the body can be read only once, so that the call cannot
	// be repeated at all.
	once bool
	// accept lists the statuses that are no error, beside 2xx.
	accept []int
	// stream leaves the answer to be read by the caller; otherwise it is small
	// and read at once.
	stream bool
}

// send makes the call, repeating it as the policy allows. The caller closes
// the body of the answer.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		response, err := c.attempt(ctx, k)
		if err == nil {
			return response, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", k.method, c.url(k), context.Cause(ctx))
		}
		wait, ok := c.retry.wait(attempt, err, k.safe)
		if !ok || k.once {
			return nil, err
		}
		c.retry.OnRetry(attempt, wait, err)
		if stopped := c.retry.Sleep(ctx, wait); stopped != nil {
			return nil, fmt.Errorf("%s %s: stopped waiting to repeat it: %w (last answer: %w)", k.method, c.url(k), stopped, err)
		}
	}
}

func (c *Client) attempt(ctx context.Context, k call) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, k.method, c.url(k), nil)
	if err != nil {
		return nil, err
	}
	if k.body != nil {
		body, err := k.body()
		if err != nil {
			return nil, fmt.Errorf("open the body of %s %s: %w", k.method, k.path, err)
		}
		request.Body, request.ContentLength = body, -1
		if sized, ok := body.(interface{ Len() int }); ok {
			request.ContentLength = int64(sized.Len())
		}
		request.Header.Set("Content-Type", k.contentType)
	}
	request.Header.Set("User-Agent", c.userAgent)
	if c.token != "" {
		request.Header.Set("Authorization", "apikey "+c.token)
	}
	response, err := c.http.Do(request)
	if errors.Is(err, http.ErrSchemeMismatch) {
		return nil, wrongScheme(request, "http")
	}
	if err != nil {
		return nil, &connectionError{err}
	}
	if response.StatusCode/100 == 2 || slices.Contains(k.accept, response.StatusCode) {
		if k.stream {
			return response, nil
		}
		return buffered(response)
	}
	refused := errorOf(response)
	if err := response.Body.Close(); err != nil {
		return nil, errors.Join(refused, err)
	}
	return nil, refused
}

// buffered reads the whole answer, so that one that breaks off is repeated
// like one that never came.
func buffered(response *http.Response) (*http.Response, error) {
	text, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, &connectionError{fmt.Errorf("the answer broke off: %w", err)}
	}
	response.Body = sizedBody{bytes.NewReader(text)}
	return response, nil
}

func (c *Client) url(k call) string {
	u := c.base.JoinPath(k.path)
	u.RawQuery = k.query.Encode()
	return u.String()
}

// exchange sends in as JSON, when it is not nil, and decodes the answer into
// out, when that is not nil.
func (c *Client) exchange(ctx context.Context, k call, in, out any) (err error) {
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", k.method, k.path, err)
		}
		k.contentType, k.body = "application/json", bytesBody(text)
	}
	response, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(response.Body).Decode(out); err != nil {
		return fmt.Errorf("read the answer of %s %s: %w", k.method, k.path, err)
	}
	return nil
}

// sizedBody is a body whose length is known.
type sizedBody struct{ *bytes.Reader }

func (sizedBody) Close() error { return nil }

func bytesBody(text []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return sizedBody{bytes.NewReader(text)}, nil }
}

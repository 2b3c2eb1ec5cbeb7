package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/client"
	"github.com/meterbook/meterbook/internal/metering"
)

// ExitCode is what the process ends with. The codes are documented and stay.
type ExitCode int

const (
	ExitOK          ExitCode = 0
	ExitInternal    ExitCode = 1
	ExitUsage       ExitCode = 2
	ExitInput       ExitCode = 3
	ExitAuth        ExitCode = 4
	ExitUnavailable ExitCode = 5
	ExitNotFound    ExitCode = 6
	ExitConflict    ExitCode = 7
	ExitDiffers     ExitCode = 8
	ExitInterrupted ExitCode = 130
)

type exitMeaning struct {
	code    ExitCode
	meaning string
}

// exitCodes documents each code, in order.
func exitCodes() []exitMeaning {
	return []exitMeaning{
		{ExitOK, "everything that was asked for is done"},
		{ExitInternal, "a bug, or a fault of the machine that nobody foresaw"},
		{ExitUsage, "the command line is wrong: unknown command or flag, missing or wrong value"},
		{ExitInput, "the input is wrong: a file cannot be read, the server refused the request, or it rejected events"},
		{ExitAuth, "the token is missing, wrong, expired or revoked, or its roles do not allow this"},
		{ExitUnavailable, "the server cannot be reached, is starting or stopping, or asks to come later; or a server's address is in use, or its store cannot be opened"},
		{ExitNotFound, "what the command names does not exist on the server"},
		{ExitConflict, "what the command would make exists already, or is in use"},
		{ExitDiffers, "verify found that something is stored otherwise than it should be"},
		{ExitInterrupted, "stopped by a signal before it was done (serve and demo end with 0)"},
	}
}

// exitOfKind maps each kind of error to its exit code.
func exitOfKind(k metering.Kind) ExitCode {
	switch k {
	case metering.KindUnauthenticated, metering.KindBadToken, metering.KindForbidden:
		return ExitAuth
	case metering.KindUnavailable, metering.KindRateLimited:
		return ExitUnavailable
	case metering.KindInvalid, metering.KindTooLarge, metering.KindUnsupportedMedia:
		return ExitInput
	case metering.KindNotFound, metering.KindMethodNotAllowed:
		return ExitNotFound
	case metering.KindConflict:
		return ExitConflict
	}
	return ExitInternal
}

// kindOfStatus turns a server's refusal back into the kind it came from.
func kindOfStatus(status int) metering.Kind {
	switch status {
	case http.StatusUnauthorized:
		return metering.KindBadToken
	case http.StatusForbidden:
		return metering.KindForbidden
	case http.StatusNotFound:
		return metering.KindNotFound
	case http.StatusMethodNotAllowed:
		return metering.KindMethodNotAllowed
	case http.StatusConflict:
		return metering.KindConflict
	case http.StatusRequestEntityTooLarge:
		return metering.KindTooLarge
	case http.StatusUnsupportedMediaType:
		return metering.KindUnsupportedMedia
	case http.StatusTooManyRequests:
		return metering.KindRateLimited
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return metering.KindUnavailable
	}
	if status >= 500 {
		return metering.KindInternal
	}
	return metering.KindInvalid
}

// usageError is a wrong command line.
type usageError struct {
	command string // to ask for help about
	message string
}

func (e *usageError) Error() string { return e.message }

// exitError ends a command whose output already says what is wrong.
type exitError struct{ code ExitCode }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// explain returns the exit code of an error and what to tell the user, with the
// remedy where there is one.
func explain(ctx context.Context, err error) (ExitCode, string) {
	var usage *usageError
	var exit *exitError
	var refused *client.Error
	var own *metering.Error
	var transport *url.Error
	switch {
	case errors.As(err, &exit):
		return exit.code, ""
	case errors.As(err, &usage):
		return ExitUsage, fmt.Sprintf("meterbook: %s\nSee: %s --help\n", usage.message, usage.command)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return ExitInterrupted, "meterbook: interrupted\n"
	case errors.As(err, &refused):
		return explainRefusal(refused)
	case errors.As(err, &own):
		return exitOfKind(own.Kind), "meterbook: " + err.Error() + "\n" + fieldLines(own.Fields)
	case errors.As(err, &transport):
		return ExitUnavailable, explainConnection(transport)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ExitUnavailable, "meterbook: " + err.Error() + "\nThe server stopped in the middle of its answer; try again.\n"
	}
	return ExitInternal, "meterbook: " + err.Error() + "\n"
}

func explainRefusal(e *client.Error) (ExitCode, string) {
	var b strings.Builder
	fmt.Fprintf(&b, "meterbook: the server refused: %s\n", withoutFields(e))
	b.WriteString(fieldLines(e.InvalidFields))
	code := exitOfKind(kindOfStatus(e.Status))
	switch {
	case code == ExitAuth && e.Status == http.StatusUnauthorized:
		b.WriteString("Give a valid token as METERBOOK_TOKEN or --token; an admin makes one with: meterbook keys create\n")
	case code == ExitAuth:
		b.WriteString("Use a key with the role that this needs; an admin makes one with: meterbook keys create\n")
	case code == ExitUnavailable:
		b.WriteString("Try again later.\n")
	case e.Class == "":
		b.WriteString("This does not look like a Meterbook server; check METERBOOK_URL or --server.\n")
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, "Request id, for the server's log: %s\n", e.RequestID)
	}
	return code, b.String()
}

// withoutFields is the message up to where it repeats the first invalid field,
// which is listed below it with all others.
func withoutFields(e *client.Error) string {
	for path, problems := range e.InvalidFields {
		for _, problem := range problems {
			if before, _, repeated := strings.Cut(e.Message, ": "+path+": "+problem); repeated {
				return before
			}
		}
	}
	return e.Message
}

func explainConnection(e *url.Error) string {
	server := e.URL
	if u, err := url.Parse(e.URL); err == nil {
		server = u.Scheme + "://" + u.Host
	}
	remedy := "Check METERBOOK_URL or --server, and that the server runs (meterbook serve)."
	var certificate *tls.CertificateVerificationError
	var scheme *client.SchemeError
	switch {
	case errors.As(e.Err, &scheme):
		remedy = fmt.Sprintf("Write %s:// in METERBOOK_URL or --server.", scheme.Scheme)
	case errors.As(e.Err, &certificate):
		remedy = "Install the authority of the server's certificate on this machine (on Linux SSL_CERT_FILE names it)."
	}
	cause := e.Err
	var operation *net.OpError
	if errors.As(cause, &operation) {
		cause = operation.Err
	}
	return fmt.Sprintf("meterbook: no answer from %s: %v\n%s\n", server, cause, remedy)
}

// fieldLines lists what is wrong with each field, by name.
func fieldLines(fields map[string][]string) string {
	paths := make([]string, 0, len(fields))
	for path := range fields {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	var b strings.Builder
	for _, path := range paths {
		fmt.Fprintf(&b, "  %s: %s\n", path, strings.Join(fields[path], "; "))
	}
	return b.String()
}

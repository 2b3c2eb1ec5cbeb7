package httpapi

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/meterbook/meterbook/internal/access"
	"github.com/meterbook/meterbook/internal/metering"
)

const (
	reportPath  = "/cloud/v1/usage_report"
	eventsPath  = "/v1/events"
	ownKeyPath  = "/v1/key"
	healthPath  = "/healthz"
	readyPath   = "/readyz"
	metricsPath = "/metrics"
	openAPIPath = "/openapi.json"
)

// operational paths answer whatever state the server is in, and need no key.
func operational(path string) bool {
	return path == healthPath || path == readyPath || path == metricsPath || path == openAPIPath
}

// operation is one method of one path.
type operation struct {
	role   access.Role // that the key must have; 0 where the path is operational
	writes bool        // is refused while the disk is full
	do     func(*exchange) error
}

// endpoint is one path.
type endpoint map[string]operation // by method

// table is all that the server answers.
func (s *Server) table() map[string]endpoint {
	return map[string]endpoint{
		healthPath:  {http.MethodGet: {do: health}},
		readyPath:   {http.MethodGet: {do: ready}},
		metricsPath: {http.MethodGet: {do: s.showMetrics()}},
		openAPIPath: {http.MethodGet: {do: showOpenAPI}},

		reportPath:                {http.MethodPost: {role: access.Reader, do: usageReport}},
		"/cloud/v1/projects":      {http.MethodGet: {role: access.Reader, do: listGcoreProjects}},
		"/cloud/v1/regions":       {http.MethodGet: {role: access.Reader, do: listGcoreRegions}},
		"/cloud/v1/projects/{id}": {http.MethodGet: {role: access.Reader, do: getGcoreProject}},
		"/cloud/v1/regions/{id}":  {http.MethodGet: {role: access.Reader, do: getGcoreRegion}},

		eventsPath: {http.MethodPost: {role: access.Writer, writes: true, do: receiveEvents}},
		ownKeyPath: {http.MethodGet: {role: access.AnyRole, do: showOwnKey}},
		"/v1/keys": collection(access.Admin, listKeys, createKey),
		"/v1/keys/{id}": {
			http.MethodGet:   {role: access.Admin, do: getKey},
			http.MethodPatch: {role: access.Admin, writes: true, do: updateKey},
			// A key that leaked must be ended even while the disk is full. That
			// cannot fill it: each key is revoked once, and was made when there
			// was room.
			http.MethodDelete: {role: access.Admin, do: revokeKey},
		},
		"/v1/clients":       collection(access.Admin, listClients, createClient),
		"/v1/clients/{id}":  item(access.Admin, getClient, renameClient, deleteClient),
		"/v1/projects":      collection(access.Reader, listProjects, createProject),
		"/v1/projects/{id}": item(access.Reader, getProject, updateProject, deleteProject),
		"/v1/regions":       collection(access.Reader, listRegions, createRegion),
		"/v1/regions/{id}":  item(access.Reader, getRegion, updateRegion, deleteRegion),
		seriesPath:          {http.MethodPost: {role: access.Reader, do: usageSeries}},
		sourcesPath:         {http.MethodGet: {role: access.Admin, do: listSources}},
		findingsPath:        {http.MethodGet: {role: access.Admin, do: listFindings}},
		auditPath:           {http.MethodGet: {role: access.Reader, do: explainResource}},

		verifyPath: {http.MethodPost: {role: access.Admin, do: verifyStore}},
		backupPath: {http.MethodPost: {role: access.Admin, do: backUpStore}},
		// It may be what makes room while the disk is full.
		retainPath: {http.MethodPost: {role: access.Admin, do: retainStore}},
	}
}

func collection(readers access.Role, list, create func(*exchange) error) endpoint {
	return endpoint{
		http.MethodGet:  {role: readers, do: list},
		http.MethodPost: {role: access.Admin, writes: true, do: create},
	}
}

func item(readers access.Role, get, update, remove func(*exchange) error) endpoint {
	return endpoint{
		http.MethodGet:    {role: readers, do: get},
		http.MethodPatch:  {role: access.Admin, writes: true, do: update},
		http.MethodDelete: {role: access.Admin, writes: true, do: remove},
	}
}

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for path, e := range s.table() {
		if get, ok := e[http.MethodGet]; ok {
			e[http.MethodHead] = get // net/http leaves out the body
		}
		mux.Handle(path, e.handler(path))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.(*exchange).fail(unknownPath()) })
	return mux
}

// handler answers one path. The mux hands it the exchange as its
// http.ResponseWriter.
func (e endpoint) handler(path string) http.Handler {
	allow := strings.Join(slices.Sorted(maps.Keys(e)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		x := w.(*exchange)
		x.route, x.quiet = path, operational(path)
		if err := e.run(x, allow); err != nil {
			x.fail(err)
		}
	})
}

// run checks what goes before the operation itself, in the order of the table
// of errors (spec 1-usage-report).
func (e endpoint) run(x *exchange, allow string) error {
	if e.isWrite(x.r.Method) {
		// A full queue is no reason to refuse before the key is known.
		if err := x.backend.Store.Writable(); err != nil && metering.KindOf(err) == metering.KindUnavailable {
			return err
		}
	}
	op, known := e[x.r.Method]
	if !known {
		x.Header().Set("Allow", allow)
		return metering.Errorf(metering.KindMethodNotAllowed, "Method not allowed on %s; use %s", x.route, allow)
	}
	if op.role == 0 {
		return op.do(x)
	}
	caller, err := x.authenticate()
	if err != nil {
		return err
	}
	x.caller = caller
	leave, err := x.s.crowd.enter(caller.Key())
	if err != nil {
		return err
	}
	defer leave()
	if err := x.s.limiters.admit(caller.Key(), x.s.options.Clock()); err != nil {
		return err
	}
	if err := caller.Require(op.role); err != nil {
		return err
	}
	return op.do(x)
}

// authenticate finds out whose key it is. A header that is there twice is
// refused: a proxy in front may have judged by the other one.
func (x *exchange) authenticate() (*access.Caller, error) {
	given := x.r.Header.Values("Authorization")
	switch len(given) {
	case 0:
		return x.backend.Access.Authenticate("")
	case 1:
		return x.backend.Access.Authenticate(given[0])
	}
	return nil, metering.Errorf(metering.KindBadToken, "Bad permanent token: there are %d Authorization headers; send one", len(given))
}

// isWrite reports whether a request of the method would write. A method that the
// path does not have counts as one where the path has others that write, unless
// the method is safe (RFC 9110, 9.2.1): 503 goes before 405.
func (e endpoint) isWrite(method string) bool {
	if op, known := e[method]; known {
		return op.writes
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return false
	}
	for _, op := range e {
		if op.writes {
			return true
		}
	}
	return false
}

package console

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
)

// watch collects what a tab must never do, and what its pages weigh. Events
// come from the browser's own goroutine.
type watch struct {
	origin string

	mu struct {
		sync.Mutex
		faults []string
		bytes  int64 // received since the last page was asked for
	}
}

// bindings are functions that scripts of the tests call.
const (
	blockedBinding  = "meterbookBlocked"  // the policy of the page kept something from happening
	executedBinding = "meterbookExecuted" // a text of a source was run as script
)

// watchScript runs before every page. The page cannot see whether its texts may
// call the bindings, only that they are there.
const watchScript = `
document.addEventListener('securitypolicyviolation', e =>
  ` + blockedBinding + `(e.violatedDirective + ' ' + e.blockedURI + ' ' + e.sourceFile + ':' + e.lineNumber + ' ' + e.sample));
window.alert = window.confirm = window.prompt = text => ` + executedBinding + `(String(text));`

func (w *watch) fault(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.faults = append(w.mu.faults, fmt.Sprintf(format, args...))
}

// see is called for every event of the tab, in their order.
func (w *watch) see(event any) {
	switch e := event.(type) {
	case *runtime.EventBindingCalled:
		w.fault("%s: %s", e.Name, e.Payload)
	case *runtime.EventExceptionThrown:
		w.fault("script failed: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			w.fault("console %s: %s", e.Type, said(e.Args))
		}
	case *log.EventEntryAdded:
		w.logged(e.Entry)
	case *network.EventRequestWillBeSent:
		w.asked(e)
	case *network.EventDataReceived:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.mu.bytes += e.DataLength
	}
}

func said(args []*runtime.RemoteObject) string {
	var b strings.Builder
	for _, a := range args {
		fmt.Fprintf(&b, "%s%s ", a.Value, a.Description)
	}
	return b.String()
}

// logged judges an entry of the browser's own log. A page that the server refuses
// is logged too, the tests look at its status; and so is a field for a date that
// shows what was wrong with it.
func (w *watch) logged(entry *log.Entry) {
	refused := strings.Contains(entry.Text, "responded with a status of") || strings.Contains(entry.Text, "does not conform to the required format")
	if (entry.Level == log.EntryLevelError || entry.Level == log.EntryLevelWarning) && !refused {
		w.fault("%s %s: %s %s", entry.Source, entry.Level, entry.Text, entry.URL)
	}
}

// asked notes a request; none may leave the origin.
func (w *watch) asked(e *network.EventRequestWillBeSent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Type == network.ResourceTypeDocument {
		w.mu.bytes = 0
	}
	url := e.Request.URL
	if url != w.origin && !strings.HasPrefix(url, w.origin+"/") && !strings.HasPrefix(url, "data:") && !strings.HasPrefix(url, "about:") {
		w.mu.faults = append(w.mu.faults, "request to another host: "+url)
	}
}

// weight is how many bytes the page took that was asked for last, uncompressed.
func (w *watch) weight() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mu.bytes
}

// faults returns what was collected, and forgets it.
func (w *watch) faults() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := slices.Clone(w.mu.faults)
	w.mu.faults = nil
	return all
}

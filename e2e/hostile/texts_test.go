package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// nasty are JSON values that nobody should send, by what is wrong with them.
func nasty() map[string]string {
	return map[string]string{
		"deep lists":            strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"deep objects":          strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000),
		"deep and open":         strings.Repeat("[", 250_000),
		"a vast exponent":       "1e999999999",
		"a tiny exponent":       "-1e-999999999",
		"400 digits":            strings.Repeat("9", 400),
		"400 places":            "0." + strings.Repeat("1", 400),
		"2^63":                  "9223372036854775808",
		"2^64+1":                "18446744073709551617",
		"NaN":                   "NaN",
		"a plus":                "+1",
		"leading zeros":         "007",
		"hexadecimal":           "0x10",
		"bad UTF-8":             "\"a\xff\xfeb\"",
		"overlong UTF-8":        "\"a\xc0\xafb\"",
		"a surrogate in UTF-8":  "\"\xed\xa0\x80\"",
		"a lone surrogate":      `"\ud800"`,
		"a raw NUL":             "\"a\x00b\"",
		"an escaped NUL":        `"a\u0000b"`,
		"a raw line feed":       "\"a\nb\"",
		"an escaped DEL":        `"a\u007fb"`,
		"C1 controls":           `"a\u009bb"`,
		"a text without end":    `"abc`,
		"a long text":           `"` + strings.Repeat("x", 300_000) + `"`,
		"a name twice":          `{"a":1,"a":2}`,
		"a name twice, escaped": `{"a":1,"\u0061":2}`,
		"a comment":             `/* */ 1`,
		"single quotes":         `'a'`,
		"nothing":               "",
	}
}

// wrapped are bodies as a whole that are not one JSON value.
func wrapped(good string) map[string]string {
	return map[string]string{
		"a BOM":               "\xef\xbb\xbf" + good,
		"UTF-16":              "\xff\xfe" + strings.Join(strings.Split(good, ""), "\x00") + "\x00",
		"NULs behind":         good + "\x00\x00",
		"another value":       good + " {}",
		"a bracket more":      good + "}",
		"cut in the middle":   good[:len(good)/2],
		"cut before the end":  good[:len(good)-1],
		"nothing":             "",
		"blanks":              " \n\t ",
		"gzip without saying": "\x1f\x8b\x08\x00\x00\x00\x00\x00",
	}
}

// TestNastyValuesAreRefusedWithAReason puts each value into each place that
// takes one. The answer must be a 400 or a receipt with a refusal, in valid JSON
// and short, and the server must be as it was.
func TestNastyValuesAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	p := start(t)
	visit, attacker := welcome(t, p), p.tenant("attacker")
	event := strings.TrimSpace(instance(1, "2024-07-01T00:00:00Z", 50, 1, `"flavor":"g1","name":%s`))
	tagged := strings.Replace(event, `"name":`, `"tags":`, 1)
	counted := strings.NewReplacer(`"flavor":"g1","name":%s`, `"flavor":"g1","count":%s`).Replace(event)
	request := `{"time_from":"2024-07-01","time_to":"2024-07-02",%s}`
	tried := 0
	for name, value := range nasty() {
		for _, place := range []struct{ path, body, media string }{
			{"/v1/events", event, eventType}, {"/v1/events", tagged, eventType}, {"/v1/events", counted, eventType},
			{"/v1/events", "[" + event + "]", batchType}, {"/v1/events", event + "\n", streamType}, {"/v1/events", "%s", eventType}, {"/v1/events", "[%s]", batchType},
			{"/cloud/v1/usage_report", fmt.Sprintf(request, `"limit":%s`), ""}, {"/cloud/v1/usage_report", fmt.Sprintf(request, `"projects":[%s]`), ""},
			{"/cloud/v1/usage_report", fmt.Sprintf(request, `"types":%s`), ""}, {"/cloud/v1/usage_report", fmt.Sprintf(request, `"tags":{"conditions":[{"key":%s}]}`), ""},
			{"/cloud/v1/usage_report", fmt.Sprintf(request, `"surprise":%s`), ""}, {"/cloud/v1/usage_report", `{"time_from":%s,"time_to":"2024-07-02"}`, ""},
			{"/v1/projects", `{"id":%s}`, ""}, {"/v1/keys", `{"roles":[%s]}`, ""}, {"/v1/keys", `{"roles":["reader"],"expires_at":%s}`, ""},
		} {
			if fitsThere(name, place.body) {
				continue
			}
			body := strings.Replace(place.body, "%s", value, 1)
			a := p.send("POST", place.path, attacker, body, orJSON(place.media))
			checkRefusal(t, name+" in "+place.path+" "+place.body, a)
			tried++
		}
	}
	if tried < 400 {
		t.Errorf("only %d bodies were tried", tried)
	}
	visit.leave()
}

// fitsThere reports whether a value is fine in that place, or makes something
// else of it.
func fitsThere(name, body string) bool {
	switch name {
	case "2^63", "2^64+1", "400 digits", "a vast exponent", "a tiny exponent", "400 places", "a name twice", "a name twice, escaped", "a long text":
		return false
	case "nothing":
		return body == "[%s]" || strings.Contains(body, "[%s]")
	case "a raw line feed": // which makes two lines of one
		return strings.HasSuffix(body, "\n")
	case "an escaped NUL", "an escaped DEL", "C1 controls": // a filter that matches nothing
		return strings.Contains(body, "conditions")
	}
	return false
}

func orJSON(media string) string {
	if media == "" {
		return "Content-Type: application/json"
	}
	return media
}

// checkRefusal demands an error with a message, or a receipt with a refusal.
func checkRefusal(t *testing.T, what string, a answer) {
	t.Helper()
	var body struct {
		Class    string `json:"exception_class"`
		Message  string `json:"message"`
		Accepted *int   `json:"accepted"`
		Rejected []struct{ Code, Message string }
	}
	err := json.Unmarshal([]byte(a.body), &body)
	refused := a.status == http.StatusUnprocessableEntity && body.Accepted != nil && *body.Accepted == 0 && len(body.Rejected) == 1 && body.Rejected[0].Message != ""
	wrong := (a.status == http.StatusBadRequest || a.status == http.StatusUnsupportedMediaType) && body.Class != "" && body.Message != ""
	if err != nil || !refused && !wrong || len(a.body) > 4096 {
		t.Errorf("%s: %v, %d with %d bytes: %.500s", what, err, a.status, len(a.body), a.body)
	}
}

func TestBodiesThatAreNotOneValueAreRefusedWithAReason(t *testing.T) {
	t.Parallel()
	p := start(t)
	visit, attacker := welcome(t, p), p.tenant("attacker")
	event := strings.TrimSpace(instance(1, "2024-07-01T00:00:00Z", 50, 1, `"flavor":"g1"`))
	for name, body := range wrapped(event) {
		checkRefusal(t, "event with "+name, p.send("POST", "/v1/events", attacker, body, eventType))
		if name != "nothing" && name != "blanks" && name != "another value" { // which is two events, or none
			a := p.send("POST", "/v1/events", attacker, body, streamType)
			if !strings.Contains(name, "UTF-16") { // many lines
				checkRefusal(t, "stream with "+name, a)
			}
		}
		checkRefusal(t, "batch with "+name, p.send("POST", "/v1/events", attacker, strings.Replace(body, event, "["+event+"]", 1), batchType))
	}
	for name, body := range wrapped(patronReport) {
		checkRefusal(t, "report with "+name, p.send("POST", "/cloud/v1/usage_report", attacker, body))
	}
	for name, body := range wrapped(`{"id":7}`) {
		checkRefusal(t, "project with "+name, p.send("POST", "/v1/projects", attacker, body))
	}
	visit.leave()
}

// TestTextsThatLookLikeOthersAreKeptAsTheyAre sends what is no control character,
// though it may fool a reader: it comes back as it was sent.
func TestTextsThatLookLikeOthersAreKeptAsTheyAre(t *testing.T) {
	t.Parallel()
	p := start(t)
	attacker := p.tenant("attacker")
	name := "\u202egpj.exe\u2066\u200b\u2028\U000e0041</script>\ufeff"
	quoted, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	if a := p.send("POST", "/v1/events", attacker, instance(1, "2024-07-01T00:00:00Z", 50, 1, `"flavor":"g1","name":`+string(quoted)), streamType); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	a := p.send("POST", "/cloud/v1/usage_report", attacker, patronReport)
	var body struct {
		Resources []struct {
			Name string `json:"last_name"`
		}
	}
	if err := json.NewDecoder(bytes.NewReader([]byte(a.body))).Decode(&body); err != nil || len(body.Resources) != 1 || body.Resources[0].Name != name {
		t.Errorf("%v, %d %s", err, a.status, a.body)
	}
}

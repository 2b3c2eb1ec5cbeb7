package httpapi_test

import (
	"strings"
	"testing"
)

func TestSeriesAreAsDocumented(t *testing.T) {
	t.Parallel()
	d := newDocumented(t)
	series := func(members string) request {
		return request{method: "POST", path: "/v1/usage/series", body: `{"time_from":"2024-07-01","time_to":"2024-08-01",` + members + `}`}
	}
	d.call(series(`"step":"day","by":"type"`), 200)
	d.load()
	for _, by := range []string{"type", "metric", "project", "region"} {
		for _, step := range []string{"day", "month"} {
			a := d.call(series(`"step":"`+step+`","by":"`+by+`","top":1`), 200)
			if text := string(a.body); !strings.Contains(text, `"in_totals":false`) || strings.Contains(text, `"units":[]`) {
				t.Errorf("by %s: got %s", by, text)
			}
		}
	}
	if a := d.call(series(`"step":"day","by":"type","top":1`), 200); !strings.Contains(string(a.body), `"others":{"groups":`) {
		t.Errorf("got %s", a.body)
	}
	d.call(series(`"step":"day","by":"type","limit":1,"top":0`), 400)
	d.call(request{method: "POST", path: "/v1/usage/series", media: "text/plain", body: "x"}, 415)
	d.call(request{method: "POST", path: "/v1/usage/series", token: "-", body: "{}"}, 401)
	d.call(request{method: "POST", path: "/v1/usage/series", token: d.newKey(`{"name":"w","roles":["writer"]}`), body: "{}"}, 403)
}

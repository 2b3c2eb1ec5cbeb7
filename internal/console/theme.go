package console

import (
	"net/http"
	"slices"
	"time"
)

// theme is what the browser shall look like: "light", "dark", or "auto" as the
// system does.
type theme string

const (
	themeCookie = "meterbook_theme"
	themeAuto   = theme("auto")
	themeKept   = 365 * 24 * time.Hour
)

func themes() []theme { return []theme{themeAuto, "light", "dark"} }

// themeOf reads the choice that the browser keeps.
func themeOf(r *http.Request) theme {
	cookie, err := r.Cookie(themeCookie)
	if err != nil || !slices.Contains(themes(), theme(cookie.Value)) {
		return themeAuto
	}
	return theme(cookie.Value)
}

// Next is the choice that the switch offers.
func (t theme) Next() theme {
	all := themes()
	return all[(slices.Index(all, t)+1)%len(all)]
}

// setTheme keeps the choice in a cookie, which holds no secret.
func (c *Console) setTheme(w http.ResponseWriter, r *http.Request) {
	chosen := theme(r.PostFormValue("theme"))
	if !slices.Contains(themes(), chosen) {
		chosen = themeAuto
	}
	http.SetCookie(w, &http.Cookie{
		Name: themeCookie, Value: string(chosen), Path: "/", MaxAge: int(themeKept / time.Second),
		HttpOnly: true, Secure: isSecure(r), SameSite: http.SameSiteLaxMode,
	})
	redirect(w, r, localAddress(r.PostFormValue("next")))
}

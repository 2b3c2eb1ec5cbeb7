package console

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/meterbook/meterbook/client"
)

// retractionSource is the CloudEvents source of what is sent from here.
const retractionSource = "/console"

// retractionPage asks whether an observation is to be taken back, and shows what
// became of it.
type retractionPage struct {
	Fields  []formField
	Nonce   string // id of the retraction: to send the form twice changes nothing
	At      string // its time, likewise
	Message string // what is wrong with all of it
	Receipt *client.Receipt
	Target  retractionTarget
}

type retractionTarget struct {
	Project            int64
	Source, ID, Reason string
}

func confirmRetraction(v *visit) error {
	query := v.r.URL.Query()
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(v.c.options.Random, nonce); err != nil {
		return fmt.Errorf("make the id of a retraction: %w", err)
	}
	p := &retractionPage{Nonce: hex.EncodeToString(nonce), At: v.now().Time().Format(time.RFC3339)}
	p.Fields = retractionFields(query, nil)
	v.showRetraction(http.StatusOK, p)
	return nil
}

// retractionFields are the fields of the form.
func retractionFields(values url.Values, wrong map[string][]string) []formField {
	field := func(name, label, hint string) formField {
		return formField{Name: name, Label: label, Hint: hint, Value: values.Get(name), Type: "text", Required: true, Errors: wrong[name]}
	}
	return []formField{
		field("project", "Project", "The number of the project that it was sent for."),
		field("source", "Source", "The CloudEvents source of the observation."),
		field("id", "Id", "Its CloudEvents id."),
		field("reason", "Reason", "It is kept with the retraction, for whoever asks later why a figure changed."),
	}
}

func (v *visit) showRetraction(status int, p *retractionPage) {
	v.show(page{template: "retract", title: "Retract an observation", status: status, body: p})
}

// retract sends the retraction as an event, like any source would (spec
// 3-ingest).
func retract(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return &client.Error{Status: http.StatusBadRequest, Message: "The form cannot be read."}
	}
	form := v.r.PostForm
	p := &retractionPage{Nonce: form.Get("nonce"), At: form.Get("at")}
	target, wrong := readRetraction(form)
	at, err := time.Parse(time.RFC3339, p.At)
	if err != nil || p.Nonce == "" {
		return &client.Error{Status: http.StatusBadRequest, Message: "The form is not one of this page. Open it again."}
	}
	if len(wrong) == 0 {
		if err := v.checkProject(target.Project, wrong); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		p.Fields = retractionFields(form, wrong)
		v.showRetraction(http.StatusBadRequest, p)
		return nil
	}
	receipt, err := v.api.SendEvents(v.r.Context(), []client.Event{{
		ID: p.Nonce, Source: retractionSource, Type: client.TypeRetraction, Time: at,
		Data: map[string]any{"project_id": target.Project, "source": target.Source, "id": target.ID, "reason": target.Reason},
	}})
	if err != nil {
		return err
	}
	if receipt.RejectedTotal > 0 && len(receipt.Rejected) > 0 {
		r := receipt.Rejected[0]
		p.Message = fmt.Sprintf("It was refused: %s (%s).", r.Message, r.Code)
		p.Fields = retractionFields(form, nil)
		v.showRetraction(http.StatusUnprocessableEntity, p)
		return nil
	}
	p.Receipt, p.Target = receipt, target
	v.showRetraction(http.StatusOK, p)
	return nil
}

// readRetraction reads what is to be taken back; the API judges the rest.
func readRetraction(form url.Values) (t retractionTarget, wrong map[string][]string) {
	wrong = map[string][]string{}
	var err error
	if t.Project, err = strconv.ParseInt(strings.TrimSpace(form.Get("project")), 10, 64); err != nil || t.Project < 1 {
		wrong["project"] = []string{"Give the number of a project."}
	}
	t.Source, t.ID, t.Reason = form.Get("source"), form.Get("id"), strings.TrimSpace(form.Get("reason"))
	for name, text := range map[string]string{"source": t.Source, "id": t.ID} {
		if text == "" {
			wrong[name] = []string{"Give it as it was sent."}
		}
	}
	if t.Reason == "" {
		wrong["reason"] = []string{"Say why."}
	}
	return t, wrong
}

// checkProject notes a project that is not there: a retraction for it would make
// it. What a key that may only write sees is judged by the API.
func (v *visit) checkProject(id int64, wrong map[string][]string) error {
	_, err := v.api.Project(v.r.Context(), id)
	var refused *client.Error
	switch {
	case !errors.As(err, &refused):
		return err
	case refused.Status == http.StatusNotFound:
		wrong["project"] = []string{"There is no such project, as far as your key sees."}
	case refused.Status != http.StatusForbidden:
		return err
	}
	return nil
}

package server

import (
	"encoding/json"
	"errors"
	"net/http"

	"gemba/mes"
)

// A problem is an error as RFC 9457 writes it. Code is what programs should look at.
type problem struct {
	Type   string   `json:"type" doc:"what kind of problem, as a name that never changes"`
	Title  string   `json:"title" doc:"the kind in words"`
	Status int      `json:"status" doc:"the HTTP status"`
	Detail string   `json:"detail" doc:"what is wrong here, and what would be right"`
	Code   mes.Code `json:"code" doc:"the kind as a code"`
	Field  string   `json:"field,omitempty" doc:"field at fault"`
}

// kinds of problems: status and title of each code.
var kinds = map[mes.Code]struct {
	status int
	title  string
}{
	mes.Invalid:         {http.StatusBadRequest, "The request is not right"},
	mes.Unauthenticated: {http.StatusUnauthorized, "Nobody proved who is asking"},
	mes.Denied:          {http.StatusForbidden, "Not allowed"},
	mes.Unsigned:        {http.StatusForbidden, "A signature is missing"},
	mes.NotFound:        {http.StatusNotFound, "Not there"},
	mes.Refused:         {http.StatusConflict, "Not possible in the present state"},
	mes.Conflict:        {http.StatusConflict, "Somebody else was faster, or an id is in use"},
	mes.TooLarge:        {http.StatusRequestEntityTooLarge, "Too large"},
	mes.Busy:            {http.StatusTooManyRequests, "Too much at this moment"},
	mes.Unavailable:     {http.StatusServiceUnavailable, "The store does not answer"},
	mes.Internal:        {http.StatusInternalServerError, "A fault of ours"},
	credentialInRequest: {http.StatusBadRequest, "A secret where none belongs"},
}

// problemOf makes a problem of an error. What is internal is not in it.
func problemOf(err error) problem {
	code := mes.ErrorCode(err)
	kind, known := kinds[code]
	if !known {
		code = mes.Internal
		kind = kinds[code]
	}
	return problem{
		Type: "urn:gemba:problem:" + string(code), Title: kind.title, Status: kind.status,
		Detail: plainText(mes.ErrorMessage(err), 0), Code: code, Field: faultField(err),
	}
}

// writeProblem answers a request with an error.
func writeProblem(w http.ResponseWriter, err error) {
	p := problemOf(err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Code {
	case mes.Unauthenticated:
		h.Set("WWW-Authenticate", `Bearer realm="gemba"`)
	case mes.Busy:
		h.Set("Retry-After", "1")
	case mes.Unavailable:
		h.Set("Retry-After", "2")
	}
	body, _ := json.Marshal(p)
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}

// faultField is the input at fault, if the error names one.
func faultField(err error) string {
	var f *mes.Fault
	if errors.As(err, &f) {
		return f.Field
	}
	return ""
}

package main

import (
	"slices"
	"strings"
	"time"
)

// MTConnect adapters speak SHDR: lines of fields between bars, a time and then keys with values. What a value is, a
// device model says that we do not have; so conditions and messages are told by their form.

// A shdrLine is what one line says.
type shdrLine struct {
	at      time.Time // zero when the line says no time
	values  []shdrValue
	ignored string // what it is, when it says nothing to keep: "command", "asset", "malformed" …
}

// A shdrValue is what became of one data item.
type shdrValue struct {
	key, value string
	condition  *shdrCondition // instead of a value
}

// A shdrCondition is an alarm, or its end.
type shdrCondition struct {
	level, code, severity, qualifier, text string
}

// Bounds of what a parser keeps.
const (
	maxMultiline  = 1 << 20 // bytes of one value over many lines; what is more is cut off
	maxConditions = 10_000  // keys that are known as conditions
)

// A shdrParser reads lines. It remembers which keys are conditions, and a value that goes over many lines.
type shdrParser struct {
	conditions map[string]bool
	open       *shdrMultiline
}

// A shdrMultiline is a value that ends with its own mark.
type shdrMultiline struct {
	end    string
	at     time.Time
	fields []string
	text   strings.Builder
}

func newSHDRParser() *shdrParser { return &shdrParser{conditions: map[string]bool{}} }

const multilineMark = "--multiline--"

// parse reads the next line. It is not complete while a value goes on over the following lines.
func (p *shdrParser) parse(text string) (line shdrLine, complete bool) {
	text = strings.TrimRight(text, "\r\n")
	if m := p.open; m != nil {
		if text != m.end {
			if m.text.Len()+len(text) < maxMultiline {
				m.text.WriteString(text + "\n")
			}
			return shdrLine{}, false
		}
		p.open = nil
		fields := append(m.fields, strings.TrimSuffix(m.text.String(), "\n"))
		return p.items(m.at, fields), true
	}
	switch {
	case strings.TrimSpace(text) == "":
		return shdrLine{ignored: "empty"}, true
	case strings.HasPrefix(text, "*"):
		return shdrLine{ignored: "command"}, true
	}
	fields := splitBars(text)
	at, dated := parseSHDRTime(fields[0])
	switch {
	case dated || fields[0] == "":
		fields = fields[1:]
	case len(fields)%2 != 0: // pairs may come without a time, but this is neither a time nor a key
		return shdrLine{ignored: "malformed"}, true
	}
	if len(fields) == 0 || fields[0] == "" {
		return shdrLine{at: at, ignored: "malformed"}, true
	}
	if last := fields[len(fields)-1]; strings.HasPrefix(last, multilineMark) && last != multilineMark {
		p.open = &shdrMultiline{end: last, at: at, fields: fields[:len(fields)-1]}
		return shdrLine{}, false
	}
	return p.items(at, fields), true
}

// unfinished is the value that was still going on when the stream ended.
func (p *shdrParser) unfinished() bool { return p.open != nil }

// items reads keys and values.
func (p *shdrParser) items(at time.Time, fields []string) shdrLine {
	line := shdrLine{at: at}
	if kind, isAsset := strings.CutPrefix(fields[0], "@"); isAsset {
		line.ignored = strings.ToLower(strings.TrimSuffix(kind, "@")) // asset, update_asset, remove_asset …
		return line
	}
	if len(fields) == 3 && !p.isCondition(fields) {
		text := fields[2]
		if fields[1] != "" && text != "" {
			text = fields[1] + ": " + text
		}
		line.values = append(line.values, shdrValue{key: fields[0], value: firstOf(text, fields[1])})
		return line
	}
	for len(fields) > 0 {
		if p.isCondition(fields) {
			parts := make([]string, 6)
			n := copy(parts, fields)
			fields = fields[n:]
			if len(p.conditions) < maxConditions {
				p.conditions[parts[0]] = true
			}
			line.values = append(line.values, shdrValue{key: parts[0], condition: &shdrCondition{strings.ToLower(parts[1]), parts[2], parts[3], parts[4], parts[5]}})
			continue
		}
		v := shdrValue{key: fields[0]}
		if len(fields) > 1 {
			v.value = fields[1]
		}
		if v.key != "" {
			line.values = append(line.values, v)
		}
		fields = fields[min(2, len(fields)):]
	}
	return line
}

// conditionFields is key, level, native code, native severity, qualifier and text.
const conditionFields = 6

// isCondition tells whether the fields begin with a condition. A level alone does not make one: an ordinary value may
// be called NORMAL, and every value may be UNAVAILABLE.
func (p *shdrParser) isCondition(fields []string) bool {
	if len(fields) < 2 || fields[0] == "" {
		return false
	}
	known := p.conditions[fields[0]]
	switch strings.ToUpper(fields[1]) {
	case "FAULT", "WARNING":
		return len(fields) != 4 || known || fields[2] == ""
	case "NORMAL":
		return known || len(fields) == conditionFields || len(fields) > 2 && fields[2] == "" || len(fields) == 2 && namedLikeCondition(fields[0])
	case "UNAVAILABLE":
		empty := !slices.ContainsFunc(fields[2:min(len(fields), conditionFields)], func(f string) bool { return f != "" })
		return empty && (len(fields) >= conditionFields || known)
	}
	return false
}

func namedLikeCondition(key string) bool {
	key = strings.ToLower(key)
	return strings.Contains(key, "cond") || strings.Contains(key, "alarm")
}

// splitBars splits a line at its bars. A field in quotation marks may hold bars, written \|.
func splitBars(text string) []string {
	var fields []string
	for {
		if strings.HasPrefix(text, `"`) {
			if end := closingQuote(text); end > 0 {
				fields = append(fields, strings.ReplaceAll(text[1:end], `\|`, "|"))
				if end+1 == len(text) {
					return fields
				}
				text = text[end+2:]
				continue
			}
		}
		field, rest, more := strings.Cut(text, "|")
		fields = append(fields, strings.TrimSpace(field))
		if !more {
			return fields
		}
		text = rest
	}
}

// closingQuote finds the quotation mark that ends a quoted field, 0 when the field only begins with one.
func closingQuote(text string) int {
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] == '|' && text[i-1] != '\\':
			return 0
		case text[i] == '"' && (i+1 == len(text) || text[i+1] == '|'):
			return i
		}
	}
	return 0
}

// parseSHDRTime reads the time of a line: RFC 3339 with any fraction and offset, UTC without one. A duration may
// follow after an @.
func parseSHDRTime(text string) (time.Time, bool) {
	text, _, _ = strings.Cut(text, "@")
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(form, text); err == nil && t.UTC().Year() >= 1970 && t.UTC().Year() < 10_000 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

package ingest

// span is a part of an event's text: [from, to). The zero span is no part: a
// value cannot stand at the very beginning of an object.
type span struct{ from, to int }

func (s span) isZero() bool { return s.to == 0 }

// scanner walks over a text that is known to be valid JSON. The library has
// checked it in one pass, names and UTF-8 included; so what is left is to find
// the ends of values, which takes no error handling and no memory.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) skipSpace() {
	for s.text[s.at] == ' ' || s.text[s.at] == '\n' || s.text[s.at] == '\t' || s.text[s.at] == '\r' {
		s.at++
	}
}

// next skips what stands before a value and returns the value's first byte.
func (s *scanner) next() byte {
	s.skipSpace()
	return s.text[s.at]
}

// object calls read with the name of each member, as it stands between the
// quotes; read must consume the value.
func (s *scanner) object(read func(name []byte)) {
	for s.at++; s.next() != '}'; {
		if s.text[s.at] == ',' {
			s.at++
			s.skipSpace()
		}
		name := s.value()
		s.skipSpace()
		s.at++ // the colon
		read(unquote(s.text[name.from:name.to]))
	}
	s.at++
}

// value consumes a value.
func (s *scanner) value() span {
	switch first := s.next(); first {
	case '"':
		from := s.at
		s.skipString()
		return span{from, s.at}
	case '{', '[':
		return s.nested()
	}
	from := s.at
	for s.at < len(s.text) && !isDelimiter(s.text[s.at]) {
		s.at++
	}
	return span{from, s.at}
}

func isDelimiter(c byte) bool {
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' || c == '\t' || c == '\r'
}

// nested consumes an object or an array.
func (s *scanner) nested() span {
	from := s.at
	for depth := 0; ; {
		switch s.text[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return span{from, s.at}
		}
	}
}

// skipString consumes a string: up to a quote that no backslash escapes. Most
// are short, so a plain loop is faster than a search.
func (s *scanner) skipString() {
	at := s.at + 1
	for s.text[at] != '"' {
		if s.text[at] == '\\' {
			at++
		}
		at++
	}
	s.at = at + 1
}

package rawjson

// fewKeys is up to how many names of one object are compared one by one before
// a map is made of them.
const fewKeys = 16

// skip consumes the value that begins at the current byte.
func (r *Reader) skip() error {
	switch c := r.peek(); c {
	case '{':
		return r.object(nil)
	case '[':
		return r.array(nil)
	case '"':
		_, err := r.text()
		return err
	case 't':
		return r.literal("true")
	case 'f':
		return r.literal("false")
	case 'n':
		return r.literal("null")
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return r.number()
		}
		return r.fail("expected a value, found " + r.found())
	}
}

// object reads the object that begins at the current byte; without fn its
// members are skipped.
func (r *Reader) object(fn func(key []byte) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	names := nameSet{base: len(r.keys)}
	r.space()
	for more := r.peek() != '}'; more; {
		key, err := r.name(&names)
		if err != nil {
			return err
		}
		start := r.pos
		if fn == nil {
			err = r.skip()
		} else if err = fn(key); err == nil {
			err = r.settle(start)
		}
		if err != nil {
			return within(err, string(key))
		}
		if more, err = r.next('}'); err != nil {
			return err
		}
	}
	r.keys = r.keys[:names.base]
	r.leave()
	return nil
}

// array reads the array that begins at the current byte; without fn its
// elements are skipped.
func (r *Reader) array(fn func(i int) error) error {
	if err := r.enter(); err != nil {
		return err
	}
	r.space()
	i := 0
	for more := r.peek() != ']'; more; i++ {
		var err error
		start := r.pos
		if fn == nil {
			err = r.skip()
		} else if err = fn(i); err == nil {
			err = r.settle(start)
		}
		if err != nil {
			return within(err, itoa(i))
		}
		if more, err = r.next(']'); err != nil {
			return err
		}
	}
	r.leave()
	return nil
}

// enter consumes the bracket that opens an object or array.
func (r *Reader) enter() error {
	if r.depth == MaxDepth {
		return r.fail("more than " + itoa(MaxDepth) + " objects and arrays nested in each other")
	}
	r.depth++
	r.pos++
	return nil
}

// leave consumes the bracket that closes it.
func (r *Reader) leave() {
	r.depth--
	r.pos++
}

// settle follows a call of fn for the value at start: an error that fn dropped
// still counts, and a value that it left alone is skipped.
func (r *Reader) settle(start int) error {
	if r.err == nil && r.pos == start {
		return r.skip()
	}
	return r.err
}

// next consumes the comma after a value and the space after it, and reports
// whether there was one. The closing bracket is left to leave.
func (r *Reader) next(closing byte) (bool, error) {
	r.space()
	switch r.peek() {
	case ',':
		r.pos++
		r.space()
		return true, nil
	case closing:
		return false, nil
	}
	return false, r.fail("expected ',' or '" + string(rune(closing)) + "', found " + r.found())
}

// name reads a member's name up to the first byte of its value.
func (r *Reader) name(names *nameSet) ([]byte, error) {
	if r.peek() != '"' {
		return nil, r.fail("expected the name of a member in double quotes, found " + r.found())
	}
	start := r.pos
	key, err := r.text()
	if err != nil {
		return nil, err
	}
	if !names.add(r, key) {
		r.pos = start
		return nil, within(r.fail("the name stands twice in this object"), string(key))
	}
	r.space()
	if r.peek() != ':' {
		return nil, r.fail("expected ':' after the name of a member, found " + r.found())
	}
	r.pos++
	r.space()
	return key, nil
}

// nameSet knows the names of one object: those on the reader's stack from base
// on, and all of them in a map once they are many.
type nameSet struct {
	base int
	seen map[string]struct{}
}

// add reports whether key was not known yet.
func (s *nameSet) add(r *Reader, key []byte) bool {
	if s.seen == nil {
		for _, k := range r.keys[s.base:] {
			if string(k) == string(key) {
				return false
			}
		}
		if r.keys == nil {
			r.keys = make([][]byte, 0, 8)
		}
		r.keys = append(r.keys, key)
		if len(r.keys)-s.base > fewKeys {
			s.seen = make(map[string]struct{}, 4*fewKeys)
			for _, k := range r.keys[s.base:] {
				s.seen[string(k)] = struct{}{}
			}
		}
		return true
	}
	before := len(s.seen)
	s.seen[string(key)] = struct{}{}
	return len(s.seen) > before
}

// literal consumes a word whose first byte was seen.
func (r *Reader) literal(word string) error {
	if end := r.pos + len(word); end <= len(r.data) && string(r.data[r.pos:end]) == word {
		r.pos = end
		return nil
	}
	return r.fail("expected a value, found a word that is neither true, false nor null")
}

// number consumes a number.
func (r *Reader) number() error {
	if r.peek() == '-' {
		r.pos++
	}
	if r.peek() == '0' {
		r.pos++
	} else if !r.digits() {
		return r.fail("expected a digit, found " + r.found())
	}
	if r.peek() == '.' {
		r.pos++
		if !r.digits() {
			return r.fail("expected a digit after the decimal point, found " + r.found())
		}
	}
	if c := r.peek(); c == 'e' || c == 'E' {
		r.pos++
		if c := r.peek(); c == '+' || c == '-' {
			r.pos++
		}
		if !r.digits() {
			return r.fail("expected a digit in the exponent, found " + r.found())
		}
	}
	return nil
}

// digits consumes digits and reports whether there was one.
func (r *Reader) digits() bool {
	start := r.pos
	for r.pos < len(r.data) && r.data[r.pos] >= '0' && r.data[r.pos] <= '9' {
		r.pos++
	}
	return r.pos > start
}

// parseInt converts a JSON number; not ok when it is no integer of 64 bits.
func parseInt(b []byte) (n int64, ok bool) {
	neg := b[0] == '-'
	if neg {
		b = b[1:]
	}
	// Negative throughout, since the range of int64 reaches one further down.
	for _, c := range b {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n < (-1<<63+d)/10 {
			return 0, false
		}
		n = n*10 - d
	}
	if neg {
		return n, true
	}
	return -n, n != -1<<63
}

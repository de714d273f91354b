package host

import "github.com/sourcehost/sourcehost/internal/rawjson"

// secretMember is the name of the member by which a description refers to a
// secret, as in abi.Header.
const secretMember = "secret"

// secretNames returns the names of all secrets that a description refers to, at
// any depth.
func secretNames(desc []byte) map[string]bool {
	names := map[string]bool{}
	r := rawjson.NewReader(desc)
	// A description that is not JSON was refused before it came here; what was
	// found until then still counts.
	_ = collectSecrets(r, names)
	return names
}

func collectSecrets(r *rawjson.Reader, names map[string]bool) error {
	switch r.Kind() {
	case '{':
		return r.Object(func(key []byte) error {
			if string(key) != secretMember || r.Kind() != '"' {
				return collectSecrets(r, names)
			}
			name, err := r.String()
			if err == nil {
				names[name] = true
			}
			return err
		})
	case '[':
		return r.Array(func(int) error { return collectSecrets(r, names) })
	}
	return r.Skip()
}

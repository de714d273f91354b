package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Append encodes the request.
func (p *Path) Append(dst []byte) []byte {
	return append(appendText(append(dst, '{'), "path", p.Path), '}')
}

// DecodePath decodes a request of OpRead, OpStat or OpList.
func DecodePath(data []byte) (Path, error) {
	var p Path
	err := decode(data, &p)
	return p, err
}

func (p *Path) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "path" {
			return readText(r, &p.Path)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (i *FileInfo) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "type", i.Type)
	return append(appendInt(dst, "size", i.Size), '}')
}

// DecodeFileInfo decodes a result of OpStat.
func DecodeFileInfo(data []byte) (FileInfo, error) {
	var i FileInfo
	err := decode(data, &i)
	return i, err
}

func (i *FileInfo) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			return readText(r, &i.Type)
		case "size":
			i.Size, err = r.Int64()
			return err
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (n *Names) Append(dst []byte) []byte {
	return append(appendTexts(append(dst, '{'), "names", n.Names), '}')
}

// DecodeNames decodes a result of OpList.
func DecodeNames(data []byte) (Names, error) {
	var n Names
	err := decode(data, &n)
	return n, err
}

func (n *Names) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "names" {
			return readTexts(r, &n.Names)
		}
		return r.Skip()
	})
}

// Append encodes the request.
func (n *EnvName) Append(dst []byte) []byte {
	return append(appendText(append(dst, '{'), "name", n.Name), '}')
}

// DecodeEnvName decodes a request of OpEnv.
func DecodeEnvName(data []byte) (EnvName, error) {
	var n EnvName
	err := decode(data, &n)
	return n, err
}

func (n *EnvName) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "name" {
			return readText(r, &n.Name)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (v *EnvValue) Append(dst []byte) []byte {
	dst = appendTrue(append(dst, '{'), "set", v.Set)
	return append(appendText(dst, "value", v.Value), '}')
}

// DecodeEnvValue decodes a result of OpEnv.
func DecodeEnvValue(data []byte) (EnvValue, error) {
	var v EnvValue
	err := decode(data, &v)
	return v, err
}

func (v *EnvValue) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "set":
			return readBool(r, &v.Set)
		case "value":
			return readText(r, &v.Value)
		}
		return r.Skip()
	})
}

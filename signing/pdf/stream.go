package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrTooLarge says that a stream holds more than the limit.
var ErrTooLarge = errors.New("pdf: a stream larger than the limit")

// Decode gives the bytes that a stream holds: as they are, or inflated. Other
// filters are not of the profile.
func (s Stream) Decode(limit int) ([]byte, error) {
	if _, ok := s.Dict["DecodeParms"]; ok {
		return nil, errors.New("pdf: a stream with parameters for its filter")
	}
	switch s.Dict["Filter"] {
	case nil:
		if len(s.Raw) > limit {
			return nil, ErrTooLarge
		}
		return bytes.Clone(s.Raw), nil
	case Name("FlateDecode"):
	default:
		return nil, errors.New("pdf: a stream with an unknown filter")
	}
	raw := bytes.NewReader(s.Raw)
	z, err := zlib.NewReader(raw)
	if err != nil {
		return nil, fmt.Errorf("pdf: inflate: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("pdf: inflate: %w", err)
	}
	if len(out) > limit {
		return nil, ErrTooLarge
	}
	if raw.Len() > 0 {
		return nil, errors.New("pdf: bytes after the end of a deflated stream")
	}
	return out, nil
}

// Deflater makes deflated streams. It keeps the compressors for the next
// stream, since making one costs more than using it; it may be used by several
// goroutines.
type Deflater struct {
	pool sync.Pool
}

// Stream gives a stream with these keys that holds data, deflated.
func (d *Deflater) Stream(dict Dict, data []byte) Stream {
	var out bytes.Buffer
	z, ok := d.pool.Get().(*zlib.Writer)
	if ok {
		z.Reset(&out)
	} else {
		z = zlib.NewWriter(&out)
	}
	z.Write(data) // a bytes.Buffer takes everything
	z.Close()
	d.pool.Put(z)
	filtered := Dict{"Filter": Name("FlateDecode")}
	for key, value := range dict {
		filtered[key] = value
	}
	return Stream{Dict: filtered, Raw: out.Bytes()}
}

package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/meterbook/meterbook/internal/metering"
)

//go:embed assets templates
var files embed.FS

const assetsDir = "assets"

// asset is a file that browsers may keep for ever: its name in the address
// changes with its content.
type asset struct {
	file      string // its name before the hash
	address   string // path with the hash
	mediaType string
	plain     []byte
	packed    []byte // the same, gzip
}

// assetHashBytes is how much of the SHA-256 the name has: enough to tell
// versions apart.
const assetHashBytes = 8

// embeddedAssets are the embedded files by the name in their address, which never
// change.
var embeddedAssets = sync.OnceValue(loadAssets)

func loadAssets() map[string]asset {
	assets := map[string]asset{}
	err := fs.WalkDir(files, assetsDir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		mediaType, known := mediaTypes()[path.Ext(p)]
		if !known {
			return nil // a licence
		}
		text, err := fs.ReadFile(files, p)
		if err != nil {
			return err
		}
		name := hashedName(path.Base(p), text)
		assets[name] = asset{file: path.Base(p), address: "/assets/" + name, mediaType: mediaType, plain: text, packed: packed(text)}
		return nil
	})
	if err != nil {
		metering.Bug("the embedded files: %v", err)
	}
	return assets
}

func mediaTypes() map[string]string {
	return map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
}

func hashedName(name string, text []byte) string {
	sum := sha256.Sum256(text)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:assetHashBytes]) + ext
}

func packed(text []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(text)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		metering.Bug("pack into memory: %v", err)
	}
	return out.Bytes()
}

// address is where a browser finds an asset, by the name of its file.
func (c *Console) address(name string) string {
	for _, a := range c.assets {
		if a.file == name {
			return a.address
		}
	}
	metering.Bug("there is no asset %s", name)
	return ""
}

func (c *Console) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, known := c.assets[r.PathValue("name")]
	if !known {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	h, text := w.Header(), a.plain
	h.Set("Content-Type", a.mediaType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		text = a.packed
		h.Set("Content-Encoding", "gzip")
	}
	c.send(w, http.StatusOK, text)
}

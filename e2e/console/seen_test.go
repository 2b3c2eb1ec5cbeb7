package console

import (
	"encoding/json"
	"os"
	"path/filepath"

	_ "embed"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// screen is a size of the viewport in CSS pixels.
type screen struct {
	name          string
	width, height int64
}

var (
	desktop = screen{"desktop", 1440, 900}
	tablet  = screen{"tablet", 768, 1024}
	phone   = screen{"phone", 360, 740}
)

// schemes are what a browser can prefer.
var schemes = []string{"light", "dark"}

func (b *tab) size(s screen) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(s.width, s.height))
}

// prefer sets what the browser prefers: light or dark.
func (b *tab) prefer(scheme string) {
	b.t.Helper()
	must(chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
	}))(b.t)
}

// artifacts is where pictures are kept; git ignores it.
const artifacts = "../artifacts/console"

// maxPictureHeight is how much of a long page a picture has.
const maxPictureHeight = 4000

// picture keeps a screenshot of the page, also of what one must scroll to.
func (b *tab) picture(name string) {
	b.t.Helper()
	area := evaluate[page.Viewport](b, `({x: 0, y: 0, scale: 1, width: innerWidth, height: Math.max(innerHeight, document.documentElement.scrollHeight)})`)
	area.Height = min(area.Height, maxPictureHeight)
	beyond := true
	shot := must(chromedp.Call(b.ctx, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond, Clip: &area}))(b.t)
	if err := os.MkdirAll(artifacts, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(artifacts, name+".png"), shot.Data, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// overflows is script that lists what is wider than the screen, and texts that
// are cut: they stand in a box that hides what is wider than itself. Tables may
// scroll in a box of their own, which can be focused.
const overflows = `(() => {
  const found = [], root = document.documentElement;
  if (root.scrollWidth > innerWidth) found.push('the page is ' + root.scrollWidth + ' wide on a screen of ' + innerWidth);
  const inScroller = e => { for (let p = e.parentElement; p; p = p.parentElement) if (/auto|scroll/.test(getComputedStyle(p).overflowX)) return true; return false; };
  const hiddenFromSight = e => { const r = e.getBoundingClientRect(); return r.width <= 1 || r.height <= 1; };
  for (const e of document.body.querySelectorAll('*')) {
    if (!e.checkVisibility({visibilityProperty: true}) || hiddenFromSight(e) || e.closest('svg, canvas, .unseen')) continue;
    const s = getComputedStyle(e), r = e.getBoundingClientRect();
    const tell = what => found.push(what + ': ' + e.outerHTML.slice(0, 160));
    if (root.scrollWidth > innerWidth && r.right > innerWidth + 1 && !inScroller(e)) tell('reaches to ' + Math.round(r.right));
    const says = [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
    const cut = /hidden|clip/.test(s.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.innerText;
    if (cut && s.textOverflow !== 'ellipsis') tell('is cut');
    if (cut && s.textOverflow === 'ellipsis' && !e.closest('[title]') && !e.querySelector('[title]')) tell('is cut and has no title');
    if (/^(BUTTON|TH|TD|SUMMARY|LABEL)$/.test(e.tagName) && says && e.clientWidth && e.scrollWidth > e.clientWidth + 1 && s.overflowX === 'visible') tell('reaches out of its box');
    if (/auto|scroll/.test(s.overflowX) && e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0 && !e.querySelector('a, button, input')) tell('scrolls and cannot be focused');
  }
  return found.slice(0, 20);
})()`

// overlaps is script that lists controls that lie over each other.
const overlaps = `(() => {
  const found = [];
  const floats = e => { for (let p = e; p; p = p.parentElement) if (/sticky|fixed|absolute/.test(getComputedStyle(p).position)) return true; return false; };
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter(e =>
    e.checkVisibility({visibilityProperty: true, opacityProperty: true}) && e.getBoundingClientRect().width > 1 && e.type !== 'hidden' &&
    !floats(e));
  const clipped = (r, e) => { // to what the boxes around it that scroll or hide let be seen
    let box = {left: r.left, right: r.right, top: r.top, bottom: r.bottom};
    for (let p = e.parentElement; p; p = p.parentElement) {
      if (getComputedStyle(p).overflowX === 'visible') continue;
      const c = p.getBoundingClientRect();
      box = {left: Math.max(box.left, c.left), right: Math.min(box.right, c.right), top: Math.max(box.top, c.top), bottom: Math.min(box.bottom, c.bottom)};
    }
    return box;
  };
  const boxes = all.map(e => [...e.getClientRects()].map(r => clipped(r, e)));
  for (let i = 0; i < all.length; i++) for (let j = i + 1; j < Math.min(all.length, i + 40); j++) {
    if (all[i].contains(all[j]) || all[j].contains(all[i])) continue;
    for (const a of boxes[i]) for (const b of boxes[j])
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2)
        found.push(all[i].outerHTML.slice(0, 120) + ' lies over ' + all[j].outerHTML.slice(0, 120));
  }
  return found.slice(0, 10);
})()`

// checkLayout demands that nothing is cut, reaches out or overlaps.
func (b *tab) checkLayout(what string) {
	b.t.Helper()
	for _, script := range []string{overflows, overlaps} {
		for _, f := range evaluate[[]string](b, script) {
			b.t.Errorf("%s: %s", what, f)
		}
	}
}

//go:embed testdata/axe/axe.min.js
var axe string

// checkAxe demands that axe-core finds no violation, best practices included.
func (b *tab) checkAxe(what string) {
	b.t.Helper()
	for _, v := range b.violations() {
		b.t.Errorf("%s: %s", what, v)
	}
}

// violations is what axe-core finds in the page.
func (b *tab) violations() []string {
	b.t.Helper()
	if !evaluate[bool](b, "typeof axe === 'object'") {
		must(chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](axe)))(b.t)
	}
	text := evaluate[string](b, `axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify({
  passes: r.passes.length,
  violations: r.violations.map(v => v.id + ' (' + v.impact + '): ' + v.help + '\n' +
    v.nodes.slice(0, 5).map(n => '    ' + n.html.slice(0, 200) + '\n    ' + n.failureSummary.replace(/\n/g, ' ')).join('\n'))}))`)
	var result struct {
		Passes     int
		Violations []string
	}
	if err := json.Unmarshal([]byte(text), &result); err != nil {
		b.t.Fatal(err)
	}
	if result.Passes == 0 {
		b.t.Errorf("axe-core looked at nothing at %s", b.at())
	}
	return result.Violations
}

// maxPageBytes bounds what a page and all that it loads weigh, uncompressed.
const maxPageBytes = 400_000

func (b *tab) checkWeight(what string) {
	b.t.Helper()
	if got := b.seen.weight(); got == 0 || got > maxPageBytes {
		b.t.Errorf("%s weighs %d bytes, which must be from 1 to %d", what, got, maxPageBytes)
	}
}

// visitAnew opens a page with all that it loads, whatever the browser has kept.
func (b *tab) visitAnew(path string) (status int) {
	b.t.Helper()
	must(chromedp.Call(b.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}))(b.t)
	return b.visit(path)
}

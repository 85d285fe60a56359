package dashboard

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// series are values of one second after the other; those below 0 are unknown.
type series []float64

// The size of a curve, in its own units.
const (
	curveWidth  = 240
	curveHeight = 48
)

// svg draws the values from 0 to the greatest one.
func (s series) svg(what string) template.HTML {
	if len(s) == 0 {
		return s.svgUpTo(0, what)
	}
	return s.svgUpTo(slices.Max(s), what)
}

// svgUpTo draws the values from 0 to top. Where there is nothing to draw yet it draws a line.
func (s series) svgUpTo(top float64, what string) template.HTML {
	var line strings.Builder
	first, last := -1.0, -1.0
	for i, v := range s {
		if v < 0 {
			continue
		}
		x := float64(curveWidth) * float64(kept-len(s)+i) / float64(kept-1)
		y := float64(curveHeight - 2)
		if top > 0 {
			y -= (curveHeight - 4) * min(1, v/top)
		}
		if first < 0 {
			first = x
		}
		last = x
		fmt.Fprintf(&line, "%.1f,%.1f ", x, y)
	}
	drawn := fmt.Sprintf(`<line x1="0" x2="%d" y1="%d" y2="%d"/>`, curveWidth, curveHeight-2, curveHeight-2)
	if first >= 0 {
		points := strings.TrimSpace(line.String())
		drawn += fmt.Sprintf(`<polygon points="%.1f,%d %s %.1f,%d"/><polyline points="%s"/>`, first, curveHeight, points, last, curveHeight, points)
	}
	// Everything in it is a number, or a word of this program.
	return template.HTML(fmt.Sprintf(`<svg class="curve" viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="The last two minutes: %s">%s</svg>`, //nolint:gosec
		curveWidth, curveHeight, what, drawn))
}

// bar draws a part of one.
func bar(part float64) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg class="bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="all" width="100" height="4"/><rect width="%.1f" height="4"/></svg>`, 100*part)) //nolint:gosec
}

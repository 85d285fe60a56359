package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
)

// The chart's measures, in pixels.
const (
	chartWidth  = 900
	labelWidth  = 430
	lineHeight  = 24
	chartTop    = 48
	chartBottom = 12
	barHeight   = 14
	valueWidth  = 150
)

// most is how far beyond its target a bar goes; more is cut there.
const most = 4.0

// chart draws each row with a target as a bar, on a logarithmic scale on which all
// targets are one line: what ends to its right is better than it must be.
func (r *Report) chart() []byte {
	var rows []Row
	for _, row := range r.Rows {
		if row.Target != nil {
			rows = append(rows, row)
		}
	}
	height := chartTop + len(rows)*lineHeight + chartBottom
	line := place(1)
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`+"\n",
		chartWidth, height)
	fmt.Fprintf(&b, `<title>What make bench measured, as a share of the target</title>`+"\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", chartWidth, height)
	fmt.Fprintf(&b, `<text x="%.0f" y="20" text-anchor="middle" fill="#555">target</text>`+"\n", line)
	fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="28" y2="%d" stroke="#999" stroke-dasharray="3 3"/>`+"\n", line, line, height-chartBottom)
	for i, row := range rows {
		y := chartTop + i*lineHeight
		color := "#2a7f62"
		if row.Reached() < 1 {
			color = "#b3402e"
		}
		end := place(row.Reached())
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#222">%s</text>`, labelWidth-10, y+barHeight-2, escape(row.What))
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, labelWidth, y, end-labelWidth, barHeight, color)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#222">%s</text>`+"\n", end+6, y+barHeight-2, escape(figure(row.Value, row.Unit)+"  ("+row.bound()+")"))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// place returns where a share of the target lies on the axis.
func place(share float64) float64 {
	if math.IsNaN(share) {
		share = 0
	}
	share = min(max(share, 1/most), most)
	return labelWidth + (chartWidth-labelWidth-valueWidth)*(math.Log(share*most)/math.Log(most*most))
}

func escape(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a Buffer takes everything
	return b.String()
}

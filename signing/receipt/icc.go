package receipt

import (
	"encoding/binary"
	"unicode/utf16"
)

// sRGB is the colour space of our pages as an ICC profile (ICC.1:2004-10,
// version 4.2): the primaries of IEC 61966-2-1 seen by D50, and its tone curve.
func sRGB() []byte {
	u32 := func(values ...uint32) (out []byte) {
		for _, v := range values {
			out = binary.BigEndian.AppendUint32(out, v)
		}
		return out
	}
	tagged := func(kind string, values ...uint32) []byte {
		return append(append([]byte(kind), 0, 0, 0, 0), u32(values...)...)
	}
	text := func(s string) []byte {
		units := utf16.Encode([]rune(s))
		out := tagged("mluc", 1, 12)
		out = append(out, "enUS"...)
		out = append(out, u32(uint32(2*len(units)), 28)...)
		for _, u := range units {
			out = binary.BigEndian.AppendUint16(out, u)
		}
		return out
	}
	// Parametric curve 3: ((a·x+b)^g for x ≥ d, c·x below it.
	curve := append([]byte("para"), 0, 0, 0, 0, 0, 3, 0, 0)
	curve = append(curve, u32(0x26666, 0xF2A7, 0x0D59, 0x13D0, 0x0A5B)...)
	tags := []table{
		{"desc", text("sRGB IEC61966-2.1")},
		{"cprt", text("No copyright, use freely")},
		{"wtpt", tagged("XYZ ", 0xF6D6, 0x10000, 0xD32D)},
		{"chad", tagged("sf32",
			0x10C42, 0x5DE, 0xFFFFF325, // 1.04788 0.02292 -0.05020
			0x793, 0xFD90, 0xFFFFFBA1, // 0.02959 0.99048 -0.01707
			0xFFFFFDA2, 0x3DC, 0xC06E)}, // -0.00924 0.01508 0.75168
		{"rXYZ", tagged("XYZ ", 0x6FA2, 0x38F5, 0x0390)},
		{"gXYZ", tagged("XYZ ", 0x6299, 0xB785, 0x18DA)},
		{"bXYZ", tagged("XYZ ", 0x24A0, 0x0F84, 0xB6CF)},
		{"rTRC", curve},
	}

	directory := u32(uint32(len(tags) + 2))
	var data []byte
	first := 128 + 4 + 12*(len(tags)+2)
	for _, t := range tags {
		entry := append([]byte(t.tag), u32(uint32(first+len(data)), uint32(len(t.body)))...)
		directory = append(directory, entry...)
		if t.tag == "rTRC" { // the three curves are one
			directory = append(append(directory, "gTRC"...), entry[4:]...)
			directory = append(append(directory, "bTRC"...), entry[4:]...)
		}
		data = append(data, t.body...)
		for len(data)%4 != 0 {
			data = append(data, 0)
		}
	}

	header := u32(uint32(first+len(data)), 0, 0x04200000)
	header = append(header, "mntrRGB XYZ "...)
	for _, v := range []uint16{2026, 1, 1, 0, 0, 0} { // a date that it must have
		header = binary.BigEndian.AppendUint16(header, v)
	}
	header = append(header, "acsp"...)
	header = append(header, make([]byte, 68-len(header))...) // of no platform, device or maker
	header = append(header, u32(0xF6D6, 0x10000, 0xD32D)...) // D50
	header = append(header, make([]byte, 128-len(header))...)
	return append(append(header, directory...), data...)
}

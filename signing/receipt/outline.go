package receipt

import "sigill/signing/pdf"

// entry is a heading in the list that a viewer shows beside the pages (ISO
// 32000-1, 12.3.3): of a section, or of a part of the section before it.
type entry struct {
	title   string // clean
	part    bool
	page, y int
}

// outline is that list: its root has the number first and its entries those that
// follow. The parts of a section are shown when a reader asks for them.
func outline(entries []entry, first, firstPage int) []pdf.Object {
	objects := make([]pdf.Object, 0, len(entries)+1)
	root := pdf.Dict{"Type": pdf.Name("Outlines")}
	objects = append(objects, root)
	section, sections, before := root, 0, 0 // before: the last section's number
	for i, e := range entries {
		number := pdf.Ref(first + 1 + i)
		item := pdf.Dict{
			"Title": pdf.Text(e.title),
			"Dest":  pdf.Array{pdf.Ref(firstPage + 3*e.page), pdf.Name("XYZ"), pdf.Int(0), pdf.Real(float64(pageHeight-e.y) / 100), pdf.Int(0)},
		}
		parent := root
		if e.part {
			parent = section
			item["Parent"] = pdf.Ref(before)
			count, _ := section["Count"].(pdf.Int)
			section["Count"] = count - 1
		} else {
			item["Parent"] = pdf.Ref(first)
			sections++
			section, before = item, int(number)
		}
		if last, ok := parent["Last"].(pdf.Ref); ok {
			objects[int(last)-first].(pdf.Dict)["Next"] = number
			item["Prev"] = last
		} else {
			parent["First"] = number
		}
		parent["Last"] = number
		objects = append(objects, item)
	}
	root["Count"] = pdf.Int(sections)
	return objects
}

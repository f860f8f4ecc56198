package staff

// An Officer is a made-up case officer.
type Officer struct {
	ID     string
	Sub    string
	Name   string
	Groups []string // of the directory
}

// Officers lists them, always in the same order.
func Officers() []Officer {
	return []Officer{
		{"ett", "staff-1", "Handläggare Ett", []string{"exempelby-forskola"}},
		{"tva", "staff-2", "Handläggare Två", []string{"exempelby-felanmalan"}},
		{"tre", "staff-3", "Handläggare Tre", []string{"provinge-forskola"}},
		{"fyra", "staff-4", "Handläggare Fyra", []string{"exempelby-forskola", "exempelby-felanmalan"}},
		{"fem", "staff-5", "Handläggare Fem", []string{}},
	}
}

func officerByID(id string) (Officer, bool) {
	for _, o := range Officers() {
		if o.ID == id {
			return o, true
		}
	}
	return Officer{}, false
}

package audit

// Acts in the portal. Client is that of the tenant, Order names the case or the
// draft, Login a file or a message of it; where a person is meant, Person is that
// of the citizen or of the officer, and Reason says first of all who it was:
// owner, co_owner, anonymous, citizen or officer.
const (
	CaseRead       Type = "case.read"
	CaseFileRead   Type = "case.file_read"
	CaseMessage    Type = "case.message"
	CaseStatus     Type = "case.status"     // Reason is the new status
	CaseErased     Type = "case.erased"     // its time was over
	CaseRefused    Type = "case.refused"    // somebody asked for one that is there and not theirs
	NoticeWithheld Type = "notice.withheld" // not sent: the person is protected
	ProfileChanged Type = "profile.changed" // how somebody wants to be told
)

// Logins at the portal. Provider is the e-ID, Login names the session, and
// nothing can be done with that name. Reason says why.
const (
	PortalLoggedIn      Type = "portal.logged_in"
	PortalLoginRefused  Type = "portal.login_refused" // what came back was not accepted, or the person is not let in
	PortalLoggedOut     Type = "portal.logged_out"
	PortalSessionEnded  Type = "portal.session_ended" // by itself
	OfficerLoggedIn     Type = "officer.logged_in"
	OfficerLoginRefused Type = "officer.login_refused"
	OfficerLoggedOut    Type = "officer.logged_out"
	OfficerSessionEnded Type = "officer.session_ended"
)

// Drafts. Order names the draft. Of one that is open nothing is told: it is its
// owner's alone, and what the owner does to it is nobody's business.
const (
	DraftRefused Type = "draft.refused" // somebody went for one that is there and not theirs; Reason is what they were about to do
	DraftLocked  Type = "draft.locked"  // it goes out to be signed
	DraftRemoved Type = "draft.removed" // by its owner
	DraftExpired Type = "draft.expired" // its time was over
)

// Sending. Order names the draft, and the case that it becomes, Login the
// signing order.
const (
	DraftReturned         Type = "draft.returned"          // open again; Reason says why, or that it was not taken
	DraftSignatureRefused Type = "draft.signature_refused" // a completed order was not what was locked; Reason says what differs
	CaseArrived           Type = "case.arrived"
	DraftReminded         Type = "draft.reminded"  // its owner has the others asked again
	DraftCorrected        Type = "draft.corrected" // its owner mends how a party is reached; Reason is which
)

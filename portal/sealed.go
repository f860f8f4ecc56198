package portal

// What several rooms seal and open under a tenant's box, and what binds it to
// where it lies.

// SubmissionContext is that of store.Case.Body: a Submission in JSON.
func SubmissionContext(t TenantID, c CaseID) []byte {
	return Context("case", string(t), string(c), "submission")
}

// CaseFileContext is that of store.CaseFile.Sealed: the file's bytes.
func CaseFileContext(t TenantID, c CaseID, f FileID) []byte {
	return Context("case", string(t), string(c), "file", string(f))
}

// CaseMetaContext is that of store.CaseFile.Meta: a form.File in JSON.
func CaseMetaContext(t TenantID, c CaseID, f FileID) []byte {
	return Context("case", string(t), string(c), "meta", string(f))
}

// AskedContext is that of store.Asked.Sealed: the title of what is to be signed,
// as it stands.
func AskedContext(t TenantID, d DraftID, p PersonKey) []byte {
	return Context("asked", string(t), string(d), string(p))
}

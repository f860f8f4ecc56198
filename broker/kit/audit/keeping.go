package audit

// Acts upon the whole of an installation's data. They stand in the broker's chain.
const (
	DataRestored Type = "data.restored" // from a backup; Reason is when that was made
	DataCopied   Type = "data.copied"   // from SQLite to PostgreSQL
)

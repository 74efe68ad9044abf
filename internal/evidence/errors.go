package evidence

// Kind says what a caller can do about an error; the text is for people. Adapters wrap a Kind, callers ask with errors.As.
type Kind string

// The kinds of error that any caller acts on.
const (
	NotFound    Kind = "not found"           // nothing by that name; asking again changes nothing
	Conflict    Kind = "conflict"            // somebody moved it on: read again and decide again
	Invalid     Kind = "invalid"             // the request is wrong; the words say how
	Refused     Kind = "refused"             // the record's state forbids it, for good
	Denied      Kind = "denied"              // this actor may not
	Anonymous   Kind = "not signed in"       // nobody is known to be asking
	Unreadable  Kind = "unreadable"          // the recording cannot be read as one; trying again changes nothing
	Unavailable Kind = "unavailable for now" // a service did not answer; try again later
	TooLarge    Kind = "too large"
)

// Error makes a Kind an error, so that it can be wrapped with %w.
func (k Kind) Error() string { return string(k) }

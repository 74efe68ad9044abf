package evidence

// Next is the transition table, for its golden file.
func Next(from State, op Operation) (State, bool) { return next(from, op) }

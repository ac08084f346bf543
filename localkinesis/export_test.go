package localkinesis

// Operations are the operations the server has, by name.
func Operations() map[string]*operation { return operations }
